//! Rules that train by traces (TSSL-BP, SLAYER) and by whole trains of spikes (HM2-BP, ST-RSBP).
//!
//! Every slice holds rows of T values, one row a neuron and sample, time last. A layer's currents
//! are filtered, I = F∗x; F is linear and the same for all synapses, so that it stands behind the
//! product: W·(F∗o) = F∗(W·o). Backward D = Fᵀ·∂L/∂I is the gradient of the product's output.

mod filter;
mod slayer;
mod trains;
mod tssl;

pub use filter::{Exponential, Kernel};
pub use slayer::{Counted, Slayer, spike_time_loss};
pub use trains::{Layer, Output, Side, Trains, lateral_factors};
pub use tssl::{Tape, Tssl, TsslRule, count_loss, target_train, trace_loss};

/// A floating-point number.
pub trait Real: num_traits::Float + num_traits::NumAssign + std::iter::Sum {
    /// Rounded from f64.
    fn of(x: f64) -> Self;
}

impl Real for f32 {
    fn of(x: f64) -> Self {
        x as f32
    }
}

impl Real for f64 {
    fn of(x: f64) -> Self {
        x
    }
}

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
