//! A denoiser that is linear in random features (Rahimi and Recht 2007), one map for each of the noise levels that it was
//! fitted at. With c = 1/√(σ_l² + σ_d²) and m and σ_d² the mean and the variance of the data,
//!
//! φ_j(x) = √2 cos(c ω_jᵀ(x − m) + b_j), and D(x; σ_l) = m + A_l φ(x)/√p, or x − σ_l A_l φ(x)/√p,
//!
//! as A_l was fitted to the data or to the noise. What it learns, and in what order, is known exactly
//! ([`crate::fit::random_features`]): a model of how networks err.

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView2, Axis};

use super::affine::level_of;
use super::{Denoiser, Differentiable};
use crate::linalg::product;
pub use crate::network::random_features::{Features, Target};
use crate::scalar::{Dtype, Scalar};
use crate::stream::tensors::{Entry, Numbers, TensorFile, Values};

/// Features and A_l of all levels, as a model file holds them.
pub struct RandomFeatures {
    pub features: Features,
    pub target: Target,
    /// σ_l.
    pub sigmas: Vec<f64>,
    /// (L, d, p).
    coefficients: Values,
}

impl RandomFeatures {
    /// No level yet, of numbers in T, to which its own are rounded.
    pub fn new<T: Scalar>(features: Features, target: Target) -> RandomFeatures {
        let rounded = |v: f64| T::of(v).wide();
        let features = Features {
            frequencies: features.frequencies.mapv_into(rounded),
            phases: features.phases.mapv_into(rounded),
            mean: features.mean.mapv_into(rounded),
            sigma_data: features.sigma_data,
        };
        RandomFeatures { features, target, sigmas: Vec::new(), coefficients: Values::new::<T>(vec![]) }
    }

    /// Adds A of a level, (d, p).
    pub fn push<T: Scalar>(&mut self, sigma: f64, coefficients: ArrayView2<f64>) {
        self.sigmas.push(sigma);
        self.coefficients.append(Values::new::<T>(coefficients.iter().map(|a| T::of(*a)).collect()));
    }

    /// Numbers that are fitted.
    pub fn parameters(&self) -> usize {
        self.coefficients.len()
    }

    /// Of the stored numbers.
    pub fn dtype(&self) -> Dtype {
        self.coefficients.dtype()
    }

    /// d.
    pub(super) fn dim(&self) -> usize {
        self.features.mean.len()
    }

    pub(super) fn read(file: &mut TensorFile) -> Result<RandomFeatures> {
        let name = file.entry("target").unwrap_or("").to_string();
        let target = Target::from_str(&name, false).ok();
        let target =
            target.with_context(|| format!("damaged, or of a later version: its target is {name:?}"))?;
        let sigma_data = file.entry("sigma_data").and_then(|v| v.parse::<f64>().ok());
        let sigma_data = sigma_data.filter(|s| *s > 0.0 && s.is_finite());
        let sigma_data = sigma_data.context("damaged: its metadata lack a proper sigma_data")?;
        let sigmas = file.take("sigmas")?.into_wide();
        let (frequencies, phases) = (file.take("frequencies")?, file.take("phases")?);
        let (mean, coefficients) = (file.take("mean")?, file.take("coefficients")?);
        let (l, p, d) = (sigmas.len(), phases.shape.iter().product(), mean.shape.iter().product());
        ensure!(
            l > 0
                && p > 0
                && d > 0
                && frequencies.shape == [p, d]
                && phases.shape == [p]
                && mean.shape == [d]
                && coefficients.shape == [l, d, p],
            "damaged: its tensors' shapes disagree: sigmas {:?}, frequencies {:?}, phases {:?}, mean {:?}, coefficients \
             {:?}; they should be [L], [p, d], [p], [d] and [L, d, p]",
            [l],
            frequencies.shape,
            phases.shape,
            mean.shape,
            coefficients.shape
        );
        let finite = [&frequencies, &phases, &mean, &coefficients].iter().all(|t| t.values.all_finite());
        ensure!(finite, "damaged: it holds numbers that are not finite");
        ensure!(
            sigmas.iter().all(|sigma| *sigma > 0.0 && sigma.is_finite()),
            "damaged: its noise levels are not all positive"
        );
        let features = Features {
            frequencies: Array2::from_shape_vec((p, d), frequencies.into_wide())?,
            phases: phases.into_wide().into(),
            mean: mean.into_wide().into(),
            sigma_data,
        };
        Ok(RandomFeatures { features, target, sigmas, coefficients: coefficients.values })
    }

    /// What its file says of it.
    pub(super) fn metadata(&self) -> [(String, String); 2] {
        let target = self.target.to_possible_value().map(|v| v.get_name().to_string());
        [
            ("target".into(), target.unwrap_or_default()),
            ("sigma_data".into(), self.features.sigma_data.to_string()),
        ]
    }

    /// The tensors of its file.
    pub(super) fn entries(&self) -> Result<[Entry<'_>; 5]> {
        let (p, d) = self.features.frequencies.dim();
        let dtype = self.coefficients.dtype();
        let entry = |name: &str, shape, dtype, numbers| Entry { name: name.into(), shape, dtype, numbers };
        let Features { frequencies, phases, mean, .. } = &self.features;
        let [frequencies, phases, mean] = [frequencies.as_slice(), phases.as_slice(), mean.as_slice()]
            .map(|numbers| numbers.context("bug: not in standard layout").map(Numbers::F64));
        Ok([
            entry("sigmas", vec![self.sigmas.len()], Dtype::F64, Numbers::F64(&self.sigmas)),
            entry("frequencies", vec![p, d], dtype, frequencies?),
            entry("phases", vec![p], dtype, phases?),
            entry("mean", vec![d], dtype, mean?),
            entry("coefficients", vec![self.sigmas.len(), d, p], dtype, Numbers::from(&self.coefficients)),
        ])
    }
}

/// The denoiser, computing in T.
pub struct RandomFeatureDenoiser<T: Scalar> {
    target: Target,
    /// σ_l, and c of each.
    sigmas: Vec<f64>,
    scales: Vec<f64>,
    frequencies: Array2<T>,
    phases: Array1<T>,
    mean: Array1<T>,
    /// A_l/√p, (L, d, p).
    coefficients: Array3<T>,
}

/// What there is at a level: c, and A/√p.
type Level<'a, T> = (T, ArrayView2<'a, T>);

impl<T: Scalar> RandomFeatureDenoiser<T> {
    /// # Errors
    /// When there are not as many numbers as levels, features and dimensions say.
    pub fn new(model: RandomFeatures) -> Result<RandomFeatureDenoiser<T>> {
        let RandomFeatures { features, target, sigmas, coefficients } = model;
        let (p, d) = features.frequencies.dim();
        let scales = sigmas.iter().map(|sigma| features.scale(*sigma)).collect();
        let root = T::of((p as f64).sqrt().recip());
        let coefficients = Array3::from_shape_vec((sigmas.len(), d, p), coefficients.into_vec())?;
        Ok(RandomFeatureDenoiser {
            target,
            sigmas,
            scales,
            frequencies: features.frequencies.mapv(T::of),
            phases: features.phases.mapv(T::of),
            mean: features.mean.mapv(T::of),
            coefficients: coefficients.mapv_into(|a: T| a * root),
        })
    }

    fn level(&self, sigma: f64) -> Result<Level<'_, T>> {
        let level = level_of(&self.sigmas, sigma, "model of random features", "fit it at this level too")?;
        Ok((T::of(self.scales[level]), self.coefficients.index_axis(Axis(0), level)))
    }

    /// c ωᵀ(x − m) + b of every row, (n, p).
    fn angles(&self, x: ArrayView2<T>, scale: T) -> Array2<T> {
        let centred = (&x - &self.mean) * scale;
        product(centred.view(), self.frequencies.t()) + &self.phases
    }

    /// A φ(x)/√p of every row, (n, d).
    fn answer(&self, x: ArrayView2<T>, (scale, coefficients): Level<T>) -> Array2<T> {
        let root = T::of(std::f64::consts::SQRT_2);
        let features = self.angles(x, scale).mapv_into(|a| root * a.cos());
        product(features.view(), coefficients.t())
    }

    /// ∂φ_j/∂(ω_jᵀx) at one point, (p).
    fn slopes(&self, x: ArrayView1<T>, scale: T) -> Array1<T> {
        let root = T::of(-std::f64::consts::SQRT_2) * scale;
        self.angles(x.insert_axis(Axis(0)), scale).row(0).mapv(|a| root * a.sin())
    }

    /// What the answer's derivative along `v` is of D's.
    fn of_answer(&self, v: ArrayView2<T>, answer: Array2<T>, sigma: f64) -> Array2<T> {
        match self.target {
            Target::Data => answer,
            Target::Noise => &v - &(answer * T::of(sigma)),
        }
    }
}

impl<T: Scalar> Denoiser<T> for RandomFeatureDenoiser<T> {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        let answer = self.answer(x, self.level(sigma)?);
        Ok(match self.target {
            Target::Data => answer + &self.mean,
            Target::Noise => self.of_answer(x, answer, sigma),
        })
    }

    /// Fitted to the noise, what is left is what it answers.
    fn split(&self, x: ArrayView2<T>, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        let d = self.denoise(x, sigma)?;
        let rest = match self.target {
            Target::Data => &x - &d,
            Target::Noise => self.answer(x, self.level(sigma)?) * T::of(sigma),
        };
        Ok((d, rest))
    }
}

impl<T: Scalar> Differentiable<T> for RandomFeatureDenoiser<T> {
    fn jvp(&self, x: ArrayView1<T>, v: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        let (scale, coefficients) = self.level(sigma)?;
        let along = product(v, self.frequencies.t()) * &self.slopes(x, scale);
        Ok(self.of_answer(v, product(along.view(), coefficients.t()), sigma))
    }

    fn vjp(&self, x: ArrayView1<T>, u: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        let (scale, coefficients) = self.level(sigma)?;
        let along = product(u, coefficients) * &self.slopes(x, scale);
        Ok(self.of_answer(u, product(along.view(), self.frequencies.view()), sigma))
    }
}
