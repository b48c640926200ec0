//! What couples a stage's neurons with their neighbours on a map.

use super::{Builder, Window, fits, uniform};
use crate::{BackEi, Layer};
use blocks::Weight;
use candle_core::Result;
use layers::{Conv2d, Depthwise, NeuNorm};

/// What NeuNorm's trace keeps from step to step.
const NEUNORM_DECAY: f64 = 0.9;

impl Builder<'_> {
    /// A convolution, norm, ReLU and neurons, to which spikes may return: through a lateral window,
    /// or with feedback and signs.
    pub fn convolution(
        &mut self,
        name: &str,
        window: Window,
        channels: usize,
        returning: (Option<usize>, Option<usize>),
    ) -> Result<()> {
        let conv = self.conv(name, window, channels)?;
        let mut activation = self.activation(name, channels)?;
        let neurons = match returning {
            (Some(side), _) => Some(self.lateral(name, side, channels)?),
            (None, Some(side)) => Some(self.back_ei(name, side, channels)?),
            (None, None) => None,
        };
        if let (Some(plain), Some(neurons)) = (activation.last_mut(), neurons) {
            *plain = neurons;
        }
        self.layers.push(conv);
        self.layers.extend(activation);
        Ok(())
    }

    /// Neurons with lateral connections.
    fn lateral(&self, name: &str, side: usize, channels: usize) -> Result<Layer> {
        fits(name, &[side, side, channels])?;
        let vb = self.vb.pp(name).pp("lateral");
        let weight =
            vb.get_with_hints((side, side, 1, channels), "weight", uniform(side * side))?;
        let weight = Weight::Depthwise(Depthwise { weight });
        match self.neurons(name)? {
            Layer::Neuron(name, neuron) => Ok(Layer::Recurrent { name, neuron, weight }),
            layer => Ok(layer),
        }
    }

    /// Neurons with feedback and signs, by two convolutions with biases.
    fn back_ei(&self, name: &str, side: usize, channels: usize) -> Result<Layer> {
        fits(name, &[side, side, channels, channels])?;
        let conv = |which: &str| -> Result<Conv2d> {
            let (vb, uniform) = (self.vb.pp(name).pp(which), uniform(side * side * channels));
            let shape = (side, side, channels, channels);
            let weight = vb.get_with_hints(shape, "weight", uniform)?;
            let bias = Some(vb.get_with_hints(channels, "bias", uniform)?);
            Ok(Conv2d { weight, bias, stride: 1, padding: side / 2 })
        };
        let back_ei = BackEi { back: Some(conv("back")?), ei: Some(conv("ei")?) };
        match self.neurons(name)? {
            Layer::Neuron(name, neuron) => Ok(Layer::BackEi { name, neuron, back_ei }),
            layer => Ok(layer),
        }
    }

    /// NeuNorm behind what there is.
    pub fn neunorm(&mut self, name: &str, shared: bool, mean: bool) -> Result<()> {
        let [h, w, channels] = self.shape;
        let shape = (h, w, if shared { 1 } else { channels });
        // fan-in of the source's weight [channels, H, W] is H·W
        let weight = self.vb.pp(name).get_with_hints(shape, "w", uniform(h * w))?;
        let count = channels as f64;
        let share = if mean { count } else { count * count };
        let input = (1.0 - NEUNORM_DECAY) / share;
        self.layers.push(Layer::NeuNorm(NeuNorm { weight, decay: NEUNORM_DECAY, input }));
        Ok(())
    }
}
