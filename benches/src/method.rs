//! The paper's three ways to train, by the names that flags and exports have for them.

use neuron::{Config, Kind};
use serde::{Serialize, Serializer};

/// A name and its neuron.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Method {
    /// `baseline`, `bpsa`, `bpsa+bpta`, `synaptic` or `plif`.
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

    /// BPSA and BPTA with neurons of two states, to see what a second one costs.
    pub fn synaptic() -> Method {
        let kind = Kind::Synaptic(Default::default());
        Method { id: "synaptic", neuron: Config { kind, ..Config::bpsa_bpta() } }
    }

    /// The baseline with a time constant that each layer learns.
    pub fn plif() -> Method {
        let kind = Kind::Plif(Default::default());
        Method { id: "plif", neuron: Config { kind, ..Config::baseline() } }
    }

    /// The method of this name; for clap.
    ///
    /// # Errors
    /// Anything else.
    pub fn named(text: &str) -> Result<Method, String> {
        let papers = [Method::baseline(), Method::bpsa(), Method::bpsa_bpta()];
        let others = [Method::synaptic(), Method::plif()];
        papers.into_iter().chain(others).find(|method| method.id == text).ok_or_else(|| {
            format!("expected baseline, bpsa, bpsa+bpta, synaptic or plif, found '{text}'")
        })
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}
