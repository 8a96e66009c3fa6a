//! Linear operators A: what measurements y = A x + s·ε have of an item x, (n, d) in rows.
//!
//! Each knows A, Aᵀ and functions of A Aᵀ, of which methods take A⁺ = Aᵀ(A Aᵀ)⁺ and (c A Aᵀ + s² I)⁻¹:
//!
//! * mask: some numbers of an item; A Aᵀ = I;
//! * downsample: means over squares of K × K pixels, channel by channel; A Aᵀ = K⁻² I;
//! * blur: a Gaussian over pixels, the image mirrored at its edges (… 1 0 | 0 1 2 …). Along an axis of n pixels the
//!   cosines cos(πk(i + ½)/n) are its eigenvectors, with eigenvalues Σ_j w_j cos(πkj/n);
//! * matrix: by its singular values, which are found when they are first asked for.
//!
//! All of it is computed in f64.

use std::f64::consts::PI;
use std::sync::OnceLock;

use anyhow::{Result, bail, ensure};
use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::blocks::room;
use crate::geometry::attack::gaussian;
use crate::linalg::{lower_gram, product, product_wide, thin_svd};

/// Singular values below this share of the largest count as 0 where A is inverted: measurements may be stored in f32.
const NEGLIGIBLE: f64 = 1e-6;

/// Height, width and channels of images, and how their numbers lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    pub shape: [usize; 3],
    /// Whether a channel's pixels stand together, rather than a pixel's channels.
    pub channels_first: bool,
}

impl Image {
    /// Where pixel `pixel` of a channel is.
    fn at(&self, channel: usize, pixel: usize) -> usize {
        let [h, w, c] = self.shape;
        if self.channels_first { channel * h * w + pixel } else { pixel * c + channel }
    }

    /// A channel as (H, W).
    fn plane(&self, item: &[f64], channel: usize) -> Array2<f64> {
        let [h, w, _] = self.shape;
        Array2::from_shape_fn((h, w), |(y, x)| item[self.at(channel, y * w + x)])
    }

    fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// The same numbers of other images, of this height and width.
    fn sized(&self, h: usize, w: usize) -> Image {
        Image { shape: [h, w, self.shape[2]], ..*self }
    }

    /// Its shape as arrays have it, without an axis of channels where `axes` is 2.
    fn axes(&self, axes: usize) -> Vec<usize> {
        let [h, w, c] = self.shape;
        match (axes, self.channels_first) {
            (2, _) => vec![h, w],
            (_, true) => vec![c, h, w],
            (_, false) => vec![h, w, c],
        }
    }
}

/// A linear operator from items of d numbers to measurements of m.
pub struct Operator {
    dim: usize,
    /// Of a measurement.
    shape: Vec<usize>,
    form: Form,
}

enum Form {
    /// The places of the numbers that are measured.
    Mask(Vec<usize>),
    Downsample {
        image: Image,
        factor: usize,
    },
    Blur {
        image: Image,
        down: Cosines,
        across: Cosines,
    },
    Matrix {
        a: Array2<f64>,
        factors: OnceLock<Factors>,
    },
}

/// A = P diag(s) Vᵀ.
struct Factors {
    left: Array2<f64>,
    values: Array1<f64>,
    right: Array2<f64>,
}

/// Eigenvectors, as columns, and eigenvalues of a blur along one axis.
struct Cosines {
    vectors: Array2<f64>,
    values: Array1<f64>,
}

impl Cosines {
    /// Of n pixels, by weights at distances −reach to reach.
    fn new(n: usize, weights: &[f64]) -> Cosines {
        let reach = (weights.len() / 2) as f64;
        let angle = |k: usize| PI * k as f64 / n as f64;
        let vectors = Array2::from_shape_fn((n, n), |(i, k)| {
            let norm = if k == 0 { 1.0 / n as f64 } else { 2.0 / n as f64 };
            norm.sqrt() * (angle(k) * (i as f64 + 0.5)).cos()
        });
        let value = |k: usize| {
            let terms = weights.iter().enumerate().map(|(j, w)| w * (angle(k) * (j as f64 - reach)).cos());
            terms.sum::<f64>()
        };
        Cosines { vectors, values: (0..n).map(value).collect() }
    }
}

impl Operator {
    /// The numbers that are marked.
    ///
    /// # Errors
    /// When none is.
    pub fn mask(marked: &[bool]) -> Result<Operator> {
        let places: Vec<usize> = (0..marked.len()).filter(|&i| marked[i]).collect();
        ensure!(!places.is_empty(), "a mask that marks nothing measures nothing");
        Ok(Operator { dim: marked.len(), shape: vec![places.len()], form: Form::Mask(places) })
    }

    /// Inner products with the rows of a matrix (m, d).
    ///
    /// # Errors
    /// Without rows.
    pub fn matrix(a: Array2<f64>) -> Result<Operator> {
        let (m, dim) = a.dim();
        ensure!(m > 0, "no rows: a matrix without any measures nothing");
        Ok(Operator { dim, shape: vec![m], form: Form::Matrix { a, factors: OnceLock::new() } })
    }

    /// A Gaussian of this deviation in pixels over images whose items have so many axes.
    ///
    /// # Errors
    /// On a deviation out of range.
    pub fn blur(image: Image, axes: usize, deviation: f64) -> Result<Operator> {
        ensure!(deviation > 0.0 && deviation <= 1e3, "must be above 0 and at most 1000 pixels");
        let [h, w, _] = image.shape;
        room(&[h * h + w * w], "the operator")?;
        let weights = gaussian(deviation);
        let form = Form::Blur { image, down: Cosines::new(h, &weights), across: Cosines::new(w, &weights) };
        Ok(Operator { dim: image.size(), shape: image.axes(axes), form })
    }

    /// Means over squares of `factor` × `factor` pixels.
    ///
    /// # Errors
    /// When height and width are no multiples of it.
    pub fn downsample(image: Image, axes: usize, factor: usize) -> Result<Operator> {
        let [h, w, _] = image.shape;
        ensure!(factor > 0, "must be at least 1");
        ensure!(
            h.is_multiple_of(factor) && w.is_multiple_of(factor),
            "images of {h}×{w} pixels are no squares of {factor}×{factor}; give a factor of both"
        );
        let shape = image.sized(h / factor, w / factor).axes(axes);
        Ok(Operator { dim: image.size(), shape, form: Form::Downsample { image, factor } })
    }

    /// d.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// m.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// The shape of a measurement.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// A x for every row x, (n, d) → (n, m).
    pub fn apply(&self, x: ArrayView2<f64>) -> Array2<f64> {
        match &self.form {
            Form::Mask(places) => x.select(Axis(1), places),
            // Transposed, which changes no bit: few rows are copied into the kernel's order, rather than the matrix.
            Form::Matrix { a, .. } => {
                product_wide(a.view(), x.t()).reversed_axes().as_standard_layout().into_owned()
            }
            Form::Blur { .. } => self.blurred(x, |value| value),
            Form::Downsample { image, factor } => {
                let share = 1.0 / (factor * factor) as f64;
                let mut y = Array2::zeros((x.nrows(), self.count()));
                for (x, mut y) in x.outer_iter().zip(y.outer_iter_mut()) {
                    each_pixel(image, *factor, |from, to| y[to] += share * x[from]);
                }
                y
            }
        }
    }

    /// Aᵀ u for every row u, (n, m) → (n, d).
    pub fn adjoint(&self, u: ArrayView2<f64>) -> Array2<f64> {
        let mut x = Array2::zeros((u.nrows(), self.dim));
        match &self.form {
            Form::Mask(places) => {
                for (u, mut x) in u.outer_iter().zip(x.outer_iter_mut()) {
                    places.iter().zip(&u).for_each(|(&place, u)| x[place] = *u);
                }
                x
            }
            Form::Matrix { a, .. } => product(u, a.view()),
            Form::Blur { .. } => self.blurred(u, |value| value),
            Form::Downsample { image, factor } => {
                let share = 1.0 / (factor * factor) as f64;
                for (u, mut x) in u.outer_iter().zip(x.outer_iter_mut()) {
                    each_pixel(image, *factor, |from, to| x[from] = share * u[to]);
                }
                x
            }
        }
    }

    /// g(A Aᵀ) y for every row y, (n, m) → (n, m), g a function of eigenvalues.
    ///
    /// # Errors
    /// Of a matrix with numbers too large to factorize.
    pub fn of_gram(&self, y: ArrayView2<f64>, g: impl Fn(f64) -> f64) -> Result<Array2<f64>> {
        Ok(match &self.form {
            Form::Mask(_) => &y * g(1.0),
            Form::Downsample { factor, .. } => &y * g(1.0 / (factor * factor) as f64),
            Form::Blur { .. } => self.blurred(y, |value| g(value * value)),
            Form::Matrix { a, factors } => {
                let Factors { left, values, .. } = factored(a, factors)?;
                // Off the columns of P, A Aᵀ is 0; of a wide matrix nothing is.
                let off = if values.len() < self.count() { g(0.0) } else { 0.0 };
                let inside = product(y, left.view()) * values.mapv(|s| g(s * s) - off);
                &y * off + product(inside.view(), left.t())
            }
        })
    }

    /// A Aᵀ of a matrix, (m, m), if that is no larger than A: on and below the diagonal.
    pub fn small_gram(&self) -> Option<Array2<f64>> {
        let Form::Matrix { a, .. } = &self.form else { return None };
        let (m, d) = a.dim();
        (m <= d).then(|| lower_gram(a.view()))
    }

    /// The m eigenvalues of A Aᵀ.
    ///
    /// # Errors
    /// As [`Operator::of_gram`].
    pub fn gram_values(&self) -> Result<Vec<f64>> {
        let m = self.count();
        Ok(match &self.form {
            Form::Mask(_) => vec![1.0; m],
            Form::Downsample { factor, .. } => vec![1.0 / (factor * factor) as f64; m],
            Form::Blur { image, down, across } => {
                let pairs =
                    down.values.iter().flat_map(|a| across.values.iter().map(move |b| (a * b).powi(2)));
                pairs.flat_map(|e| std::iter::repeat_n(e, image.shape[2])).collect()
            }
            Form::Matrix { a, factors } => {
                let mut all: Vec<f64> = factored(a, factors)?.values.mapv(|s| s * s).to_vec();
                all.resize(m, 0.0);
                all
            }
        })
    }

    /// The m eigenvalues of c A Aᵀ + s² I.
    ///
    /// # Errors
    /// As [`Operator::of_gram`].
    pub fn gram_values_of(&self, c: f64, s2: f64) -> Result<Vec<f64>> {
        if c == 0.0 {
            return Ok(vec![s2; self.count()]);
        }
        Ok(self.gram_values()?.into_iter().map(|e| c * e + s2).collect())
    }

    /// Eigenvalues of AᵀA above 0 and their eigenvectors as columns, (d, ≤ m).
    ///
    /// # Errors
    /// As [`Operator::of_gram`].
    pub fn right_vectors(&self) -> Result<(Array1<f64>, Array2<f64>)> {
        let m = self.count();
        if let Form::Matrix { a, factors } = &self.form {
            let Factors { values, right, .. } = factored(a, factors)?;
            let kept: Vec<usize> = (0..values.len()).filter(|&i| values[i] > 0.0).collect();
            let values = values.select(Axis(0), &kept).mapv(|s| s * s);
            return Ok((values, right.select(Axis(1), &kept)));
        }
        if let Form::Blur { image, down, across } = &self.form {
            let [h, w, c] = image.shape;
            let mut vectors = Array2::zeros((self.dim, m));
            let mut values = Array1::zeros(m);
            for (i, mut vector) in vectors.columns_mut().into_iter().enumerate() {
                let (k, l, channel) = (i / c / w, i / c % w, i % c);
                values[i] = (down.values[k] * across.values[l]).powi(2);
                for pixel in 0..h * w {
                    vector[image.at(channel, pixel)] =
                        down.vectors[[pixel / w, k]] * across.vectors[[pixel % w, l]];
                }
            }
            return Ok((values, vectors));
        }
        // A Aᵀ is a multiple e of the identity: rows of A are √e times orthonormal ones.
        let values = Array1::from(self.gram_values()?);
        let vectors = self.adjoint(Array2::eye(m).view()) * (1.0 / values[0].sqrt());
        Ok((values, vectors.reversed_axes()))
    }

    /// A⁺ y for every row y: of all x with the least ‖A x − y‖ the shortest. Singular values below 1e-6 of the largest
    /// count as 0.
    ///
    /// # Errors
    /// As [`Operator::of_gram`].
    pub fn pseudo_inverse(&self, y: ArrayView2<f64>) -> Result<Array2<f64>> {
        let least = self.least_value()?;
        let inverse = self.of_gram(y, |e| if e > least { 1.0 / e } else { 0.0 })?;
        Ok(self.adjoint(inverse.view()))
    }

    /// The eigenvalue of A Aᵀ up to which it counts as 0 where it is inverted.
    ///
    /// # Errors
    /// As [`Operator::of_gram`].
    pub fn least_value(&self) -> Result<f64> {
        Ok(NEGLIGIBLE * NEGLIGIBLE * self.largest_value()?)
    }

    /// ‖A‖², the largest eigenvalue of A Aᵀ.
    ///
    /// # Errors
    /// As [`Operator::of_gram`]; a matrix of zeros.
    pub fn largest_value(&self) -> Result<f64> {
        let largest = self.gram_values()?.into_iter().fold(0.0, f64::max);
        if largest == 0.0 {
            bail!("an operator that is 0 measures nothing");
        }
        Ok(largest)
    }

    /// The blur's eigenvalues through a function, for every row.
    fn blurred(&self, x: ArrayView2<f64>, of: impl Fn(f64) -> f64) -> Array2<f64> {
        let Form::Blur { image, down, across } = &self.form else { return x.to_owned() };
        let factors = Array2::from_shape_fn((down.values.len(), across.values.len()), |(k, l)| {
            of(down.values[k] * across.values[l])
        });
        let mut out = Array2::zeros(x.raw_dim());
        for (x, mut out) in x.outer_iter().zip(out.outer_iter_mut()) {
            let item = x.to_vec();
            for channel in 0..image.shape[2] {
                let plane = image.plane(&item, channel);
                let inside = product(product(down.vectors.t(), plane.view()).view(), across.vectors.view());
                let inside = inside * &factors;
                let plane = product(product(down.vectors.view(), inside.view()).view(), across.vectors.t());
                for (pixel, v) in plane.iter().enumerate() {
                    out[image.at(channel, pixel)] = *v;
                }
            }
        }
        out
    }
}

fn factored<'a>(a: &Array2<f64>, factors: &'a OnceLock<Factors>) -> Result<&'a Factors> {
    if let Some(known) = factors.get() {
        return Ok(known);
    }
    let (left, values, right) = thin_svd(a.view())?;
    Ok(factors.get_or_init(|| Factors { left, values, right }))
}

/// Calls with the place of every pixel in an image, and of the square it is in in the smaller one.
fn each_pixel(image: &Image, factor: usize, mut call: impl FnMut(usize, usize)) {
    let [h, w, c] = image.shape;
    let small = image.sized(h / factor, w / factor);
    for y in 0..h {
        for x in 0..w {
            for channel in 0..c {
                let square = y / factor * (w / factor) + x / factor;
                call(image.at(channel, y * w + x), small.at(channel, square));
            }
        }
    }
}
