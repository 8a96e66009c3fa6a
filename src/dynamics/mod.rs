//! Stochastic dynamics, and what is known of their states from observations.
//!
//! * [`systems`]: dX = f(X) dt + g dW of named systems, and paths of them;
//! * [`euler`]: whether the steps of their scheme are short enough;
//! * [`observation`]: y = h(x) + s·ε of some coordinates;
//! * [`flowdas`]: the next state by a learned transition, given what is seen of it;
//! * [`filters`]: the law of the state at each time given all observations up to then, by particles, an ensemble, or
//!   exactly; or by learned transitions.
//!
//! Everything is f64. States of many are columns, (d, n), so that a coordinate of all of them is one run of memory.

pub mod euler;
pub mod filters;
pub mod flowdas;
pub mod observation;
pub mod systems;

pub use euler::overshoot;
pub use filters::{Belief, Filter};
pub use flowdas::{Endpoint, Quirk, Sampler, Transition};
pub use observation::{Observation, Through};
pub use systems::{Dynamics, Streams, System};
