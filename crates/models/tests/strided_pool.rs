//! Pooling with a stride and a border, dropout that is drawn anew at each step, neurons with a
//! factor of their whole spike train, and networks that end in currents: event-driven beside the
//! tensor operations.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use candle_core::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};
use models::{
    Crossovers, Layer, Masks, Mode, Network, Norm, Options, Spec, StageOptions, StatisticsOver,
};
use neuron::cells::sbpsnn::Constants;
use neuron::{Config, Kind, Reset, ResetGradient};

mod common;
use common::{Case, Observed, agree_but, apart, loss};

const ROUNDING: f32 = 4e-6;

/// Windows behind neurons, behind currents and within residual networks; dropout in every place.
const NETWORKS: [&str; 6] = [
    "6C3-AP3/2(P1)-8C3-MP2-DP-2Voting",
    "6C3-DP-AP2/1(P1)-7C3-AP3/1-DP-9FC(DP)-2Voting",
    "6C3(L5)-DP-AP3/2-5C3(L3)-2Voting",
    "4S3-BN-AP3/2(P1)-4C3-DP-DP-2Voting",
    "4S3-DP-4RB3-AP3/2(P1)-6RB3(post)-DP-GAP-2Voting",
    "AP3/2(P1)-DP-12FC(DP)-2Voting",
];

/// SBPSNN's neurons with their factor.
fn sbpsnn(reset: Reset) -> Config {
    Config {
        kind: Kind::Sbpsnn(Constants { decay: 0.9, factor: true }),
        reset,
        reset_gradient: ResetGradient::Detached,
        ..Config::bpsa()
    }
}

fn cases() -> Vec<(Case, String)> {
    let mut all = Vec::new();
    for (shape, shown) in [([2, 9, 9, 2], (3, false)), ([2, 8, 8, 2], (4, true))] {
        for (i, text) in NETWORKS.iter().enumerate() {
            for dropout in [Masks::Pass, Masks::Step] {
                let norm = Norm::from(StatisticsOver::Step);
                let options = StageOptions { norm, dropout, ..StageOptions::default() };
                let config = [Config::bpsa_bpta(), Config::baseline()][i % 2];
                let neuron = config.build().unwrap();
                let case = Case::with(text, shape, shown, neuron, options, 0.6);
                all.push((case, format!("{text}, {shown:?}, {dropout:?}")));
            }
        }
        for (text, reset) in [
            ("6C3-MP2-8C3-AP2-7FC-2Voting", Reset::ToZero),
            ("5C3-AP3/2(P1)-6C3-MP3-DP-2Voting", Reset::Subtract),
            ("4S3-4RB3-6RB3/2(post)-GAP-9FC(DP)-2Voting", Reset::ToZero),
        ] {
            let neuron = sbpsnn(reset).build().unwrap();
            let options = StageOptions { rectify: false, ..StageOptions::default() };
            all.push((Case::with(text, shape, shown, neuron, options, 0.6), format!("{text}, c")));
        }
    }
    all
}

#[test]
fn training_equals_the_tensor_operations() {
    let mut compared = [0, 0];
    for (case, what) in cases() {
        for crossover in [f64::INFINITY, 0.0] {
            let options = Options { crossover: Crossovers::at(crossover), memory_budget: None };
            let engine = case.network.event_driven().expect(&what);
            let mut observed = Observed::default();
            let found = engine.gradients(case.frames(), 5, options, &mut observed, loss).unwrap();
            let same = agree_but(&case, &observed, &found, ROUNDING, &what);
            compared[usize::from(same)] += 1;
        }
    }
    let [flipped, same] = compared;
    assert!(flipped * 8 <= same, "{flipped} of {} cases have other spikes", same + flipped);
}

/// What each sample of a case is read as: the largest difference from `expected`, `[B, K]`.
fn single(case: &Case, decay: Option<f64>, share: f32, expected: &Tensor) -> f32 {
    let engine = case.network.event_driven().unwrap();
    let [batch, h, w, c] = case.shape;
    let mut one = match decay {
        Some(decay) => engine.inference_of_membranes([h, w, c], decay).unwrap(),
        None => engine.inference([h, w, c]).unwrap(),
    };
    let expected: Vec<Vec<f32>> = expected.to_vec2().unwrap();
    let mut off = 0f32;
    for (sample, expected) in expected.iter().enumerate() {
        let maps = case.values.chunks(h * w * c).skip(sample).step_by(batch);
        let own: Vec<f32> = maps.flatten().copied().collect();
        let frames = models::Frames { values: &own, shape: [1, h, w, c], ..case.frames() };
        let decision = one.classify(frames, !one.charges().is_empty()).unwrap();
        let read: Vec<f32> = match one.charges() {
            [] => one.votes().iter().map(|&v| v as f32 / share).collect(),
            charges => {
                assert_eq!(decision.steps, case.steps, "currents are read at the end");
                charges.iter().map(|&v| v as f32 / share).collect()
            }
        };
        let best = |of: &[f32]| (0..of.len()).fold(0, |b, i| if of[i] > of[b] { i } else { b });
        assert_eq!(decision.class, best(&read));
        off = off.max(apart(&read, expected).0 / apart(&[], expected).1.max(1e-3));
    }
    off
}

#[test]
fn single_samples_are_read_by_every_head() {
    let (mut same, mut all) = (0, 0);
    for (mut case, what) in cases() {
        let share = (2 * case.steps) as f32;
        let plain = case.network.forward(&case.tensor(), Mode::Eval, &mut ()).unwrap();
        let mut found = vec![single(&case, None, share, &plain)];
        case.network = case.network.without_output_neurons();
        // the mean of currents, and a membrane that leaks
        let votes = case.network.votes(&case.tensor(), Mode::Eval, &mut ()).unwrap();
        found.push(single(&case, None, share, &votes.mean(0).unwrap()));
        let mut v = votes.get(0).unwrap();
        for t in 1..case.steps {
            v = ((v * 0.7).unwrap() + votes.get(t).unwrap()).unwrap();
        }
        found.push(single(&case, Some(0.7), 2.0, &v));
        let near = found.iter().filter(|off| **off < 1e-5).count();
        eprintln!("{what}: {found:?}");
        (same, all) = (same + near, all + 3);
    }
    assert!(all > 80 && (all - same) * 8 <= all, "{same} of {all} readings are the same");
    let (case, _) = cases().remove(0);
    let engine = case.network.event_driven().unwrap();
    assert!(engine.inference_of_membranes([9, 9, 2], 0.7).is_err(), "neurons vote");
}

fn network(text: &str, dropout: Masks) -> Network {
    let vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
    let (spec, neuron): (Spec, _) = (text.parse().unwrap(), Config::bpsa().build().unwrap());
    let options = StageOptions { dropout, ..StageOptions::default() };
    Network::new(&spec, [9, 9, 2], 3, neuron, options, vb).unwrap()
}

fn frames() -> Tensor {
    Tensor::rand(0f32, 1.0, (4, 2, 9, 9, 2), &Device::Cpu).unwrap()
}

#[test]
fn a_stride_and_a_border_give_the_sizes_of_pytorch() {
    for (text, side) in [("AP3/2(P1)", 5), ("AP3/2", 4), ("AP2/1(P1)", 10), ("AP5/3(P2)", 3)] {
        let network = network(&format!("4C3-{text}-2Voting"), Masks::Pass);
        assert!(network.event_driven().is_some(), "{text}");
        let mut shapes = Vec::new();
        let visit = &mut |layer: &Layer, _: &Tensor, y: &Tensor| {
            if let Layer::StridedAvgPool(_) = layer {
                shapes.push(y.dims().to_vec());
            }
            Ok(())
        };
        assert_eq!(network.walk(&frames(), visit).unwrap().dims(), [2, 3]);
        assert_eq!(shapes, [[4, 2, side, side, 4]], "{text}");
        // told by sizes alone, it is the same: weights, norm's four, and of the head both
        let weights = 9 * 2 * 4 + 4 + 4 * 4 + side * side * 4 * 6 + 6;
        assert_eq!(network.footprint([9, 9, 2]).weights, weights as u128, "{text}");
    }
    assert!(network("4C3-AP3/3-2Voting", Masks::Pass).event_driven().is_some(), "AP3 written out");
    let small: Spec = "4C3-AP9-AP3/2-2Voting".parse().unwrap();
    let neuron = Config::bpsa().build().unwrap();
    let refused = Network::outline(&small, [9, 9, 2], 3, neuron, StageOptions::default());
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("AP3/2 needs maps of at least 3×3, found 1×1"), "{said}");
}

#[test]
fn dropout_of_each_step_changes_a_training_pass_alone() {
    let text = "4C3-AP3-DP-6FC(DP)-2Voting";
    let [pass, step] = [Masks::Pass, Masks::Step].map(|masks| network(text, masks));
    assert!(pass.event_driven().is_some() && step.event_driven().is_some());
    let frames = frames();
    let scores = |network: &Network, mode| -> Vec<Vec<f32>> {
        network.forward(&frames, mode, &mut ()).unwrap().to_vec2().unwrap()
    };
    let mut dropped = Vec::new();
    let train = Mode::Train { seed: 7 };
    assert_eq!(scores(&step, train), scores(&step, train));
    let mut x = frames.clone();
    for layer in step.layers() {
        let y = layer.forward(&x, train, &mut ()).unwrap();
        if let Layer::Dropout(..) = layer {
            let first: Vec<f32> = y.get(0).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            let ones = layer.forward(&x.ones_like().unwrap(), train, &mut ()).unwrap();
            let masks: Vec<Vec<f32>> = ones.flatten_from(1).unwrap().to_vec2().unwrap();
            dropped.push((first.len(), masks));
        }
        x = y;
    }
    assert_eq!(dropped.len(), 2);
    for (values, masks) in dropped {
        assert!(masks.iter().all(|mask| mask.len() == values));
        assert!((1..masks.len()).all(|t| !masks[..t].contains(&masks[t])));
    }
}
