//! Analogue networks become spiking ones. An [`Analogue`] is a chain of products with their norms
//! folded in; a rule ([`rules`]) gives each stage its scale; a [`Spiking`] network is the same
//! chain with the scales in its weights. [`Definition`] runs it in tensor operations, [`Simulator`]
//! one sample at a time by events. Nothing here trains.

mod analogue;
mod define;
pub mod file;
pub mod rate_norm;
mod readout;
pub mod rules;
pub mod scales;
mod simulate;
mod simulate_pool;
pub mod soft_lif;
mod spiking;

pub use analogue::{Analogue, Pool, Product, Stage};
pub use define::{Definition, Step, integrate};
pub use rate_norm::RateNorm;
pub use readout::{Head, Readout};
pub use rules::Converted;
pub use simulate::{Counts, Simulator};
pub use soft_lif::{SoftLif, Synapse};
pub use spiking::{Dynamics, Reset, Spiking, SpikingPool, SpikingStage};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
