//! A whole run on a CUDA device: the same bits every time, and the losses of the CPU.
//!
//! Without a device it is skipped, and says so; where SPIKEGRAD_CUDA is set it fails instead.
#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device};
use events::{Frames, Grid, Shape};
use models::{Math, Network, Precision, Spec, StatisticsOver};
use neuron::{Config, Kind};
use training::{Compute, Example, History, SeededVars, Set, Setup, train};

const SETUP: Setup = Setup {
    epochs: 3,
    batch: 8,
    drop_last: false,
    learning_rate: 1e-2,
    ramp_epochs: 1,
    ..Setup::PAPER
};

/// Three classes: a bar in one of three rows, with a little noise that depends on the index.
fn examples(n: usize) -> Vec<Example> {
    let example = |i: usize| {
        let mut counts = vec![0u16; 4 * 6 * 6 * 2];
        for t in 0..4 {
            (0..6).for_each(|x| counts[((t * 6 + 2 * (i % 3)) * 6 + x) * 2 + (i + t) % 2] = 2);
            counts[(t * 36 + (i * 7 + t * 5) % 36) * 2] += 1;
        }
        let frames: Frames =
            Grid::new(Shape { steps: 4, height: 6, width: 6, channels: 2 }, counts).unwrap();
        Example { frames, label: (i % 3) as u32 }
    };
    (0..n).map(example).collect()
}

const CHAIN: &str = "8C3-MP2-8C3-AP2-DP-10Voting";

/// What happened, and all weights in the end.
fn run(device: &Device, math: Math, (text, neuron): (&str, Config)) -> (History, Vec<u32>) {
    let mut vars = SeededVars::new(3);
    let spec: Spec = text.parse().unwrap();
    let neuron = neuron.build().unwrap();
    let builder = vars.builder(DType::F32, device);
    let net = Network::new(&spec, [6, 6, 2], 3, neuron, StatisticsOver::Step, builder).unwrap();
    let (train_set, test_set) = (examples(30), examples(9));
    let sets = (Set::recorded(&train_set), Set::recorded(&test_set));
    let compute = Compute { math, ..Compute::default() };
    let mut history = train(&net, &mut vars, sets, &SETUP, &compute, 3, device, &mut ()).unwrap();
    history.epochs.iter_mut().for_each(|e| e.seconds = 0.0);
    let values = vars.trainable().into_iter().flat_map(|(_, v)| {
        v.to_device(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
    });
    (history, values.map(f32::to_bits).collect())
}

#[test]
fn a_deterministic_run_repeats_itself_and_follows_the_cpu() {
    let Some(there) = device::for_a_test().unwrap() else { return };
    let network = (CHAIN, Config::bpsa_bpta());
    for precision in [Precision::F32, Precision::Bf16] {
        let math = Math { precision, deterministic: true };
        assert_eq!(run(&there, math, network), run(&there, math, network), "{precision:?}");
    }
    let exact = Math { precision: Precision::F32, deterministic: true };
    follows(&run(&there, exact, network), &run(&Device::Cpu, Math::default(), network));
}

fn follows((on_device, _): &(History, Vec<u32>), (on_cpu, _): &(History, Vec<u32>)) {
    assert_eq!(on_device.epochs.len(), on_cpu.epochs.len());
    for (a, b) in on_device.epochs.iter().zip(&on_cpu.epochs) {
        let (a, b) = (a.train_loss, b.train_loss);
        assert!((a - b).abs() <= 1e-3, "{a} on the device, {b} on the CPU");
    }
}

/// A residual network whose layers learn their time constant.
#[test]
fn a_run_of_a_graph_with_learned_neurons_follows_the_cpu() {
    let Some(there) = device::for_a_test().unwrap() else { return };
    let kind = Kind::Plif(Default::default());
    let network = ("4C3-4RB3(post)-GAP-2Voting", Config { kind, ..Config::baseline() });
    let exact = Math { precision: Precision::F32, deterministic: true };
    let found = run(&there, exact, network);
    assert_eq!(found, run(&there, exact, network));
    follows(&found, &run(&Device::Cpu, Math::default(), network));
}
