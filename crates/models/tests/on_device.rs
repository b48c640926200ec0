//! Passes on a CUDA device beside the tensor operations on the CPU: spikes, scores, statistics and
//! every gradient.
//!
//! Without a device they are skipped, and say so; where SPIKEGRAD_CUDA is set they fail instead.
#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use models::{Frames, Gradients, Math, Mode, Network, Precision, Spec, StatisticsOver};
use neuron::Config;
use std::collections::HashMap;

mod common;
use common::{Case, NETWORKS, Observed, agree, apart, loss, values};

/// The case's network with its weights on the device, and those by name.
fn moved(
    case: &Case,
    text: &str,
    method: Config,
    over: StatisticsOver,
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
    let network = Network::new(&spec, [h, w, c], 3, method.build().unwrap(), over, vb).unwrap();
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
