//! A setup is checked where it is used, and what sizes tell is known before the first step.
#![allow(clippy::unwrap_used, clippy::panic)]

use candle_core::{DType, Device};
use events::{Frames, Grid, Shape};
use models::{Network, StatisticsOver};
use neuron::Config;
use training::{
    AdamWConfig, Augment, Clip, Compute, Error, Example, Head, Initialisation, InputEncoding, Law,
    Objective, Optimiser, OptimiserKind, Progress, Schedule, SeededVars, Set, Setup, WarmUp, train,
};

const SETUP: Setup = Setup {
    epochs: 1,
    batch: 4,
    drop_last: false,
    learning_rate: 1e-2,
    ramp_epochs: 2,
    ..Setup::PAPER
};

/// `n` samples of `steps` frames of 4×4.
fn examples(n: usize, steps: usize) -> Vec<Example> {
    let example = |i: usize| {
        let counts = (0..steps * 32).map(|k| u16::from((k * 7 + i * 5).is_multiple_of(3)));
        let shape = Shape { steps, height: 4, width: 4, channels: 2 };
        let frames: Frames = Grid::new(shape, counts.collect()).unwrap();
        Example { frames, label: (i % 2) as u32 }
    };
    (0..n).map(example).collect()
}

/// Counts steps.
struct Steps(usize);

impl Progress for Steps {
    fn step(&mut self, _: usize, _: usize, _: usize, _: f64, _: f64) {
        self.0 += 1;
    }
}

/// How many steps training took, and how it ended.
fn go(
    network: &str,
    over: StatisticsOver,
    (train_set, shown): (&Vec<Example>, &InputEncoding),
    setup: &Setup,
) -> (usize, Result<(), Error>) {
    let mut vars = SeededVars::new(0);
    let neuron = Config::bpsa_bpta().build().unwrap();
    let builder = vars.builder(DType::F32, &Device::Cpu);
    let spec = network.parse().unwrap();
    let network = Network::new(&spec, [4, 4, 2], 2, neuron, over, builder).unwrap();
    // a test set whose last batch is one sample: running statistics need no second
    let steps = if shown.still.is_some() { 1 } else { 2 };
    let test = examples(setup.batch % 64 + 1, steps);
    let sets =
        (Set { samples: train_set, encoding: shown }, Set { samples: &test, encoding: shown });
    let (compute, mut steps) = (Compute::default(), Steps(0));
    let ended = train(&network, &mut vars, sets, setup, &compute, 0, &Device::Cpu, &mut steps);
    (steps.0, ended.map(|_| ()))
}

#[test]
fn a_batch_of_one_under_batch_norm_is_refused_before_the_first_step() {
    use StatisticsOver::{Step, Time};
    const DEEP: &str = "2C3-AP4-4C3-2Voting";
    let recorded = InputEncoding::default();
    let still = InputEncoding { still: Some(3), standard: Vec::new(), bernoulli: None };
    let none = WarmUp::None;
    let ann = WarmUp::Ann { epochs: 1 };
    // network, statistics, samples, batch, drop_last, still, warm-up, and what is said
    let cases = [
        (DEEP, Step, 9, 4, false, false, none, Some("another batch size")),
        (DEEP, Step, 9, 4, true, false, none, None),
        (DEEP, Step, 10, 4, false, false, none, None),
        (DEEP, Step, 3, 1, false, false, none, Some("a batch of two or more")),
        (DEEP, Step, 3, 1, true, false, none, Some("a batch of two or more")),
        (DEEP, Step, 1, 4, false, false, none, Some("more than one training sample")),
        (DEEP, Time, 9, 4, false, false, none, None),
        (DEEP, Time, 9, 4, false, true, none, None),
        (DEEP, Time, 9, 4, false, true, ann, Some("another batch size")),
        ("2C3-AP2-2Voting", Step, 9, 4, false, false, none, None),
        ("2FC-BN-2Voting", Step, 9, 4, false, false, none, Some("another batch size")),
        ("4S3-AP4-4RB3-BN-2Voting", Step, 9, 4, false, false, none, Some("another batch size")),
        ("2FC-2Voting", Step, 9, 4, false, false, none, None),
    ];
    for (network, over, samples, batch, drop_last, is_still, warm_up, said) in cases {
        let setup = Setup { batch, drop_last, warm_up, ..SETUP };
        let train_set = examples(samples, if is_still { 1 } else { 2 });
        let shown = if is_still { &still } else { &recorded };
        let what = format!("{network} {over:?} {samples} {batch} {drop_last} {is_still}");
        match (said, go(network, over, (&train_set, shown), &setup)) {
            (None, (steps, Ok(()))) => assert!(steps > 0, "{what}"),
            (Some(advice), (0, Err(error @ Error::BatchOfOne { .. }))) => {
                let said = error.to_string();
                for word in [advice, "maps of 1×1", &format!("batches of {batch}")] {
                    assert!(said.contains(word), "{what}: {said}");
                }
            }
            (_, found) => panic!("{what}: {found:?}"),
        }
    }
}

// Long: one table of settings and what is said of each.
#[test]
fn a_setup_made_in_rust_is_checked_where_it_is_used() {
    let train_set = examples(8, 2);
    let shown = InputEncoding::default();
    let adamw = SETUP.adamw;
    let augment = |padding, degrees| Some(Augment { padding, flip: true, degrees });
    let tet = |lambda, target| Objective::Tet { lambda, target };
    let traces = |tau, period| Objective::Traces { tau, period };
    let sgd =
        |momentum, nesterov, weight_decay| OptimiserKind::Sgd { momentum, nesterov, weight_decay };
    let xavier = Initialisation::Xavier { law: Law::Uniform, gain: 0.0 };
    let wrong = [
        (Setup { epochs: 0, ..SETUP }, "epochs"),
        (Setup { epochs: usize::MAX, ..SETUP }, "epochs"),
        (Setup { batch: 0, ..SETUP }, "batch"),
        (Setup { batch: usize::MAX, ..SETUP }, "batch"),
        (Setup { learning_rate: -1.0, ..SETUP }, "learning_rate"),
        (Setup { learning_rate: 0.0, ..SETUP }, "learning_rate"),
        (Setup { learning_rate: f64::NAN, ..SETUP }, "learning_rate"),
        (Setup { learning_rate: f64::INFINITY, ..SETUP }, "learning_rate"),
        (Setup { ramp_epochs: usize::MAX, ..SETUP }, "ramp_epochs"),
        (Setup { adamw: AdamWConfig { beta1: 1.0, ..adamw }, ..SETUP }, "adamw.beta1"),
        (Setup { adamw: AdamWConfig { beta2: 1.0, ..adamw }, ..SETUP }, "adamw.beta2"),
        (Setup { adamw: AdamWConfig { beta2: -0.1, ..adamw }, ..SETUP }, "adamw.beta2"),
        (Setup { adamw: AdamWConfig { eps: 0.0, ..adamw }, ..SETUP }, "adamw.eps"),
        (Setup { adamw: AdamWConfig { eps: -1.0, ..adamw }, ..SETUP }, "adamw.eps"),
        (
            Setup { adamw: AdamWConfig { weight_decay: 1e30, ..adamw }, ..SETUP },
            "adamw.weight_decay",
        ),
        (
            Setup { adamw: AdamWConfig { weight_decay: -5.0, ..adamw }, ..SETUP },
            "adamw.weight_decay",
        ),
        (Setup { augment: augment(usize::MAX, 0.0), ..SETUP }, "augment.padding"),
        (Setup { augment: augment(1, f64::NAN), ..SETUP }, "augment.degrees"),
        (Setup { side: Some(0), ..SETUP }, "side"),
        (Setup { side: Some(usize::MAX), ..SETUP }, "side"),
        (Setup { warm_up: WarmUp::Ann { epochs: usize::MAX }, ..SETUP }, "warm_up.ann.epochs"),
        (
            Setup { warm_up: WarmUp::SigmoidWhenSilent { rate: f64::NAN }, ..SETUP },
            "warm_up.sigmoid-when-silent.rate",
        ),
        (Setup { objective: tet(1.5, 1.0), ..SETUP }, "objective.tet.lambda"),
        (Setup { objective: tet(0.5, f64::NAN), ..SETUP }, "objective.tet.target"),
        (
            Setup { objective: Objective::Counts { right: -1.0, wrong: 0.0 }, ..SETUP },
            "objective.counts.right",
        ),
        (Setup { objective: traces(0.5, 2), ..SETUP }, "objective.traces.tau"),
        (Setup { objective: traces(2.0, 0), ..SETUP }, "objective.traces.period"),
        // more than any sample's steps
        (Setup { objective: traces(2.0, 1000), ..SETUP }, "objective.traces.period"),
        (Setup { head: Head::Membrane { decay: 0.0 }, ..SETUP }, "head.membrane.decay"),
        (Setup { head: Head::Charge { decay: 1.5 }, ..SETUP }, "head.charge.decay"),
        (Setup { optimiser: sgd(1.0, false, 0.0), ..SETUP }, "optimiser.sgd.momentum"),
        (Setup { optimiser: sgd(0.0, true, 0.0), ..SETUP }, "optimiser.sgd.momentum"),
        (Setup { optimiser: sgd(0.5, false, -1.0), ..SETUP }, "optimiser.sgd.weight_decay"),
        (
            Setup { schedule: Schedule::Step { every: 0, factor: 0.1 }, ..SETUP },
            "schedule.step.every",
        ),
        (
            Setup { schedule: Schedule::Cosine { period: 1, floor: -1.0 }, ..SETUP },
            "schedule.cosine.floor",
        ),
        (Setup { clip: Some(Clip::Norm(0.0)), ..SETUP }, "clip.norm"),
        (Setup { clip: Some(Clip::Value(f64::INFINITY)), ..SETUP }, "clip.value"),
        (Setup { clamp: Some(-1.0), ..SETUP }, "clamp"),
        (Setup { initialisation: xavier, ..SETUP }, "initialisation.xavier.gain"),
    ];
    for (setup, field) in wrong {
        let data = (&train_set, &shown);
        let (steps, ended) = go("2C3-AP2-2Voting", StatisticsOver::Step, data, &setup);
        let said = ended.unwrap_err().to_string();
        assert!(said.starts_with(&format!("{field} must be a ")), "{field}: {said}");
        assert_eq!(steps, 0, "{field}");
    }
    let beyond = AdamWConfig { beta1: 2.0, ..adamw };
    let said = Optimiser::adamw(Vec::new(), beyond).err().unwrap().to_string();
    assert!(said.contains("adamw.beta1 must be a number from 0 to below 1, found 2"), "{said}");
}
