//! Self-attention with one head (arXiv 1706.03762), over the places of a row.
//! The input holds queries, keys and values side by side, 3c channels:
//! P = softmax(Q Kᵀ/√c), Y = P V.
//!
//! With ∘ entry by entry and ⟨·⟩ the sum along a row of P:
//! dV = Pᵀ dY, dP = dY Vᵀ, dS = P ∘ (dP − ⟨dP ∘ P⟩), dQ = dS K/√c, dK = dSᵀ Q/√c;
//! forwards Ṡ = (Q̇ Kᵀ + Q K̇ᵀ)/√c, Ṗ = P ∘ (Ṡ − ⟨Ṡ ∘ P⟩), Ẏ = Ṗ V + P V̇.

use ndarray::{Array2, ArrayView2, s};

use super::{At, Layer};
use crate::linalg::{accumulate, product};
use crate::network::batch::{Batch, Shape};
use crate::scalar::Scalar;

pub struct Attention;

/// The places of one row without padding, (places, channels).
fn gathered<T: Scalar>(x: &Batch<T>, row: usize) -> Array2<T> {
    let mut all = Vec::with_capacity(x.shape.len());
    (0..x.shape.height).for_each(|y| all.extend_from_slice(x.line(row, y)));
    match Array2::from_shape_vec((x.shape.places(), x.shape.channels), all) {
        Ok(places) => places,
        Err(e) => unreachable!("places of {:?}: {e}", x.shape),
    }
}

/// x ← x + places.
fn scatter<T: Scalar>(x: &mut Batch<T>, row: usize, places: ArrayView2<T>) {
    let width = x.shape.width;
    for y in 0..x.shape.height {
        let from = places.slice(s![y * width..(y + 1) * width, ..]);
        x.line_mut(row, y).iter_mut().zip(from).for_each(|(x, &v)| *x += v);
    }
}

/// Queries, keys, values.
fn parts<T: Scalar>(all: &Array2<T>) -> [ArrayView2<'_, T>; 3] {
    let c = all.ncols() / 3;
    [0, 1, 2].map(|part| all.slice(s![.., part * c..(part + 1) * c]))
}

/// P, the rows scaled to sum 1.
fn weights<T: Scalar>(q: ArrayView2<T>, k: ArrayView2<T>) -> Array2<T> {
    let scale = T::of(1.0 / (q.ncols() as f64).sqrt());
    let mut p = product(q, k.t());
    for mut row in p.outer_iter_mut() {
        let top = row.iter().fold(T::neg_infinity(), |a, &b| a.max(b));
        row.mapv_inplace(|v| ((v - top) * scale).exp_flushed());
        let total: T = row.iter().copied().sum();
        row.mapv_inplace(|v| v / total);
    }
    p
}

/// P ∘ (S − ⟨S ∘ P⟩): the derivative of softmax, symmetric in itself.
fn through_softmax<T: Scalar>(p: &Array2<T>, mut s: Array2<T>) -> Array2<T> {
    for (mut s, p) in s.outer_iter_mut().zip(p.outer_iter()) {
        let mean: T = s.iter().zip(p).map(|(&s, &p)| s * p).sum();
        s.zip_mut_with(&p, |s, &p| *s = p * (*s - mean));
    }
    s
}

impl<T: Scalar> Layer<T> for Attention {
    fn shape(&self, inputs: &[Shape]) -> Shape {
        inputs[0].with_channels(inputs[0].channels / 3)
    }

    /// P, dP and their like, and the gathered places.
    fn scratch(&self, inputs: &[Shape]) -> usize {
        4 * inputs[0].places() * inputs[0].places() + 3 * inputs[0].len()
    }

    fn forward(&self, _: &[T], x: &[&Batch<T>], y: &mut Batch<T>) {
        y.all_mut().fill(T::zero());
        for row in 0..y.rows {
            let all = gathered(x[0], row);
            let [q, k, v] = parts(&all);
            scatter(y, row, product(weights(q, k).view(), v).view());
        }
    }

    fn vjp(&self, at: At<T>, dy: &Batch<T>, dx: &mut [Option<Batch<T>>], _: Option<&mut [T]>) {
        let Some(dx) = &mut dx[0] else { return };
        for row in 0..dy.rows {
            let (all, dy) = (gathered(at.x[0], row), gathered(dy, row));
            let [q, k, v] = parts(&all);
            let c = q.ncols();
            let p = weights(q, k);
            let ds = through_softmax(&p, product(dy.view(), v.t()));
            let ds = ds * T::of(1.0 / (c as f64).sqrt());
            let mut d_all = Array2::zeros(all.dim());
            accumulate(d_all.slice_mut(s![.., ..c]), ds.view(), k);
            accumulate(d_all.slice_mut(s![.., c..2 * c]), ds.t(), q);
            accumulate(d_all.slice_mut(s![.., 2 * c..]), p.t(), dy.view());
            scatter(dx, row, d_all.view());
        }
    }

    fn jvp(&self, at: At<T>, x_dot: &[&Batch<T>], y_dot: &mut Batch<T>) {
        y_dot.all_mut().fill(T::zero());
        for row in 0..y_dot.rows {
            let (all, all_dot) = (gathered(at.x[0], row), gathered(x_dot[0], row));
            let [q, k, v] = parts(&all);
            let [q_dot, k_dot, v_dot] = parts(&all_dot);
            let p = weights(q, k);
            let mut s_dot = product(q_dot, k.t());
            accumulate(s_dot.view_mut(), q, k_dot.t());
            let p_dot = through_softmax(&p, s_dot * T::of(1.0 / (q.ncols() as f64).sqrt()));
            let mut out = product(p_dot.view(), v);
            accumulate(out.view_mut(), p.view(), v_dot);
            scatter(y_dot, row, out.view());
        }
    }
}
