//! Energy of one inference under assumptions that are named: each [`Column`] says its own. All are
//! estimates from exact counts, in 45 nm, and none includes clocks, control, routing of spikes or
//! leakage; estimators of this kind differ from each other by orders of magnitude on equal work, so
//! numbers compare within a column and not across.
//!
//! ```text
//! E_SNN     = ACs · E_AC + MACs · E_MAC          ACs, MACs: synaptic operations of all steps
//! E_ANN     = dense · E_MAC                      dense: operations of the analogue network, once
//! E_neurons = neurons · T · (m·E_mul + a·E_add)  of LIF m = 1 (leak), a = 2 (charge, comparison)
//! E_memory  = bytes · E_byte                     weights; states read and written at each step
//! ```
//!
//! m, a and the number of states are those of each layer's neurons ([`neuron::Cost`]), counted on
//! their own equations.

mod technology;
mod totals;

pub use technology::{
    Arithmetic, BREAK_EVEN_SPIKES_PER_SYNAPSE, DRAM_PJ, FP32, INT8, SRAM_1_MB_PJ, SRAM_8_KB_PJ,
};

use crate::{Activity, Column, paper};
use totals::{Totals, arithmetic_uj};

/// Bits of an activation of the quantised network that tells as many values apart as a neuron's
/// spike count in T steps: ⌈log₂(T + 1)⌉ (Yan et al., arXiv 2409.08290v4, 2026).
pub fn equivalent_bits(steps: u64) -> u32 {
    u64::BITS - steps.leading_zeros()
}

/// Multiply and add of an activation of so many bits with an 8-bit weight, pJ: a multiplier's
/// energy taken as proportional to the bits of one factor, so 0.2 · bits/8 + 0.03.
pub fn quantised_mac_pj(bits: u32) -> f64 {
    INT8.multiply_pj * f64::from(bits) / 8.0 + INT8.add_pj
}

/// All columns, for one mean inference of what `activity` saw.
pub fn columns(activity: &Activity) -> Vec<Column> {
    let t = &Totals::of(activity);
    let parts = [
        rates(activity, t),
        operations(t),
        synapses(t),
        neurons(t),
        still(t),
        memory(t),
        memory_ratios(t),
        quantised(activity, t),
        syops(t),
    ];
    parts.concat()
}

fn rates(activity: &Activity, t: &Totals) -> Vec<Column> {
    let rate = activity.firing_rate();
    let efficiency = paper::efficiency(activity.steps, rate);
    vec![
        Column::new(
            "paper's efficiency, Eq. 1",
            efficiency,
            "1",
            "4.6/(0.1·T·rate): FP32 MAC for the ANN, INT32 add for the SNN, operations = ANN's · rate; no neurons, \
             no memory",
        ),
        Column::new("firing rate", rate, "1", "spikes a neuron and step, all neurons alike"),
        Column::new("spikes", t.spikes, "1", "of all neurons at all steps"),
        Column::new("spikes per neuron", t.spikes / t.neurons, "1", "firing rate · T"),
        Column::new(
            "spikes per synapse",
            t.operations() / t.ann,
            "1",
            "operations ÷ synapses met once; break-even 0.15 to 1.38, depending on the hardware (Dampfhoffer et al. \
             2023)",
        ),
    ]
}

fn operations(t: &Totals) -> Vec<Column> {
    vec![
        Column::new(
            "ACs",
            t.accumulates,
            "1",
            "exact, of calls (a step of a batch) with inputs −1, 0, 1 only; zero weights do nothing",
        ),
        Column::new(
            "MACs",
            t.multiply_accumulates,
            "1",
            "exact, of all other calls: analogue input, counts above 1, after average pooling",
        ),
        Column::new(
            "MACs of the ANN",
            t.ann,
            "1",
            "every weight wherever it meets the map, once: an ANN of equal structure without use of its zeros",
        ),
        Column::new("neuron updates", t.updates, "1", "every neuron at every step"),
    ]
}

fn synapses(t: &Totals) -> Vec<Column> {
    vec![
        Column::new(
            "SNN energy, FP32",
            t.snn_uj(FP32),
            "µJ",
            "synaptic operations alone: AC 0.9 pJ, MAC 4.6 pJ, 45 nm (Horowitz 2014)",
        ),
        Column::new("ANN energy, FP32", t.ann_uj(FP32), "µJ", "dense MACs once at 4.6 pJ"),
        Column::new(
            "ANN/SNN, FP32",
            t.ann_uj(FP32) / t.snn_uj(FP32),
            "1",
            "synaptic operations alone",
        ),
        Column::new(
            "SNN energy, INT8",
            t.snn_uj(INT8),
            "µJ",
            "synaptic operations alone: AC 0.03 pJ, MAC 0.23 pJ, 45 nm (Horowitz 2014); accuracy after quantisation \
             not checked",
        ),
        Column::new("ANN energy, INT8", t.ann_uj(INT8), "µJ", "dense MACs once at 0.23 pJ"),
        Column::new(
            "ANN/SNN, INT8",
            t.ann_uj(INT8) / t.snn_uj(INT8),
            "1",
            "synaptic operations alone",
        ),
    ]
}

fn neurons(t: &Totals) -> Vec<Column> {
    let ratio = |a: Arithmetic| t.ann_uj(a) / (t.snn_uj(a) + t.neurons_uj(a));
    vec![
        Column::new(
            "neuron energy, FP32",
            t.neurons_uj(FP32),
            "µJ",
            "of LIF multiply, add, compare for each neuron at each step: 3.7 + 0.9 + 0.9 pJ, of other kinds what their \
             equations have; batch norm folded into weights",
        ),
        Column::new(
            "neuron energy, INT8",
            t.neurons_uj(INT8),
            "µJ",
            "the same with 0.2 + 0.03 + 0.03 pJ; membranes often need more bits",
        ),
        Column::new("ANN/SNN with neurons, FP32", ratio(FP32), "1", "ReLU of the ANN free"),
        Column::new("ANN/SNN with neurons, INT8", ratio(INT8), "1", "ReLU of the ANN free"),
    ]
}

fn still(t: &Totals) -> Vec<Column> {
    let once = arithmetic_uj(FP32, t.once);
    vec![
        Column::new(
            "SNN energy, FP32, still input once",
            once,
            "µJ",
            "layers whose input is the same at all steps compute their currents once; equals SNN energy, FP32 where \
             none is",
        ),
        Column::new(
            "ANN/SNN, FP32, still input once",
            t.ann_uj(FP32) / once,
            "1",
            "synaptic operations alone",
        ),
    ]
}

fn memory(t: &Totals) -> Vec<Column> {
    let (snn, ann) = (t.snn_memory_uj(FP32), t.ann_memory_uj(FP32));
    vec![
        Column::new(
            "SNN memory energy, low",
            snn[0],
            "µJ",
            "per layer the fewer of one weight an operation and all weights a step; neurons' states (of LIF the \
             membrane) read and written each step; 4 byte; 8 KB SRAM, 10 pJ/64 bit",
        ),
        Column::new(
            "SNN memory energy, high",
            snn[1],
            "µJ",
            "per layer the more of the two; states alike; 1 MB SRAM, 100 pJ/64 bit",
        ),
        Column::new(
            "ANN memory energy, low",
            ann[0],
            "µJ",
            "each weight read once, each output written and read once; 4 byte; 8 KB SRAM, 10 pJ/64 bit",
        ),
        Column::new(
            "ANN memory energy, high",
            ann[1],
            "µJ",
            "one weight a MAC, each output written and read once; 1 MB SRAM, 100 pJ/64 bit",
        ),
    ]
}

fn memory_ratios(t: &Totals) -> Vec<Column> {
    let (snn, ann, dram) = (t.snn_memory_uj(FP32), t.ann_memory_uj(FP32), t.dram_uj(FP32));
    let ratio =
        |i: usize| (t.ann_uj(FP32) + ann[i]) / (t.snn_uj(FP32) + t.neurons_uj(FP32) + snn[i]);
    vec![
        Column::new(
            "ANN/SNN with neurons and memory, low",
            ratio(0),
            "1",
            "FP32, both at the low end: weights reused, small memories",
        ),
        Column::new(
            "ANN/SNN with neurons and memory, high",
            ratio(1),
            "1",
            "FP32, both at the high end: no weight reused, large memories",
        ),
        Column::new(
            "SNN weights from DRAM, low",
            t.steps * dram[0],
            "µJ",
            "all weights once a step, 1.3 nJ/64 bit; the ANN reads them once: this ÷ T",
        ),
        Column::new(
            "SNN weights from DRAM, high",
            t.steps * dram[1],
            "µJ",
            "all weights once a step, 2.6 nJ/64 bit; the ANN reads them once: this ÷ T",
        ),
    ]
}

fn quantised(activity: &Activity, t: &Totals) -> Vec<Column> {
    let bits = equivalent_bits(activity.steps);
    let energy = t.ann * quantised_mac_pj(bits) * 1e-6;
    vec![
        Column::new(
            "bits of the QNN",
            f64::from(bits),
            "bit",
            "⌈log₂(T+1)⌉: as many levels as a spike count in T steps has (Yan et al. 2026)",
        ),
        Column::new(
            "QNN energy",
            energy,
            "µJ",
            "dense MACs once, 8-bit weights: (0.2·bits/8 + 0.03) pJ, a multiplier linear in the bits of one factor",
        ),
        Column::new(
            "QNN/SNN, INT8",
            energy / t.snn_uj(INT8),
            "1",
            "synaptic operations alone; above 1 the SNN costs less",
        ),
    ]
}

fn syops(t: &Totals) -> Vec<Column> {
    vec![
        Column::new(
            "syops ACs",
            t.syops[0],
            "1",
            "rules of syops 0.0.5, batch of 1: dense operations · mean input, inexact at borders; with biases, \
             norms, pooling, ReLU, and one a neuron and step",
        ),
        Column::new(
            "syops MACs",
            t.syops[1],
            "1",
            "operations whose input has more than two values or one outside [0, 1]",
        ),
        Column::new("syops energy", arithmetic_uj(FP32, t.syops), "µJ", "AC 0.9 pJ, MAC 4.6 pJ"),
    ]
}
