//! Held-out recordings, silent neurons and voters, and the outcome of single samples: what they
//! are, that they change nothing, and that a run which goes on has them all.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device};
use events::{Frames, Grid, Shape};
use models::{Network, Spec, StatisticsOver};
use neuron::{Config, WhenSilent};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use training::{
    Checkpoint, Compute, Error, Example, History, Job, Progress, Refusal, Rules, SeededVars, Set,
    Setup, State, WarmUp, evaluate, train_from,
};

const SETUP: Setup = Setup {
    epochs: 3,
    batch: 8,
    drop_last: false,
    learning_rate: 1e-2,
    ramp_epochs: 0,
    ..Setup::PAPER
};

/// Three classes: a bar in one of three rows.
fn examples(n: usize) -> Vec<Example> {
    let example = |i: usize| {
        let mut counts = vec![0u16; 4 * 6 * 6 * 2];
        for t in 0..4 {
            (0..6).for_each(|x| counts[((t * 6 + 2 * (i % 3)) * 6 + x) * 2 + (i + t) % 2] = 2);
            counts[(t * 36 + (i * 7 + t * 5) % 36) * 2] += 1;
        }
        let shape = Shape { steps: 4, height: 6, width: 6, channels: 2 };
        let frames: Frames = Grid::new(shape, counts).unwrap();
        Example { frames, label: (i % 3) as u32 }
    };
    (0..n).map(example).collect()
}

fn network(setup: &Setup, vars: &SeededVars) -> Network {
    let spec: Spec = "8C3-MP2-8C3-AP2-10Voting".parse().unwrap();
    let config = Config::bpsa_bpta();
    let mut neuron = config.build().unwrap();
    if let WarmUp::SigmoidWhenSilent { rate } = setup.warm_up {
        neuron = Arc::new(WhenSilent::new(neuron, &config, rate).unwrap());
    }
    let builder = vars.builder(DType::F32, &Device::Cpu);
    Network::new(&spec, [6, 6, 2], 3, neuron, StatisticsOver::Step, builder).unwrap()
}

/// Saves after every call, and ends the run after so many.
#[derive(Default)]
struct Keeper {
    path: PathBuf,
    until: Option<usize>,
    calls: usize,
}

impl Progress for Keeper {
    fn keep(&mut self, state: &State) -> Result<(), Refusal> {
        self.calls += 1;
        if !self.path.as_os_str().is_empty() {
            state.save(&self.path, "a test", "{}")?;
        }
        Ok(())
    }

    fn interrupted(&self) -> bool {
        self.until.is_some_and(|until| self.calls >= until)
    }
}

/// A run with 9 test and 6 held-out examples, and the digest of its weights.
fn run(
    setup: &Setup,
    compute: Compute,
    held_out: bool,
    keeper: &mut Keeper,
) -> (Result<History, Error>, String) {
    let mut vars = SeededVars::new(3);
    let network = network(setup, &vars);
    let (train, test, held) = (examples(30), examples(9), examples(6));
    let job = Job {
        network: &network,
        sets: (Set::recorded(&train), Set::recorded(&test)),
        held_out: held_out.then(|| Set::recorded(&held)),
        setup,
        rules: Rules::default(),
        compute: &compute,
        seed: 3,
        device: &Device::Cpu,
    };
    let path: &Path = &keeper.path;
    let from = if path.as_os_str().is_empty() { None } else { Checkpoint::read(path).unwrap() };
    let history = train_from(&job, &mut vars, from, keeper);
    (history, vars.sha256().unwrap())
}

fn whole(setup: &Setup, compute: Compute, held_out: bool) -> (History, String) {
    let (history, weights) = run(setup, compute, held_out, &mut Keeper::default());
    (history.unwrap(), weights)
}

/// The same without times.
fn untimed(mut history: History) -> History {
    history.epochs.iter_mut().for_each(|epoch| epoch.seconds = 0.0);
    history
}

#[test]
fn held_out_samples_are_evaluated_and_change_nothing() {
    let (without, weights) = whole(&SETUP, Compute::default(), false);
    let (with, same) = whole(&SETUP, Compute::default(), true);
    assert_eq!(weights, same);
    for (epoch, plain) in with.epochs.iter().zip(&without.epochs) {
        assert_eq!(epoch.test, plain.test);
        let held_out = epoch.held_out.as_ref().unwrap();
        assert_eq!(held_out.samples, 6);
        assert!(held_out.outcome.is_empty() && held_out.silence.is_empty());
        assert!(plain.held_out.is_none());
    }
    // of the last epoch it is what evaluating the trained network gives
    let mut vars = SeededVars::new(3);
    let network = network(&SETUP, &vars);
    let (train, held) = (examples(30), examples(6));
    let job = Job {
        network: &network,
        sets: (Set::recorded(&train), Set::recorded(&held)),
        held_out: None,
        setup: &SETUP,
        rules: Rules::default(),
        compute: &Compute::default(),
        seed: 3,
        device: &Device::Cpu,
    };
    train_from(&job, &mut vars, None, &mut ()).unwrap();
    let set = Set::recorded(&held);
    let again = evaluate(&network, set, &SETUP, &Compute::default(), &Device::Cpu).unwrap();
    let held_out = with.epochs[2].held_out.as_ref().unwrap();
    assert_eq!((again.correct, again.loss), (held_out.correct, held_out.loss));
    assert_eq!(again.outcome.iter().filter(|right| **right).count(), again.correct);
}

#[test]
fn silence_and_outcome_are_those_of_the_definition() {
    let mut vars = SeededVars::new(3);
    let network = network(&SETUP, &vars);
    let (train, test) = (examples(30), examples(9));
    let job = Job {
        network: &network,
        sets: (Set::recorded(&train), Set::recorded(&test)),
        held_out: None,
        setup: &SETUP,
        rules: Rules::default(),
        compute: &Compute::default(),
        seed: 3,
        device: &Device::Cpu,
    };
    let history = train_from(&job, &mut vars, None, &mut ()).unwrap();
    let tensors = Compute { blocks: false, ..Compute::default() };
    let set = Set::recorded(&test);
    let slow = evaluate(&network, set, &SETUP, &tensors, &Device::Cpu).unwrap();
    let last = &history.epochs[2].test;
    assert_eq!(last.silence, slow.silence);
    assert_eq!(last.silent_voters, slow.silent_voters);
    assert_eq!(last.outcome, slow.outcome);
    assert_eq!(last.silence.iter().map(|s| s.neurons).collect::<Vec<_>>(), [8, 8, 30]);
    assert_eq!(last.silent_voters.len(), 3);
    assert_eq!(last.silent_voters.iter().sum::<usize>(), last.silence[2].silent);
    assert!((1..30).contains(&last.silence[2].silent), "some are silent, some are not");
    assert_eq!(last.outcome.len(), 9);
    assert!(history.epochs[0].test.outcome.is_empty(), "the last epoch's alone");
    assert!(history.epochs[0].warmed_up.is_empty(), "no warm-up");
}

#[test]
fn what_the_warm_up_did_is_counted() {
    let tensors = Compute { blocks: false, ..Compute::default() };
    for (rate, compute) in
        [(1.0, Compute::default()), (1.0, tensors), (0.0, Compute::default()), (0.0, tensors)]
    {
        let setup = Setup { warm_up: WarmUp::SigmoidWhenSilent { rate }, ..SETUP };
        let (history, _) = whole(&setup, compute, false);
        for epoch in &history.epochs {
            let names: Vec<&str> = epoch.warmed_up.iter().map(|(name, _)| &**name).collect();
            assert_eq!(names, ["8C3-1", "8C3-2", "head"]);
            // every layer fires in every step here, and none at all of its chances
            assert!(epoch.warmed_up.iter().all(|(_, part)| *part == rate), "{:?}", epoch.warmed_up);
        }
    }
    // an epoch has four steps
    let setup = Setup { warm_up: WarmUp::SigmoidWhenSilent { rate: 0.2 }, ..SETUP };
    let (history, _) = whole(&setup, Compute::default(), false);
    let parts = history.epochs.iter().flat_map(|epoch| &epoch.warmed_up);
    assert!(parts.clone().all(|(_, part)| (4.0 * part).fract() == 0.0));
    assert!(parts.clone().any(|(_, part)| *part > 0.0), "{:?}", parts.collect::<Vec<_>>());
}

#[test]
fn a_network_that_never_fires_is_all_silent() {
    let vars = SeededVars::new(3);
    let spec: Spec = "8C3-10Voting".parse().unwrap();
    let deaf = Config { threshold: 1e6, ..Config::bpsa_bpta() }.build().unwrap();
    let builder = vars.builder(DType::F32, &Device::Cpu);
    let network = Network::new(&spec, [6, 6, 2], 3, deaf, StatisticsOver::Step, builder).unwrap();
    assert_eq!(network.voters(), Some(("head", 10)));
    let test = examples(9);
    let of = evaluate(&network, Set::recorded(&test), &SETUP, &Compute::default(), &Device::Cpu);
    let of = of.unwrap();
    assert_eq!(of.silence.iter().map(|s| s.silent).collect::<Vec<_>>(), [8, 30]);
    assert_eq!(of.silent_voters, [10, 10, 10]);
}

#[test]
fn a_run_that_goes_on_has_all_of_it() {
    let setup = Setup { warm_up: WarmUp::SigmoidWhenSilent { rate: 0.3 }, ..SETUP };
    let (expected, weights) = whole(&setup, Compute::default(), true);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.safetensors");
    // within an epoch, at its end, and after the last step
    for until in [2, 4, 5, 7, 14] {
        let _ = Checkpoint::remove(&path);
        let mut keeper = Keeper { path: path.clone(), until: Some(until), calls: 0 };
        let (stopped, _) = run(&setup, Compute::default(), true, &mut keeper);
        assert!(matches!(stopped, Err(Error::Interrupted)), "{until}");
        let mut keeper = Keeper { path: path.clone(), until: None, calls: 0 };
        let (history, same) = run(&setup, Compute::default(), true, &mut keeper);
        assert_eq!(same, weights, "{until}");
        assert_eq!(untimed(history.unwrap()), untimed(expected.clone()), "{until}");
    }
}
