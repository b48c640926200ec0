use crate::Number;
use serde::{Deserialize, Serialize};

/// When a neuron fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fires {
    /// u ≥ θ (the paper's released BPSA and BPSA+BPTA nodes).
    AtThreshold,
    /// u > θ (its baseline node, and Eq. 4).
    AboveThreshold,
}

impl Fires {
    /// Whether a membrane `u` fires at `threshold`.
    #[inline(always)]
    pub fn at<N: Number>(self, u: N, threshold: N) -> N::Mask {
        match self {
            Fires::AtThreshold => u.at_least(threshold),
            Fires::AboveThreshold => u.above(threshold),
        }
    }
}
