//! y = a ⊙ e^v, the vector v at every place (arXiv 2512.20963, code).
//!
//! ∂L/∂a = ∂L/∂y ⊙ e^v, ∂L/∂v = Σ ∂L/∂y ⊙ y over places; ẏ = ȧ ⊙ e^v + y ⊙ v̇.

use super::{At, Layer};
use crate::network::batch::{Batch, Shape};
use crate::scalar::Scalar;

pub struct Gate;

impl<T: Scalar> Layer<T> for Gate {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0]
    }

    fn forward(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        y.each_place(|at, y| {
            let (a, v) = (x[0].place(at), x[1].line(at.row, 0));
            y.iter_mut().zip(a.iter().zip(v)).for_each(|(y, (&a, &v))| *y = a * v.exp());
        });
    }

    fn vjp(&self, At { x, y, .. }: At<T>, dy: &Batch<T>, dx: &mut [Option<Batch<T>>], _: Option<&mut [T]>) {
        if let Some(da) = &mut dx[0] {
            da.each_place(|at, da| {
                let (dy, v) = (dy.place(at), x[1].line(at.row, 0));
                da.iter_mut().zip(dy.iter().zip(v)).for_each(|(da, (&dy, &v))| *da += dy * v.exp());
            });
        }
        let Some(dv) = &mut dx[1] else { return };
        for at in y.places() {
            let both = y.place(at).iter().zip(dy.place(at));
            dv.line_mut(at.row, 0).iter_mut().zip(both).for_each(|(d, (&y, &dy))| *d += y * dy);
        }
    }

    fn jvp(&self, At { x, y, .. }: At<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
        y_dot.each_place(|at, y_dot| {
            let (a_dot, y) = (x_dot[0].place(at), y.place(at));
            let (v, v_dot) = (x[1].line(at.row, 0), x_dot[1].line(at.row, 0));
            for (i, y_dot) in y_dot.iter_mut().enumerate() {
                *y_dot = a_dot[i] * v[i].exp() + y[i] * v_dot[i];
            }
        });
    }
}
