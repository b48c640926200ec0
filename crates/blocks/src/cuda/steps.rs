//! What blocks that run step by step leave.

use super::plain::Currents;
use candle_core::Tensor;
use neuron::cuda::{Norm, Stepping};

/// What a block leaves of its steps.
pub struct Steps {
    /// Their neurons.
    pub neurons: Option<Stepping>,
    /// Of each step, as all that follows.
    pub norms: Vec<Option<Norm>>,
    /// Of each step.
    pub currents: Vec<Currents>,
    /// What the pool read: spikes, or currents where there are no neurons.
    pub pooled: Vec<Tensor>,
}
