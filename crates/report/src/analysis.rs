use serde::{Deserialize, Serialize};

use crate::{Metric, number};

/// What a trained network was seen to do on its test set, beside its accuracy: everything a figure
/// or an energy table needs, so that none of them has to see the network again. A part of a
/// [`crate::Record`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// Test samples that were looked at, the first ones of the test set.
    pub samples: u64,
    /// Time steps T of each.
    pub steps: usize,
    /// Each layer with weights or neurons, from the input on.
    pub layers: Vec<LayerActivity>,
    /// Names of the classes, in the order of their labels.
    pub classes: Vec<String>,
    /// Samples by true class (row) and predicted class (column).
    pub confusion: Vec<Vec<u64>>,
    /// Accuracy in percent when only the votes of the first t steps count; `[0]` belongs to t = 1.
    #[serde(with = "number::many")]
    pub anytime_percent: Vec<f64>,
    /// Samples whose decision is final from step t on (`[0]` belongs to t = 1): votes of later
    /// steps do not change it.
    pub final_from_step: Vec<u64>,
    /// Wall-clock time of one sample through the network, if it was measured.
    pub latency: Option<Latency>,
    /// Energies and counts of the whole network for one sample, each with its unit; see
    /// docs/energy.md for the assumptions.
    pub energy: Vec<Metric>,
    /// One sample in detail.
    pub trace: Option<Trace>,
}

/// What one layer did, counted exactly over all samples and steps that were looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerActivity {
    /// The layer's name, such as `128C3-1`.
    pub name: String,
    /// Neurons of the layer, 0 if it has none.
    pub neurons: u64,
    /// Its spikes.
    pub spikes: u64,
    /// Values of its input that are not 0.
    pub input_nonzero: u64,
    /// Values of its input.
    pub input_values: u64,
    /// Synaptic operations of its weights that are additions: its input held only −1, 0 and 1.
    pub accumulates: u64,
    /// Synaptic operations of its weights that are multiplications with addition: its input held
    /// other values.
    pub multiply_accumulates: u64,
    /// Synaptic operations if every input were not 0.
    pub dense: u64,
}

/// Wall-clock time of one sample alone through the network, ms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Samples measured, after a warm-up.
    pub samples: u64,
    /// Median.
    #[serde(with = "number::one")]
    pub p50_ms: f64,
    /// 90th percentile.
    #[serde(with = "number::one")]
    pub p90_ms: f64,
    /// 99th percentile.
    #[serde(with = "number::one")]
    pub p99_ms: f64,
}

/// One sample's spikes through all layers of neurons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// The sample's index in the test set.
    pub sample: u64,
    /// Its class.
    pub label: u32,
    /// The class that the network says.
    pub predicted: u32,
    /// Each layer of neurons, from the input on.
    pub layers: Vec<LayerTrace>,
}

/// What some neurons of a layer did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerTrace {
    /// The layer's name.
    pub name: String,
    /// Neurons of the layer.
    pub neurons: u64,
    /// Neurons shown, spread evenly over the layer: their indices.
    pub shown: Vec<u64>,
    /// For each neuron shown the steps, from 0, at which it fired.
    pub spikes: Vec<Vec<usize>>,
    /// The most active neuron of those shown.
    pub membrane: Membrane,
    /// Membranes before reset of all neurons of the layer at all steps, counted in bins between
    /// `edges`; those beyond the ends count in the first and last bin.
    pub histogram: Histogram,
}

/// The membrane of one neuron over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membrane {
    /// Index of the neuron in its layer.
    pub neuron: u64,
    /// Threshold θ.
    #[serde(with = "number::one")]
    pub threshold: f64,
    /// u before reset at each step.
    #[serde(with = "number::many")]
    pub u: Vec<f64>,
    /// Steps, from 0, at which it fired.
    pub spikes: Vec<usize>,
}

/// Counts between edges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    /// Edges of the bins, rising; one more than counts.
    #[serde(with = "number::many")]
    pub edges: Vec<f64>,
    /// Values in each bin.
    pub counts: Vec<u64>,
}
