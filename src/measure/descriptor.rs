//! What rp-score compares: rows as they are, or less their mean, or their
//! principal coordinates.
//!
//! On small images the cosine of raw pixels cannot tell copies from new images;
//! that of whitened principal coordinates can.

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, ArrayView2};

use crate::blocks::{block_size, map_rows};
use crate::denoiser::External;
use crate::linalg::{cast, product};
use crate::mixture::Mixture;
use crate::scalar::Scalar;

/// Which descriptor, as `--descriptor` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The row itself.
    Raw,
    /// Less the mean of the data it is fitted to.
    Center,
    /// Coordinates along the Q leading principal axes.
    Pca(usize),
    /// The same, each scaled to unit variance.
    Whiten(usize),
    /// What the program of this command makes of it.
    Program(String),
}

impl Choice {
    /// Whether its mean and axes come from data.
    pub fn is_fitted(&self) -> bool {
        matches!(self, Choice::Center | Choice::Pca(_) | Choice::Whiten(_))
    }
}

impl std::str::FromStr for Choice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let axes = |q: &str| {
            q.parse::<usize>().ok().filter(|q| *q > 0).ok_or(format!("{q:?} is not a number of axes"))
        };
        match text.split_once(':') {
            Some(("exec", command)) => Ok(Choice::Program(command.to_string())),
            Some(("pca", q)) => axes(q).map(Choice::Pca),
            Some(("whiten", q)) => axes(q).map(Choice::Whiten),
            None if text == "none" => Ok(Choice::Raw),
            None if text == "center" => Ok(Choice::Center),
            _ if text.ends_with(".onnx") => {
                Err("this build reads no ONNX files; compute the features elsewhere and give them as arrays"
                    .into())
            }
            _ => Err("give none, center, pca:Q, whiten:Q or exec:COMMAND".into()),
        }
    }
}

/// A descriptor fitted to data.
pub enum Descriptor {
    Raw,
    Center(Array1<f64>),
    /// Mean, and axes (d, Q) scaled as wanted.
    Axes(Array1<f64>, Array2<f64>),
    /// A program, and the shape of the items that it is given.
    Program(External, Vec<usize>),
}

impl Descriptor {
    /// The descriptor that `choice` makes of the data's mean and principal axes.
    ///
    /// # Errors
    /// When more axes are asked for than the data have. What a program makes of rows is fitted to none.
    pub fn fitted(choice: &Choice, gaussian: &Mixture) -> Result<Descriptor> {
        let c = &gaussian.components[0];
        let axes = |q: usize| {
            ensure!(
                q <= c.variances.len(),
                "{q} principal axes, but the data it is fitted to span only {}; ask for fewer or fit to more data",
                c.variances.len()
            );
            Ok(c.basis.slice(ndarray::s![.., ..q]).to_owned())
        };
        Ok(match choice {
            Choice::Raw | Choice::Program(_) => Descriptor::Raw,
            Choice::Center => Descriptor::Center(c.mean.clone()),
            Choice::Pca(q) => Descriptor::Axes(c.mean.clone(), axes(*q)?),
            Choice::Whiten(q) => {
                let mut scaled = axes(*q)?;
                for (mut column, v) in scaled.columns_mut().into_iter().zip(&c.variances) {
                    column /= v.sqrt();
                }
                Descriptor::Axes(c.mean.clone(), scaled)
            }
        })
    }

    /// The descriptors of the rows of x, of which the first has the number `first` in the whole of the work.
    ///
    /// # Errors
    /// A program's.
    pub fn apply<T: Scalar>(&self, x: Array2<T>, first: u64) -> Result<Array2<T>> {
        Ok(match self {
            Descriptor::Raw => x,
            Descriptor::Program(program, shape) => program.describe(x.view(), shape, first)?,
            Descriptor::Center(mean) => x - &mean.mapv(T::of),
            Descriptor::Axes(mean, axes) => {
                map_rows(x.view(), block_size(x.nrows()), axes.ncols(), |x: ArrayView2<T>| {
                    let centred = cast::<T, f64>(x) - mean;
                    Ok(cast(product(centred.view(), axes.view()).view()))
                })?
            }
        })
    }
}
