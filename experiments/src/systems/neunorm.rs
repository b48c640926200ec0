//! NeuNorm: behind each convolution a trace of all channels' spikes is taken from each of them, by
//! a weight that is learned.

use super::{Recipe, System, bare, convolution, printed};
use crate::{Encoding, Run};
use datasets::Name;
use models::{Biases, Norm};
use neuron::{Config, Fires, Kind, Reset, ResetGradient};
use surrogate::{Kind as Surrogate, Rectangular};
use training::Setup;

/// See the head of this file.
pub static NEUNORM: System = System {
    id: "neunorm",
    name: "NeuNorm",
    cite: "Wu et al., AAAI 2019, arXiv 1809.05793",
    published: &[
        printed("table1", Name::Cifar10, 90.53),
        printed("table2", Name::NMnist, 99.53),
        printed("table2", Name::Cifar10Dvs, 60.5),
    ],
    // in place of the house's norm
    house: |run| {
        let network = normed(&run.network);
        Run { neuron: neuron(0.5, 0.2), norm: Norm::None, network, ..bare(run) }
    },
    published_setting,
};

/// STBP's, whose code for MNIST has θ = 0.5 and a decay of 0.2.
fn neuron(threshold: f64, decay: f64) -> Config {
    Config {
        kind: Kind::Lif { decay },
        threshold,
        fires: Fires::AboveThreshold,
        reset: Reset::ToZero,
        reset_gradient: ResetGradient::Differentiated,
        surrogate: Surrogate::Rectangular(Rectangular { half_width: 0.5 }),
    }
}

/// The network with NeuNorm behind every convolution that has none.
fn normed(network: &str) -> String {
    let mut stages: Vec<String> = Vec::new();
    let mut all = network.split('-').peekable();
    while let Some(stage) = all.next() {
        let has = all.peek().is_some_and(|next| next.starts_with("NN"));
        match convolution(stage).filter(|_| !has) {
            Some(found) => {
                // a repetition is written out: each has a norm behind it
                let one = format!("{}-NN", found.once);
                stages.extend(std::iter::repeat_n(one, found.times));
            }
            None => stages.push(stage.to_owned()),
        }
    }
    stages.join("-")
}

fn published_setting(data: Name) -> Option<Recipe> {
    // of the networks for event data nothing was read
    (data == Name::Cifar10).then_some(())?;
    let network = "128C3-NN-256C3-NN-AP2-512C3-NN-AP2-1024C3-NN-512C3-NN-1024FC-512FC-10Voting";
    let encoding = Encoding::Direct { steps: 12 };
    let run = Recipe::bare(NEUNORM.id, data, encoding, network, neuron(0.75, 0.25));
    let setup = Setup { epochs: 100, batch: 50, ..run.setup };
    Some(Recipe {
        run: Run { bias: Biases::All, setup, ..run },
        unread: "Remembered, not read: θ = 0.75 and a decay of 0.25; read in other publications: the layers and T = 12; not told where \
                 it was read: 10 voters, NeuNorm behind the encoding layer too, the window's width, Adam at 0.001, batch 50 and \
                 100 epochs.",
        left_out: "NeuNorm is SpikingJelly's, whose trace takes (1 − k)/C² of each spike.",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_convolution_gets_a_norm_behind_it() {
        assert_eq!(
            normed(
                "16C3-MP2-2*16C3-15C5(valid)-8C3-NN(shared)-64S3-64RB3(post)-512FC(DP)-10Voting"
            ),
            "16C3-NN-MP2-16C3-NN-16C3-NN-15C5(valid)-NN-8C3-NN(shared)-64S3-64RB3(post)-512FC(DP)-\
             10Voting"
        );
    }
}
