//! The paper's three ways to train, by the names that flags and exports have for them.

use neuron::Config;
use serde::{Serialize, Serializer};

/// A name and its neuron.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Method {
    /// `baseline`, `bpsa` or `bpsa+bpta`.
    pub id: &'static str,
    /// Its neuron, with the paper's constants.
    pub neuron: Config,
}

impl Method {
    /// STBP's surrogate and reset.
    pub fn baseline() -> Method {
        Method { id: "baseline", neuron: Config::baseline() }
    }

    /// BPSA alone.
    pub fn bpsa() -> Method {
        Method { id: "bpsa", neuron: Config::bpsa() }
    }

    /// BPSA and BPTA.
    pub fn bpsa_bpta() -> Method {
        Method { id: "bpsa+bpta", neuron: Config::bpsa_bpta() }
    }

    /// The method of this name; for clap.
    ///
    /// # Errors
    /// Anything else.
    pub fn named(text: &str) -> Result<Method, String> {
        let mut all = [Method::baseline(), Method::bpsa(), Method::bpsa_bpta()].into_iter();
        all.find(|method| method.id == text)
            .ok_or_else(|| format!("expected baseline, bpsa or bpsa+bpta, found '{text}'"))
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}
