//! Networks whose blocks are no chain, and blocks with parts left out, beside the tensor
//! operations: spikes, scores, statistics and every gradient.
//!
//! Gradients are compared to 1e-5 of each tensor's largest entry, but for differences below 1e-6 of
//! the largest of all: a shift between two norms has a gradient of 0, of which rounding is left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use models::{Crossovers, Mode, Options, StatisticsOver};
use neuron::{Config, WhenSilent};
use std::sync::Arc;

mod common;
use common::{Case, NETWORKS, Observed, agree_but, apart, loss, values};

/// See above.
const ROUNDING: f32 = 4e-6;

/// Both styles of residual blocks; a convolution without bias; a norm alone, behind spikes and
/// before; pooling and dropout of currents and of sums; a residual block on the frames themselves;
/// branches that are read by convolutions and by a linear layer.
const GRAPHS: [&str; 9] = [
    "4S3-2*4RB3-6RB3/2-5RB3-BN-GAP-2Voting",
    "4C3-4RB3(post)-6RB3/2(post)-5RB3(post)-GAP-2Voting",
    "2RB3(post)-MP2-6RB3/2-AP2-9FC(DP)-2Voting",
    "2RB3-MP2-DP-4C3-2Voting",
    "4S3-2Voting",
    "4C3-BN-2Voting",
    "4C3-BN-MP2-DP-4C3-BN-AP2-2Voting",
    "6S3/2-DP-5RB3(post)-DP-2Voting",
    "8C3-MP2-BN-4RB1-4RB3(post)-7FC-3Voting",
];

#[test]
fn training_of_graphs_equals_the_tensor_operations() {
    let mut compared = [0, 0];
    for text in GRAPHS {
        for method in Config::paper() {
            for over in [StatisticsOver::Step, StatisticsOver::Time] {
                for (shape, steps, still) in [
                    ([2, 9, 9, 2], 3, false),
                    ([1, 9, 9, 1], 4, true),
                    ([3, 8, 8, 2], 1, false),
                    ([2, 8, 8, 2], 3, true),
                ] {
                    for rate in [0.1, 0.6, 1.0] {
                        let case = Case::new(text, shape, (steps, still), method, over, rate);
                        let what = format!(
                            "{text}, {method:?}, {over:?}, {shape:?}, T {steps}, still {still}, \
                             rate {rate}"
                        );
                        for crossover in [
                            Crossovers::at(f64::INFINITY),
                            Crossovers::at(0.0),
                            Options::default().crossover,
                        ] {
                            let options = Options { crossover, memory_budget: None };
                            let mut observed = Observed::default();
                            let engine = case.network.event_driven().expect(text);
                            let found = engine
                                .gradients(case.frames(), 5, options, &mut observed, loss)
                                .unwrap();
                            let same = agree_but(&case, &observed, &found, ROUNDING, &what);
                            compared[usize::from(same)] += 1;
                        }
                    }
                }
            }
        }
    }
    let [flipped, same] = compared;
    eprintln!("{same} cases compared, {flipped} with a membrane at the threshold");
    assert!(flipped * 20 <= same, "{flipped} of {} cases have other spikes", same + flipped);
}

#[test]
fn evaluation_and_single_samples_of_graphs_are_the_same() {
    let (mut same, mut flipped) = (0, 0);
    for text in GRAPHS {
        for still in [false, true] {
            for rate in [0.2, 1.0] {
                let (method, over) = (Config::bpsa_bpta(), StatisticsOver::Step);
                let case = Case::new(text, [1, 9, 9, 2], (5, still), method, over, rate);
                let engine = case.network.event_driven().expect(text);
                let plain = case.network.forward(&case.tensor(), Mode::Eval, &mut ()).unwrap();
                let plain = values(&plain);
                let whole =
                    engine.scores(case.frames(), Mode::Eval, Options::default(), &mut ()).unwrap();
                let mut one = engine.inference([9, 9, 2]).unwrap();
                let found = one.classify(case.frames(), false).unwrap();
                let voters = voters(text) * 5.0;
                let votes: Vec<f32> = one.votes().iter().map(|&v| v as f32 / voters).collect();
                let off = apart(&votes, &plain).0.max(apart(&values(&whole), &plain).0);
                if off > 1e-3 {
                    flipped += 1;
                    continue;
                }
                same += 1;
                let most = plain.iter().copied().fold(f32::MIN, f32::max);
                assert_eq!(Some(found.class), plain.iter().position(|&s| s >= most - 1e-6));
                // the state starts anew with every sample
                assert_eq!(one.classify(case.frames(), false).unwrap(), found, "{text}");
                let early = one.classify(case.frames(), true).unwrap();
                assert_eq!(early.class, found.class, "{text}");
            }
        }
    }
    eprintln!("{same} samples compared, {flipped} with a membrane at the threshold");
    assert!(flipped * 8 <= same, "{flipped} of {} samples have other spikes", same + flipped);
}

/// Voters of a class, as the notation says.
fn voters(text: &str) -> f32 {
    text.rsplit('-').next().unwrap().trim_end_matches("Voting").parse().unwrap()
}

/// Currents that are sums of currents are kept whatever the budget; the others are computed again.
#[test]
fn a_memory_budget_changes_no_bit_of_a_graph() {
    let mut kept = 0;
    for text in &GRAPHS[..3] {
        let (method, over) = (Config::bpsa_bpta(), StatisticsOver::Step);
        let case = Case::new(text, [2, 9, 9, 2], (4, false), method, over, 0.4);
        let engine = case.network.event_driven().unwrap();
        let run = |memory_budget| {
            let options = Options { memory_budget, ..Options::default() };
            engine.gradients(case.frames(), 5, options, &mut Observed::default(), loss)
        };
        let plan = |memory_budget| {
            engine.plan(case.frames(), Options { memory_budget, ..Options::default() })
        };
        let (free, all) = (run(None).unwrap(), plan(None).unwrap());
        assert!(free.layers.iter().all(|layer| !layer.recomputed), "{text}");
        let least = (0..all.bytes).step_by(64).find(|&budget| plan(Some(budget)).is_ok()).unwrap();
        let tight = run(Some(least)).unwrap();
        let again = tight.layers.iter().filter(|layer| layer.recomputed).count();
        assert!(again > 0, "{text}: nothing computed again");
        kept += tight.layers.len() - again;
        for (id, gradient) in &free.of {
            let (_, other) = tight.of.iter().find(|(other, _)| other == id).unwrap();
            assert_eq!(values(gradient), values(other), "{text}");
        }
        assert!(run(Some(least - 64)).is_err());
    }
    assert!(kept > 0, "no currents were sums of currents");
}

/// The graph of a network in tensor operations, which is what engines are held to where there are
/// no layers.
#[test]
fn a_graph_in_tensors_is_its_network() {
    for text in GRAPHS.iter().chain(&NETWORKS) {
        let (method, over) = (Config::baseline(), StatisticsOver::Time);
        let case = Case::new(text, [2, 9, 9, 2], (3, false), method, over, 0.5);
        let graph = case.network.graph().unwrap();
        for mode in [Mode::Eval, Mode::Train { seed: 5 }] {
            let (mut plain, mut observed) = (Observed::default(), Observed::default());
            let network = case.network.forward(&case.tensor(), mode, &mut plain).unwrap();
            let found =
                blocks::tensors::scores(&graph, &case.tensor(), mode, &mut observed).unwrap();
            assert_eq!(observed.spikes, plain.spikes, "{text}, {mode:?}");
            assert_eq!(observed.statistics.len(), plain.statistics.len(), "{text}, {mode:?}");
            assert!(apart(&values(&found), &values(&network)).0 < 1e-6, "{text}, {mode:?}");
        }
    }
}

/// Networks without neurons are graphs too: votes are then of currents.
#[test]
fn analogue_networks_equal_the_tensor_operations() {
    for text in [GRAPHS[0], GRAPHS[1], "8C3-MP2-20C3-AP2-30FC(DP)-2Voting"] {
        for (steps, still) in [(3, false), (1, false), (3, true)] {
            let (method, over) = (Config::bpsa_bpta(), StatisticsOver::Step);
            let mut case = Case::new(text, [2, 9, 9, 2], (steps, still), method, over, 0.7);
            case.network = case.network.analogue();
            let engine = case.network.event_driven().unwrap();
            let mut observed = Observed::default();
            let found = engine
                .gradients(case.frames(), 5, Options::default(), &mut observed, loss)
                .unwrap();
            assert!(agree_but(&case, &observed, &found, ROUNDING, text));
        }
    }
}

/// TSSL-BP's warm-up: layers that fire at most at the rate take a sigmoid's slope, others their
/// own. Some rates lie between those of the layers.
#[test]
fn sigmoids_in_silent_layers_equal_the_tensor_operations() {
    let texts = [NETWORKS[0], NETWORKS[2], NETWORKS[4], GRAPHS[0], GRAPHS[1]];
    let (mut compared, mut both) = ([0, 0], 0);
    for text in texts {
        for method in Config::paper() {
            for (rate, frames) in [(0.0, 0.2), (0.05, 0.3), (0.2, 0.3), (0.4, 0.6), (1.0, 0.3)] {
                let over = StatisticsOver::Step;
                let config = method;
                let usual = config.build().unwrap();
                let neuron = Arc::new(WhenSilent::new(usual, &config, rate).unwrap());
                let still = text == NETWORKS[2];
                let shape = [2, 9, 9, 2];
                let case = Case::with(text, shape, (3, still), neuron, over, frames);
                let mut observed = Observed::default();
                let engine = case.network.event_driven().expect(text);
                let options = Options::default();
                let found =
                    engine.gradients(case.frames(), 5, options, &mut observed, loss).unwrap();
                let what = format!("{text}, {method:?}, rate {rate}, frames {frames}");
                let same = agree_but(&case, &observed, &found, ROUNDING, &what);
                compared[usize::from(same)] += 1;
                let silent = found.layers.iter().filter(|layer| layer.firing_rate <= rate).count();
                both += usize::from(silent > 0 && silent < found.layers.len());
            }
        }
    }
    let [flipped, same] = compared;
    eprintln!("{same} cases compared, {flipped} flipped, {both} of them with layers of both kinds");
    assert!(flipped * 20 <= same && both > 10, "{flipped} of {same}, {both} of both kinds");
}
