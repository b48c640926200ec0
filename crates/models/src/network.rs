use crate::layer::{Layer, run};
use crate::{Mode, Neurons, Observer, Spec, StageOptions, build};
use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;

/// A network: a spec with weights and a neuron.
///
/// Weights are named `<stage>-<n>.weight` and so on, with the stage's own notation and n counting
/// its equals from 1 (`128C3-2.weight`), the head `head.weight`: a stage inserted elsewhere renames
/// none of the others, so with weights that depend on seed and name alone it changes none of them.
/// In a residual block each convolution has the name `<stage>-<n>.1`, `.2` or `.shortcut`, and with
/// it the norm and the neurons that belong to it: those before it with pre-activation, else those
/// behind. Learnable parameters of neurons are `<stage>-<n>.<parameter>`, each layer's its own.
#[derive(Clone, Debug)]
pub struct Network {
    layers: Vec<Layer>,
}

impl Network {
    /// Builds `spec` for samples of `[height, width, channels]` and so many classes, with `options`
    /// (or [`StatisticsOver`](layers::StatisticsOver) alone, else the paper's); `vb` supplies
    /// the weights by name, with PyTorch's default initialisation as the hint: uniform in
    /// ±1/√fan_in for weight and bias of convolution and linear layers, 1 and 0 for batch norm.
    ///
    /// # Errors
    /// If a pooling window is larger than its map, a map that is pooled as a whole is not square, a
    /// convolution follows a fully connected stage, an option is outside its range, a weight cannot
    /// be had, or there is no layer of neurons of a name that `neurons` has.
    pub fn new(
        spec: &Spec,
        sample: [usize; 3],
        classes: usize,
        neurons: impl Into<Neurons>,
        options: impl Into<StageOptions>,
        vb: VarBuilder<'_>,
    ) -> Result<Network> {
        let (neurons, options) = (neurons.into(), options.into());
        let network =
            Network { layers: build::layers(spec, sample, classes, neurons.clone(), options, vb)? };
        let built: Vec<&str> = network.neurons().into_iter().map(|(layer, _)| layer).collect();
        match neurons.layers().find(|layer| !built.contains(layer)) {
            Some(layer) => bail!(
                "network: there is no layer of neurons {layer:?} to have its own; there are {}",
                built.join(", ")
            ),
            None => Ok(network),
        }
    }

    /// A network of these operations, for what the notation has no word for. The last one is
    /// [`Layer::Vote`].
    pub fn of(layers: Vec<Layer>) -> Network {
        Network { layers }
    }

    /// The operations in order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The same network, sharing its weights, with every neuron left out: the analogue network of
    /// the released code's warm-up. ReLU, batch norm, pooling and dropout stay.
    pub fn analogue(&self) -> Network {
        Network { layers: without_neurons(&self.layers) }
    }

    /// The same network, sharing its weights, without the neurons that are voted on: its votes are
    /// then of currents. For heads that read a membrane which never fires.
    pub fn without_output_neurons(&self) -> Network {
        let mut layers = self.layers.clone();
        if let [.., Layer::Neuron(..), Layer::Vote(_)] = layers[..] {
            layers.remove(layers.len() - 2);
        }
        Network { layers }
    }

    /// The layer of neurons that is voted on, and how many of them vote for a class; `None` where
    /// currents are.
    pub fn voters(&self) -> Option<(&str, usize)> {
        match &self.layers[..] {
            [.., Layer::Neuron(name, _), Layer::Vote(voters)] => Some((name, *voters)),
            _ => None,
        }
    }

    /// Class scores `[B, K]` of frames `[T, B, H, W, C]`: the mean over time of the votes.
    ///
    /// # Errors
    /// If the frames do not fit the network.
    pub fn forward(
        &self,
        frames: &Tensor,
        mode: Mode,
        observer: &mut dyn Observer,
    ) -> Result<Tensor> {
        self.votes(frames, mode, observer)?.mean(0)
    }

    /// The votes of each step, `[T, B, K]`.
    ///
    /// # Errors
    /// If the frames do not fit the network.
    pub fn votes(
        &self,
        frames: &Tensor,
        mode: Mode,
        observer: &mut dyn Observer,
    ) -> Result<Tensor> {
        run(&self.layers, frames, mode, observer)
    }
}

fn without_neurons(layers: &[Layer]) -> Vec<Layer> {
    let neurons = |layer: &Layer| {
        matches!(layer, Layer::Neuron(..) | Layer::Recurrent { .. } | Layer::BackEi { .. })
    };
    let kept = layers.iter().filter(|layer| !neurons(layer));
    let inside = |layer: &Layer| match layer {
        Layer::Residual { body, shortcut } => {
            Layer::Residual { body: without_neurons(body), shortcut: without_neurons(shortcut) }
        }
        other => other.clone(),
    };
    kept.map(inside).collect()
}
