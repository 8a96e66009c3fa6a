//! icl optimal: the best linear attention, in closed form.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use ndarray::Axis;

use super::{COLUMNS, SettingArgs, add};
use crate::cli::{Job, Program};
use crate::stream::ArrayWriter;

/// The risk of the best linear attention on tasks at angles to those of training, in closed form.
///
/// Exact, so that there is no std_error.
///
/// Memory: some d × d numbers.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    setting: SettingArgs,
    /// Write Γ* of every --prompt there, (prompts, d, d)
    #[arg(long, value_name = "FILE")]
    gamma: Option<PathBuf>,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let setting = self.setting.check(job, false)?;
        let mut table = job.table(COLUMNS)?;
        let shape = [setting.dim; 2];
        let gamma = self.gamma.as_deref();
        let mut gamma =
            gamma.map(|path| job.side_array::<f64>(path, Some(setting.prompts.len()), &shape)).transpose()?;
        let sigma = setting.tasks.covariance(setting.dim, setting.rank, setting.ridge);
        for &prompt in &setting.prompts {
            let best = prompt.optimal(sigma.view())?;
            let mut risks = setting.nothing_known();
            add(&mut risks, &setting.risks(prompt, best.view()));
            setting.write(&mut table, prompt, &risks)?;
            if let Some(gamma) = &mut gamma {
                gamma.write(best.flatten().insert_axis(Axis(0)).view())?;
            }
        }
        gamma.map_or(Ok(()), ArrayWriter::finish)?;
        table.finish()
    }
}
