//! How to find directions.

use anyhow::Result;
use clap::ValueEnum;

use crate::blocks::room;
use crate::cli::Job;
use crate::denoiser::Differentiable;
use crate::measure::jacobian_basis as measure;
use crate::scalar::Scalar;

use super::Arguments;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// The whole spectrum, in closed form where there is one
    Exact,
    /// The leading part of it by products with J and its transpose
    Iterated,
}

/// Size of a problem up to which it is solved exactly.
const EXACT: usize = 512;

impl Arguments {
    /// How to look for directions; `one_way` where products with J alone, or with its transpose alone, are to be had.
    pub(super) fn method<T: Scalar>(
        &self,
        job: &Job,
        denoiser: &dyn Differentiable<T>,
        one_way: bool,
    ) -> Result<measure::Method> {
        let d = denoiser.dim();
        let small = denoiser.closed_form().unwrap_or(d) <= EXACT;
        // What cannot take both products is made to take all of one.
        let exact = self.method.map_or(small || one_way, |method| method == Method::Exact);
        if !exact {
            self.jacobian.gives_both("--method iterated")?;
        }
        let iterates = ["--tolerance", "--iterations"];
        job.only(!exact, &iterates, "the spectrum is exact; they are for --method iterated")?;
        job.only(!exact || self.add_noise, &["--seed"], "nothing is drawn")?;
        if exact && denoiser.closed_form().is_none() {
            room(&[4, d, d], "--method exact")?;
        }
        // Frames of as many directions, for each thread.
        room(&[10, self.top as usize + self.null_rank as usize, d], "--top")?;
        if exact {
            return Ok(measure::Method::Exact);
        }
        let most = self.iterations as usize;
        Ok(measure::Method::Iterated { tolerance: self.tolerance, most })
    }
}
