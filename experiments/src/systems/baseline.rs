//! The paper's baseline: STBP's surrogate and reset (Wu et al. 2018) in the paper's network.

use super::{System, none, printed};
use crate::Run;
use datasets::Name;
use neuron::Config;

/// See the head of this file. Tables 1 and 2 print STBP's own numbers, Table 4 those of the
/// ablation.
pub static BASELINE: System = System {
    id: "baseline",
    name: "STBP",
    cite: "Wu et al., Frontiers in Neuroscience 2018",
    published: &[
        printed("table1", Name::Mnist, 99.42),
        printed("table1", Name::Cifar10, 50.7),
        printed("table2", Name::NMnist, 99.44),
        printed("table4", Name::DvsGesture, 93.92),
        printed("table4", Name::Cifar10Dvs, 71.40),
    ],
    house: |run| Run { neuron: Config::baseline(), ..run },
    published_setting: none,
};
