//! A flow in the few dimensions in which it happens.
//!
//! The posterior mean of a mixture moves a point, seen from the mixture's mean m, within
//! span{U_1 … U_K, μ_1 − m … μ_K − m} and shrinks what is off that subspace by one factor,
//! whatever its direction. So a
//! point needs but its p coordinates in the subspace and the length of the rest: the
//! same mixture in p + 1 dimensions has the same flow, of which a step costs 4·n·p·Σr_k
//! operations instead of 4·n·d·Σr_k.

use ndarray::{Array1, Array2, ArrayView2, CowArray, Ix2, s};

use super::Denoiser;
use crate::linalg::{accumulate, product, squared_norms};
use crate::scalar::Scalar;

/// A denoiser in p + 1 coordinates, and the subspace that the first p of them are of.
pub struct Reduced<T: Scalar> {
    /// Orthonormal columns, (d, p).
    frame: Array2<T>,
    /// m, (d); none is 0.
    centre: Option<Array1<f64>>,
    denoiser: Box<dyn Denoiser<T>>,
}

/// Points of all d dimensions as they entered the subspace.
pub struct Entered<'a, T: Scalar> {
    reduced: &'a Reduced<T>,
    /// What is off the subspace, (n, d), and its length.
    rest: Array2<T>,
    length: Array1<T>,
}

impl<T: Scalar> Reduced<T> {
    pub fn new(frame: Array2<T>, centre: Option<Array1<f64>>, denoiser: Box<dyn Denoiser<T>>) -> Reduced<T> {
        Reduced { frame, centre, denoiser }
    }

    /// The denoiser of coordinates.
    pub fn denoiser(&self) -> &dyn Denoiser<T> {
        self.denoiser.as_ref()
    }

    /// The coordinates of points, (n, p + 1), and the way back.
    pub fn enter(&self, x: ArrayView2<T>) -> (Array2<T>, Entered<'_, T>) {
        let p = self.frame.ncols();
        let mut rest = seen_from(&self.centre, x).into_owned();
        // Twice, because once leaves rounding in the rest that is not off the subspace, and
        // encoding multiplies the rest by 40 000 where the inside grows by 80.
        let inside = taken_off(&mut rest, self.frame.view(), 2);
        let length = squared_norms(rest.view()).mapv(|n| T::of(n.sqrt()));
        let mut coordinates = Array2::zeros((x.nrows(), p + 1));
        coordinates.slice_mut(s![.., ..p]).assign(&inside);
        coordinates.column_mut(p).assign(&length);
        (coordinates, Entered { reduced: self, rest, length })
    }
}

impl<T: Scalar> Entered<'_, T> {
    /// The points, (n, d), whose coordinates have become these.
    pub fn leave(&self, coordinates: ArrayView2<T>) -> Array2<T> {
        let p = coordinates.ncols() - 1;
        let mut x = self.rest.clone();
        for ((mut x, &now), &before) in x.outer_iter_mut().zip(coordinates.column(p)).zip(&self.length) {
            let factor = if before > T::zero() { now / before } else { T::zero() };
            x *= factor;
        }
        accumulate(x.view_mut(), coordinates.slice(s![.., ..p]), self.reduced.frame.t());
        put_back(&self.reduced.centre, &mut x);
        x
    }
}

/// Coordinates Uᵀx of rows, (n, p), which are taken off them: x ← x − U Uᵀx, so many `times`, for what rounding leaves.
pub fn taken_off<T: Scalar>(x: &mut Array2<T>, basis: ArrayView2<T>, times: usize) -> Array2<T> {
    let mut inside = Array2::zeros((x.nrows(), basis.ncols()));
    for _ in 0..times {
        let more = product(x.view(), basis);
        *x -= &product(more.view(), basis.t());
        inside += &more;
    }
    inside
}

/// x − m, each number rounded but once to T: far from the origin the difference has the digits that it would
/// have near it.
pub fn seen_from<'a, T: Scalar>(centre: &Option<Array1<f64>>, x: ArrayView2<'a, T>) -> CowArray<'a, T, Ix2> {
    let Some(centre) = centre else { return x.into() };
    let mut x = x.to_owned();
    for mut row in x.outer_iter_mut() {
        row.zip_mut_with(centre, |x, m| *x = T::of(x.wide() - m));
    }
    x.into()
}

/// x ← x + m.
pub fn put_back<T: Scalar>(centre: &Option<Array1<f64>>, x: &mut Array2<T>) {
    let Some(centre) = centre else { return };
    for mut row in x.outer_iter_mut() {
        row.zip_mut_with(centre, |x, m| *x = T::of(x.wide() + m));
    }
}
