//! What may stand around products: norms with every option, none, without ReLU and biases, on the
//! event-driven path beside the tensor operations: spikes, scores, statistics and every gradient.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use models::{
    Biases, Crossovers, Layer, Mode, Network, Norm, NormOptions, Options, Spec, StageOptions,
    StatisticsOver,
};
use neuron::Config;
use std::collections::HashMap;

mod common;
use common::{Case, Observed, agree_but, apart, loss, values};

/// As in `graph.rs`, but of norms over the three values of a batch too, whose inverse deviations
/// multiply what was rounded.
const ROUNDING: f32 = 4e-6;

const NETWORKS: [&str; 5] = [
    "6C3(L5)-AP2-5C3(valid)-AN2-2Voting",
    "8C3-MP2-10C3-6C3-AP2-30FC(DP)-2Voting",
    "4C3-4RB3(post)-6RB3/2(post)-GAP-2Voting",
    "4S3-4RB3-6RB3/2-GAP-9FC-2Voting",
    "4S3-BN-MP2-DP-4C3-BN-AP2-7FC-2Voting",
];

/// Systems' norms, and what else the options allow.
fn options(steps: usize) -> Vec<StageOptions> {
    let usual = NormOptions::default();
    let of = |norm: NormOptions, rectify, bias| StageOptions {
        norm: Norm::Batch(norm),
        rectify,
        bias,
        steps: Some(steps),
        ..StageOptions::default()
    };
    let time = StatisticsOver::Time;
    vec![
        // tdBN
        of(
            NormOptions { over: time, scale: 0.5, branch_scale: 0.7, ..usual },
            false,
            Biases::Linear,
        ),
        // BNTT
        of(
            NormOptions {
                per_step_weight: true,
                per_step_running: true,
                shift: false,
                eps: 1e-4,
                linear: true,
                ..usual
            },
            false,
            Biases::None,
        ),
        of(NormOptions { over: time, per_step_weight: true, ..usual }, true, Biases::All),
        of(NormOptions { per_step_running: true, scale: 1.7, ..usual }, true, Biases::None),
        of(
            NormOptions { per_step_weight: true, linear: true, eps: 1e-2, ..usual },
            true,
            Biases::All,
        ),
        StageOptions { norm: Norm::None, rectify: false, ..StageOptions::default() },
        StageOptions { norm: Norm::None, bias: Biases::None, ..StageOptions::default() },
    ]
}

fn cases() -> Vec<(Case, String)> {
    let mut all = Vec::new();
    for text in NETWORKS {
        for (shape, shown) in [([3, 9, 9, 2], (3, false)), ([3, 8, 8, 2], (4, true))] {
            for options in options(shown.0) {
                if options.norm == Norm::None && text.contains("BN") {
                    continue;
                }
                let neuron = Config::bpsa_bpta().build().unwrap();
                let case = Case::with(text, shape, shown, neuron, options, 0.6);
                all.push((case, format!("{text}, {shown:?}, {options:?}")));
            }
        }
    }
    all
}

#[test]
fn training_with_every_option_equals_the_tensor_operations() {
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
    eprintln!("{same} cases compared, {flipped} with a membrane at the threshold");
    assert!(flipped * 10 <= same, "{flipped} of {} cases have other spikes", same + flipped);
}

/// The gradients of a case by the tensor operations in f32 and in f64, if the spikes are the same.
fn defined(
    case: &Case,
    text: &str,
    options: StageOptions,
) -> Option<[HashMap<String, Vec<f64>>; 2]> {
    let exact = VarMap::new();
    let vb = VarBuilder::from_varmap(&exact, DType::F64, &Device::Cpu);
    let [_, h, w, c] = case.shape;
    let neuron = Config::bpsa_bpta().build().unwrap();
    let spec: Spec = text.parse().unwrap();
    let network = Network::new(&spec, [h, w, c], 3, neuron, options, vb).unwrap();
    for (name, var) in exact.data().lock().unwrap().iter() {
        let of = case.vars.data().lock().unwrap()[name].to_dtype(DType::F64).unwrap();
        var.set(&of).unwrap();
    }
    let pass = |network: &Network, vars: &VarMap, frames: &Tensor| {
        let mut observed = Observed::default();
        let scores = network.forward(frames, Mode::Train { seed: 5 }, &mut observed).unwrap();
        let loss = ((scores.sqr().unwrap() / 2.0).unwrap() + (&scores * 0.8).unwrap()).unwrap();
        let gradients = loss.sum_all().unwrap().backward().unwrap();
        let of = |(name, var): (&String, &Var)| {
            let all = gradients.get(var)?.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
            Some((name.clone(), all.to_vec1::<f64>().unwrap()))
        };
        let found: HashMap<_, _> = vars.data().lock().unwrap().iter().filter_map(of).collect();
        (observed.spikes, found)
    };
    let frames = case.tensor();
    let (plain_spikes, plain) = pass(&case.network, &case.vars, &frames);
    let (exact_spikes, exact) = pass(&network, &exact, &frames.to_dtype(DType::F64).unwrap());
    (plain_spikes == exact_spikes).then_some([plain, exact])
}

/// Norms over the three values of a batch multiply what was rounded by 1/√(σ² + ε), so that two
/// ways in f32 are apart by more than either is from the equation. So each is held to it in f64:
/// the fast path is no further from it than ten times what the tensor operations are, or than 1e-5.
#[test]
fn norms_of_few_values_are_as_exact_as_the_tensor_operations() {
    let per_step = NormOptions { per_step_weight: true, linear: true, ..NormOptions::default() };
    let mut compared = 0;
    for text in NETWORKS.into_iter().chain(["8C3-MP2-BN-4RB1-4RB3(post)-7FC-3Voting"]) {
        for (shape, shown, norm) in [
            ([3, 9, 9, 2], (3, false), per_step),
            ([3, 8, 8, 2], (4, true), per_step),
            ([2, 9, 9, 2], (3, false), NormOptions::default()),
        ] {
            let options = StageOptions {
                norm: Norm::Batch(norm),
                steps: Some(shown.0),
                ..StageOptions::default()
            };
            let neuron = Config::bpsa_bpta().build().unwrap();
            let case = Case::with(text, shape, shown, neuron, options, 0.6);
            let Some([plain, exact]) = defined(&case, text, options) else { continue };
            let engine = case.network.event_driven().unwrap();
            let mut observed = Observed::default();
            let options = Options { crossover: Crossovers::at(f64::INFINITY), memory_budget: None };
            let found = engine.gradients(case.frames(), 5, options, &mut observed, loss).unwrap();
            let top = exact.values().flatten().fold(0f64, |m, g| m.max(g.abs()));
            for (name, var) in case.vars.data().lock().unwrap().iter() {
                let Some(exact) = exact.get(name) else { continue };
                let far = |got: &[f64]| {
                    got.iter().zip(exact).fold(0f64, |m, (a, b)| m.max((a - b).abs()))
                };
                let got: Vec<f64> =
                    values(found.get(var).unwrap()).into_iter().map(f64::from).collect();
                let (ours, theirs) = (far(&got), far(&plain[name]));
                let largest = exact.iter().fold(0f64, |m, g| m.max(g.abs()));
                assert!(
                    ours <= (10.0 * theirs).max(1e-5 * largest).max(1e-7 * top),
                    "{text}, {name}"
                );
            }
            compared += 1;
        }
    }
    assert!(compared > 4, "{compared} cases with the same spikes");
}

#[test]
fn evaluation_and_single_samples_with_every_option_are_the_same() {
    let (mut same, mut all) = (0, 0);
    for (case, what) in cases() {
        let engine = case.network.event_driven().expect(&what);
        let plain = case.network.forward(&case.tensor(), Mode::Eval, &mut ()).unwrap();
        let options = Options::default();
        let whole = engine.scores(case.frames(), Mode::Eval, options, &mut ()).unwrap();
        let [batch, h, w, c] = case.shape;
        let mut one = engine.inference([h, w, c]).unwrap();
        let classes = plain.dim(1).unwrap();
        let mut off = apart(&values(&whole), &values(&plain)).0;
        for sample in 0..batch {
            let maps = case.values.chunks(h * w * c).skip(sample).step_by(batch);
            let own: Vec<f32> = maps.flatten().copied().collect();
            let frames = models::Frames { values: &own, shape: [1, h, w, c], ..case.frames() };
            one.classify(frames, false).unwrap();
            let share = (2 * case.steps) as f32;
            let votes: Vec<f32> = one.votes().iter().map(|&v| v as f32 / share).collect();
            let expected = values(&plain)[sample * classes..][..classes].to_vec();
            off = off.max(apart(&votes, &expected).0);
        }
        (same, all) = (same + usize::from(off < 1e-6), all + 1);
    }
    assert!(all > 40 && (all - same) * 8 <= all, "{same} of {all} cases have the same votes");
}

#[test]
fn a_norm_of_each_step_needs_their_number() {
    let spec: Spec = "4C3-2Voting".parse().unwrap();
    let of = |options: NormOptions, steps| {
        let vars = VarMap::new();
        let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
        let options = StageOptions { norm: Norm::Batch(options), steps, ..Default::default() };
        let neuron = Config::bpsa().build().unwrap();
        Network::new(&spec, [4, 4, 1], 3, neuron, options, vb)
    };
    let by_step = NormOptions { per_step_weight: true, ..NormOptions::default() };
    let said = of(by_step, None).unwrap_err().to_string();
    assert!(said.contains("4C3-1 differs from step to step"), "{said}");
    let network = of(by_step, Some(3)).unwrap();
    let Layer::Norm(_, norm) = &network.layers()[1] else { panic!("{network:?}") };
    assert_eq!((norm.weight.dims(), norm.running_mean.dims()), (&[3, 4][..], &[4][..]));
    let said = of(NormOptions { eps: 0.0, ..NormOptions::default() }, None).unwrap_err();
    assert!(said.to_string().contains("norm.eps: expected a positive number of at most 1"));
    // more steps than it was made for
    let frames = Tensor::ones((4, 2, 4, 4, 1), DType::F32, &Device::Cpu).unwrap();
    let plain = network.forward(&frames, Mode::Train { seed: 0 }, &mut ()).unwrap_err();
    assert!(plain.to_string().contains("norm of 3 steps was shown 4"), "{plain}");
    let some = values(&frames);
    let frames =
        models::Frames { values: &some, bytes: None, steps: 4, shape: [2, 4, 4, 1], still: false };
    let engine = network.event_driven().unwrap();
    let said = engine.scores(frames, Mode::Eval, Options::default(), &mut ()).unwrap_err();
    assert!(said.to_string().contains("norm of 3 steps was shown 4"), "{said}");
}
