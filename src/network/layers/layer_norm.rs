//! Layer normalization (arXiv 1607.06450): over the channels of every place,
//! y = γ x̂ + β with x̂ = (x − m)/√(v + ε). Derivatives as in
//! [`super::GroupNorm`], a place being a group of its own.

use super::group_norm::EPSILON;
use super::{Layer, Span};
use crate::linalg::sum_by;
use crate::network::batch::{Batch, Shape};
use crate::scalar::{Scalar, vectorized};

pub struct LayerNorm {
    /// γ and β, (channels).
    pub scale: Span,
    pub offset: Span,
}

/// m and r = 1/√(v + ε) of one place.
fn moments<T: Scalar>(x: &[T]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = sum_by(x, x, |x, _| x) / n;
    let variance = sum_by(x, x, |x, _| (x - mean) * (x - mean)) / n;
    (mean, 1.0 / (variance + EPSILON).sqrt())
}

impl<T: Scalar> Layer<T> for LayerNorm {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0]
    }

    fn forward(&self, p: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        let c = x[0].shape.channels;
        let (scale, offset) = (self.scale.of(p), self.offset.of(p));
        vectorized(|| {
            for (y, x) in y.all_mut().chunks_exact_mut(c).zip(x[0].all().chunks_exact(c)) {
                let (mean, r) = moments(x);
                let (mean, r) = (T::of(mean), T::of(r));
                for ((y, &x), (&g, &b)) in y.iter_mut().zip(x).zip(scale.iter().zip(offset)) {
                    *y = g * (r * (x - mean)) + b;
                }
            }
        });
    }

    fn vjp(
        &self,
        p: &[T],
        x: &[&Batch<T>],
        _: &Batch<T>,
        dy: &Batch<T>,
        dx: &mut [Option<Batch<T>>],
        dp: Option<&mut [T]>,
    ) {
        let c = x[0].shape.channels;
        let scale = self.scale.of(p);
        let mut d_scale = vec![T::zero(); c];
        let mut d_offset = vec![T::zero(); c];
        let mut none = Vec::new();
        let mut dx = match &mut dx[0] {
            Some(dx) => dx.all_mut().chunks_exact_mut(c),
            None => none.chunks_exact_mut(c),
        };
        let mut hat = vec![T::zero(); c];
        let mut pull = vec![T::zero(); c];
        vectorized(|| {
            for (x, dy) in x[0].all().chunks_exact(c).zip(dy.all().chunks_exact(c)) {
                let (mean, r) = moments(x);
                let (mean, rt) = (T::of(mean), T::of(r));
                for (i, (&x, &dy)) in x.iter().zip(dy).enumerate() {
                    hat[i] = rt * (x - mean);
                    pull[i] = scale[i] * dy;
                    d_scale[i] += dy * hat[i];
                    d_offset[i] += dy;
                }
                let Some(dx) = dx.next() else { continue };
                let plain = T::of(r * sum_by(&pull, &pull, |v, _| v) / c as f64);
                let along = T::of(r * sum_by(&pull, &hat, |v, h| v * h) / c as f64);
                for ((dx, &v), &h) in dx.iter_mut().zip(&pull).zip(&hat) {
                    *dx += rt * v - plain - along * h;
                }
            }
        });
        let Some(dp) = dp else { return };
        self.scale.of_mut(dp).iter_mut().zip(&d_scale).for_each(|(d, &s)| *d += s);
        self.offset.of_mut(dp).iter_mut().zip(&d_offset).for_each(|(d, &s)| *d += s);
    }

    fn jvp(&self, p: &[T], x: &[&Batch<T>], _: &Batch<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
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
