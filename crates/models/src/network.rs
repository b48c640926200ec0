use crate::{Mode, Neurons, Observer, Spec, StageOptions, build};
use blocks::{DROPOUT, Weight};
use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;
use layers::{BatchNorm, Conv2d, Depthwise, Linear};
use neuron::Neuron;
use std::sync::Arc;

/// One operation of a network; `name` is the stage it belongs to.
#[derive(Clone, Debug)]
pub enum Layer {
    /// Convolution.
    Conv(Conv2d),
    /// Depthwise convolution.
    Depthwise(Depthwise),
    /// Batch norm of the stage `name`.
    Norm(String, BatchNorm),
    /// ReLU.
    Rectify,
    /// The neurons of the stage `name`.
    Neuron(String, Arc<dyn Neuron>),
    /// The neurons of the stage `name`, to whose currents a product of their own spikes of the step
    /// before is added: a lateral connection. It must give maps of the same shape.
    Recurrent {
        /// The stage.
        name: String,
        /// Its neurons.
        neuron: Arc<dyn Neuron>,
        /// What their spikes return through.
        weight: Weight,
    },
    /// Max pooling.
    MaxPool(usize),
    /// Average pooling.
    AvgPool(usize),
    /// `[T, B, H, W, C]` to `[T, B, H·W·C]`.
    Flatten,
    /// Neuron dropout of the stage `name`.
    Dropout(String),
    /// Fully connected.
    Linear(Linear),
    /// Mean over each class's voters.
    Vote(usize),
    /// body(x) + shortcut(x), of equal shape.
    Residual {
        /// What the block computes.
        body: Vec<Layer>,
        /// Empty for the identity.
        shortcut: Vec<Layer>,
    },
}

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
    /// convolution follows a fully connected stage, an option is outside its range, a weight cannot be
    /// had, or there is no layer of neurons of a name that `neurons` has.
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
    let neurons = |layer: &Layer| matches!(layer, Layer::Neuron(..) | Layer::Recurrent { .. });
    let kept = layers.iter().filter(|layer| !neurons(layer));
    let inside = |layer: &Layer| match layer {
        Layer::Residual { body, shortcut } => {
            Layer::Residual { body: without_neurons(body), shortcut: without_neurons(shortcut) }
        }
        other => other.clone(),
    };
    kept.map(inside).collect()
}

/// `layers` one after the other on `x` `[T, B, …]`.
fn run(layers: &[Layer], x: &Tensor, mode: Mode, observer: &mut dyn Observer) -> Result<Tensor> {
    layers.iter().try_fold(x.clone(), |x, layer| layer.forward(&x, mode, observer))
}

impl From<Weight> for Layer {
    fn from(weight: Weight) -> Layer {
        match weight {
            Weight::Conv(conv) => Layer::Conv(conv),
            Weight::Depthwise(depthwise) => Layer::Depthwise(depthwise),
            Weight::Linear(linear) => Layer::Linear(linear),
        }
    }
}

impl Layer {
    /// This operation on `[T, B, …]`.
    ///
    /// # Errors
    /// If `x` does not fit.
    pub fn forward(&self, x: &Tensor, mode: Mode, observer: &mut dyn Observer) -> Result<Tensor> {
        match self {
            Layer::Conv(conv) => conv.forward(x),
            Layer::Depthwise(depthwise) => depthwise.forward(x),
            Layer::Norm(name, norm) => {
                let (y, statistics) = norm.forward(x, mode)?;
                if let Some(statistics) = statistics {
                    observer.statistics(name, &statistics)?;
                }
                Ok(y)
            }
            Layer::Rectify => layers::rectify(x),
            Layer::Neuron(name, neuron) => {
                let spikes = neuron.scan(x)?;
                observer.spikes(name, &spikes)?;
                Ok(spikes)
            }
            Layer::Recurrent { name, neuron, weight } => {
                let spikes = recurrent(x, neuron.as_ref(), weight)?;
                observer.spikes(name, &spikes)?;
                Ok(spikes)
            }
            Layer::MaxPool(k) => layers::max_pool2d(x, *k),
            Layer::AvgPool(k) => layers::avg_pool2d(x, *k),
            Layer::Flatten => x.flatten_from(2),
            Layer::Dropout(name) => layers::dropout(x, DROPOUT, name, mode),
            Layer::Linear(linear) => linear.forward(x),
            Layer::Vote(voters) => layers::vote(x, *voters),
            Layer::Residual { body, shortcut } => {
                run(body, x, mode, observer)? + run(shortcut, x, mode, observer)?
            }
        }
    }
}

/// Spikes of currents `[T, B, H, W, C]`, to which at each step the product of those of the step
/// before is added.
fn recurrent(x: &Tensor, neuron: &dyn Neuron, weight: &Weight) -> Result<Tensor> {
    let mut before = x.narrow(0, 0, 1)?.zeros_like()?;
    let mut v = neuron.start(&before.squeeze(0)?)?;
    let mut spikes = Vec::new();
    for t in 0..x.dim(0)? {
        let x = (x.narrow(0, t, 1)? + weight.forward(&before)?)?;
        let (o, next) = neuron.step(&x.squeeze(0)?, &v)?;
        v = next;
        before = o.unsqueeze(0)?;
        spikes.push(before.clone());
    }
    Tensor::cat(&spikes, 0)
}
