//! BNTT: batch norm through time, each step has its own statistics and its own γ, and there is no
//! shift.

use super::{Recipe, System, bare, batch_norm, printed};
use crate::{Encoding, Run};
use datasets::Name;
use models::{Norm, NormOptions};
use neuron::{Config, Fires, Kind, Reset, ResetGradient};
use surrogate::{Kind as Surrogate, Triangular};
use training::{
    Augment, Head, Initialisation, Law, Milestones, Objective, OptimiserKind, Schedule, Setup,
};

/// See the head of this file.
pub static BNTT: System = System {
    id: "bntt",
    name: "BNTT",
    cite: "Kim & Panda, Frontiers in Neuroscience 2021, arXiv 2010.01729",
    published: &[
        printed("table1", Name::Cifar10, 90.5),
        printed("table1", Name::Cifar100, 66.6),
        printed("table2", Name::Cifar10Dvs, 63.2),
    ],
    house: |run| Run { neuron: neuron(0.95), norm: norm(), ..bare(run) },
    published_setting,
};

/// A soft reset, whose spike is detached; the slope is a triangle of 0.3 times the usual height.
fn neuron(decay: f64) -> Config {
    Config {
        kind: Kind::Lif { decay },
        threshold: 1.0,
        fires: Fires::AboveThreshold,
        reset: Reset::Subtract,
        reset_gradient: ResetGradient::Detached,
        surrogate: Surrogate::Triangular(Triangular { half_width: 1.0, height: 0.3 }),
    }
}

fn norm() -> Norm {
    batch_norm(NormOptions {
        per_step_weight: true,
        per_step_running: true,
        shift: false,
        linear: true,
        eps: 1e-4,
        ..NormOptions::default()
    })
}

const VGG9: &str = "64C3-64C3-AP2-128C3-128C3-AP2-256C3-256C3-256C3-AP2-1024FC-1Voting";
const VGG11: &str = "64C3-AP2-128C3-AP2-256C3-256C3-AP2-512C3-512C3-AP2-512C3-512C3-GAP-4096FC-\
                     1Voting";

fn published_setting(data: Name) -> Option<Recipe> {
    let (network, steps, decay, batch, unread, left_out) = match data {
        Name::Cifar10 => (
            VGG9,
            25,
            0.95,
            256,
            "",
            "Otherwise: a test sample's spikes are the same in every epoch, and no test sample is left out.",
        ),
        Name::Cifar100 => (
            VGG11,
            30,
            0.99,
            128,
            "Not told where it was read: 100 epochs; T = 30 is the code's, 50 the paper's as remembered.",
            "Otherwise: a test sample's spikes are the same in every epoch, and no test sample is left out; pixels are standardised by \
             CIFAR100's own numbers, where the source takes CIFAR10's, so that about a quarter fewer spikes come in.",
        ),
        // of its network for event data nothing was read
        _ => return None,
    };
    let run = Recipe::bare(
        BNTT.id,
        data,
        Encoding::Bernoulli { steps, scale: 2.0, raw: false },
        network,
        neuron(decay),
    );
    let setup = Setup {
        epochs: 100,
        batch,
        learning_rate: 0.3,
        optimiser: OptimiserKind::Sgd { momentum: 0.9, nesterov: false, weight_decay: 1e-4 },
        // its code divides behind epochs 50, 70 and 90, counted from 0
        schedule: Schedule::Multistep { at: Milestones::new(&[51, 71, 91])?, factor: 0.1 },
        initialisation: Initialisation::Xavier { law: Law::Uniform, gain: 2.0 },
        objective: Objective::CrossEntropy,
        head: Head::Current,
        augment: Some(Augment { padding: 4, flip: true, degrees: 0.0 }),
        ..run.setup
    };
    Some(Recipe { run: Run { norm: norm(), setup, ..run }, unread, left_out })
}
