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
