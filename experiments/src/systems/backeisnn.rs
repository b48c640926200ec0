//! BackEISNN: behind each convolution a layer's spikes return to gate its currents, and its
//! membranes decide whether a spike excites or inhibits.

use super::{Recipe, System, bare, convolution, printed};
use crate::{Encoding, Run};
use datasets::Name;
use layers::Masks;
use models::Biases;
use neuron::{Config, Fires, Kind, Reset, ResetGradient};
use surrogate::{Kind as Surrogate, Rectangular};
use training::{Schedule, Setup};

/// See the head of this file.
pub static BACKEISNN: System = System {
    id: "backeisnn",
    name: "BackEISNN",
    cite: "Zhao, Zeng & Li, Neural Networks 2022, arXiv 2105.13004",
    published: &[
        printed("table1", Name::Mnist, 99.67),
        printed("table1", Name::Cifar10, 90.93),
        printed("table2", Name::NMnist, 99.57),
    ],
    house: |run| {
        let network = with_feedback(&run.network);
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

/// The network with feedback and signs in every convolution that has none, by windows as large as
/// its own.
fn with_feedback(network: &str) -> String {
    let with = |stage: &str| match convolution(stage).filter(|found| !found.returns) {
        Some(found) => format!("{stage}(BE{})", found.window),
        None => stage.to_owned(),
    };
    network.split('-').map(with).collect::<Vec<_>>().join("-")
}

fn published_setting(data: Name) -> Option<Recipe> {
    let (network, dropout) = match data {
        Name::Mnist => ("15C5(valid)(BE5)-AP2-40C5(valid)(BE5)-AP2-300FC-1Voting", Masks::Pass),
        Name::Cifar10 => {
            ("128C3(BE3)-DP-AP2-256C3(BE3)-DP-AP2-512C3(BE3)-DP-AP2-1024FC-DP-1Voting", Masks::Step)
        }
        // its code has no network for event data
        _ => return None,
    };
    let encoding = Encoding::Direct { steps: 20 };
    let run = Recipe::bare(BACKEISNN.id, data, encoding, network, neuron());
    let setup = Setup {
        epochs: 200,
        batch: 100,
        schedule: Schedule::Step { every: 40, factor: 0.1 },
        ..run.setup
    };
    Some(Recipe {
        run: Run { bias: Biases::All, dropout, setup, ..run },
        unread: "Not told where it was read: pixels are standardised, and images are not changed at random.",
        left_out: "",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_convolution_gets_feedback_of_its_window_and_nothing_else() {
        assert_eq!(
            with_feedback("16C3-MP2-2*16C3-15C5(valid)-8C3(BE5)-8C3(L3)-64S3-512FC(DP)-10Voting"),
            "16C3(BE3)-MP2-2*16C3(BE3)-15C5(valid)(BE5)-8C3(BE5)-8C3(L3)-64S3-512FC(DP)-10Voting"
        );
    }
}
