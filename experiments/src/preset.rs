//! What a profile means for a data set: [`run`] is the run of one cell, whatever table the cell
//! stands in.
//!
//! The paper's setting with what only its code tells: T = 16, learning rate 1e-3, 300 epochs (500
//! for CIFAR, of which the first 80 without neurons). For MNIST, CIFAR-100 and Speech Commands
//! neither paper nor code says more than T and epochs; batch, augmentation and standardisation are
//! then those of the authors' later code and of common practice. Sounds are not augmented here.

pub use crate::overrides::Overrides;

use crate::data::StandIn;
use crate::systems::recipe::{Budget, with_steps};
use crate::systems::{System, SystemInSetting};
use crate::usage::Usage;
use crate::warm::Warm;
use crate::{Encoding, Profile, Run, SystemSetting, contradictions};
use anyhow::{Result, bail};
use datasets::{Content, Name};
use events::Framing;
use layers::Masks;
use models::{Architecture, Biases, Norm, Spec, Variant};
use neuron::Config;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use surrogate::Surrogate;
use training::{AdamWConfig, Augment, Reduction, Setup, WarmUp};

/// Learning rate of the short profile: of 1e-3, 2e-3 and 5e-3 the one at which all methods learned
/// best on N-MNIST in trials.
const SHORT_RATE: f64 = 2e-3;

/// What differs from profile to profile.
struct Size {
    steps: usize,
    epochs: usize,
    narrow: usize,
    batch: usize,
    learning_rate: f64,
}

/// The sizes of a profile for one of the paper's networks. Those of the short one are what the
/// protocol of our numbers compares methods in, so that every table shows one profile.
fn size(data: Name, profile: Profile, network: Architecture) -> Size {
    let size =
        |steps, epochs, narrow, batch, lr| Size { steps, epochs, narrow, batch, learning_rate: lr };
    let deep = network == Architecture::ResNet34;
    let small = matches!(data, Name::NMnist | Name::Mnist);
    match (profile, data) {
        (Profile::Paper, Name::DvsGesture) => size(16, 300, 1, 16, 1e-3),
        (Profile::Paper, Name::Cifar10 | Name::Cifar100) => size(16, 500, 1, 128, 1e-3),
        (Profile::Paper, _) => size(16, 300, 1, 64, 1e-3),
        (Profile::Short, Name::NMnist) => size(8, 40, 8, 16, SHORT_RATE),
        (Profile::Short, Name::Mnist) => size(4, 10, 8, 64, SHORT_RATE),
        (Profile::Short, Name::Cifar10 | Name::Cifar100) if deep => size(4, 5, 8, 32, SHORT_RATE),
        (Profile::Short, Name::Cifar10 | Name::Cifar100) => size(4, 15, 4, 32, SHORT_RATE),
        (Profile::Short, Name::SpeechCommands) => size(4, 16, 16, 16, SHORT_RATE),
        (Profile::Short, _) => size(8, 16, 16, 8, SHORT_RATE),
        (Profile::Smoke, _) if small => size(4, 2, 16, 16, 1e-3),
        (Profile::Smoke, _) => size(2, 1, 64, 8, 1e-3),
    }
}

/// Epochs of a data set in a profile, in its own network unless another of the paper's is named.
pub fn epochs(data: Name, profile: Profile, network: Option<Architecture>) -> usize {
    size(data, profile, network.unwrap_or(architecture(data))).epochs
}

/// Steps T of a data set in a profile.
pub fn steps(data: Name, profile: Profile) -> usize {
    size(data, profile, architecture(data)).steps
}

/// The warm-up that a system's house setting of a data set has in a profile, if its epochs are
/// enough for one.
pub fn usual_warm_up(data: Name, system: &System, profile: Profile) -> Warm {
    let many = Overrides { epochs: Some(500), ..Overrides::default() };
    match run(data, system, profile, &many).map(|run| run.setup.warm_up) {
        Ok(WarmUp::Ann { .. }) => Warm::Analogue,
        Ok(WarmUp::SigmoidWhenSilent { .. }) => Warm::Sigmoid,
        Ok(WarmUp::None) | Err(_) => Warm::No,
    }
}

/// Whether a system's house keeps the ReLU, and so can have an analogue warm-up: without neurons
/// and without ReLU a network would be linear.
pub fn has_relu(system: &System) -> bool {
    usual_warm_up(Name::Cifar10, system, Profile::Paper) == Warm::Analogue
}

/// The paper's profile has the warm-up of the released scripts: 80 of 500 epochs for CIFAR, none
/// for event data; a shorter run has the same part of its. The short one has TSSL-BP's, which the
/// paper's text names.
fn warm_up(data: Name, profile: Profile, epochs: usize) -> WarmUp {
    match (data, profile) {
        (Name::Cifar10 | Name::Cifar100, Profile::Paper) => Warm::Analogue.of(epochs),
        (_, Profile::Short) => Warm::Sigmoid.of(epochs),
        _ => WarmUp::None,
    }
}

/// A run of the short profile without the sigmoid's slope where it has nothing to cure: a neuron
/// that is silent has a gradient already if its surrogate has a slope below the threshold.
/// A user's own surrogate is tried as it is.
fn without_need(run: Run, o: &Overrides) -> Run {
    let needed = o.own.is_none() && run.neuron.surrogate.zero_below_threshold();
    match run.setup.warm_up {
        WarmUp::SigmoidWhenSilent { .. } if !needed => {
            Run { setup: Setup { warm_up: WarmUp::None, ..run.setup }, ..run }
        }
        _ => run,
    }
}

/// Recordings of the stand-in, where no data set is found: more where there are more classes, so
/// that each is seen. The paper's setting has none: it would be weeks of work on numbers that say
/// nothing.
pub fn stand_in(data: Name, profile: Profile) -> Option<StandIn> {
    let (train, test) = match (profile, data) {
        (Profile::Paper, _) => return None,
        (Profile::Short, Name::NMnist | Name::Mnist) => (500, 200),
        (Profile::Short, Name::Cifar100) => (400, 200),
        (Profile::Short, Name::SpeechCommands) => (350, 105),
        (Profile::Short, _) => (220, 110),
        (Profile::Smoke, Name::Cifar100) => (100, 100),
        (Profile::Smoke, Name::SpeechCommands) => (70, 35),
        (Profile::Smoke, _) => (44, 22),
    };
    Some(StandIn { train, test, seed: 0 })
}

/// The paper's network for a data set. For Speech Commands it names none: a log-mel spectrogram of
/// 64×64 fits the large one.
fn architecture(data: Name) -> Architecture {
    match data {
        Name::Mnist => Architecture::Small,
        Name::NMnist => Architecture::Middle,
        Name::Cifar10 | Name::Cifar100 => Architecture::MiddleCifar,
        _ => Architecture::Large,
    }
}

/// The run of a system on a data set, in one of its settings.
///
/// # Errors
/// As [`run`]; a setting that the system does not have for this data set, or a flag that it has no
/// place for.
pub fn run_in(chosen: SystemInSetting, data: Name, profile: Profile, o: &Overrides) -> Result<Run> {
    match chosen.setting {
        SystemSetting::House => run(data, chosen.system, profile, o),
        SystemSetting::Published => published(data, chosen.system, profile, o),
    }
}

/// The run of a system in its published setting. A profile that is not the paper's makes it as
/// narrow and as short as the house's.
fn published(data: Name, system: &System, profile: Profile, o: &Overrides) -> Result<Run> {
    contradictions::prove_apart(o)?;
    let Some(recipe) = (system.published_setting)(data) else {
        bail!(Usage(format!(
            "--setting published: {} has no published setting for {}; leave one of the two out",
            system.id,
            data.id()
        )));
    };
    let none = [
        ("--paper-layers", o.variant.is_some() || o.architecture.is_some()),
        ("--chunks", o.chunks),
        ("--set warm-up", o.warm_up.is_some()),
    ];
    if let Some((flag, _)) = none.iter().find(|(_, given)| *given) {
        bail!(Usage(format!(
            "--setting published and {flag} contradict each other, since a published setting has its own; leave one of the two out"
        )));
    }
    let mut run = recipe.run;
    let size = size(data, profile, architecture(data));
    let usual = if profile == Profile::Paper { 1 } else { size.narrow };
    let spec = match &o.network {
        Some(spec) => spec.narrowed(o.narrow.unwrap_or(1)),
        None => run.network.parse::<Spec>()?.narrowed(o.narrow.unwrap_or(usual)),
    };
    run.network = spec.to_string();
    let usual = match profile {
        Profile::Paper => Budget {
            steps: run.steps().unwrap_or(1),
            epochs: run.setup.epochs,
            batch: run.setup.batch,
        },
        _ => Budget { steps: size.steps, epochs: size.epochs, batch: size.batch },
    };
    // shortened once, since a schedule that was rounded has lost its proportions
    run = Budget { epochs: o.epochs.unwrap_or(usual.epochs), ..usual }.of(run);
    if let Some(steps) = o.steps {
        run.encoding = with_steps(run.encoding, steps);
    }
    run.setup.learning_rate = o.learning_rate.unwrap_or(run.setup.learning_rate);
    overridden(run, o)
}

/// The run with what no setting of a system decides: the user's surrogate, weights, classes, and
/// single fields last. The house has the network before.
fn overridden(run: Run, o: &Overrides) -> Result<Run> {
    let run = Run {
        classes: o.classes.clone(),
        own_surrogate: o.own.clone(),
        initial_weights_sha256: o.weights.clone(),
        initial_weights_of_another_run: o.weights_of_another_run,
        ..run
    };
    let house = run.setting.is_house();
    let rest = o.settings.iter().filter(|setting| !(house && setting.of_network()));
    let run = rest.into_iter().try_fold(run, |run, setting| setting.apply(&run))?;
    contradictions::prove_trains(&run)?;
    Ok(run)
}

/// The run of one cell: of a system in the house's setting.
///
/// # Errors
/// Settings that contradict each other or a flag, or one that does not fit the run.
pub fn run(data: Name, system: &System, profile: Profile, o: &Overrides) -> Result<Run> {
    contradictions::prove_apart(o)?;
    let of_paper = o.architecture.unwrap_or(architecture(data));
    let size = size(data, profile, of_paper);
    let epochs = o.epochs.unwrap_or(size.epochs);
    let spec = match &o.network {
        Some(spec) => spec.narrowed(o.narrow.unwrap_or(1)),
        None => of_paper
            .spec(o.variant.unwrap_or(Variant::Code))?
            .narrowed(o.narrow.unwrap_or(size.narrow)),
    };
    let steps = o.steps.unwrap_or(size.steps);
    let run = Run {
        data,
        classes: None,
        encoding: match data.info().content {
            Content::Events { .. } => Encoding::Events(Framing::Number { frames: steps }),
            Content::Speech { .. } if o.chunks => Encoding::Chunks,
            Content::Speech { .. } | Content::Images { .. } => Encoding::Direct { steps },
        },
        network: spec.to_string(),
        norm: Norm::default(),
        rectify: true,
        bias: Biases::All,
        dropout: Masks::Pass,
        system: system.id.to_owned(),
        setting: SystemSetting::House,
        neuron: Config::bpsa_bpta(),
        neurons: BTreeMap::new(),
        own_surrogate: None,
        initial_weights_sha256: None,
        initial_weights_of_another_run: false,
        setup: Setup {
            epochs,
            batch: size.batch,
            drop_last: data != Name::Cifar10Dvs,
            learning_rate: o.learning_rate.unwrap_or(size.learning_rate),
            ramp_epochs: if profile == Profile::Paper { 5 } else { 2 },
            adamw: AdamWConfig::default(),
            reduction: Reduction::Mean,
            augment: augment(data),
            side: matches!(data, Name::DvsGesture | Name::Cifar10Dvs).then_some(64),
            warm_up: warm_up(data, profile, epochs),
            ..Setup::PAPER
        },
    };
    // what the house adds to a network it adds to another too
    let network = o.settings.iter().filter(|setting| setting.of_network());
    let run = network.into_iter().try_fold(run, |run, setting| setting.apply(&run))?;
    let mut run = without_need((system.house)(run), o);
    // a table that compares warm-ups has each of them
    run.setup.warm_up = o.warm_up.unwrap_or(run.setup.warm_up);
    overridden(run, o)
}

/// 128×128 recordings are augmented at full size and then halved, as the code does; the N-MNIST
/// augmentation that the code defines is never applied there. Images as in the authors' later code:
/// crop and, for CIFAR, mirror.
fn augment(data: Name) -> Option<Augment> {
    match data {
        Name::DvsGesture => Some(Augment { padding: 16, flip: false, degrees: 5.0 }),
        Name::Cifar10Dvs => Some(Augment { padding: 16, flip: true, degrees: 15.0 }),
        Name::Mnist => Some(Augment { padding: 4, flip: false, degrees: 0.0 }),
        Name::Cifar10 | Name::Cifar100 => Some(Augment { padding: 4, flip: true, degrees: 0.0 }),
        _ => None,
    }
}

/// The profile's name with what was overridden, as it stands in receipt and table.
pub fn profile_name(profile: Profile, o: &Overrides) -> String {
    let mut name = profile.to_string();
    for (what, value) in [("epochs", o.epochs), ("T", o.steps), ("narrow", o.narrow)] {
        if let Some(value) = value {
            name += &format!("+{what}{value}");
        }
    }
    if let Some(rate) = o.learning_rate {
        name += &format!("+lr{rate}");
    }
    if let Some(tuned) = &o.tuned {
        name += &format!("+tuned-{}", tuned.name());
    }
    if o.chunks {
        name += "+chunks";
    }
    if o.variant == Some(Variant::Paper) {
        name += "+paper-layers";
    }
    if let Some(network) = &o.network {
        // a digest, because the name becomes part of a file's name; the run itself has the whole
        // text
        let digest = Sha256::digest(network.to_string());
        name +=
            &format!("+net-{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3]);
    }
    if let Some(own) = &o.own {
        name += &format!("+surrogate-{}", own.name());
    }
    if let Some(weights) = &o.weights {
        name += &format!("+weights-{}", &weights[..weights.len().min(8)]);
    }
    if o.weights_of_another_run {
        name += "+of-another-run";
    }
    o.settings.iter().for_each(|setting| name += &format!("+{}", setting.name()));
    name
}
