//! What stands for a row's class: y = E_k, row k of a table; a row without a class has y = 0.
//!
//! ∂L/∂E_k is the sum of ∂L/∂y over the rows of class k. A class is no number that anything depends on smoothly: there
//! is no derivative by it.

use super::{At, Layer, Span};
use crate::network::batch::{Batch, Shape};
use crate::scalar::Scalar;

pub struct Classes {
    /// E, (classes, width).
    pub table: Span,
    pub width: usize,
}

impl Classes {
    /// Where E_k stands in the table, of a row's class as the graph has it; nothing without one.
    fn row<T: Scalar>(&self, class: T) -> Option<std::ops::Range<usize>> {
        let k = class.wide();
        (k >= 0.0).then(|| k as usize * self.width..(k as usize + 1) * self.width)
    }
}

impl<T: Scalar> Layer<T> for Classes {
    fn shape(&self, _: &[Shape]) -> Shape {
        Shape::vector(self.width)
    }

    fn forward(&self, p: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        let table = self.table.of(p);
        for (y, &class) in y.all_mut().chunks_exact_mut(self.width).zip(x[0].all()) {
            match self.row(class) {
                Some(row) => y.copy_from_slice(&table[row]),
                None => y.fill(T::zero()),
            }
        }
    }

    fn vjp(&self, At { x, .. }: At<T>, dy: &Batch<T>, _: &mut [Option<Batch<T>>], dp: Option<&mut [T]>) {
        let Some(dp) = dp else { return };
        let table = self.table.of_mut(dp);
        for (dy, &class) in dy.all().chunks_exact(self.width).zip(x[0].all()) {
            if let Some(row) = self.row(class) {
                table[row].iter_mut().zip(dy).for_each(|(d, &dy)| *d += dy);
            }
        }
    }

    fn jvp(&self, _: At<T>, _: &[&Batch<T>], y_dot: &mut Batch<T>) {
        y_dot.all_mut().fill(T::zero());
    }
}
