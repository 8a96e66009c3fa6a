//! bridge exact: the control itself, on a grid.

use anyhow::{Result, anyhow};
use clap::Args;

use super::SettingArgs;
use super::setting::place;
use super::table::ON_GRID;
use crate::blocks::room;
use crate::bridge::exact::{closed, of_chain};
use crate::cli::{Job, Numbers, Program, count, parse_list, usage};

/// Tell the control u(t_k, x) = ∂_x log p(X_T = y | X_{t_k} = x) at every step and place.
///
/// Of brownian and ou that of the process, in closed form. Of other drifts that of the chain of K steps which score and
/// sample simulate, by quadrature backwards from the end, exact but for rounding; it differs from the process's by
/// O(T/K). sample takes the table, straight between places.
///
/// Memory: the table; the time of a quadrature grows with K².
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    setting: SettingArgs,
    /// Where paths are to end, y
    #[arg(long, value_name = "Y")]
    target: f64,
    /// First and last place x
    #[arg(long, value_name = "LO,HI", default_value = "-3,3", value_parser = parse_list, allow_hyphen_values = true)]
    range: Numbers,
    /// Places, evenly from first to last
    #[arg(long, value_name = "N", default_value = "121", value_parser = count(2..=100_000_u32))]
    places: u32,
    /// Of brownian and ou, too, that of the chain
    #[arg(long)]
    chain: bool,
}

impl Program for Arguments {
    fn run(self, job: &Job) -> Result<()> {
        let setting = self.setting.setting()?;
        place("--target", self.target).map_err(usage)?;
        let [low, high] = self.range.0[..] else {
            return Err(usage(anyhow!("--range: write the first and the last place, as in -3,3")));
        };
        [low, high].into_iter().try_for_each(|end| place("--range", end)).map_err(usage)?;
        let n = self.places as usize;
        let x: Vec<f64> = (0..n).map(|i| low + (high - low) * i as f64 / (n - 1) as f64).collect();
        if x.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(usage(anyhow!("--range {low},{high}: must rise from the first place to the last")));
        }
        let has_form = closed(&setting, setting.horizon, low, self.target).is_some();
        job.only(has_form, &["--chain"], "this drift has no closed form, and the chain's is told")?;
        room(&[setting.steps, n], "--steps")?;
        let mut table = job.table(&ON_GRID)?;
        let u = if has_form && !self.chain {
            let left = |k: usize| setting.time(setting.steps - k);
            let at = |k: usize| x.iter().filter_map(|x| closed(&setting, left(k), *x, self.target)).collect();
            (0..setting.steps).map(at).collect()
        } else {
            // Where a path from one end of the range to the target goes: its deviation is half of this at most.
            let spread = 8.0 * 0.5 * setting.noise_std * setting.horizon.sqrt();
            let within = (low.min(self.target) - spread, high.max(self.target) + spread);
            of_chain(&setting, self.target, &x, within)?
        };
        let system = setting.system.to_string();
        for (k, u) in u.iter().enumerate() {
            for (x, u) in x.iter().zip(u) {
                let mut row = vec![system.as_str().into(), setting.noise_std.into(), setting.horizon.into()];
                row.extend([self.target.into(), k.into(), setting.time(k).into(), (*x).into(), (*u).into()]);
                table.row(&row)?;
            }
        }
        table.finish()
    }
}
