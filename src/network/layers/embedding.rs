//! Sinusoidal embedding of the noise level (one number a row):
//! y = (cos ω_1 c, …, cos ω_h c, sin ω_1 c, …, sin ω_h c), with
//! ω_i = ω_1 (ω_h/ω_1)^((i−1)/h).

use super::{At, Layer};
use crate::network::batch::{Batch, Shape};
use crate::scalar::Scalar;

pub struct Sinusoids {
    frequencies: Vec<f64>,
}

impl Sinusoids {
    /// `features` numbers, half cosines and half sines, of frequencies that
    /// start at `first` and would reach `last` one step beyond the end.
    pub fn new(features: usize, first: f64, last: f64) -> Sinusoids {
        let half = features / 2;
        let frequency = |i| first * (last / first).powf(i as f64 / half as f64);
        Sinusoids { frequencies: (0..half).map(frequency).collect() }
    }
}

impl<T: Scalar> Layer<T> for Sinusoids {
    fn shape(&self, _: &[Shape]) -> Shape {
        Shape::vector(2 * self.frequencies.len())
    }

    fn forward(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        let half = self.frequencies.len();
        for (y, &c) in y.all_mut().chunks_exact_mut(2 * half).zip(x[0].all()) {
            for (i, w) in self.frequencies.iter().enumerate() {
                let (sin, cos) = (w * c.wide()).sin_cos();
                (y[i], y[half + i]) = (T::of(cos), T::of(sin));
            }
        }
    }

    fn vjp(&self, At { y, .. }: At<T>, dy: &Batch<T>, dx: &mut [Option<Batch<T>>], _: Option<&mut [T]>) {
        let Some(dx) = &mut dx[0] else { return };
        let half = self.frequencies.len();
        let rows = y.all().chunks_exact(2 * half).zip(dy.all().chunks_exact(2 * half));
        for (dx, (y, dy)) in dx.all_mut().iter_mut().zip(rows) {
            for (i, &w) in self.frequencies.iter().enumerate() {
                *dx += T::of(w) * (y[i] * dy[half + i] - y[half + i] * dy[i]);
            }
        }
    }

    fn jvp(&self, At { y, .. }: At<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
        let half = self.frequencies.len();
        let rows = y.all().chunks_exact(2 * half).zip(x_dot[0].all());
        for (y_dot, (y, &v)) in y_dot.all_mut().chunks_exact_mut(2 * half).zip(rows) {
            for (i, &w) in self.frequencies.iter().enumerate() {
                (y_dot[i], y_dot[half + i]) = (-T::of(w) * y[half + i] * v, T::of(w) * y[i] * v);
            }
        }
    }
}
