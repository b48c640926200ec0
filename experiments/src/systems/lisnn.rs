//! LISNN: behind each convolution a neuron's own spikes and those of its neighbours return to it
//! one step later, through lateral connections of each channel.

use super::{Recipe, System, bare, convolution, printed};
use crate::{Encoding, Run};
use datasets::Name;
use events::{EmptyWindow, Framing};
use models::Biases;
use neuron::{Config, Fires, Kind, Reset, ResetGradient};
use surrogate::{Kind as Surrogate, Rectangular};
use training::{Milestones, Schedule, Setup};

/// See the head of this file.
pub static LISNN: System = System {
    id: "lisnn",
    name: "LISNN",
    cite: "Cheng et al., IJCAI 2020",
    published: &[printed("table1", Name::Mnist, 99.5), printed("table2", Name::NMnist, 99.45)],
    house: |run| {
        let network = lateral(&run.network);
        Run { neuron: neuron(), network, ..bare(run) }
    },
    published_setting,
};

fn neuron() -> Config {
    Config {
        kind: Kind::Lif { decay: 0.2 },
        threshold: 0.5,
        fires: Fires::AboveThreshold,
        reset: Reset::ToZero,
        reset_gradient: ResetGradient::Differentiated,
        surrogate: Surrogate::Rectangular(Rectangular { half_width: 0.5 }),
    }
}

/// The network with lateral windows of 5×5 in every convolution that has none, as only stages of
/// the notation `32C3` can have them.
fn lateral(network: &str) -> String {
    let with = |stage: &str| match convolution(stage).filter(|found| !found.returns) {
        Some(_) => format!("{stage}(L5)"),
        None => stage.to_owned(),
    };
    network.split('-').map(with).collect::<Vec<_>>().join("-")
}

fn published_setting(data: Name) -> Option<Recipe> {
    let (network, encoding, left_out) = match data {
        Name::Mnist => (
            "32C3(L5)-AP2-32C3(L5)-AP2-128FC-1Voting",
            Encoding::Bernoulli { steps: 20, scale: 1.0, raw: true },
            "",
        ),
        Name::NMnist => (
            "64C3(L5)-AP2-64C3(L5)-AP2-128FC-1Voting",
            Encoding::Events(Framing::Time { frames: 20, empty_window: EmptyWindow::ZeroFrame }),
            "Otherwise: maps of 34×34 in place of 36×36; frames are counts in twenty equal parts of the recording, in place of \
             whether there was an event in 15 ms.",
        ),
        _ => return None,
    };
    let run = Recipe::bare(LISNN.id, data, encoding, network, neuron());
    let setup = Setup {
        epochs: 100,
        batch: 100,
        // its scheduler steps before the epoch, so a step comes one epoch early
        schedule: Schedule::Multistep { at: Milestones::new(&[49, 99])?, factor: 0.1 },
        ..run.setup
    };
    Some(Recipe { run: Run { bias: Biases::All, setup, ..run }, unread: "", left_out })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_convolution_gets_lateral_connections_and_nothing_else() {
        assert_eq!(
            lateral("16C3-MP2-2*16C3-15C5(valid)-8C3(L3)-64S3-64RB3(post)-512FC(DP)-10Voting"),
            "16C3(L5)-MP2-2*16C3(L5)-15C5(valid)(L5)-8C3(L3)-64S3-64RB3(post)-512FC(DP)-10Voting"
        );
    }
}
