use neuron::Neuron;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The neurons of a network: the usual ones, and those of layers that have others.
///
/// Neurons with learnable parameters are only a pattern here: each layer of a network that is built
/// gets its own, with variables `<layer>.<parameter>` that begin with the pattern's values.
#[derive(Clone, Debug)]
pub struct Neurons {
    usual: Arc<dyn Neuron>,
    of: BTreeMap<String, Arc<dyn Neuron>>,
}

impl Neurons {
    /// The same, but that `layer` has `neuron`.
    pub fn with(mut self, layer: &str, neuron: Arc<dyn Neuron>) -> Neurons {
        self.of.insert(layer.to_owned(), neuron);
        self
    }

    /// Those of `layer`.
    pub fn of(&self, layer: &str) -> &Arc<dyn Neuron> {
        self.of.get(layer).unwrap_or(&self.usual)
    }

    /// The layers that have others.
    pub fn layers(&self) -> impl Iterator<Item = &str> {
        self.of.keys().map(String::as_str)
    }
}

impl From<Arc<dyn Neuron>> for Neurons {
    fn from(usual: Arc<dyn Neuron>) -> Neurons {
        Neurons { usual, of: BTreeMap::new() }
    }
}

impl<N: Neuron + 'static> From<Arc<N>> for Neurons {
    fn from(usual: Arc<N>) -> Neurons {
        Neurons { usual, of: BTreeMap::new() }
    }
}
