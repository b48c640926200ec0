use super::{Arithmetic, DRAM_PJ, SRAM_1_MB_PJ, SRAM_8_KB_PJ};
use crate::{Activity, Synapses};
use neuron::Cost;

/// Counts of one mean inference, all steps together: what the columns are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Totals {
    pub steps: f64,
    pub accumulates: f64,
    pub multiply_accumulates: f64,
    /// Both with the layers of still input counted once.
    pub once: [f64; 2],
    /// Multiplications of the analogue network: every weight, once.
    pub ann: f64,
    pub spikes: f64,
    /// Neurons, counted at each step.
    pub updates: f64,
    /// Their multiplications and additions.
    pub of_neurons: [f64; 2],
    /// Their states, counted at each step.
    pub states: f64,
    pub neurons: f64,
    /// Values that the analogue network writes and reads between its layers.
    ann_values: f64,
    /// Weights and biases.
    weights: f64,
    /// Weights read, fewest and most.
    reads: [f64; 2],
    pub syops: [f64; 2],
}

impl Totals {
    pub fn of(activity: &Activity) -> Totals {
        let (samples, steps) = (activity.samples as f64, activity.steps as f64);
        let sum = |f: &dyn Fn(&Synapses) -> f64| activity.synapses().map(f).sum::<f64>() / samples;
        let times = |s: &Synapses| if s.still { steps } else { 1.0 };
        let reads = |s: &Synapses| [s.operations() as f64, s.weights as f64 * steps * samples];
        let of_neurons = |f: fn(&Cost) -> u64| {
            let all = activity.neurons().map(|n| n.neurons * f(&n.cost));
            all.sum::<u64>() as f64 * steps
        };
        let neurons = activity.neurons().map(|n| n.neurons).sum::<u64>() as f64;
        Totals {
            steps,
            accumulates: sum(&|s| s.accumulates as f64),
            multiply_accumulates: sum(&|s| s.multiply_accumulates as f64),
            once: [
                sum(&|s| s.accumulates as f64 / times(s)),
                sum(&|s| s.multiply_accumulates as f64 / times(s)),
            ],
            ann: sum(&|s| s.dense as f64 / steps),
            spikes: activity.neurons().map(|n| n.spikes).sum::<u64>() as f64 / samples,
            updates: neurons * steps,
            of_neurons: [of_neurons(|c| c.multiplications), of_neurons(|c| c.additions)],
            states: of_neurons(|c| c.states),
            neurons,
            ann_values: activity.synapses().map(|s| s.outputs).sum::<u64>() as f64,
            weights: activity.synapses().map(|s| s.weights).sum::<u64>() as f64,
            reads: [sum(&|s| reads(s)[0].min(reads(s)[1])), sum(&|s| reads(s)[0].max(reads(s)[1]))],
            syops: [
                activity.syops.accumulates / samples,
                activity.syops.multiply_accumulates as f64 / samples,
            ],
        }
    }

    /// Synaptic operations of both kinds.
    pub fn operations(&self) -> f64 {
        self.accumulates + self.multiply_accumulates
    }

    /// Synaptic operations, µJ.
    pub fn snn_uj(&self, a: Arithmetic) -> f64 {
        arithmetic_uj(a, [self.accumulates, self.multiply_accumulates])
    }

    /// Neurons, µJ.
    pub fn neurons_uj(&self, a: Arithmetic) -> f64 {
        let [multiplications, additions] = self.of_neurons;
        (multiplications * a.multiply_pj + additions * a.add_pj) * MICRO
    }

    /// The analogue network, µJ.
    pub fn ann_uj(&self, a: Arithmetic) -> f64 {
        self.ann * a.mac_pj() * MICRO
    }

    /// Weights read and neurons' states read and written, µJ: lowest and highest.
    pub fn snn_memory_uj(&self, a: Arithmetic) -> [f64; 2] {
        let bytes = |reads: f64| (reads + 2.0 * self.states) * a.bytes;
        [bytes(self.reads[0]) * SRAM_8_KB_PJ * MICRO, bytes(self.reads[1]) * SRAM_1_MB_PJ * MICRO]
    }

    /// Weights read and activations written and read in the analogue network, µJ: lowest and
    /// highest.
    pub fn ann_memory_uj(&self, a: Arithmetic) -> [f64; 2] {
        let bytes = |reads: f64| (reads + 2.0 * self.ann_values) * a.bytes;
        let reads = [self.weights.min(self.ann), self.weights.max(self.ann)];
        [bytes(reads[0]) * SRAM_8_KB_PJ * MICRO, bytes(reads[1]) * SRAM_1_MB_PJ * MICRO]
    }

    /// All weights once from DRAM, µJ: lowest and highest.
    pub fn dram_uj(&self, a: Arithmetic) -> [f64; 2] {
        DRAM_PJ.map(|pj| self.weights * a.bytes * pj * MICRO)
    }
}

/// µJ in a pJ.
const MICRO: f64 = 1e-6;

/// So many ACs and MACs, µJ.
pub(super) fn arithmetic_uj(a: Arithmetic, [accumulates, multiply_accumulates]: [f64; 2]) -> f64 {
    (accumulates * a.add_pj + multiply_accumulates * a.mac_pj()) * MICRO
}
