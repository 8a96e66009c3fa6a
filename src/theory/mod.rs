//! What linear theory predicts of denoisers before anything is trained or drawn.
//!
//! Of data that are one Gaussian everything happens along the eigenvectors of its covariance, mode by mode, so that the
//! eigenvalues λ are all that is needed:
//!
//! * [`learning`]: what linear denoisers generate while they are trained, and when each mode emerges (arXiv 2503.03206);
//! * [`renormalized`]: means and variances over training sets, by random matrices (arXiv 2602.02908);
//! * [`quadrature`]: integrals of both.
//!
//! Networks are no linear denoisers: how near they come is measured.

pub mod learning;
pub mod quadrature;
pub mod renormalized;
