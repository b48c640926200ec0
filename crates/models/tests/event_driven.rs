//! Event-driven passes beside the tensor operations: spikes, scores, statistics and every gradient.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{Device, Tensor};
use models::{Crossovers, Frames, Gradients, Mode, Options, StatisticsOver};
use neuron::Config;

mod common;
use common::{Case, NETWORKS, Observed, agree, apart, loss, values};

fn fast(case: &Case, options: Options, observed: &mut Observed) -> Gradients {
    let engine = case.network.event_driven().expect("these networks have blocks");
    engine.gradients(case.frames(), 5, options, observed, loss).unwrap()
}

/// Every network, method and kind of statistics at some rates and shapes, 17 → 8 pooling and a
/// batch of one among them.
#[test]
fn event_driven_training_equals_the_tensor_operations() {
    let mut compared = [0, 0];
    for text in NETWORKS {
        for method in Config::paper() {
            for over in [StatisticsOver::Step, StatisticsOver::Time] {
                for (shape, steps, still) in [
                    ([2, 17, 17, 2], 3, false),
                    ([1, 17, 13, 1], 4, true),
                    ([3, 12, 13, 2], 1, false),
                ] {
                    for rate in [0.0, 1e-4, 0.1, 0.6, 1.0] {
                        let case = Case::new(text, shape, (steps, still), method, over, rate);
                        let what = format!(
                            "{text}, {method:?}, {over:?}, {shape:?}, T {steps}, still {still}, rate {rate}"
                        );
                        // without input a first layer's values are all equal: its norm divides
                        // rounding by √ε
                        for crossover in [
                            Crossovers::at(f64::INFINITY),
                            Crossovers::at(0.0),
                            Options::default().crossover,
                        ] {
                            let options = Options { crossover, memory_budget: None };
                            let mut observed = Observed::default();
                            let found = fast(&case, options, &mut observed);
                            compared[usize::from(agree(
                                &case,
                                &observed,
                                &found,
                                rate < 1e-3,
                                &what,
                            ))] += 1;
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

/// Evaluation, samples one at a time and early exits, beside the tensor operations.
#[test]
fn single_samples_get_the_class_that_the_tensor_operations_give() {
    let (mut same, mut flipped) = (0, 0);
    for text in NETWORKS {
        for (shape, steps, still) in [([1, 17, 17, 2], 6, false), ([1, 12, 13, 1], 7, true)] {
            for rate in [0.05, 0.3, 1.0] {
                let case = Case::new(
                    text,
                    shape,
                    (steps, still),
                    Config::bpsa_bpta(),
                    StatisticsOver::Step,
                    rate,
                );
                let blocks = case.network.event_driven().unwrap();
                let plain =
                    values(&case.network.forward(&case.tensor(), Mode::Eval, &mut ()).unwrap());
                let whole =
                    blocks.scores(case.frames(), Mode::Eval, Options::default(), &mut ()).unwrap();
                let mut one = blocks.inference([shape[1], shape[2], shape[3]]).unwrap();
                let full = one.classify(case.frames(), false).unwrap();
                let votes: Vec<f32> = one.votes().iter().map(|&v| v as f32).collect();
                let total: f32 = votes.iter().sum();
                let scaled: Vec<f32> =
                    plain.iter().map(|s| s * total / plain.iter().sum::<f32>().max(1e-9)).collect();
                let off = apart(&votes, &scaled).0.max(apart(&values(&whole), &plain).0);
                if off > 1e-3 {
                    flipped += 1;
                    continue;
                }
                same += 1;
                let most = plain.iter().copied().fold(f32::MIN, f32::max);
                assert_eq!(
                    Some(full.class),
                    plain.iter().position(|&s| s >= most - 1e-6),
                    "{text}, {shape:?}, {rate}"
                );
                let early = one.classify(case.frames(), true).unwrap();
                assert_eq!(
                    (early.class, full.steps),
                    (full.class, steps),
                    "{text}, {shape:?}, {rate}"
                );
                assert!(early.steps <= steps);
                // the state starts anew with every sample
                assert_eq!(one.classify(case.frames(), false).unwrap(), full);
            }
        }
    }
    assert!(flipped * 8 <= same, "{flipped} of {} samples have other spikes", same + flipped);
}

/// Three voters of the first class fire at every step and no others: of seven steps, four are a
/// majority.
#[test]
fn a_sample_stops_when_its_class_can_no_longer_change() {
    let case =
        Case::new("3Voting", [1, 2, 2, 1], (7, true), Config::bpsa(), StatisticsOver::Step, 1.0);
    let vars = case.vars.data().lock().unwrap();
    let zeros = vars["head.weight"].zeros_like().unwrap();
    vars["head.weight"].set(&zeros).unwrap();
    let bias: Vec<f32> = (0..9).map(|unit| if unit < 3 { 1.0 } else { -1.0 }).collect();
    vars["head.bias"].set(&Tensor::from_vec(bias, 9, &Device::Cpu).unwrap()).unwrap();
    let blocks = case.network.event_driven().unwrap();
    let mut one = blocks.inference([2, 2, 1]).unwrap();
    let early = one.classify(case.frames(), true).unwrap();
    assert_eq!((early.class, early.steps, one.votes()), (0, 4, &[12, 0, 0][..]));
    let full = one.classify(case.frames(), false).unwrap();
    assert_eq!((full.class, full.steps, one.votes()), (0, 7, &[21, 0, 0][..]));
    // a network that is being used does not lock its weights
    vars["head.weight"].set(&zeros).unwrap();
    assert!(one.classify(Frames { steps: 0, ..case.frames() }, true).is_err());
}

/// A step under a memory budget computes currents again, and every bit is the same.
#[test]
fn a_memory_budget_changes_no_bit() {
    let shape = [2, 17, 17, 2];
    let case =
        Case::new(NETWORKS[0], shape, (4, false), Config::bpsa_bpta(), StatisticsOver::Step, 0.2);
    let blocks = case.network.event_driven().unwrap();
    let plan =
        |memory_budget| blocks.plan(case.frames(), Options { memory_budget, ..Options::default() });
    let all = plan(None).unwrap();
    assert!(all.keep.iter().all(|keep| *keep));
    let run = |memory_budget| {
        fast(&case, Options { memory_budget, ..Options::default() }, &mut Observed::default())
    };
    let free = run(None);
    let (mut before, mut recomputed) = (all.clone(), 0);
    for budget in (0..all.bytes).step_by(16).rev() {
        let Ok(found) = plan(Some(budget)) else { break };
        assert!(found.bytes <= budget);
        if found.keep == before.keep {
            continue;
        }
        before = found;
        let tight = run(Some(budget));
        recomputed = tight.layers.iter().filter(|l| l.recomputed).count();
        assert_eq!(recomputed, before.keep.iter().filter(|keep| !**keep).count());
        for (id, gradient) in &free.of {
            let other = tight.of.iter().find(|(other, _)| other == id).unwrap();
            assert_eq!(values(gradient), values(&other.1));
        }
    }
    assert_eq!(recomputed, free.layers.len(), "no budget made it compute everything again");
    let error = plan(Some(1000)).unwrap_err().to_string();
    assert!(error.contains("the memory budget is 1000 bytes"), "{error}");
}
