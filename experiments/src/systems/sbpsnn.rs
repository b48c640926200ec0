//! SBPSNN: a gradient passes a neuron only where it fired, and does not see the leak.

use super::{Recipe, System, bare, printed};
use crate::{Encoding, Run};
use datasets::Name;
use neuron::{Config, Fires, Kind, Reset, ResetGradient, cells::sbpsnn::Constants};
use surrogate::{Kind as Surrogate, WhereFired};
use training::{
    Augment, Fan, Head, Initialisation, Law, Milestones, OptimiserKind, Reduction, Schedule, Setup,
};

/// See the head of this file.
pub static SBPSNN: System = System {
    id: "sbpsnn",
    name: "SBPSNN",
    cite: "Lee et al., Frontiers in Neuroscience 2020, doi 10.3389/fnins.2020.00119",
    published: &[printed("table1", Name::Mnist, 99.59), printed("table1", Name::Cifar10, 90.95)],
    house: |run| Run { neuron: neuron(false), ..bare(run) },
    published_setting,
};

/// With the factor of a neuron's whole spike train, or without.
fn neuron(factor: bool) -> Config {
    Config {
        kind: Kind::Sbpsnn(Constants { decay: 0.99, factor }),
        threshold: 1.0,
        fires: Fires::AboveThreshold,
        reset: Reset::ToZero,
        reset_gradient: ResetGradient::Detached,
        surrogate: Surrogate::WhereFired(WhereFired { height: 1.0 }),
    }
}

/// Numbers that differ between the two data sets.
struct Of {
    network: &'static str,
    /// The size of an input that always fires, and whether it is a pixel from 0 to 1.
    spikes: (f64, bool),
    rate: f64,
    batch: usize,
    epochs: usize,
    steps: &'static [usize],
    augment: Option<Augment>,
    left_out: &'static str,
}

fn of(data: Name) -> Option<Of> {
    match data {
        Name::Mnist => Some(Of {
            network: "20C5-AN2-50C5-AN2-200FC-1Voting",
            // of pixels as they are, P = pixel/2
            spikes: (2.0, true),
            rate: 0.0085,
            batch: 64,
            epochs: 125,
            steps: &[75],
            augment: None,
            left_out: "",
        }),
        Name::Cifar10 => Some(Of {
            network: "64C3-AN2-128RB3(post)-256RB3/2(post)-512RB3(post)-512RB3/2(post)-1024FC-1Voting",
            // the source divides by deviations that are 2.753 times the house's in every channel,
            // so that no pixel is beyond 1
            spikes: (2.753, false),
            rate: 0.0025,
            batch: 16,
            epochs: 150,
            steps: &[70, 100, 125],
            augment: Some(Augment { padding: 4, flip: true, degrees: 0.0 }),
            left_out: "Left out: dropout of 0.25 in the blocks, behind the first convolution and behind 1024FC. Otherwise: a \
                       block's stride lies in its first convolution; the shortcut of the last block is a trained 1×1 convolution, where the source's takes \
                       every second value and has no weights; first weights are √2 times as wide, √(2/fan-in) in place of √(1/fan-in).",
        }),
        _ => None,
    }
}

fn published_setting(data: Name) -> Option<Recipe> {
    let Of { network, spikes: (scale, raw), rate, batch, epochs, steps, augment, left_out } =
        of(data)?;
    let encoding = Encoding::Bernoulli { steps: 100, scale, raw };
    let run = Recipe::bare(SBPSNN.id, data, encoding, network, neuron(true));
    let setup = Setup {
        epochs,
        batch,
        drop_last: false,
        learning_rate: rate,
        reduction: Reduction::Sum,
        optimiser: OptimiserKind::Sgd { momentum: 0.0, nesterov: false, weight_decay: 5e-4 },
        schedule: Schedule::Multistep { at: Milestones::new(steps)?, factor: 0.2 },
        initialisation: Initialisation::Kaiming { law: Law::Normal, fan: Fan::In },
        head: Head::Charge { decay: 0.99 },
        augment,
        ..run.setup
    };
    Some(Recipe { run: Run { setup, ..run }, unread: "", left_out })
}
