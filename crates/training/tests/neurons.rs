//! Learnable parameters of neurons in a run: they are trained with the weights, with a weight decay
//! of their own, and a run that is interrupted ends with the bits of one that was not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device};
use events::{Frames, Grid, Shape};
use models::{Network, Spec, StatisticsOver};
use neuron::cells::plif;
use neuron::{Config, Kind};
use std::path::PathBuf;
use training::{
    Checkpoint, Compute, Error, Example, History, Job, Optimiser, OptimiserKind, Progress, Refusal,
    Rules, SeededVars, Set, Setup, State, Weights, save_weights, train_from,
};

const SETUP: Setup =
    Setup { epochs: 2, batch: 8, drop_last: false, learning_rate: 1e-2, ..Setup::PAPER };

/// Three classes: a bar in one of three rows.
fn examples(n: usize) -> Vec<Example> {
    let example = |i: usize| {
        let mut counts = vec![0u16; 4 * 6 * 6];
        for t in 0..4 {
            (0..6).for_each(|x| counts[(t * 6 + 2 * (i % 3)) * 6 + x] = 2);
            counts[t * 36 + (i * 7 + t * 5) % 36] += 1;
        }
        let frames: Frames =
            Grid::new(Shape { steps: 4, height: 6, width: 6, channels: 1 }, counts).unwrap();
        Example { frames, label: (i % 3) as u32 }
    };
    (0..n).map(example).collect()
}

/// Saves after every call and ends the run after `until`.
struct Keeper {
    path: PathBuf,
    until: usize,
    calls: usize,
}

impl Progress for Keeper {
    fn keep(&mut self, state: &State) -> Result<(), Refusal> {
        self.calls += 1;
        state.save(&self.path, "a test", "{}")?;
        Ok(())
    }

    fn interrupted(&self) -> bool {
        self.calls >= self.until
    }
}

fn network(vars: &SeededVars) -> Network {
    let kind = Kind::Plif(plif::Constants { tau: 2.0 });
    let neuron = Config { kind, ..Config::baseline() }.build().unwrap();
    let spec: Spec = "4C3-MP2-4C3-AP2-4Voting".parse().unwrap();
    let builder = vars.builder(DType::F32, &Device::Cpu);
    Network::new(&spec, [6, 6, 1], 3, neuron, StatisticsOver::Step, builder).unwrap()
}

/// A run, from a checkpoint if there is one: its history, and all its bits.
fn run(
    setup: &Setup,
    blocks: bool,
    from: Option<Checkpoint>,
    progress: &mut dyn Progress,
) -> (Result<History, Error>, SeededVars) {
    let mut vars = SeededVars::new(3);
    let network = network(&vars);
    let (train, test) = (examples(24), examples(6));
    let compute = Compute { blocks, ..Compute::default() };
    let job = Job {
        network: &network,
        sets: (Set::recorded(&train), Set::recorded(&test)),
        held_out: None,
        setup,
        rules: Rules::default(),
        compute: &compute,
        seed: 3,
        device: &Device::Cpu,
    };
    let mut history = train_from(&job, &mut vars, from, progress);
    if let Ok(history) = &mut history {
        history.epochs.iter_mut().for_each(|epoch| epoch.seconds = 0.0);
    }
    (history, vars)
}

#[test]
fn time_constants_move_and_a_resumed_run_ends_with_the_same_bits() {
    for blocks in [true, false] {
        let (whole, vars) = run(&SETUP, blocks, None, &mut ());
        let whole = whole.unwrap();
        let names = ["tau of 4C3-1", "tau of 4C3-2", "tau of head"];
        for (i, name) in names.into_iter().enumerate() {
            let (before, first) = (&whole.initial_neurons[i], &whole.epochs[0].neurons[i]);
            let last = &whole.epochs[1].neurons[i];
            assert!([before, first, last].iter().all(|(of, _)| of == name), "{name}");
            assert_eq!(before.1, 2.0);
            assert!(first.1 != before.1 && last.1 != first.1, "{name} stays at {}", last.1);
        }
        let folder = tempfile::tempdir().unwrap();
        // in the middle of the first epoch, behind it, in the middle of the second
        for until in [2, 4, 6] {
            let path = folder.path().join(format!("{until}.safetensors"));
            let mut keeper = Keeper { path: path.clone(), until, calls: 0 };
            let (stopped, _) = run(&SETUP, blocks, None, &mut keeper);
            assert!(matches!(stopped, Err(Error::Interrupted)), "{until}");
            let checkpoint = Checkpoint::read(&path).unwrap();
            assert!(checkpoint.is_some());
            let (resumed, again) = run(&SETUP, blocks, checkpoint, &mut ());
            assert_eq!(resumed.unwrap(), whole, "stopped after {until}");
            assert_eq!(again.sha256().unwrap(), vars.sha256().unwrap(), "stopped after {until}");
        }
        // in a file of weights they stand with the others
        let path = folder.path().join("weights.safetensors");
        save_weights(&path, &vars, "{}").unwrap();
        let stored = Weights::parse(&std::fs::read(&path).unwrap()).unwrap();
        let w = stored.tensors["4C3-2.w"].to_scalar::<f32>().unwrap();
        let tau = whole.epochs[1].neurons[1].1;
        assert!((1.0 + f64::from(-w).exp() - tau).abs() < 1e-9, "{w} {tau}");
    }
}

/// The weights' decay does not touch them, theirs does, whatever the optimiser.
#[test]
fn weight_decay_of_parameters_is_their_own() {
    for optimiser in [
        OptimiserKind::AdamW,
        OptimiserKind::Adam,
        OptimiserKind::Sgd { momentum: 0.5, nesterov: false, weight_decay: 0.1 },
    ] {
        let run = |weight_decay: f64, neuron_weight_decay: f64| {
            let mut setup = Setup { epochs: 1, optimiser, neuron_weight_decay, ..SETUP };
            setup.adamw.weight_decay = weight_decay;
            if let OptimiserKind::Sgd { weight_decay: decay, .. } = &mut setup.optimiser {
                *decay = weight_decay;
            }
            let vars = SeededVars::new(3);
            network(&vars);
            let var = |name: &str| vars.get(name).unwrap();
            let at = |name: &str| {
                let all: Vec<f32> = var(name).flatten_all().unwrap().to_vec1().unwrap();
                all
            };
            var("head.w").set(&candle_core::Tensor::new(0.5f32, &Device::Cpu).unwrap()).unwrap();
            let mut optimiser =
                Optimiser::new(vars.trainable(), setup.optimiser, setup.adamw).unwrap();
            optimiser.decay(&["head.w".to_owned()], setup.neuron_weight_decay);
            // a gradient of zero leaves decay alone
            let nothing = |name: &str| {
                let var = var(name);
                (var.as_tensor() * var.zeros_like().unwrap()).unwrap().sum_all().unwrap()
            };
            let loss = (nothing("head.w") + nothing("head.weight")).unwrap();
            let grads = loss.backward().unwrap();
            let before = (at("head.w"), at("head.weight"));
            optimiser.step(&grads, 0.1).unwrap();
            (before.0 == at("head.w"), before.1 == at("head.weight"))
        };
        assert_eq!(run(0.0, 0.0), (true, true), "{optimiser:?}");
        assert_eq!(run(0.1, 0.0), (true, false), "{optimiser:?}");
        assert_eq!(run(0.0, 0.1), (false, true), "{optimiser:?}");
    }
}
