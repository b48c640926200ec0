use crate::{ParseError, Spec};
use serde::{Deserialize, Serialize};

/// The paper's networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// MNIST, 28×28×1.
    Small,
    /// N-MNIST, 34×34×2.
    Middle,
    /// CIFAR-10 and CIFAR-100, 32×32×3. The paper's text has one middle network; the code has two.
    MiddleCifar,
    /// DVS-Gesture and DVS-CIFAR10, 64×64×2.
    Large,
}

/// Which layer list, where the paper's text and its released code differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// As the text says.
    Paper,
    /// As the code runs.
    Code,
}

impl Architecture {
    /// All four.
    pub const ALL: [Architecture; 4] =
        [Architecture::Small, Architecture::Middle, Architecture::MiddleCifar, Architecture::Large];

    /// The network in the paper's notation.
    pub fn notation(self, variant: Variant) -> &'static str {
        use Architecture::{Large, Middle, MiddleCifar, Small};
        match (self, variant) {
            (Small, Variant::Paper) => "128C3-MP2-128C3-256C3-MP2-2048FC-DP-10Voting",
            (Small, Variant::Code) => "128C3-MP2-128C3-256C3-AP2-2048FC(DP)-10Voting",
            (Middle | MiddleCifar, Variant::Paper) => "128C3-MP2-128C3-MP2-256C3-MP2-512C3-AP4-512FC-10Voting",
            (Middle, Variant::Code) => "128C3-MP2-128C3-MP2-256C3-AP2-512C3-AP4-DP-10Voting",
            (MiddleCifar, Variant::Code) => "128C3-128C3-MP2-128C3-MP2-256C3-MP2-512C3-AP4-10Voting",
            (Large, Variant::Paper) => "128C3-128C3-MP2-128C3-MP2-256C3-MP2-512C3-MP2-1024C3-AP4-DP-1024FC-10Voting",
            (Large, Variant::Code) => "128C3-128C3-MP2-128C3-MP2-256C3-MP2-512C3-AP2-1024C3-AP4-DP-10Voting",
        }
    }

    /// [`Architecture::notation`] parsed.
    pub fn spec(self, variant: Variant) -> Result<Spec, ParseError> {
        self.notation(variant).parse()
    }
}
