//! PLIF, in the paper's tables "LMCSNN": each layer learns the time constant of its membranes.

use super::{Recipe, System, bare, printed};
use crate::{Encoding, Run};
use datasets::Name;
use events::Framing;
use models::Norm;
use neuron::{Config, Fires, Kind, Reset, ResetGradient, cells::plif::Constants};
use surrogate::{Atan, Kind as Surrogate};
use training::{Schedule, Setup};

/// See the head of this file.
pub static PLIF: System = System {
    id: "plif",
    name: "PLIF (LMCSNN)",
    cite: "Fang et al., ICCV 2021, arXiv 2007.05785",
    published: &[
        printed("table2", Name::NMnist, 99.61),
        printed("table2", Name::DvsGesture, 97.57),
        printed("table2", Name::Cifar10Dvs, 74.8),
    ],
    house: |run| Run { neuron: neuron(), ..bare(run) },
    published_setting,
};

fn neuron() -> Config {
    Config {
        kind: Kind::Plif(Constants { tau: 2.0 }),
        threshold: 1.0,
        fires: Fires::AtThreshold,
        reset: Reset::ToZero,
        reset_gradient: ResetGradient::Detached,
        surrogate: Surrogate::Atan(Atan { alpha: 2.0 }),
    }
}

fn published_setting(data: Name) -> Option<Recipe> {
    let (network, frames) = match data {
        Name::NMnist => ("128C3-MP2-128C3-MP2-DP-2048FC-DP-10Voting", 10),
        Name::DvsGesture => {
            ("128C3-MP2-128C3-MP2-128C3-MP2-128C3-MP2-128C3-MP2-DP-512FC-DP-10Voting", 20)
        }
        Name::Cifar10Dvs => ("128C3-MP2-128C3-MP2-128C3-MP2-128C3-MP2-DP-2048FC-DP-10Voting", 20),
        _ => return None,
    };
    let encoding = Encoding::Events(Framing::Number { frames });
    let run = Recipe::bare(PLIF.id, data, encoding, network, neuron());
    let setup = Setup {
        epochs: 1024,
        batch: 16,
        // between 1e-3 and 0 and back, with a period of 128 epochs
        schedule: Schedule::Cosine { period: 64, floor: 0.0 },
        ..run.setup
    };
    Some(Recipe {
        run: Run { norm: Norm::default(), setup, ..run },
        unread: "",
        left_out: "Its printed accuracy is the largest of 1,024 test accuracies; by a validation split its authors have 99.57, 96.53 and \
                   69.00.",
    })
}
