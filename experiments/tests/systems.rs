//! Every system in every setting trains, and one that was interrupted goes on from its checkpoint
//! to the very bits of one that was not.
// Long: what holds for every system, on the same few helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use candle_core::Device;
use datasets::{Content, Name};
use events::{Grid, Shape};
use experiments::preset::{self, Overrides};
use experiments::run_request::{Variation, Warm};
use experiments::systems::{
    self, BACKEISNN, BNTT, LISNN, NEUNORM, PLIF, SBPSNN, System, SystemInSetting, TDBN,
};
use experiments::{Encoding, Profile, Run, RunRequest, SystemSetting};
use serde_json::Value;
use std::borrow::Cow;
use std::path::Path;
use training::{
    Bernoulli, Checkpoint, Compute, InputEncoding, Job, Progress, Reduction, Refusal, Rules,
    Samples, Set, Setup, State, Values, train_from,
};

/// Recordings of a data set's shape: bars whose place is the class, with a little noise.
struct Bars {
    shape: Shape,
    events: bool,
    n: usize,
}

impl Samples for Bars {
    fn len(&self) -> usize {
        self.n
    }

    fn label(&self, index: usize) -> u32 {
        (index % 3) as u32
    }

    fn values(&self, index: usize) -> Result<Values<'_>, Refusal> {
        let Shape { steps, height, width, channels } = self.shape;
        let row = |i: usize| (i / (width * channels)) % height;
        let value = |i: usize| match row(i) * 3 / height == index % 3 {
            true => 3 + (i * 7 + index) % 2,
            false => usize::from((i * 31 + index * 17).is_multiple_of(11)),
        };
        let all = steps * height * width * channels;
        Ok(match self.events {
            true => Values::Counts(Cow::Owned(Grid::new(
                self.shape,
                (0..all).map(|i| value(i) as u16).collect(),
            )?)),
            false => Values::Bytes(Cow::Owned(Grid::new(
                self.shape,
                (0..all).map(|i| 60 * value(i) as u8).collect(),
            )?)),
        })
    }
}

/// A run in its smallest form, of two epochs of two steps.
fn small(system: &'static System, setting: SystemSetting, data: Name) -> Run {
    let overrides =
        Overrides { epochs: Some(2), steps: Some(2), narrow: Some(64), ..Overrides::default() };
    let mut run =
        preset::run_in(SystemInSetting { system, setting }, data, Profile::Smoke, &overrides)
            .unwrap();
    run.setup.batch = 4;
    run.setup.drop_last = false;
    run.setup.augment = None;
    // the deepest network of pools halves its map five times
    run.setup.side = Some(32);
    run
}

/// Keeps every step, and ends the run behind step `until`.
struct Keeper<'p> {
    path: &'p Path,
    until: Option<usize>,
    steps: usize,
}

impl Progress for Keeper<'_> {
    fn keep(&mut self, state: &State) -> Result<(), Refusal> {
        self.steps += 1;
        Ok(state.save(self.path, "a test", "{}")?)
    }

    fn interrupted(&self) -> bool {
        self.until.is_some_and(|until| self.steps >= until)
    }
}

/// Trains, from the checkpoint at `path` where there is one; losses and weights at the end, or
/// nothing if the run ended behind step `until`.
fn trained(run: &Run, path: &Path, until: Option<usize>) -> Option<(Vec<f64>, String)> {
    let info = run.data.info();
    let [height, width, channels] = info.content.frame();
    let events = matches!(info.content, Content::Events { .. });
    let steps = if events { run.steps().unwrap_or(2) } else { 1 };
    let shape = Shape { steps, height, width, channels };
    let bars = |n| Bars { shape, events, n };
    let (train, test) = (bars(8), bars(3));
    let encoding = match run.encoding {
        Encoding::Direct { steps } => InputEncoding::direct(steps, info.standard),
        Encoding::Bernoulli { steps, scale, .. } => InputEncoding {
            bernoulli: Some(Bernoulli { scale }),
            ..InputEncoding::direct(steps, info.standard)
        },
        _ => InputEncoding::RECORDED,
    };
    let set = |samples| Set { samples, encoding: &encoding };
    let mut vars = run.variables(1);
    let network = run.network(&vars, &Device::Cpu).unwrap();
    let job = Job {
        network: &network,
        sets: (set(&train), set(&test)),
        held_out: None,
        setup: &run.setup,
        rules: Rules::default(),
        compute: &Compute::default(),
        seed: 1,
        device: &Device::Cpu,
    };
    let from = Checkpoint::read(path).unwrap();
    let history = train_from(&job, &mut vars, from, &mut Keeper { path, until, steps: 0 });
    match history {
        Err(training::Error::Interrupted) if until.is_some() => None,
        Err(error) => panic!("{}: {error}", run.network),
        Ok(history) => {
            let losses = history.epochs.iter().flat_map(|e| [e.train_loss, e.test.loss]);
            Some((losses.collect(), vars.sha256().unwrap()))
        }
    }
}

/// Every system on N-MNIST as the house has it, and each published setting.
fn every_run() -> Vec<Run> {
    let mut all = Vec::new();
    for &system in systems::ALL {
        all.push(small(system, SystemSetting::House, Name::NMnist));
        for (data, _) in system.recipes(&Name::ALL) {
            all.push(small(system, SystemSetting::Published, data));
        }
    }
    all
}

#[test]
fn every_system_trains_in_every_setting() {
    let dir = tempfile::tempdir().unwrap();
    let all = every_run();
    assert_eq!(all.len(), 10 + 14, "house and published settings");
    for (i, run) in all.iter().enumerate() {
        let (losses, weights) = trained(run, &dir.path().join(i.to_string()), None).unwrap();
        assert_eq!(losses.len(), 4);
        assert!(losses.iter().all(|loss| loss.is_finite()), "{} {losses:?}", run.system);
        assert_ne!(weights, initial(run), "{}: nothing was trained", run.system);
        // what a receipt has is the run again
        let written = serde_json::to_value(run).unwrap();
        assert_eq!(written["system"], run.system);
        assert_eq!(written.get("setting").is_none(), run.setting == SystemSetting::House);
        assert_eq!(Run::from_value(&written).unwrap(), *run);
    }
}

/// Of the weights that a run begins with.
fn initial(run: &Run) -> String {
    let vars = run.variables(1);
    run.network(&vars, &Device::Cpu).unwrap();
    vars.sha256().unwrap()
}

#[test]
fn a_system_that_was_interrupted_goes_on_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    for (system, data) in [
        (&TDBN, Name::Cifar10Dvs),
        (&PLIF, Name::NMnist),
        (&BNTT, Name::Cifar10),
        (&SBPSNN, Name::Mnist),
        (&LISNN, Name::Mnist),
        (&NEUNORM, Name::Cifar10),
        (&BACKEISNN, Name::Cifar10),
    ] {
        let run = small(system, SystemSetting::Published, data);
        let path = |name: &str| dir.path().join(format!("{}-{name}", system.id));
        let whole = trained(&run, &path("whole"), None).unwrap();
        let other = path("interrupted");
        assert_eq!(trained(&run, &other, Some(3)), None, "{}", system.id);
        assert_eq!(trained(&run, &other, None).unwrap(), whole, "{}", system.id);
    }
}

/// The paper's profile is a recipe as it was published; a shorter one is as short as the house's.
#[test]
fn a_profile_shortens_a_recipe() {
    let of = |profile| {
        let chosen = SystemInSetting { system: &BNTT, setting: SystemSetting::Published };
        preset::run_in(chosen, Name::Cifar10, profile, &Overrides::default()).unwrap()
    };
    let (paper, recipe) = (of(Profile::Paper), (BNTT.published_setting)(Name::Cifar10).unwrap());
    assert_eq!(paper, recipe.run);
    let (short, house) = (
        of(Profile::Short),
        preset::run(Name::Cifar10, &BNTT, Profile::Short, &Overrides::default()).unwrap(),
    );
    assert_eq!(short.steps(), house.steps());
    assert_eq!(short.setup.epochs, house.setup.epochs);
    assert_eq!(short.setup.learning_rate, paper.setup.learning_rate);
    assert!(house.network.contains("C3") && short.network.starts_with("16C3-16C3-AP2"));
}

/// A house setting changes neuron and what is around products, and neither budget nor data.
#[test]
fn a_house_setting_keeps_the_budget() {
    let run =
        |system| preset::run(Name::Mnist, system, Profile::Paper, &Overrides::default()).unwrap();
    let ours = run(&systems::BPSA_BPTA);
    for &system in systems::ALL {
        let Run { neuron, norm, rectify, .. } = run(system);
        // what its neurons have beside them
        let beside = |text: String, word: &&str| text.replace(*word, "");
        let network = ["(L5)", "(BE3)", "(BE5)", "-NN"].iter().fold(run(system).network, beside);
        let with = Run { neuron, norm, rectify, system: system.id.into(), ..ours.clone() };
        assert_eq!(Run { network, ..run(system) }, with, "{}", system.id);
    }
}

/// A schedule keeps training where the recipe's does, however short a profile or `--epochs` makes
/// it, and is shortened once.
#[test]
fn a_shorter_recipe_trains_in_every_epoch() {
    let of = |system, data, profile, epochs| {
        let chosen = SystemInSetting { system, setting: SystemSetting::Published };
        preset::run_in(chosen, data, profile, &Overrides { epochs, ..Overrides::default() })
            .unwrap()
            .setup
    };
    let rates = |setup: &Setup| -> Vec<f64> {
        let Setup { epochs, ramp_epochs, learning_rate, schedule, .. } = *setup;
        (0..epochs).map(|epoch| schedule.rate(epoch, epochs, ramp_epochs, learning_rate)).collect()
    };
    for &system in systems::ALL {
        for (data, recipe) in system.recipes(&Name::ALL) {
            for profile in [Profile::Short, Profile::Smoke] {
                for epochs in [None, Some(1), Some(4), Some(60)] {
                    let setup = of(system, data, profile, epochs);
                    let name = format!("{} {} {epochs:?} {profile}", system.id, data.id());
                    assert_eq!(setup.epochs, epochs.unwrap_or(setup.epochs));
                    assert!(rates(&setup).iter().all(|rate| *rate > 0.0), "{name}");
                    assert_eq!(setup.reduction, recipe.run.setup.reduction, "{name}");
                    // the same whatever the profile would have had
                    let schedule = of(system, data, Profile::Paper, epochs).schedule;
                    assert!(epochs.is_none() || setup.schedule == schedule, "{name}");
                }
            }
            assert_eq!(of(system, data, Profile::Paper, None), recipe.run.setup);
        }
    }
    let reduction = |data| (SBPSNN.published_setting)(data).unwrap().run.setup.reduction;
    assert_eq!(reduction(Name::Mnist), Reduction::Sum);
    assert_eq!(reduction(Name::Cifar10), Reduction::Sum);
}

/// What a run would train otherwise than its name says is refused, or told apart.
#[test]
fn systems_and_single_fields_fit_together() {
    let of = |profile, system, data, set: &str| {
        let settings = vec![set.parse().unwrap()];
        let overrides = Overrides { settings, ..Overrides::default() };
        preset::run(data, system, profile, &overrides)
    };
    let run = |system, data, set: &str| of(Profile::Short, system, data, set);
    for (profile, system, data, set) in [
        (Profile::Short, &TDBN, Name::NMnist, "warm-up=ann:1"),
        (Profile::Paper, &systems::BPSA, Name::Cifar10, "rectify=false"),
    ] {
        let error = of(profile, system, data, set).unwrap_err().to_string();
        assert!(error.contains("would be linear"), "{set}: {error}");
    }
    assert!(run(&TDBN, Name::NMnist, "warm-up=sigmoid:0.1").is_ok());
    assert!(run(&systems::BPSA, Name::NMnist, "rectify=false").is_ok());
    let factor = r#"neuron.kind={"sbpsnn":{"factor":true}}"#;
    let error = run(&LISNN, Name::Mnist, factor).unwrap_err().to_string();
    assert!(error.contains("(L5)"), "{error}");
    assert!(run(&LISNN, Name::Mnist, "neuron.kind=sbpsnn").is_ok());
    let error = run(&BACKEISNN, Name::Mnist, factor).unwrap_err().to_string();
    assert!(error.contains("(BE3)"), "{error}");
    assert!(run(&SBPSNN, Name::Mnist, factor).is_ok());
    // a mask of each step needs something to drop
    let settings = ["dropout=step", "network=8C3-AP2-10Voting"].map(|set| set.parse().unwrap());
    let overrides = Overrides { settings: settings.into(), ..Overrides::default() };
    let error = preset::run(Name::NMnist, &systems::BPSA, Profile::Short, &overrides);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("8C3-AP2-10Voting contradict each other"), "{error}");
    assert!(run(&systems::BPSA, Name::NMnist, "dropout=step").is_ok());
    let network = run(&LISNN, Name::Mnist, "network=8C3-AP2-10Voting").unwrap().network;
    assert_eq!(network, "8C3(L5)-AP2-10Voting");
    // a warm-up that a system's house has not is no usual one
    let warm = |system| RunRequest {
        variation: Variation::WarmUp(Warm::No),
        ..RunRequest::new(Name::Cifar10, system)
    };
    assert_eq!(warm(&TDBN).id(Profile::Short), "cifar10-tdbn");
    assert_eq!(warm(&systems::BASELINE).id(Profile::Short), "cifar10-baseline");
    assert_eq!(warm(&systems::BPSA).id(Profile::Short), "cifar10-bpsa-warm-up-none");
    assert_eq!(warm(&systems::BPSA).id(Profile::Paper), "cifar10-bpsa-warm-up-none");
    let warm = |system| RunRequest { variation: Variation::WarmUp(Warm::Analogue), ..warm(system) };
    assert_eq!(warm(&TDBN).id(Profile::Short), "cifar10-tdbn-warm-up-ann");
    assert_eq!(warm(&systems::BPSA).id(Profile::Short), "cifar10-bpsa-warm-up-ann");
    assert_eq!(warm(&systems::BPSA).id(Profile::Paper), "cifar10-bpsa");
    let warm = |system| RunRequest { variation: Variation::WarmUp(Warm::Sigmoid), ..warm(system) };
    assert_eq!(warm(&systems::BPSA).id(Profile::Short), "cifar10-bpsa");
    assert_eq!(warm(&systems::BASELINE).id(Profile::Short), "cifar10-baseline-warm-up-sigmoid");
}

/// The short profile has the epochs, learning rate and warm-up of docs/protocol.md: TSSL-BP's where
/// a silent neuron has no gradient, none where it has one.
#[test]
fn the_short_profile_is_the_protocols() {
    let run = |request: RunRequest| request.run(Profile::Short, &Overrides::default()).unwrap();
    for (data, steps, epochs) in [
        (Name::Mnist, 4, 10),
        (Name::NMnist, 8, 40),
        (Name::DvsGesture, 8, 16),
        (Name::Cifar10Dvs, 8, 16),
        (Name::Cifar10, 4, 15),
        (Name::Cifar100, 4, 15),
        (Name::SpeechCommands, 4, 16),
    ] {
        for &system in systems::ALL {
            let of = run(RunRequest::new(data, system));
            let name = format!("{} {}", system.id, data.id());
            assert_eq!((of.steps(), of.setup.epochs), (Some(steps), epochs), "{name}");
            assert_eq!(of.setup.learning_rate, 2e-3, "{name}");
            let warm = [&systems::BPSA, &systems::BPSA_BPTA].contains(&system);
            let usual = if warm { Warm::Sigmoid } else { Warm::No };
            assert_eq!(of.setup.warm_up, usual.of(epochs), "{name}");
            assert_eq!(preset::usual_warm_up(data, system, Profile::Short), usual, "{name}");
        }
    }
    let deep = RunRequest {
        variation: Variation::ResNet34,
        ..RunRequest::new(Name::Cifar10, &systems::BPSA_BPTA)
    };
    assert_eq!(run(deep).setup.epochs, 5);
    let width = |run: Run| -> usize {
        let end = run.network.find(|c: char| !c.is_ascii_digit()).unwrap();
        run.network[..end].parse().unwrap()
    };
    let full = RunRequest::new(Name::Cifar10, &systems::BPSA_BPTA);
    let paper = |request: RunRequest| request.run(Profile::Paper, &Overrides::default()).unwrap();
    assert_eq!(4 * width(run(full)), width(paper(full)));
    assert_eq!(8 * width(run(deep)), width(paper(deep)));
}

/// SBPSNN's factor is of the backward pass, so weights are the same with it and without.
#[test]
fn weights_do_not_tell_a_factor() {
    let with = |set: &str| {
        let settings = vec![set.parse().unwrap()];
        let overrides = Overrides { settings, ..Overrides::default() };
        preset::run(Name::Mnist, &SBPSNN, Profile::Short, &overrides).unwrap()
    };
    let plain = with("neuron.kind=sbpsnn");
    let stored = experiments::import::identity::of(&plain).unwrap();
    let differs = |set| experiments::import::identity::mismatch(&stored, &with(set)).unwrap();
    assert_eq!(differs(r#"neuron.kind={"sbpsnn":{"factor":true}}"#), None);
    let layer = r#"neurons={"head":{"kind":{"sbpsnn":{"factor":true}}}}"#;
    assert!(!differs(layer).unwrap().contains("factor"));
    assert!(differs(r#"neuron.kind={"sbpsnn":{"decay":0.5}}"#).unwrap().contains("decay"));
}

/// Spikes of raw pixels are unsigned: as they are written, so they are read.
#[test]
fn raw_pixels_are_a_framing() {
    let raw = (LISNN.published_setting)(Name::Mnist).unwrap().run;
    assert_eq!(raw.encoding, Encoding::Bernoulli { steps: 20, scale: 1.0, raw: true });
    let set = |data, text: &str| {
        let settings = vec![text.parse().unwrap()];
        let overrides = Overrides { settings, ..Overrides::default() };
        preset::run(data, &systems::BPSA, Profile::Short, &overrides)
    };
    let run = set(Name::Mnist, "framing=bernoulli:20:1:raw").unwrap();
    assert_eq!(run.encoding, raw.encoding);
    let written = serde_json::to_value(run.encoding).unwrap();
    assert_eq!(written["bernoulli"]["raw"], true);
    let plain = set(Name::Mnist, "framing=bernoulli:20:1").unwrap();
    assert!(serde_json::to_value(plain.encoding).unwrap()["bernoulli"].get("raw").is_none());
    let error = set(Name::SpeechCommands, "framing=bernoulli:4:1:raw").unwrap_err().to_string();
    assert!(error.contains("true only of images"), "{error}");
}

/// What a command says in the folder `dir`, on both streams, and whether it succeeded.
fn said(dir: &Path, arguments: &str) -> (bool, String) {
    let output = common::call(dir, &arguments.split_whitespace().collect::<Vec<_>>());
    let text = common::stderr(&output) + &String::from_utf8(output.stdout.clone()).unwrap();
    (output.status.success(), text)
}

#[test]
fn a_published_setting_has_its_receipt_and_its_row() {
    let dir = tempfile::tempdir().unwrap();
    let command = "table1 --only mnist --systems SBPSNN --setting published --profile smoke \
                   --epochs 1 --narrow 64 --steps 1 --crossover 0.5";
    let (done, text) = said(dir.path(), command);
    assert!(done && text.contains("MNIST sbpsnn, published setting seed 0"), "{text}");
    let row = "mnist-sbpsnn-published-smoke+epochs1+T1+narrow64-synthetic-s0.json";
    let path = dir.path().join("results/runs/table1").join(row);
    let receipt: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(receipt["run"]["system"], "sbpsnn");
    assert_eq!(receipt["run"]["setting"], "published");
    let table = std::fs::read_to_string(dir.path().join("results/table1.md")).unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.contains("SBPSNN [43]")).collect();
    assert!(!rows[0].contains("synthetic"), "the house has no receipt: {}", rows[0]);
    assert!(rows[1].contains("published setting") && rows[1].contains("synthetic"), "{}", rows[1]);
    let others = table.lines().filter(|line| line.contains(", published setting"));
    assert!(
        others.into_iter().all(|line| line.to_lowercase().contains("sbpsnn")),
        "without receipts: {table}"
    );
    let (done, text) = said(dir.path(), command);
    assert!(done && text.contains("receipt found"), "{text}");
}

#[test]
fn systems_are_listed_and_refused() {
    let dir = tempfile::tempdir().unwrap();
    let plan = |rest: &str| said(dir.path(), &format!("table2 --profile smoke --dry-run {rest}"));
    let (done, text) = plan("--only n-mnist --systems all");
    assert!(done, "{text}");
    for system in systems::ALL {
        assert!(text.contains(&format!("N-MNIST {}", system.id)), "{}: {text}", system.id);
    }
    let (done, text) = plan("--systems tdbn,bpsa --setting published");
    assert!(done && text.contains("DVS-Gesture tdbn, published setting"), "{text}");
    assert!(text.contains("N-MNIST: no published setting of STBP-tdBN"), "{text}");
    // of ours the house's setting is the published one
    assert!(text.contains("N-MNIST bpsa") && !text.contains("bpsa, published"), "{text}");
    for (rest, words) in [
        ("--systems stbpx", "expected baseline, bpsa, bpsa+bpta, tdbn, plif, bntt, sbpsnn, lisnn"),
        ("--systems all,bpsa", "--systems: expected every one once, found bpsa twice"),
        ("--setting mine", "expected house or published"),
        ("--systems sbpsnn --setting published", "expected a system with a published setting"),
    ] {
        let (done, text) = plan(rest);
        assert!(!done && text.contains(words), "{rest}: {text}");
    }
    let (done, text) = said(dir.path(), "fig1 --setting published --systems tdbn --dry-run");
    assert!(!done && text.contains("rows of published settings, found fig1"), "{text}");
    // of ours, and of several data sets, it is said what is left
    let (_, text) = said(
        dir.path(),
        "train mnist n-mnist --setting published --systems lisnn,tdbn,bpsa --dry-run",
    );
    assert!(text.contains("N-MNIST: no published setting of STBP-tdBN"), "{text}");
    assert!(text.contains("bpsa is this paper's own"), "{text}");
}
