//! Paths of dX = b(X) dt + σ dB, conditioned on where they end.
//!
//! A path that is to end in y has the drift b + σ²u, u(s, x) = ∂_x log p(X_T = y | X_s = x) (Doob). By Malliavin's
//! calculus u is a conditional mean, E[S_s | X_s = x, X_T = y], of a [score](paths::scores) S_s of paths that were
//! simulated without a condition: a [regression](regression) of S_s on x and y is the control for every y at once,
//! and no density and no gradient of what is asked for is needed (Pidstrigach, Baker, Domingo-Enrich, Deligiannidis
//! and Nüsken, arXiv 2504.03461): by polynomials in one dimension, by a [network] in several, whose coordinates move each by
//! itself. [`exact`] has u itself, by which such a regression is measured.

pub mod control;
pub mod exact;
pub mod network;
pub mod paths;
pub mod regression;
pub mod systems;

pub use control::{Control, GridControl, PolynomialControl};
pub use network::NetworkControl;
pub use paths::{Mode, Setting};
pub use systems::System;
