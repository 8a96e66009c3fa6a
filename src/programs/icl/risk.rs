//! icl risk: how well linear attention answers, by formula or by simulation.

use std::ffi::OsString;

use anyhow::{Result, anyhow, ensure};
use clap::Args;
use ndarray::{Array2, ArrayView2};

use super::{COLUMNS, Setting, SettingArgs, add};
use crate::cli::{Block, Job, Program, Source, count, usage};
use crate::in_context::{Prompt, Prompts};

/// The risk of linear attention on tasks at angles to the first subspace.
///
/// Of Γ from a file, or of the optimum for --tasks. Exact, without std_error, unless several Γ are given for every
/// prompt: then their mean and its error. With --simulate, the mean over prompts that are drawn with all their pairs, and
/// of all these Γ, and its error.
///
/// Memory: GAMMA, and some d × d numbers.
#[derive(Args)]
pub struct Arguments {
    /// Γ, d × d, as many for each --prompt, in that order, as icl optimal and icl train write them (default: the optimum)
    gamma: Option<OsString>,
    #[command(flatten)]
    setting: SettingArgs,
    /// Draw so many prompts, the same at all angles
    #[arg(long, value_name = "N", value_parser = count(2..=u32::MAX))]
    simulate: Option<u32>,
}

/// Prompts that a thread draws at once.
const BLOCK: usize = 64;

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        job.only(self.simulate.is_some(), &["--seed"], "only --simulate draws")?;
        let setting = self.setting.check(job, self.gamma.is_some())?;
        job.numbered(true, "GAMMA", "they belong to prompts by their number")?;
        let gammas = self.gammas(job, &setting)?;
        let mut table = job.table(COLUMNS)?;
        let each = gammas.len() / setting.prompts.len();
        let doubt =
            mixed(&setting.prompts, &gammas, each).or_else(|| disorder(&setting.prompts, &gammas, each));
        doubt.iter().for_each(|text| job.warn(text));
        for (&prompt, gammas) in setting.prompts.iter().zip(gammas.chunks(each)) {
            let mut risks = setting.nothing_known();
            match self.simulate {
                Some(count) => {
                    let gammas: Vec<ArrayView2<f64>> = gammas.iter().map(|gamma| gamma.view()).collect();
                    let prompts = Prompts { prompt, seed: job.shared.seed };
                    let errors = |block: Block<f64>| {
                        Ok(block
                            .rows
                            .map(|i| prompts.squared_errors(i, &gammas, &setting.bases))
                            .collect::<Vec<_>>())
                    };
                    let source = Source::Numbers(0..count.into());
                    job.each_block(source, BLOCK, "prompts", errors, |_, errors| {
                        errors.iter().for_each(|errors| add(&mut risks, errors));
                        Ok(())
                    })?;
                }
                None => gammas.iter().for_each(|gamma| add(&mut risks, &setting.risks(prompt, gamma.view()))),
            }
            setting.write(&mut table, prompt, &risks)?;
        }
        table.finish()
    }
}

/// The trace of a Γ of longer prompts is larger, as h is surer: by less than this share it may be smaller where training has not
/// come to its end. Repeats of one training are nearer to each other.
const LARGER: f64 = 0.9;

/// Why matrices of a prompt are hardly repeats of one: their traces differ.
fn mixed(prompts: &[Prompt], gammas: &[Array2<f64>], each: usize) -> Option<String> {
    let differ = |(prompt, gammas): (&Prompt, &[Array2<f64>])| {
        let traces = || gammas.iter().map(|gamma| gamma.diag().sum());
        let (least, most) =
            (traces().fold(f64::INFINITY, f64::min), traces().fold(f64::NEG_INFINITY, f64::max));
        let apart = (1.0 - LARGER) * most.abs().max(least.abs());
        (most - least > apart).then(|| {
            format!(
                "the {each} matrices that GAMMA has for {} pairs have traces from {least:.4} to {most:.4}, where repeats of one \
                 training have about the same: matrices are of other prompts or tasks; give --prompt as they were trained, or take \
                 them apart with npy cat --rows",
                prompt.pairs
            )
        })
    };
    prompts.iter().zip(gammas.chunks(each)).find_map(differ)
}

/// Why matrices are hardly those of these prompts in this order: two prompts, the longer of which has the smaller trace.
fn disorder(prompts: &[Prompt], gammas: &[Array2<f64>], each: usize) -> Option<String> {
    let trace =
        |gammas: &[Array2<f64>]| gammas.iter().map(|gamma| gamma.diag().sum()).sum::<f64>() / each as f64;
    let mut all: Vec<(usize, f64)> = prompts
        .iter()
        .zip(gammas.chunks(each))
        .map(|(prompt, gammas)| (prompt.pairs, trace(gammas)))
        .collect();
    all.sort_by_key(|(pairs, _)| *pairs);
    let pair = all.windows(2).find(|pair| pair[0].0 < pair[1].0 && pair[1].1 < LARGER * pair[0].1)?;
    let [(short, more), (long, less)] = [pair[0], pair[1]];
    Some(format!(
        "GAMMA of {long} pairs has the trace {less:.4}, and that of {short} {more:.4}, where more pairs make it larger: matrices are \
         of other prompts, or in another order; give --prompt as they were trained"
    ))
}

impl Arguments {
    /// As many for each prompt.
    fn gammas(&self, job: &Job, setting: &Setting) -> Result<Vec<Array2<f64>>> {
        let Setting { dim, prompts, .. } = setting;
        let Some(name) = &self.gamma else {
            let sigma = setting.tasks.covariance(*dim, setting.rank, setting.ridge);
            return prompts.iter().map(|prompt| prompt.optimal(sigma.view())).collect();
        };
        job.wait_for_stdin(&[Some(name)])?;
        let mut rows = job.all_rows(Some(name))?;
        let (name, shape) = (rows.name().to_string(), rows.item_shape().to_vec());
        ensure!(
            shape == [*dim; 2] || shape == [dim * dim],
            "{name}: items of shape {shape:?}, where Γ is {dim} × {dim}; give the --dim that it is of"
        );
        let rows = rows.read_all::<f64>()?;
        ensure!(rows.nrows() > 0, "{name}: no rows; give a Γ for each --prompt");
        if !rows.nrows().is_multiple_of(prompts.len()) {
            return Err(usage(anyhow!(
                "{name}: {} matrices for {} --prompt; give as many for each",
                rows.nrows(),
                prompts.len()
            )));
        }
        let square =
            |row: ndarray::ArrayView1<f64>| Ok(row.to_owned().into_shape_with_order((*dim, *dim))?);
        rows.outer_iter().map(square).collect()
    }
}
