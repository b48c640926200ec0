//! A run that is interrupted anywhere and goes on from its checkpoint ends with the very bits of
//! one that was not.
// Long: every way to be interrupted, on one small run that all of them share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Tensor};
use events::{Frames, Grid, Shape};
use models::{Network, Spec, StatisticsOver};
use neuron::{Config, WhenSilent};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use training::{
    Checkpoint, Compute, Error, Example, History, Job, Progress, Refusal, Rule, Rules, Samples,
    SeededVars, Set, Setback, Setup, State, Values, WarmUp, Weights, learning_rate, save_weights,
    train_from,
};

const SETUP: Setup = Setup {
    epochs: 3,
    batch: 8,
    drop_last: false,
    learning_rate: 1e-2,
    ramp_epochs: 2,
    ..Setup::PAPER
};
const STEPS: usize = 3 * 4;

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

/// Saves after every `every` calls and ends the run after `until`.
#[derive(Default)]
struct Keeper {
    path: PathBuf,
    every: usize,
    until: Option<usize>,
    calls: usize,
    silent: Vec<(String, usize, usize)>,
    setbacks: Vec<Setback>,
    epochs: Vec<usize>,
}

impl Progress for Keeper {
    fn keep(&mut self, state: &State) -> Result<(), Refusal> {
        self.calls += 1;
        if self.every > 0 && (self.calls.is_multiple_of(self.every) || self.interrupted()) {
            state.save(&self.path, "a test", "{}")?;
        }
        Ok(())
    }

    fn interrupted(&self) -> bool {
        self.until.is_some_and(|until| self.calls >= until)
    }

    fn silent(&mut self, layer: &str, epoch: usize, step: usize) {
        self.silent.push((layer.into(), epoch, step));
    }

    fn setback(&mut self, setback: &Setback) {
        self.setbacks.push(setback.clone());
    }

    fn epoch(&mut self, index: usize, _: &training::Epoch) {
        self.epochs.push(index);
    }
}

struct Outcome {
    history: Result<History, Error>,
    weights: String,
}

/// A run from the checkpoint at the keeper's path, if there is one.
fn run(setup: &Setup, rules: Rules, compute: Compute, keeper: &mut Keeper) -> Outcome {
    let mut vars = SeededVars::new(3);
    let spec: Spec = "8C3-MP2-8C3-AP2-DP-10Voting".parse().unwrap();
    let mut neuron = Config::bpsa_bpta().build().unwrap();
    if let WarmUp::SigmoidWhenSilent { rate } = setup.warm_up {
        neuron = Arc::new(WhenSilent::new(neuron, &Config::bpsa_bpta(), rate).unwrap());
    }
    let builder = vars.builder(DType::F32, &Device::Cpu);
    let network = Network::new(&spec, [6, 6, 2], 3, neuron, StatisticsOver::Step, builder).unwrap();
    let (train_set, test_set) = (examples(30), examples(9));
    let sets = (Set::recorded(&train_set), Set::recorded(&test_set));
    let job = Job {
        network: &network,
        sets,
        held_out: None,
        setup,
        rules,
        compute: &compute,
        seed: 3,
        device: &Device::Cpu,
    };
    let from = if keeper.path.as_os_str().is_empty() {
        None
    } else {
        Checkpoint::read(&keeper.path).unwrap()
    };
    assert!(from.as_ref().is_none_or(|c| c.identity == "a test"));
    let mut history = train_from(&job, &mut vars, from, keeper);
    if let Ok(history) = &mut history {
        history.epochs.iter_mut().for_each(|e| e.seconds = 0.0);
    }
    Outcome { history, weights: vars.sha256().unwrap() }
}

fn in_folder(dir: &Path) -> PathBuf {
    dir.join("a run+1.safetensors")
}

#[test]
fn whoever_is_interrupted_after_any_step_ends_with_the_same_bits() {
    let tensors = Compute { blocks: false, ..Compute::default() };
    for (setup, rules, compute) in [
        (SETUP, Rules::default(), Compute::default()),
        (SETUP, Rules { silence: Rule::GoBack, ..Rules::default() }, Compute::default()),
        (
            Setup { warm_up: WarmUp::Ann { epochs: 1 }, ..SETUP },
            Rules::default(),
            Compute::default(),
        ),
        (
            Setup { warm_up: WarmUp::SigmoidWhenSilent { rate: 0.1 }, ..SETUP },
            Rules::default(),
            tensors,
        ),
    ] {
        let whole = run(&setup, rules, compute, &mut Keeper::default());
        let expected = whole.history.unwrap();
        for until in 1..STEPS + 3 {
            let dir = tempfile::tempdir().unwrap();
            let mut first = Keeper {
                path: in_folder(dir.path()),
                every: 1,
                until: Some(until),
                ..Keeper::default()
            };
            let broken = run(&setup, rules, compute, &mut first);
            assert!(matches!(broken.history, Err(Error::Interrupted)), "{until}");
            let mut second = Keeper { until: None, calls: 0, epochs: Vec::new(), ..first };
            let resumed = run(&setup, rules, compute, &mut second);
            assert_eq!(resumed.history.unwrap(), expected, "{setup:?} {until}");
            assert_eq!(resumed.weights, whole.weights, "{setup:?} {until}");
            // it is asked before it keeps, so it ends one step later, or before an epoch's test set
            // (after each fourth of five calls)
            let left = STEPS + 3 - until - usize::from(until % 5 != 4);
            assert_eq!(second.calls, left, "no step is taken twice");
        }
    }
}

#[test]
fn warm_ups_change_what_is_learned() {
    let of = |warm_up| {
        run(
            &Setup { warm_up, ..SETUP },
            Rules::default(),
            Compute::default(),
            &mut Keeper::default(),
        )
    };
    let none = of(WarmUp::None);
    let ann = of(WarmUp::Ann { epochs: 1 });
    assert_ne!(none.weights, ann.weights);
    let ann = ann.history.unwrap();
    assert!(ann.epochs[0].test.firing_rates.is_empty(), "an analogue network has no spikes");
    assert!(!ann.epochs[1].test.firing_rates.is_empty());
    assert_ne!(none.weights, of(WarmUp::SigmoidWhenSilent { rate: 1.0 }).weights);
    assert_eq!(of(WarmUp::Ann { epochs: 0 }).weights, none.weights);
}

#[test]
fn a_damaged_checkpoint_gives_way_to_the_one_before_it_or_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = in_folder(dir.path());
    let mut keeper = Keeper { path: path.clone(), every: 1, until: Some(6), ..Keeper::default() };
    let _ = run(&SETUP, Rules::default(), Compute::default(), &mut keeper);
    let mut names: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(
        names,
        ["a run+1.safetensors", "a run+1.safetensors.previous"],
        "nothing half written stays"
    );
    let good = std::fs::read(&path).unwrap();
    let expected = run(&SETUP, Rules::default(), Compute::default(), &mut Keeper::default());
    for damage in 0..4 {
        let mut bad = good.clone();
        match damage {
            0 => bad.truncate(good.len() / 2),
            1 => bad[good.len() - 3] ^= 1,
            2 => bad.clear(),
            _ => bad[200] ^= 4,
        }
        std::fs::write(&path, &bad).unwrap();
        let mut second = Keeper { path: path.clone(), ..Keeper::default() };
        let resumed = run(&SETUP, Rules::default(), Compute::default(), &mut second);
        assert_eq!(resumed.weights, expected.weights);
        assert_eq!(second.calls, STEPS + 3 - 6, "it went on from the checkpoint before");
    }
    std::fs::remove_file(dir.path().join("a run+1.safetensors.previous")).unwrap();
    let error = Checkpoint::read(&path).err().unwrap().to_string();
    assert!(
        error.contains("a run+1.safetensors is damaged")
            && error.contains("delete it to begin again"),
        "{error}"
    );
    Checkpoint::remove(&path).unwrap();
    assert!(Checkpoint::read(&path).unwrap().is_none());
}

/// No bit of a file of ours can change without being seen, in header, text or values.
#[track_caller]
fn every_bit_counts(whole: &[u8]) {
    Weights::parse(whole).unwrap();
    let mut bad = whole.to_vec();
    for bit in 0..8 * whole.len() {
        bad[bit / 8] ^= 1 << (bit % 8);
        let error = Weights::parse(&bad).expect_err("a bit that counts for nothing").to_string();
        assert!(!error.contains('\n') && error.len() < 300, "{error}");
        bad[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_checkpoint_is_weights_that_say_their_run_and_no_bit_of_it_may_change() {
    let dir = tempfile::tempdir().unwrap();
    let path = in_folder(dir.path());
    let mut keeper = Keeper { path: path.clone(), every: 1, until: Some(2), ..Keeper::default() };
    let _ = run(&SETUP, Rules::default(), Compute::default(), &mut keeper);
    let whole = std::fs::read(&path).unwrap();
    let weights = Weights::parse(&whole).unwrap();
    assert_eq!(weights.run.as_deref(), Some("{}"));
    assert!(weights.tensors.keys().all(|name| !name.starts_with("adamw.")));
    let length = u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize + 8;
    std::fs::remove_file(dir.path().join("a run+1.safetensors.previous")).unwrap();
    // every bit of the header, and every thousandth of the values
    for bit in (0..8 * length).chain((8 * length..8 * whole.len()).step_by(1009)) {
        let mut bad = whole.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(Weights::parse(&bad).is_err(), "bit {bit}");
        if bit % 97 == 0 {
            std::fs::write(&path, &bad).unwrap();
            let error = Checkpoint::read(&path).err().unwrap().to_string();
            assert!(error.contains("is damaged: expected a checkpoint"), "{error}");
        }
    }
}

#[test]
fn what_is_not_finite_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = in_folder(dir.path());
    let vars = SeededVars::new(1);
    let spec: Spec = "4C3-AP2-10Voting".parse().unwrap();
    let neuron = Config::bpsa_bpta().build().unwrap();
    let builder = vars.builder(DType::F32, &Device::Cpu);
    Network::new(&spec, [6, 6, 2], 3, neuron, StatisticsOver::Step, builder).unwrap();
    save_weights(&path, &vars, "{}").unwrap();
    let before = std::fs::read(&path).unwrap();
    for (name, value, words) in [
        ("head.bias", f32::NAN, "head.bias holds a number that is not finite"),
        ("head.weight", f32::INFINITY, "head.weight holds a number that is not finite"),
        ("4C3-1.norm.running_var", -1.0, "running_var holds a negative variance"),
    ] {
        let var = vars.get(name).unwrap();
        let good = var.as_tensor().copy().unwrap();
        let bad = Tensor::full(value, var.shape(), &Device::Cpu).unwrap();
        var.set(&bad).unwrap();
        let error = save_weights(&path, &vars, "{}").unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("the file before it is kept"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        var.set(&good).unwrap();
    }
}

#[test]
fn what_cannot_be_written_leaves_the_last_good_state() {
    let dir = tempfile::tempdir().unwrap();
    let path = in_folder(dir.path());
    let mut keeper = Keeper { path: path.clone(), every: 1, until: Some(2), ..Keeper::default() };
    let _ = run(&SETUP, Rules::default(), Compute::default(), &mut keeper);
    let before = std::fs::read(&path).unwrap();
    // a folder stands where the new file is to be made
    std::fs::create_dir(dir.path().join("a run+1.safetensors.partial")).unwrap();
    let mut second = Keeper { path: path.clone(), every: 1, ..Keeper::default() };
    let failed = run(&SETUP, Rules::default(), Compute::default(), &mut second);
    let error = failed.history.unwrap_err().to_string();
    assert!(
        error.contains("cannot write the checkpoint")
            && error.contains("the one before it is kept"),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_setback_halves_the_learning_rate_and_is_part_of_the_history() {
    let go_back = Rules { not_finite: Rule::GoBack, silence: Rule::Report };
    let mut keeper = Keeper::default();
    let outcome = of_samples(&NoNumbers(examples(30)), go_back, &mut keeper);
    assert!(
        matches!(outcome, Err(Error::Diverged { epoch: 1, step: 1, .. })),
        "NaN is never halved away"
    );
    assert_eq!(keeper.setbacks.len(), 8);
    assert!(keeper.setbacks[0].what.contains("is not finite"), "{:?}", keeper.setbacks[0]);
    // a sample that is no number twice, and one from then on: two setbacks in the second epoch
    let poisoned = Poisoned { good: examples(30), asked: AtomicUsize::new(0) };
    let mut keeper = Keeper::default();
    let history = of_samples(&poisoned, go_back, &mut keeper).unwrap();
    assert_eq!(history.setbacks, keeper.setbacks);
    assert_eq!(history.setbacks.iter().map(|s| s.epoch).collect::<Vec<_>>(), [2, 2]);
    let rates: Vec<f64> = history.epochs.iter().map(|e| e.learning_rate).collect();
    let plain = |epoch| learning_rate(epoch, SETUP.epochs, SETUP.ramp_epochs, SETUP.learning_rate);
    assert_eq!(
        rates,
        [plain(0), plain(1) / 4.0, plain(2) / 4.0],
        "from the setback on, and it stays"
    );
    assert!(
        of_samples(&poisoned, Rules::default(), &mut Keeper::default()).is_ok(),
        "asked often enough it is clean"
    );
    let again = Poisoned { good: examples(30), asked: AtomicUsize::new(0) };
    let stopped = of_samples(&again, Rules::default(), &mut Keeper::default());
    assert!(matches!(stopped, Err(Error::Diverged { epoch: 2, .. })));
}

/// Samples that are no numbers.
struct NoNumbers(Vec<Example>);

impl Samples for NoNumbers {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn label(&self, index: usize) -> u32 {
        self.0[index].label
    }

    fn values(&self, index: usize) -> Result<Values<'_>, Refusal> {
        let frames = &self.0[index].frames;
        let values = vec![f32::NAN; frames.values().len()];
        Ok(Values::Features(Cow::Owned(Grid::new(frames.shape(), values).unwrap())))
    }
}

/// Sample 0 is no number the second and third time it is asked for.
struct Poisoned {
    good: Vec<Example>,
    asked: AtomicUsize,
}

impl Samples for Poisoned {
    fn len(&self) -> usize {
        self.good.len()
    }

    fn label(&self, index: usize) -> u32 {
        self.good[index].label
    }

    fn values(&self, index: usize) -> Result<Values<'_>, Refusal> {
        let frames = &self.good[index].frames;
        let bad = index == 0 && (1..3).contains(&self.asked.fetch_add(1, Ordering::SeqCst));
        let values =
            frames.values().iter().map(|&v| if bad { f32::NAN } else { f32::from(v) }).collect();
        Ok(Values::Features(Cow::Owned(Grid::new(frames.shape(), values).unwrap())))
    }
}

fn of_samples(samples: &dyn Samples, rules: Rules, keeper: &mut Keeper) -> Result<History, Error> {
    let mut vars = SeededVars::new(3);
    let spec: Spec = "4C3-AP2-10Voting".parse().unwrap();
    let neuron = Config::bpsa_bpta().build().unwrap();
    let builder = vars.builder(DType::F32, &Device::Cpu);
    let network = Network::new(&spec, [6, 6, 2], 3, neuron, StatisticsOver::Step, builder).unwrap();
    let test = examples(9);
    let sets = (Set::recorded(samples), Set::recorded(&test));
    let (compute, device) = (&Compute::default(), &Device::Cpu);
    train_from(
        &Job {
            network: &network,
            sets,
            held_out: None,
            setup: &SETUP,
            rules,
            compute,
            seed: 3,
            device,
        },
        &mut vars,
        None,
        keeper,
    )
}

#[test]
fn a_layer_that_is_silent_for_an_epoch_is_named_with_its_step() {
    // a learning rate of 0 keeps a network as it is; a high threshold keeps it silent
    let still = Setup { learning_rate: 1e-9, epochs: 2, ..SETUP };
    let mut keeper = Keeper::default();
    let silent = |rules, keeper: &mut Keeper| {
        let mut vars = SeededVars::new(3);
        let config = Config { threshold: 1e6, ..Config::bpsa_bpta() };
        let spec: Spec = "4C3-AP2-10Voting".parse().unwrap();
        let builder = vars.builder(DType::F32, &Device::Cpu);
        let network = Network::new(
            &spec,
            [6, 6, 2],
            3,
            config.build().unwrap(),
            StatisticsOver::Step,
            builder,
        )
        .unwrap();
        let examples = examples(30);
        let sets = (Set::recorded(&examples), Set::recorded(&examples));
        let (compute, device) = (&Compute::default(), &Device::Cpu);
        let job = Job {
            network: &network,
            sets,
            held_out: None,
            setup: &still,
            rules,
            compute,
            seed: 3,
            device,
        };
        train_from(&job, &mut vars, None, keeper)
    };
    silent(Rules::default(), &mut keeper).unwrap();
    let both = [("4C3-1".to_owned(), 1, 4), ("head".to_owned(), 1, 4)];
    assert_eq!(keeper.silent, both, "each once, at the last of four steps");
    let stop = Rules { silence: Rule::Stop, ..Rules::default() };
    let error = silent(stop, &mut Keeper::default()).unwrap_err();
    assert!(
        matches!(&error, Error::Silent { epoch: 1, step: 4, layer } if layer == "4C3-1"),
        "{error}"
    );
    assert!(error.to_string().contains("4C3-1"), "{error}");
    let back = Rules { silence: Rule::GoBack, ..Rules::default() };
    let mut keeper = Keeper::default();
    assert!(matches!(silent(back, &mut keeper), Err(Error::Silent { .. })));
    assert_eq!(keeper.setbacks.len(), 8);
}

#[test]
fn weights_are_written_under_the_names_they_have() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weights.safetensors");
    let vars = SeededVars::new(1);
    let spec: Spec = "4C3-AP2-10Voting".parse().unwrap();
    let neuron = Config::bpsa_bpta().build().unwrap();
    Network::new(
        &spec,
        [6, 6, 2],
        3,
        neuron,
        StatisticsOver::Step,
        vars.builder(DType::F32, &Device::Cpu),
    )
    .unwrap();
    save_weights(&path, &vars, "{\"a\": 1}").unwrap();
    let read = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    let mut names: Vec<&str> = read.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "4C3-1.bias",
            "4C3-1.norm.bias",
            "4C3-1.norm.running_mean",
            "4C3-1.norm.running_var",
            "4C3-1.norm.weight",
            "4C3-1.weight",
            "head.bias",
            "head.weight"
        ]
    );
    let bits = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for (name, var) in vars.all() {
        assert_eq!(bits(&read[&name]), bits(&var), "{name}");
    }
    let whole = std::fs::read(&path).unwrap();
    let weights = Weights::parse(&whole).unwrap();
    assert_eq!((weights.run.as_deref(), weights.tensors.len()), (Some("{\"a\": 1}"), 8));
    every_bit_counts(&whole);
    let again = vars.sha256().unwrap();
    assert_eq!(again.len(), 64);
    vars.get("head.bias")
        .unwrap()
        .set(&Tensor::zeros(30, DType::F32, &Device::Cpu).unwrap())
        .unwrap();
    assert_ne!(vars.sha256().unwrap(), again);
}
