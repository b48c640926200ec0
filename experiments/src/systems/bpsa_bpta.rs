//! The paper's method: BPSA, and BPTA, by which the part α of a gradient crosses a reset.

use super::{System, none, printed};
use crate::Run;
use datasets::Name;
use neuron::Config;

/// See the head of this file.
pub static BPSA_BPTA: System = System {
    id: "bpsa+bpta",
    name: "BPSA + BPTA",
    cite: "Shen, Zhao & Zeng, Patterns 2022",
    published: &[
        printed("table1", Name::Mnist, 99.67),
        printed("table1", Name::Cifar10, 92.15),
        printed("table1", Name::Cifar100, 68.28),
        printed("table2", Name::NMnist, 99.71),
        printed("table2", Name::DvsGesture, 98.96),
        printed("table2", Name::Cifar10Dvs, 78.95),
        printed("table3", Name::SpeechCommands, 94.2),
        printed("table4", Name::DvsGesture, 98.96),
        printed("table4", Name::Cifar10Dvs, 78.95),
    ],
    house: |run| Run { neuron: Config::bpsa_bpta(), ..run },
    published_setting: none,
};
