//! The neurons of a network that is built.

use crate::{Layer, Network};
use candle_core::{Result, Tensor};
use neuron::Neuron;
use std::sync::Arc;

impl Network {
    /// Every layer of neurons by name, in order.
    pub fn neurons(&self) -> Vec<(&str, &Arc<dyn Neuron>)> {
        let mut all = Vec::new();
        collect(self.layers(), &mut all);
        all
    }

    /// The learnable parameters of all neurons, by the names of their variables.
    pub fn neuron_parameters(&self) -> Vec<(String, Tensor)> {
        let of_layer = |(layer, neuron): (&str, &Arc<dyn Neuron>)| {
            let all = neuron.parameters().into_iter();
            all.map(|(name, tensor)| (format!("{layer}.{name}"), tensor)).collect::<Vec<_>>()
        };
        self.neurons().into_iter().flat_map(of_layer).collect()
    }

    /// What those mean as they are now, such as `tau of 128C3-1`.
    ///
    /// # Errors
    /// A parameter that cannot be read.
    pub fn neuron_readings(&self) -> Result<Vec<(String, f64)>> {
        let mut all = Vec::new();
        for (layer, neuron) in self.neurons() {
            let readings = neuron.readings()?.into_iter();
            all.extend(readings.map(|(name, value)| (format!("{name} of {layer}"), value)));
        }
        Ok(all)
    }
}

fn collect<'n>(layers: &'n [Layer], all: &mut Vec<(&'n str, &'n Arc<dyn Neuron>)>) {
    for layer in layers {
        match layer {
            Layer::Neuron(name, neuron)
            | Layer::Recurrent { name, neuron, .. }
            | Layer::BackEi { name, neuron, .. } => {
                all.push((name, neuron));
            }
            Layer::Residual { body, shortcut } => {
                collect(body, all);
                collect(shortcut, all);
            }
            _ => {}
        }
    }
}
