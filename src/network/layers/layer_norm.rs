//! Layer normalization (arXiv 1607.06450): over the channels of every place,
//! y = γ x̂ + β with x̂ = (x − m)/√(v + ε). Derivatives as in
//! [`super::GroupNorm`], a place being a group of its own.

use rayon::prelude::*;

use super::group_norm::EPSILON;
use super::{At, Layer, Span};
use crate::network::batch::{Batch, Shape};
use crate::scalar::{Scalar, sum_by, vectorized};

pub struct LayerNorm {
    /// γ and β, (channels).
    pub scale: Span,
    pub offset: Span,
}

/// Places of one thread's turn. What they add to ∂L/∂γ and ∂L/∂β is summed run
/// by run, so the number is part of the result.
const RUN: usize = 32;

/// m and r = 1/√(v + ε) of one place.
#[inline(always)]
fn moments<T: Scalar>(x: &[T]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = sum_by(x, x, |x, _| x) / n;
    let variance = sum_by(x, x, |x, _| (x - mean) * (x - mean)) / n;
    (mean, 1.0 / (variance + EPSILON).sqrt())
}

/// Adds ∂L/∂x of some places to `dx`; ∂L/∂γ and ∂L/∂β of them.
fn backwards<T: Scalar>(x: &[T], dy: &[T], scale: &[T], dx: Option<&mut [T]>) -> (Vec<T>, Vec<T>) {
    let c = scale.len();
    let (mut d_scale, mut d_offset) = (vec![T::zero(); c], vec![T::zero(); c]);
    let (mut hat, mut pull) = (vec![T::zero(); c], vec![T::zero(); c]);
    let mut dx = dx.map(|dx| dx.chunks_exact_mut(c));
    vectorized(
        #[inline(always)]
        || {
            for (x, dy) in x.chunks_exact(c).zip(dy.chunks_exact(c)) {
                let (mean, r) = moments(x);
                let (m, rt) = (T::of(mean), T::of(r));
                for (h, &x) in hat.iter_mut().zip(x) {
                    *h = rt * (x - m);
                }
                for ((d, &dy), &h) in d_scale.iter_mut().zip(dy).zip(&hat) {
                    *d += dy * h;
                }
                d_offset.iter_mut().zip(dy).for_each(|(d, &dy)| *d += dy);
                let Some(dx) = dx.as_mut().and_then(Iterator::next) else { continue };
                for ((v, &dy), &g) in pull.iter_mut().zip(dy).zip(scale) {
                    *v = g * dy;
                }
                let plain = T::of(r * sum_by(&pull, &pull, |v, _| v) / c as f64);
                let along = T::of(r * sum_by(&pull, &hat, |v, h| v * h) / c as f64);
                for ((dx, &v), &h) in dx.iter_mut().zip(&pull).zip(&hat) {
                    *dx += rt * v - plain - along * h;
                }
            }
        },
    );
    (d_scale, d_offset)
}

impl<T: Scalar> Layer<T> for LayerNorm {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        // The offset would fill the padding.
        assert!(!inputs[0].is_image(), "layer normalization is for vectors and tokens");
        inputs[0]
    }

    fn forward(&self, p: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        let c = x[0].shape.channels;
        let (scale, offset) = (self.scale.of(p), self.offset.of(p));
        let runs = y.all_mut().par_chunks_mut(RUN * c).zip(x[0].all().par_chunks(RUN * c));
        runs.for_each(|(y, x)| {
            vectorized(
                #[inline(always)]
                || {
                    for (y, x) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
                        let (mean, r) = moments(x);
                        let (mean, r) = (T::of(mean), T::of(r));
                        for ((y, &x), (&g, &b)) in y.iter_mut().zip(x).zip(scale.iter().zip(offset)) {
                            *y = g * (r * (x - mean)) + b;
                        }
                    }
                },
            );
        });
    }

    fn vjp(&self, At { p, x, .. }: At<T>, dy: &Batch<T>, dx: &mut [Option<Batch<T>>], dp: Option<&mut [T]>) {
        let c = x[0].shape.channels;
        let scale = self.scale.of(p);
        let x = x[0].all().par_chunks(RUN * c);
        let runs = x.zip(dy.all().par_chunks(RUN * c));
        let parts: Vec<(Vec<T>, Vec<T>)> = match &mut dx[0] {
            Some(dx) => runs
                .zip(dx.all_mut().par_chunks_mut(RUN * c))
                .map(|((x, dy), dx)| backwards(x, dy, scale, Some(dx)))
                .collect(),
            None => runs.map(|(x, dy)| backwards(x, dy, scale, None)).collect(),
        };
        let Some(dp) = dp else { return };
        for (d_scale, d_offset) in &parts {
            self.scale.of_mut(dp).iter_mut().zip(d_scale).for_each(|(d, &s)| *d += s);
            self.offset.of_mut(dp).iter_mut().zip(d_offset).for_each(|(d, &s)| *d += s);
        }
    }

    fn jvp(&self, At { p, x, .. }: At<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
        let c = x[0].shape.channels;
        let scale = self.scale.of(p);
        let places = x[0].all().chunks_exact(c).zip(x_dot[0].all().chunks_exact(c));
        for (y, (x, v)) in y_dot.all_mut().chunks_exact_mut(c).zip(places) {
            let (mean, r) = moments(x);
            let plain = sum_by(v, v, |v, _| v) / c as f64;
            let along = sum_by(v, x, |v, x| v * r * (x - mean)) / c as f64;
            for (((y, &v), &x), &g) in y.iter_mut().zip(v).zip(x).zip(scale) {
                *y = g * T::of(r * (v.wide() - plain - along * r * (x.wide() - mean)));
            }
        }
    }
}
