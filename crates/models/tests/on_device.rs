//! Passes on a CUDA device beside the tensor operations on the CPU: spikes, scores, statistics and
//! every gradient.
//!
//! Without a device they are skipped, and say so; where SPIKEGRAD_CUDA is set they fail instead.
#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use models::{
    Frames, Gradients, Math, Mode, Network, Norm, NormOptions, Options, Precision, Spec,
    StageOptions, StatisticsOver,
};
use neuron::cells::plif;
use neuron::surrogate::{self, Atan};
use neuron::{Config, Kind, Neuron, WhenSilent};
use std::collections::HashMap;
use std::sync::Arc;

mod common;
use common::{Case, NETWORKS, Observed, agree, agree_but, apart, loss, values};

/// The case's network with its weights on the device, and those by name.
fn moved(
    case: &Case,
    text: &str,
    method: Config,
    over: StatisticsOver,
    to: &Device,
) -> (Network, HashMap<String, Tensor>) {
    moved_with(case, text, method.build().unwrap(), over, to)
}

fn moved_with(
    case: &Case,
    text: &str,
    neuron: Arc<dyn Neuron>,
    options: impl Into<StageOptions>,
    to: &Device,
) -> (Network, HashMap<String, Tensor>) {
    let vars = case.vars.data().lock().unwrap();
    let moved: HashMap<String, Tensor> = vars
        .iter()
        .map(|(name, var)| (name.clone(), var.as_detached_tensor().to_device(to).unwrap()))
        .collect();
    let vb = VarBuilder::from_tensors(moved.clone(), DType::F32, to);
    let [_, h, w, c] = case.shape;
    let spec: Spec = text.parse().unwrap();
    let network = Network::new(&spec, [h, w, c], 3, neuron, options, vb).unwrap();
    (network, moved)
}

/// Gradients of a step on the device, named by the variables on the CPU.
fn on_device(
    case: &Case,
    (network, moved): &(Network, HashMap<String, Tensor>),
    math: Math,
    observed: &mut Observed,
) -> Gradients {
    on_device_with(case, (network, moved), case.frames(), math, observed)
}

fn on_device_with(
    case: &Case,
    (network, moved): (&Network, &HashMap<String, Tensor>),
    frames: Frames,
    math: Math,
    observed: &mut Observed,
) -> Gradients {
    let engine = network.on_device().expect("these networks have blocks");
    let found = engine.gradients(frames, 5, math, observed, loss).unwrap();
    named(case, moved, found)
}

/// Gradients on the device as ones of the variables on the CPU.
fn named(case: &Case, moved: &HashMap<String, Tensor>, found: Gradients) -> Gradients {
    let vars = case.vars.data().lock().unwrap();
    let here = |(id, g): &(candle_core::TensorId, Tensor)| {
        let (name, _) = moved.iter().find(|(_, t)| t.id() == *id).unwrap();
        (vars[name].id(), g.to_device(&Device::Cpu).unwrap())
    };
    Gradients {
        scores: found.scores.clone(),
        of: found.of.iter().map(here).collect(),
        layers: Vec::new(),
    }
}

const EXACT: Math = Math { precision: Precision::F32, deterministic: true };

/// Every network, method and kind of statistics, 17 → 8 pooling, a batch of one and still images
/// among them.
#[test]
fn training_on_a_device_equals_the_tensor_operations() {
    let Some(to) = device::for_a_test().unwrap() else { return };
    let mut compared = [0, 0];
    for text in NETWORKS {
        // kernels are compiled for each of them: all methods on one network, the others with the
        // paper's
        let methods =
            if text == NETWORKS[0] { &Config::paper()[..] } else { &[Config::bpsa_bpta()] };
        for &method in methods {
            for over in [StatisticsOver::Step, StatisticsOver::Time] {
                for (shape, steps, still) in [
                    ([2, 17, 17, 2], 3, false),
                    ([1, 17, 13, 1], 4, true),
                    ([3, 12, 13, 2], 1, false),
                ] {
                    for rate in [0.1, 0.6] {
                        let case = Case::new(text, shape, (steps, still), method, over, rate);
                        let what = format!(
                            "{text}, {method:?}, {over:?}, {shape:?}, T {steps}, still {still}, rate {rate}"
                        );
                        let mut observed = Observed::default();
                        let found = on_device(
                            &case,
                            &moved(&case, text, method, over, &to),
                            EXACT,
                            &mut observed,
                        );
                        compared[usize::from(agree(&case, &observed, &found, false, &what))] += 1;
                    }
                }
            }
        }
    }
    let [flipped, same] = compared;
    eprintln!("{same} cases compared, {flipped} with a membrane at the threshold");
    assert!(flipped * 20 <= same, "{flipped} of {} cases have other spikes", same + flipped);
}

/// Many steps: the backward passes keep them in segments and read the currents twice.
#[test]
fn many_steps_are_the_same_in_segments() {
    let Some(to) = device::for_a_test().unwrap() else { return };
    let (text, over) = ("8C3-MP4-8C3-AP2-2Voting", StatisticsOver::Step);
    let mut same = 0;
    for steps in [5, 23, 40] {
        let case = Case::new(text, [1, 12, 12, 2], (steps, false), Config::bpsa_bpta(), over, 0.2);
        let mut observed = Observed::default();
        let found = on_device(
            &case,
            &moved(&case, text, Config::bpsa_bpta(), over, &to),
            EXACT,
            &mut observed,
        );
        same += usize::from(agree(&case, &observed, &found, false, &format!("T {steps}")));
    }
    assert!(same >= 2, "{same} of 3 have the same spikes");
}

/// Evaluation with running statistics, and frames that are sent as bytes.
#[test]
fn evaluation_and_bytes_are_the_same() {
    let Some(to) = device::for_a_test().unwrap() else { return };
    for text in NETWORKS {
        let (method, over) = (Config::bpsa_bpta(), StatisticsOver::Step);
        let case = Case::new(text, [2, 17, 17, 2], (3, false), method, over, 0.3);
        let (network, tensors) = moved(&case, text, method, over, &to);
        let plain = values(&case.network.forward(&case.tensor(), Mode::Eval, &mut ()).unwrap());
        let engine = network.on_device().unwrap();
        let scores = engine.scores(case.frames(), Mode::Eval, EXACT, &mut ()).unwrap();
        assert!(apart(&values(&scores), &plain).0 < 1e-6, "{text}");
        let bytes: Vec<u8> = case.values.iter().map(|v| *v as u8).collect();
        let sent = Frames { bytes: Some(&bytes), values: &[], ..case.frames() };
        let (a, b) = (
            on_device_with(&case, (&network, &tensors), sent, EXACT, &mut Observed::default()),
            on_device_with(
                &case,
                (&network, &tensors),
                case.frames(),
                EXACT,
                &mut Observed::default(),
            ),
        );
        for ((id, a), (_, b)) in a.of.iter().zip(&b.of) {
            assert_eq!(values(a), values(b), "{text}: {id:?}");
        }
    }
}

/// bf16: products, activations and gradients rounded to 8 bits; spikes and gradients are then those
/// of another network nearby. What must hold is that they are finite, near in the mean, and the
/// same every time.
#[test]
fn bf16_is_near_and_repeats_itself() {
    let Some(to) = device::for_a_test().unwrap() else { return };
    let (text, method, over) =
        ("16C3-MP2-16C3-AP2-30FC-2Voting", Config::bpsa_bpta(), StatisticsOver::Time);
    let case = Case::new(text, [4, 16, 16, 2], (4, false), method, over, 0.3);
    let place = moved(&case, text, method, over, &to);
    let math = Math { precision: Precision::Bf16, deterministic: true };
    let (mut exact, mut half, mut again) =
        (Observed::default(), Observed::default(), Observed::default());
    let a = on_device(&case, &place, EXACT, &mut exact);
    let b = on_device(&case, &place, math, &mut half);
    let c = on_device(&case, &place, math, &mut again);
    for ((name, a), (_, b)) in exact.spikes.iter().zip(&half.spikes) {
        let (a, b) = (a.iter().sum::<f64>(), b.iter().sum::<f64>());
        assert!((a - b).abs() < 0.05 * a.max(20.0), "{name}: {a} spikes, in bf16 {b}");
    }
    assert_eq!(half.spikes, again.spikes);
    for (((_, a), (_, b)), (_, c)) in a.of.iter().zip(&b.of).zip(&c.of) {
        let (a, b) = (values(a), values(b));
        assert_eq!(b, values(c));
        let dot =
            |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(x * y)).sum::<f64>();
        let size = (dot(&a, &a) * dot(&b, &b)).sqrt();
        assert!(size == 0.0 || dot(&a, &b) > 0.8 * size, "angle {} of {size}", dot(&a, &b));
    }
}

/// Residual networks of both styles; lateral connections, and neurons behind a pool.
const GRAPHS: [&str; 3] = [
    "4S3-4RB3-4RB3/2-BN-GAP-2Voting",
    "4C3-4RB3(post)-4RB3/2(post)-GAP-2Voting",
    "6C3(L5)-AP2-6C3(valid)-AN2-2Voting",
];

/// What the norm is: the paper's, tdBN's, BNTT's, none.
fn norms(steps: usize) -> [StageOptions; 4] {
    let usual = NormOptions::default();
    let of = |norm: Norm, rectify| StageOptions {
        norm,
        rectify,
        steps: Some(steps),
        ..StageOptions::default()
    };
    let time = NormOptions { over: StatisticsOver::Time, scale: 0.5, branch_scale: 0.7, ..usual };
    let by_step = NormOptions {
        per_step_weight: true,
        per_step_running: true,
        shift: false,
        linear: true,
        ..usual
    };
    [
        of(Norm::Batch(usual), true),
        of(Norm::Batch(time), false),
        of(Norm::Batch(by_step), false),
        of(Norm::None, false),
    ]
}

fn agrees(case: &Case, text: &str, neuron: &Arc<dyn Neuron>, options: StageOptions) -> bool {
    let to = device::for_a_test().unwrap().unwrap();
    let what = format!("{text}, T {}, still {}, {options:?}, {neuron:?}", case.steps, case.still);
    let place = moved_with(case, text, neuron.clone(), options, &to);
    let mut observed = Observed::default();
    let found = on_device(case, &place, EXACT, &mut observed);
    agree_but(case, &observed, &found, 4e-6, &what)
}

#[test]
fn graphs_with_every_norm_equal_the_tensor_operations() {
    if device::for_a_test().unwrap().is_none() {
        return;
    }
    let mut compared = [0, 0];
    // kernels are compiled for each case: not every norm with every graph
    for (text, norms_of, still) in [
        (0, 1, false),
        (0, 2, true),
        (1, 0, true),
        (1, 1, false),
        (1, 3, false),
        (2, 2, false),
        (2, 2, true),
        (2, 3, false),
    ] {
        let (text, options) = (GRAPHS[text], norms(3)[norms_of]);
        let neuron = Config::bpsa_bpta().build().unwrap();
        let case = Case::with(text, [3, 9, 9, 2], (3, still), neuron.clone(), options, 0.6);
        compared[usize::from(agrees(&case, text, &neuron, options))] += 1;
    }
    let [flipped, same] = compared;
    eprintln!("{same} cases compared, {flipped} with a membrane at the threshold");
    assert!(flipped <= 1, "{flipped} of {} cases have other spikes", same + flipped);
}

fn plif(surrogate: surrogate::Kind) -> Config {
    let kind = Kind::Plif(plif::Constants { tau: 2.0 });
    Config { kind, surrogate, threshold: 0.3, ..Config::baseline() }
}

/// A time constant that each layer learns, also with TSSL-BP's slope in silent layers, which is
/// chosen when the spikes are counted.
#[test]
fn learned_parameters_and_warm_ups_equal_the_tensor_operations() {
    if device::for_a_test().unwrap().is_none() {
        return;
    }
    let own = plif(surrogate::Kind::Atan(Atan::default()));
    let lif = Config::bpsa_bpta();
    let warm = |config: Config| -> Arc<dyn Neuron> {
        Arc::new(WhenSilent::new(config.build().unwrap(), &config, 0.2).unwrap())
    };
    let mut compared = [0, 0];
    for (neuron, text, still) in [
        (own.build().unwrap(), "8C3-MP2-6C3-AP2-2Voting", false),
        (own.build().unwrap(), "8C3-MP2-6C3-AP2-2Voting", true),
        (own.build().unwrap(), GRAPHS[1], false),
        (own.build().unwrap(), "6C3(L5)-AP2-2Voting", false),
        (warm(own), "8C3-MP2-6C3-AP2-2Voting", false),
        (warm(lif), GRAPHS[2], true),
    ] {
        let options = StageOptions::from(StatisticsOver::Step);
        let case = Case::with(text, [2, 9, 9, 2], (4, still), neuron.clone(), options, 0.6);
        compared[usize::from(agrees(&case, text, &neuron, options))] += 1;
    }
    let [flipped, same] = compared;
    assert!(flipped <= 1, "{flipped} of {} cases have other spikes", same + flipped);
}

/// Evaluation of graphs, and losses of the votes of single steps.
#[test]
fn votes_of_steps_are_the_same() {
    let Some(to) = device::for_a_test().unwrap() else { return };
    let neuron = Config::bpsa_bpta().build().unwrap();
    for (text, still) in [(GRAPHS[0], true), (GRAPHS[1], false), (GRAPHS[2], false)] {
        let options = norms(3)[2];
        let case = Case::with(text, [2, 9, 9, 2], (3, still), neuron.clone(), options, 0.6);
        let (network, tensors) = moved_with(&case, text, neuron.clone(), options, &to);
        let plain = case.network.forward(&case.tensor(), Mode::Eval, &mut ()).unwrap();
        let engine = network.on_device().unwrap();
        let scores = engine.scores(case.frames(), Mode::Eval, EXACT, &mut ()).unwrap();
        assert!(apart(&values(&scores), &values(&plain)).0 < 1e-6, "{text}");
        let votes = engine.votes(case.frames(), Mode::Eval, EXACT, &mut ()).unwrap();
        assert!(apart(&values(&votes.mean(0).unwrap()), &values(&plain)).0 < 1e-6, "{text}");
        let (mut a, mut b) = (Observed::default(), Observed::default());
        let found = engine.gradients_by_step(case.frames(), 5, EXACT, &mut a, loss).unwrap();
        let found = named(&case, &tensors, found);
        let here = case.network.event_driven().unwrap();
        let here =
            here.gradients_by_step(case.frames(), 5, Options::default(), &mut b, loss).unwrap();
        if a.spikes != b.spikes {
            continue;
        }
        assert!(apart(&values(&found.scores), &values(&here.scores)).0 < 1e-6, "{text}");
        assert_eq!(found.of.len(), here.of.len(), "{text}");
        let all = here.of.iter().map(|(_, g)| apart(&[], &values(g)).1).fold(0.0, f32::max);
        for (id, g) in &found.of {
            let (_, other) = here.of.iter().find(|(other, _)| other == id).unwrap();
            let (off, largest) = apart(&values(g), &values(other));
            assert!(off <= (1e-5 * largest).max(4e-6 * all), "{text}: {off:e} of {largest:e}");
        }
    }
}

/// A feedback edge over two blocks with norms, added to a chain; in bf16 it repeats itself.
#[test]
fn feedback_over_two_blocks_is_the_same() {
    let Some(to) = device::for_a_test().unwrap() else { return };
    let (text, over) = ("4C3-4C3-2Voting", StatisticsOver::Step);
    let method = Config::bpsa_bpta();
    let case = Case::new(text, [2, 7, 7, 2], (4, false), method, over, 0.6);
    let (network, tensors) = moved(&case, text, method, over, &to);
    let fed_back = |network: &Network| {
        let mut graph = network.graph().unwrap();
        let (from, delay) = (blocks::Origin::Block(1), blocks::Delay::Next);
        graph.blocks[0].sources.push(blocks::Source { from, weight: None, delay });
        graph
    };
    let here = blocks::EventDriven::new(fed_back(&case.network)).unwrap();
    let there = blocks::OnDevice::new(fed_back(&network)).unwrap();
    let (mut a, mut b) = (Observed::default(), Observed::default());
    let found = there.gradients(case.frames(), 5, EXACT, &mut a, loss).unwrap();
    let found = named(&case, &tensors, found);
    let here = here.gradients(case.frames(), 5, Options::default(), &mut b, loss).unwrap();
    assert_eq!(a.spikes, b.spikes);
    assert_eq!(values(&found.scores), values(&here.scores));
    let vars = case.vars.data().lock().unwrap();
    for (name, var) in vars.iter().filter(|(name, _)| !name.contains("running")) {
        let nothing = name.contains("C3") && name.ends_with(".bias") && !name.contains("norm");
        let (g, other) = (found.get(var).unwrap(), here.get(var).unwrap());
        let (off, largest) = apart(&values(g), &values(other));
        assert!(nothing || off <= 1e-5 * largest, "{name}: {off:e} of {largest:e}");
    }
    let math = Math { precision: Precision::Bf16, deterministic: true };
    let twice = [(); 2].map(|()| there.gradients(case.frames(), 5, math, &mut (), loss).unwrap());
    for ((_, a), (_, b)) in twice[0].of.iter().zip(&twice[1].of) {
        let (a, b) = (a.to_device(&Device::Cpu).unwrap(), b.to_device(&Device::Cpu).unwrap());
        assert!(values(&a).iter().all(|v| v.is_finite()));
        assert_eq!(values(&a), values(&b));
    }
}
