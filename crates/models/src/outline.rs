//! What a network would be and take, told by its shapes: nothing is allocated for its weights.

use crate::{Layer, Network, Neurons, Spec, StageOptions};
use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use layers::{BatchNorm, Conv2d, Depthwise, NeuNorm, StatisticsOver};

/// Sizes of a network for samples of one size; counts of numbers, none of which has a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// All variables, running statistics among them.
    pub weights: u128,
    /// The largest output of an operation in front of the first neuron, a sample and step: of a
    /// still image it is computed once for all steps.
    pub before_neurons: u128,
    /// The largest output of an operation behind the first neuron, a sample and step.
    pub behind_neurons: u128,
    /// Every batch norm, in order.
    pub norms: Vec<NormSize>,
}

/// A batch norm's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormSize {
    /// The stage it belongs to.
    pub name: String,
    /// Height and width of the maps that it normalises; 1, 1 where they are flattened.
    pub map: [usize; 2],
    /// What it averages over in training.
    pub over: StatisticsOver,
}

/// Weights that are one number, seen in every shape: a view of stride 0.
struct OneNumber;

impl SimpleBackend for OneNumber {
    fn get(&self, shape: Shape, _: &str, _: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        Tensor::zeros((), dtype, device)?.broadcast_as(shape)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        candle_core::bail!("an outline has no weights, asked for {name}")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

impl Network {
    /// The network that [`Network::new`] would build, with weights that take no memory and are all
    /// zero: a proof that it can be built, and what [`Network::footprint`] is told from.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn outline(
        spec: &Spec,
        sample: [usize; 3],
        classes: usize,
        neurons: impl Into<Neurons>,
        options: impl Into<StageOptions>,
    ) -> Result<Network> {
        let vb = VarBuilder::from_backend(Box::new(OneNumber), DType::F32, Device::Cpu);
        Network::new(spec, sample, classes, neurons, options, vb)
    }

    /// What it takes for samples of `[height, width, channels]`.
    pub fn footprint(&self, sample: [usize; 3]) -> Footprint {
        let mut walk = Walk { of: Footprint::default(), fired: false };
        walk.through(self.layers(), sample);
        walk.of
    }
}

struct Walk {
    of: Footprint,
    /// Whether a neuron has been passed.
    fired: bool,
}

impl Walk {
    /// Counts `layers` for maps of `[height, width, channels]`, and returns what comes out.
    fn through(&mut self, layers: &[Layer], mut shape: [usize; 3]) -> [usize; 3] {
        for layer in layers {
            shape = self.layer(layer, shape);
            let numbers = shape.iter().map(|&n| n as u128).product::<u128>();
            let largest = match self.fired {
                false => &mut self.of.before_neurons,
                true => &mut self.of.behind_neurons,
            };
            *largest = numbers.max(*largest);
        }
        shape
    }

    fn norm(&mut self, name: &str, norm: &BatchNorm, map: [usize; 2]) {
        let BatchNorm { weight, bias, running_mean, running_var, over, .. } = norm;
        for tensor in [weight, running_mean, running_var].into_iter().chain(bias) {
            self.of.weights += tensor.elem_count() as u128;
        }
        self.of.norms.push(NormSize { name: name.to_owned(), map, over: *over });
    }

    fn layer(&mut self, layer: &Layer, [h, w, c]: [usize; 3]) -> [usize; 3] {
        let mut weigh = |t: &Tensor| self.of.weights += t.elem_count() as u128;
        match layer {
            Layer::Conv(conv) => {
                weigh(&conv.weight);
                conv.bias.iter().for_each(&mut weigh);
                convolved(conv, [h, w])
            }
            Layer::Norm(name, norm) => {
                self.norm(name, norm, [h, w]);
                [h, w, c]
            }
            Layer::Neuron(_, neuron) => {
                neuron.parameters().iter().for_each(|(_, parameter)| weigh(parameter));
                self.fired = true;
                [h, w, c]
            }
            Layer::Depthwise(Depthwise { weight }) | Layer::NeuNorm(NeuNorm { weight, .. }) => {
                weigh(weight);
                [h, w, c]
            }
            Layer::Recurrent { weight, neuron, .. } => {
                neuron.parameters().iter().for_each(|(_, parameter)| weigh(parameter));
                weigh(weight.weight());
                weight.bias().into_iter().for_each(&mut weigh);
                self.fired = true;
                [h, w, c]
            }
            Layer::BackEi { neuron, back_ei, .. } => {
                neuron.parameters().iter().for_each(|(_, parameter)| weigh(parameter));
                for conv in back_ei.back.iter().chain(&back_ei.ei) {
                    weigh(&conv.weight);
                    conv.bias.iter().for_each(&mut weigh);
                }
                self.fired = true;
                [h, w, c]
            }
            Layer::MaxPool(k) | Layer::AvgPool(k) => [h / (*k).max(1), w / (*k).max(1), c],
            Layer::StridedAvgPool(windows) => {
                let across = |size| windows.across(size).unwrap_or_default();
                [across(h), across(w), c]
            }
            Layer::Flatten => [1, 1, h.saturating_mul(w).saturating_mul(c)],
            Layer::Linear(linear) => {
                weigh(&linear.weight);
                linear.bias.iter().for_each(&mut weigh);
                [1, 1, linear.weight.dims().last().copied().unwrap_or_default()]
            }
            Layer::Vote(voters) => [1, 1, c / (*voters).max(1)],
            Layer::Residual { body, shortcut } => {
                let out = self.through(body, [h, w, c]);
                self.through(shortcut, [h, w, c]);
                out
            }
            Layer::Rectify | Layer::Dropout(..) => [h, w, c],
        }
    }
}

/// What comes out of a convolution of maps of `[height, width]`.
fn convolved(conv: &Conv2d, [h, w]: [usize; 2]) -> [usize; 3] {
    let outputs = conv.weight.dims().last().copied().unwrap_or_default();
    let kernel = conv.weight.dims().first().copied().unwrap_or_default();
    // as many windows as begin inside
    let windows = |size: usize| {
        let steps = (size + 2 * conv.padding).saturating_sub(kernel);
        steps / conv.stride.max(1) + 1
    };
    [windows(h), windows(w), outputs]
}
