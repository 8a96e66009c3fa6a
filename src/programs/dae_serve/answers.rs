//! What is answered to a request.

use anyhow::{Context, Result, bail, ensure};
use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use crate::denoiser::classes::class_of;
use crate::denoiser::external::Ability;
use crate::denoiser::model::Kind;
use crate::denoiser::{Asked, Differentiable, Model, NetworkDenoiser};
use crate::network::Classes;
use crate::scalar::Scalar;
use crate::schedule::SIGMAS;
use crate::stream::tensors::TensorFile;

/// A denoiser that may be asked for another class by every request.
pub(super) struct Served<T: Scalar> {
    classes: Option<Classes>,
    denoiser: Asks<T>,
}

enum Asks<T: Scalar> {
    Network(Box<NetworkDenoiser<T>>),
    Nothing(Box<dyn Differentiable<T>>),
}

impl<T: Scalar> Served<T> {
    pub fn new(model: Model) -> Result<Served<T>> {
        let classes = model.classes();
        let denoiser = match model.kind {
            Kind::Network(_) => Asks::Network(Box::new(model.into_network()?)),
            _ => Asks::Nothing(model.into_differentiable()?),
        };
        Ok(Served { classes, denoiser })
    }

    /// The denoiser of these classes.
    fn of(&mut self, asked: Asked) -> Result<&dyn Differentiable<T>> {
        asked.check(self.classes)?;
        Ok(match &mut self.denoiser {
            Asks::Network(network) => {
                network.ask(asked);
                &**network
            }
            Asks::Nothing(other) => &**other,
        })
    }
}

/// The class of every row of a request, if it gives one.
fn classes(request: &mut TensorFile, rows: usize) -> Result<Option<Vec<u32>>> {
    if !request.has("class") {
        return Ok(None);
    }
    let classes = request.take("class")?.into_wide();
    let classes: Option<Vec<u32>> = classes.into_iter().map(class_of).collect();
    let classes = classes.filter(|classes| classes.len() == rows);
    let none = || format!("class must be a whole number from 0 for each of the {rows} rows of x");
    classes.with_context(none).map(Some)
}

/// What a request asks for, (n, d).
pub(super) fn answer<T: Scalar>(
    served: &mut Served<T>,
    item_shape: &[usize],
    mut request: TensorFile,
) -> Result<Array2<T>> {
    let op = request.entry("op").unwrap_or("").to_string();
    let Some(ability) = Ability::of(&op).filter(|ability| *ability != Ability::Describe) else {
        bail!("asked for {op:?}; ask for denoise, jvp or vjp");
    };
    let mut rows = |name: &str| -> Result<Array2<T>> {
        let tensor = request.take(name)?;
        ensure!(
            tensor.shape.len() == 1 + item_shape.len() && tensor.shape[1..] == *item_shape,
            "{name} has shape {:?}, where items have {item_shape:?}",
            tensor.shape
        );
        let width = item_shape.iter().product();
        Ok(Array2::from_shape_vec((tensor.shape[0], width), tensor.values.into_vec())?)
    };
    let x = rows("x")?;
    let v = if ability == Ability::Denoise { None } else { Some(rows("v")?) };
    let sigma: Vec<f64> = request.take("sigma")?.values.into_vec();
    let m = v.as_ref().map_or(x.nrows(), |v| if x.nrows() == 1 { 1 } else { v.nrows() });
    ensure!(
        m == x.nrows() && sigma.len() == x.nrows(),
        "{} rows of x, {} of v and {} sigmas do not go together",
        x.nrows(),
        v.map_or(0, |v| v.nrows()),
        sigma.len()
    );
    ensure!(
        sigma.iter().all(|sigma| SIGMAS.contains(sigma)),
        "noise levels must be positive, between 1e-18 and 1e18"
    );
    let classes = classes(&mut request, x.nrows())?;
    let Some(v) = v else {
        let asked = classes.map_or(Asked::Nothing, |classes| Asked::Rows(classes.into()));
        return denoised(served.of(asked)?, x.view(), &sigma);
    };
    let mut product = |row: usize, v: ArrayView2<T>| {
        let class = classes.as_ref().map_or(Asked::Nothing, |classes| Asked::One(classes[row]));
        let denoiser = served.of(class)?;
        match ability {
            Ability::Vjp => denoiser.vjp(x.row(row), v, sigma[row]),
            _ => denoiser.jvp(x.row(row), v, sigma[row]),
        }
    };
    if x.nrows() == 1 {
        return product(0, v.view());
    }
    let mut products = Array2::zeros(v.raw_dim());
    for (row, mut answer) in products.axis_chunks_iter_mut(Axis(0), 1).enumerate() {
        answer.assign(&product(row, v.slice(s![row..row + 1, ..]))?);
    }
    Ok(products)
}

/// D, where neighbours of one level go together.
fn denoised<T: Scalar>(
    denoiser: &dyn Differentiable<T>,
    x: ArrayView2<T>,
    sigma: &[f64],
) -> Result<Array2<T>> {
    let mut d = Array2::zeros(x.raw_dim());
    let mut start = 0;
    for level in sigma.chunk_by(|a, b| a == b) {
        let rows = s![start..start + level.len(), ..];
        let block = denoiser.block(level.len());
        let mut part = d.slice_mut(rows);
        let blocks = part.axis_chunks_iter_mut(Axis(0), block).into_par_iter();
        blocks.zip(x.slice(rows).axis_chunks_iter(Axis(0), block)).enumerate().try_for_each(
            |(i, (mut d, x))| {
                d.assign(&denoiser.denoise_rows(x, (start + i * block) as u64, level[0])?);
                anyhow::Ok(())
            },
        )?;
        start += level.len();
    }
    Ok(d)
}
