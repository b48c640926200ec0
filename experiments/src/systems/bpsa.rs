//! BPSA alone: the spatial adjustment, a spike's slope is 1/u where it fired.

use super::{System, none, printed};
use crate::Run;
use datasets::Name;
use neuron::Config;

/// See the head of this file.
pub static BPSA: System = System {
    id: "bpsa",
    name: "BPSA",
    cite: "Shen, Zhao & Zeng, Patterns 2022",
    published: &[
        printed("table4", Name::DvsGesture, 97.56),
        printed("table4", Name::Cifar10Dvs, 75.30),
    ],
    house: |run| Run { neuron: Config::bpsa(), ..run },
    published_setting: none,
};
