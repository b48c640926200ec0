//! What the benchmark programs share: [`Currents`] to scan, the [`Form`]s that scan them,
//! [`time_in_turn`] to time several [`Case`]s beside one another, and the [`Machine`] they ran on.
//!
//! A number is the median of several timings that took turns with the others', because two timings
//! made one after the other on a shared machine differ by what the machine did in between.

pub mod flags;
mod forms;
#[cfg(feature = "cuda")]
pub mod gpu;
mod inputs;
mod machine;
mod method;
pub mod step;
mod threads;
mod timing;

pub use forms::{Form, loss};
pub use inputs::{Currents, GivenGradient};
pub use machine::{Machine, peak_memory_bytes};
pub use method::Method;
pub use threads::{again_with, threads_are};
pub use timing::{Case, Samples, copy_in_parallel, time_in_turn};
