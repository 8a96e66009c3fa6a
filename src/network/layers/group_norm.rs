//! Group normalization (arXiv 1803.08494): over all places of a row and the
//! channels of a group, y = γ_c x̂ + β_c with x̂ = (x − m)/√(v + ε).
//!
//! With r = 1/√(v + ε) and ⟨·⟩ the mean over the group,
//! ∂L/∂x = r (γ ∂L/∂y − ⟨γ ∂L/∂y⟩ − x̂ ⟨γ ∂L/∂y x̂⟩) and
//! ẏ = γ r (ẋ − ⟨ẋ⟩ − x̂ ⟨ẋ x̂⟩).
//!
//! All passes run line by line, a line being width × channels numbers, with
//! every channel's constants repeated along it: one loop for any number of
//! channels. Sums run down the lines in T and are finished in f64.

use super::{At, Layer, Span};
use crate::network::batch::{Batch, Shape};
use crate::scalar::{Scalar, vectorized};

pub struct GroupNorm {
    /// γ and β, (channels).
    pub scale: Span,
    pub offset: Span,
    pub groups: usize,
}

/// ε under the root, as in the published networks.
pub(super) const EPSILON: f64 = 1e-5;

impl GroupNorm {
    /// m and r of every channel (equal within a group) in one row.
    fn moments<T: Scalar>(&self, x: &Batch<T>, row: usize) -> (Vec<f64>, Vec<f64>) {
        let n = (x.shape.len() / self.groups) as f64;
        let zero = vec![T::zero(); x.shape.channels * x.shape.width];
        let mean = self.over_groups(&sums(x, row, |x, _| x, &zero), n);
        let centre = along(x.shape, &mean);
        let variance = self.over_groups(&sums(x, row, |x, m| (x - m) * (x - m), &centre), n);
        (mean, variance.iter().map(|v| 1.0 / (v + EPSILON).sqrt()).collect())
    }

    /// Sums of channels to means over their groups, one a channel again.
    fn over_groups(&self, channels: &[f64], n: f64) -> Vec<f64> {
        let size = channels.len() / self.groups;
        channels.chunks(size).flat_map(|g| std::iter::repeat_n(g.iter().sum::<f64>() / n, size)).collect()
    }
}

/// α J(β v) = a v − b − c (x − m) for one row, J the derivative of x̂ by x, which is its own
/// transpose, and α and β constants of the channels.
struct Through<T> {
    a: Vec<T>,
    b: Vec<T>,
    c: Vec<T>,
    m: Vec<T>,
    /// Σ v and Σ v x̂ over places, for every channel.
    plain: Vec<f64>,
    hat: Vec<f64>,
}

impl GroupNorm {
    /// With β before and α after J.
    fn through<T: Scalar>(
        &self,
        x: &Batch<T>,
        v: &Batch<T>,
        row: usize,
        before: &[f64],
        after: &[f64],
    ) -> Through<T> {
        let n = (x.shape.len() / self.groups) as f64;
        let (mean, r) = self.moments(x, row);
        let m = along(x.shape, &mean);
        let plain = sums(v, row, |v, _| v, &m);
        let hat = times(&products(v, x, row, &m), &r);
        let slope = times(after, &r);
        Through {
            a: along(x.shape, &times(before, &slope)),
            b: along(x.shape, &times(&slope, &self.over_groups(&times(before, &plain), n))),
            c: along(x.shape, &times(&times(&slope, &r), &self.over_groups(&times(before, &hat), n))),
            m,
            plain,
            hat,
        }
    }
}

impl<T: Scalar> Through<T> {
    /// Gives every number of the row to `put`, with the place of `to` that it is for.
    fn apply(&self, x: &Batch<T>, v: &Batch<T>, row: usize, to: &mut Batch<T>, put: impl Fn(&mut T, T)) {
        let Through { a, b, c, m, .. } = self;
        for line in 0..x.shape.height {
            vectorized(
                #[inline(always)]
                || {
                    let from = v.line(row, line).iter().zip(x.line(row, line));
                    let to = to.line_mut(row, line).iter_mut().zip(from);
                    for (((to, (&v, &x)), (&a, &b)), (&c, &m)) in to.zip(a.iter().zip(b)).zip(c.iter().zip(m))
                    {
                        put(to, a * v - b - c * (x - m));
                    }
                },
            );
        }
    }
}

/// A constant of every channel, repeated along a line.
fn along<T: Scalar>(shape: Shape, channels: &[f64]) -> Vec<T> {
    let one: Vec<T> = channels.iter().map(|&v| T::of(v)).collect();
    one.repeat(shape.width)
}

/// Σ f(x, c) over the places of a row, for every channel.
fn sums<T: Scalar>(x: &Batch<T>, row: usize, f: impl Fn(T, T) -> T, c: &[T]) -> Vec<f64> {
    let mut total = vec![T::zero(); c.len()];
    for y in 0..x.shape.height {
        vectorized(
            #[inline(always)]
            || {
                for ((t, &x), &c) in total.iter_mut().zip(x.line(row, y)).zip(c) {
                    *t += f(x, c);
                }
            },
        );
    }
    folded(&total, x.shape.channels)
}

/// Σ a (x − m) over the places of a row, for every channel.
fn products<T: Scalar>(a: &Batch<T>, x: &Batch<T>, row: usize, m: &[T]) -> Vec<f64> {
    let mut total = vec![T::zero(); m.len()];
    for y in 0..x.shape.height {
        vectorized(
            #[inline(always)]
            || {
                for (((t, &a), &x), &m) in total.iter_mut().zip(a.line(row, y)).zip(x.line(row, y)).zip(m) {
                    *t += a * (x - m);
                }
            },
        );
    }
    folded(&total, x.shape.channels)
}

/// A line summed over its places.
fn folded<T: Scalar>(line: &[T], channels: usize) -> Vec<f64> {
    let mut sums = vec![0.0; channels];
    for place in line.chunks_exact(channels) {
        sums.iter_mut().zip(place).for_each(|(s, v)| *s += v.wide());
    }
    sums
}

/// `a` times `b`, one by one.
fn times(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

fn wide<T: Scalar>(v: &[T]) -> Vec<f64> {
    v.iter().map(|v| v.wide()).collect()
}

impl<T: Scalar> Layer<T> for GroupNorm {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0]
    }

    fn forward(&self, p: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        let x = x[0];
        let (scale, offset) = (wide(self.scale.of(p)), wide(self.offset.of(p)));
        for row in 0..x.rows {
            let (mean, r) = self.moments(x, row);
            let slope = times(&scale, &r);
            // Centred first: no digits are lost where the mean is large.
            let a = along::<T>(x.shape, &slope);
            let m = along::<T>(x.shape, &mean);
            let b = along::<T>(x.shape, &offset);
            for line in 0..x.shape.height {
                vectorized(
                    #[inline(always)]
                    || {
                        let to = y.line_mut(row, line).iter_mut().zip(x.line(row, line));
                        for (((y, &x), &a), (&m, &b)) in to.zip(&a).zip(m.iter().zip(&b)) {
                            *y = a * (x - m) + b;
                        }
                    },
                );
            }
        }
    }

    fn vjp(&self, At { p, x, .. }: At<T>, dy: &Batch<T>, dx: &mut [Option<Batch<T>>], dp: Option<&mut [T]>) {
        let x = x[0];
        let scale = wide(self.scale.of(p));
        let one = vec![1.0; scale.len()];
        let (mut d_scale, mut d_offset) = (vec![0.0; scale.len()], vec![0.0; scale.len()]);
        for row in 0..x.rows {
            let through = self.through(x, dy, row, &scale, &one);
            d_offset.iter_mut().zip(&through.plain).for_each(|(d, s)| *d += s);
            d_scale.iter_mut().zip(&through.hat).for_each(|(d, s)| *d += s);
            if let Some(dx) = &mut dx[0] {
                through.apply(x, dy, row, dx, |dx, v| *dx += v);
            }
        }
        let Some(dp) = dp else { return };
        self.scale.of_mut(dp).iter_mut().zip(&d_scale).for_each(|(d, &s)| *d += T::of(s));
        self.offset.of_mut(dp).iter_mut().zip(&d_offset).for_each(|(d, &s)| *d += T::of(s));
    }

    fn jvp(&self, At { p, x, .. }: At<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
        let (x, x_dot) = (x[0], x_dot[0]);
        let scale = wide(self.scale.of(p));
        let one = vec![1.0; scale.len()];
        for row in 0..x.rows {
            self.through(x, x_dot, row, &one, &scale).apply(x, x_dot, row, y_dot, |y, v| *y = v);
        }
    }
}
