//! The operations of a network by tensors.

use crate::{BackEi, Mode, Observer};
use blocks::{DROPOUT, Weight};
use candle_core::{Result, Tensor};
use layers::{BatchNorm, Conv2d, Depthwise, Linear, Masks, NeuNorm, Windows};
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
    /// The neurons of the stage `name`, with BackEISNN's feedback and signs.
    BackEi {
        /// The stage.
        name: String,
        /// Its neurons.
        neuron: Arc<dyn Neuron>,
        /// What is added to them.
        back_ei: BackEi,
    },
    /// NeuNorm behind neurons.
    NeuNorm(NeuNorm),
    /// Max pooling.
    MaxPool(usize),
    /// Average pooling.
    AvgPool(usize),
    /// Average pooling whose windows step, overlap or reach over the border.
    StridedAvgPool(Windows),
    /// `[T, B, H, W, C]` to `[T, B, H·W·C]`.
    Flatten,
    /// Neuron dropout of the stage `name`, and how long a mask of it stays.
    Dropout(String, Masks),
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

/// `layers` one after the other on `x` `[T, B, …]`.
pub fn run(
    layers: &[Layer],
    x: &Tensor,
    mode: Mode,
    observer: &mut dyn Observer,
) -> Result<Tensor> {
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
            Layer::BackEi { name, neuron, back_ei } => {
                let (outputs, spikes) = back_ei.forward(x, neuron.as_ref())?;
                observer.spikes(name, &spikes)?;
                Ok(outputs)
            }
            Layer::NeuNorm(norm) => norm.forward(x),
            Layer::MaxPool(k) => layers::max_pool2d(x, *k),
            Layer::AvgPool(k) => layers::avg_pool2d(x, *k),
            Layer::StridedAvgPool(windows) => windows.average(x),
            Layer::Flatten => x.flatten_from(2),
            Layer::Dropout(name, masks) => masks.drop(x, DROPOUT, name, mode),
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
    let spikes = returning(x, neuron, weight)?;
    if neuron.at_rate(0.0).is_some()
        && let Some(other) = neuron.at_rate(neuron::firing_rate(&spikes)?)
    {
        // the same spikes, with another slope
        return returning(x, other, weight);
    }
    Ok(spikes)
}

fn returning(x: &Tensor, neuron: &dyn Neuron, weight: &Weight) -> Result<Tensor> {
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
