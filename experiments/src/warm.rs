//! The warm-ups that are compared.

use serde::{Deserialize, Serialize};
use training::WarmUp;

/// The warm-ups that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Warm {
    /// None.
    #[serde(rename = "none")]
    No,
    /// The released code's: analogue for the first 16 % of the epochs, as its CIFAR-10 script has
    /// it (80 of 500).
    #[serde(rename = "ann")]
    Analogue,
    /// TSSL-BP's, with its rate of 0.1.
    Sigmoid,
}

impl Warm {
    /// `none`, `ann` or `sigmoid`.
    pub fn id(self) -> &'static str {
        match self {
            Self::No => "none",
            Self::Analogue => "ann",
            Self::Sigmoid => "sigmoid",
        }
    }

    /// The setting of a run of so many epochs.
    pub fn of(self, epochs: usize) -> WarmUp {
        match self {
            Self::No => WarmUp::None,
            // of a single epoch nothing would be left
            Self::Analogue if epochs == 1 => WarmUp::None,
            Self::Analogue => WarmUp::Ann { epochs: (epochs * 80 / 500).max(1) },
            Self::Sigmoid => WarmUp::SigmoidWhenSilent { rate: 0.1 },
        }
    }
}
