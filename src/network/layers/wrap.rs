//! Images on a torus: `Wrap` puts around an image the pixels of its opposite edges, one deep, and `Crop` takes as much
//! away. A convolution between the two reads no zeros that reach what is kept: it commutes with cyclic shifts.

use super::affine::Affine;
use crate::network::batch::{Batch, Shape};
use crate::scalar::Scalar;

pub struct Wrap;

pub struct Crop;

impl Affine for Wrap {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        Shape::image(inputs[0].height + 2, inputs[0].width + 2, inputs[0].channels)
    }

    fn map<T: Scalar>(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        let Shape { height, channels: c, .. } = x[0].shape;
        for row in 0..y.rows {
            for line in 0..height + 2 {
                let from = x[0].line(row, (line + height - 1) % height);
                let to = y.line_mut(row, line);
                let end = from.len();
                to[..c].copy_from_slice(&from[end - c..]);
                to[c..c + end].copy_from_slice(from);
                to[c + end..].copy_from_slice(&from[..c]);
            }
        }
        y.clear_padding();
    }

    fn adjoint<T: Scalar>(&self, _: &[T], dy: &Batch<T>, _: usize, dx: &mut Batch<T>) {
        let Shape { height, channels: c, .. } = dx.shape;
        for row in 0..dy.rows {
            for line in 0..height + 2 {
                let from = dy.line(row, line);
                let to = dx.line_mut(row, (line + height - 1) % height);
                let end = to.len();
                add(&mut to[end - c..], &from[..c]);
                add(to, &from[c..c + end]);
                add(&mut to[..c], &from[c + end..]);
            }
        }
    }
}

impl Affine for Crop {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        Shape::image(inputs[0].height - 2, inputs[0].width - 2, inputs[0].channels)
    }

    fn map<T: Scalar>(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        let Shape { height, channels: c, .. } = y.shape;
        for row in 0..y.rows {
            for line in 0..height {
                let to = y.line_mut(row, line);
                to.copy_from_slice(&x[0].line(row, line + 1)[c..c + to.len()]);
            }
        }
        y.clear_padding();
    }

    fn adjoint<T: Scalar>(&self, _: &[T], dy: &Batch<T>, _: usize, dx: &mut Batch<T>) {
        let Shape { height, channels: c, .. } = dy.shape;
        for row in 0..dy.rows {
            for line in 0..height {
                let from = dy.line(row, line);
                add(&mut dx.line_mut(row, line + 1)[c..c + from.len()], from);
            }
        }
    }
}

fn add<T: Scalar>(to: &mut [T], from: &[T]) {
    to.iter_mut().zip(from).for_each(|(to, &v)| *to += v);
}
