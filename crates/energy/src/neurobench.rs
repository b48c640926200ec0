//! The columns of NeuroBench 2.3.0, as that package computes them; tests/neurobench.rs holds them
//! to its own numbers.
//!
//! Rules of the package that a reader may not expect:
//! - a layer call is one step of one batch; its operations are ACs if *all* its inputs are −1, 0 or
//!   1, else all are MACs. So the split, not the sum, depends on which samples share a batch, and
//!   one count of 2 in one sample turns the call into MACs;
//! - weights that are 0 do no operation, biases, batch norm, pooling and neurons never do;
//! - Dense counts every weight at every step: T times the multiplications of the analogue network;
//! - activations are ReLUs *and* spiking neurons: in conv → norm → ReLU → neuron both outputs
//!   count. Neurons alone: [`spike_sparsity`];
//! - a neuron of another kind than leaky counts as one here: the package's table ends at those of
//!   snnTorch, and what other kinds compute more is in [`crate::detailed`] alone;
//! - a membrane is updated if its value before the reset differs from that of the step before, and
//!   always at the first step;
//! - the package sums a call's operations in f32, exact up to 2²⁴ of a call; ours are exact beyond.

use crate::{Activity, Batch, Column};

/// `SynapticOperations`, each for one sample, summed over its steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SynapticOperations {
    /// Operations of calls with other inputs than −1, 0 and 1.
    pub effective_macs: f64,
    /// Operations of calls with inputs −1, 0 and 1 only.
    pub effective_acs: f64,
    /// Operations if nothing were 0.
    pub dense: f64,
}

/// `SynapticOperations`: totals ÷ samples.
pub fn synaptic_operations(activity: &Activity) -> SynapticOperations {
    let each = |total: u64| per_sample(activity, total);
    SynapticOperations {
        effective_macs: each(activity.synapses().map(|s| s.multiply_accumulates).sum()),
        effective_acs: each(activity.synapses().map(|s| s.accumulates).sum()),
        dense: each(activity.synapses().map(|s| s.dense).sum()),
    }
}

/// `ActivationSparsity`: the share of zeros among the outputs of all ReLUs and neurons, as the mean
/// over batches weighted by their samples; 0 if there are none.
pub fn activation_sparsity(activity: &Activity) -> f64 {
    sparsity(activity, |b| (b.rectified_nonzero + b.spikes, b.rectified_values + b.chances))
}

/// Not of NeuroBench: the same of spiking neurons alone, 1 − firing rate.
pub fn spike_sparsity(activity: &Activity) -> f64 {
    sparsity(activity, |b| (b.spikes, b.chances))
}

/// In the order of the package's arithmetic, so that the last bit agrees too.
fn sparsity(activity: &Activity, counts: impl Fn(&Batch) -> (u64, u64)) -> f64 {
    let of_batch = |batch: &Batch| match counts(batch) {
        (_, 0) => 0.0,
        (nonzero, values) => (values - nonzero) as f64 / values as f64,
    };
    let weighted = |batch: &Batch| of_batch(batch) * batch.samples as f64 / activity.samples as f64;
    activity.batches.iter().fold(0.0, |sum, batch| sum + weighted(batch))
}

/// `MembraneUpdates`: updates of all neurons ÷ samples.
pub fn membrane_updates(activity: &Activity) -> f64 {
    per_sample(activity, activity.neurons().map(|n| n.membrane_updates).sum())
}

/// Operations of a leaky neuron's update in the package's table, for both resets.
pub const OPERATIONS_OF_AN_UPDATE: u64 = 4;

/// `NeuronOperations`, effective and dense: 4 for each membrane update, and for each neuron at each
/// step. The package itself has no number for a network with ReLUs, where it meets a module without
/// reset.
pub fn neuron_operations(activity: &Activity) -> (f64, f64) {
    let chances = activity.neurons().map(|n| n.chances).sum::<u64>();
    let updates = activity.neurons().map(|n| n.membrane_updates).sum::<u64>();
    (
        per_sample(activity, OPERATIONS_OF_AN_UPDATE * updates),
        per_sample(activity, OPERATIONS_OF_AN_UPDATE * chances),
    )
}

/// Bytes that snnTorch 1.0.0 keeps with a layer of `Leaky` neurons before it runs: decay, threshold
/// and spike factor in f32, the reset rule in int64.
pub const LEAKY_BUFFER_BYTES: u64 = 20;

/// `Footprint`: bytes of parameters and buffers, that is weights, biases, batch norms with running
/// statistics and the int64 count of batches, and [`LEAKY_BUFFER_BYTES`] for each layer of neurons.
/// Not membranes: those the package counts only if it is asked after a run.
pub fn footprint(activity: &Activity) -> u64 {
    let stored = activity.stored;
    stored.parameter_bytes + stored.norm_buffer_bytes + LEAKY_BUFFER_BYTES * stored.neuron_layers
}

/// `ParameterCount`: trainable parameters.
pub fn parameter_count(activity: &Activity) -> u64 {
    activity.stored.parameters
}

/// `ConnectionSparsity`: the share of weights that are 0, without biases and batch norms; divided
/// in f32 and rounded to four decimals, as there.
pub fn connection_sparsity(activity: &Activity) -> f64 {
    let zeros = activity.synapses().map(|s| s.zero_weights).sum::<u64>();
    let weights = activity.synapses().map(|s| s.weights).sum::<u64>();
    let exact = f64::from(zeros as f32 / weights as f32);
    // through text: the nearest four decimals of the number as it is, which is what Python's round
    // gives
    format!("{exact:.4}").parse().unwrap_or(exact)
}

/// All of them.
pub fn columns(activity: &Activity) -> Vec<Column> {
    [operations(activity), activations(activity), fixed(activity)].concat()
}

fn operations(activity: &Activity) -> Vec<Column> {
    let operations = synaptic_operations(activity);
    vec![
        Column::new(
            "NeuroBench Effective_MACs",
            operations.effective_macs,
            "1",
            "a call is a step of a batch; MACs if any input is not −1, 0 or 1",
        ),
        Column::new(
            "NeuroBench Effective_ACs",
            operations.effective_acs,
            "1",
            "a call is a step of a batch; ACs if all inputs are −1, 0 or 1",
        ),
        Column::new(
            "NeuroBench Dense",
            operations.dense,
            "1",
            "every weight at every step, exact at borders",
        ),
    ]
}

fn activations(activity: &Activity) -> Vec<Column> {
    let (effective, dense) = neuron_operations(activity);
    vec![
        Column::new(
            "NeuroBench ActivationSparsity",
            activation_sparsity(activity),
            "1",
            "outputs of ReLUs and neurons together",
        ),
        Column::new(
            "spike sparsity",
            spike_sparsity(activity),
            "1",
            "outputs of neurons alone; not a column of NeuroBench",
        ),
        Column::new(
            "NeuroBench MembraneUpdates",
            membrane_updates(activity),
            "1",
            "all neurons at the first step, later those whose u changed",
        ),
        Column::new(
            "NeuroBench Effective Neuron Ops",
            effective,
            "1",
            "4 an update, as of a leaky neuron whatever the kind; the package gives no number for networks with ReLUs",
        ),
        Column::new(
            "NeuroBench Neuron Dense Ops",
            dense,
            "1",
            "4 for each neuron at each step, as of a leaky one whatever the kind",
        ),
    ]
}

fn fixed(activity: &Activity) -> Vec<Column> {
    vec![
        Column::new(
            "NeuroBench Footprint",
            footprint(activity) as f64,
            "byte",
            "parameters and buffers of the same network in snnTorch, before it runs; neurons as if all were leaky",
        ),
        Column::new(
            "NeuroBench ParameterCount",
            parameter_count(activity) as f64,
            "1",
            "trainable parameters",
        ),
        Column::new(
            "NeuroBench ConnectionSparsity",
            connection_sparsity(activity),
            "1",
            "weights that are 0, rounded to four decimals",
        ),
    ]
}

fn per_sample(activity: &Activity, total: u64) -> f64 {
    total as f64 / activity.samples as f64
}
