use crate::{Mode, Spec, Stage};
use candle_core::{Result, Tensor, bail};
use candle_nn::{Init, VarBuilder};
use layers::{BatchNorm, BatchStatistics, Conv2d, Linear, StatisticsOver};
use neuron::Neuron;
use std::collections::HashMap;
use std::sync::Arc;

/// Probability that dropout drops a neuron.
pub(crate) const DROPOUT: f64 = 0.5;
/// ε of batch norm (PyTorch's default, used by the paper).
const EPS: f64 = 1e-5;

/// Watches a pass. `()` ignores everything.
pub trait Observer {
    /// The spikes `[T, B, …]` of the neurons called `layer`, in a pass of tensor operations; an event-driven one has no
    /// such tensor and calls [`Observer::count`].
    fn spikes(&mut self, layer: &str, spikes: &Tensor) -> Result<()> {
        let _ = (layer, spikes);
        Ok(())
    }

    /// How many of the neurons called `layer` fired at each step, of so many that could: neurons · samples. A pass
    /// without a graph calls this in place of [`Observer::spikes`].
    fn count(&mut self, layer: &str, spikes: &[u64], chances: u64) -> Result<()> {
        let _ = (layer, spikes, chances);
        Ok(())
    }

    /// The statistics that the batch norm of `layer` used in a training pass. Whoever trains folds them
    /// into the running statistics; the network itself keeps nothing.
    fn statistics(&mut self, layer: &str, statistics: &BatchStatistics) -> Result<()> {
        let _ = (layer, statistics);
        Ok(())
    }
}

impl Observer for () {}

/// One operation of a network; `name` is the stage it belongs to.
#[derive(Clone, Debug)]
pub enum Layer {
    /// Convolution.
    Conv(Conv2d),
    /// Batch norm of the stage `name`.
    Norm(String, BatchNorm),
    /// ReLU.
    Rectify,
    /// The neurons of the stage `name`.
    Neuron(String, Arc<dyn Neuron>),
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
}

/// A network: a spec with weights and a neuron.
///
/// Weights are named `<stage>-<n>.weight` and so on, with the stage's own notation and n counting its
/// equals from 1 (`128C3-2.weight`), the head `head.weight`: a stage inserted elsewhere renames none of
/// the others, so with weights that depend on seed and name alone it changes none of them.
#[derive(Clone, Debug)]
pub struct Network {
    layers: Vec<Layer>,
}

/// Follows the shape of one sample while a network is built.
struct Builder<'a> {
    vb: VarBuilder<'a>,
    neuron: Arc<dyn Neuron>,
    over: StatisticsOver,
    /// Height, width, channels; after flattening 1, 1, units.
    shape: [usize; 3],
    flat: bool,
    layers: Vec<Layer>,
    seen: HashMap<String, usize>,
}

impl Network {
    /// Builds `spec` for samples of `[height, width, channels]` and so many classes; `vb` supplies the
    /// weights by name, with PyTorch's default initialisation as the hint: uniform in ±1/√fan_in for weight
    /// and bias of convolution and linear layers, 1 and 0 for batch norm.
    ///
    /// # Errors
    /// If a pooling window is larger than its map, a convolution follows a fully connected stage, or a
    /// weight cannot be had.
    pub fn new(
        spec: &Spec,
        sample: [usize; 3],
        classes: usize,
        neuron: Arc<dyn Neuron>,
        over: StatisticsOver,
        vb: VarBuilder<'_>,
    ) -> Result<Network> {
        let mut b = Builder { vb, neuron, over, shape: sample, flat: false, layers: vec![], seen: HashMap::new() };
        for stage in spec.stages() {
            b.stage(*stage, classes)?;
        }
        Ok(Network { layers: b.layers })
    }

    /// The operations in order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The same network, sharing its weights, with every neuron left out: the analogue network of the
    /// released code's warm-up. ReLU, batch norm, pooling and dropout stay.
    pub fn analogue(&self) -> Network {
        let layers = self.layers.iter().filter(|l| !matches!(l, Layer::Neuron(..))).cloned().collect();
        Network { layers }
    }

    /// Class scores `[B, K]` of frames `[T, B, H, W, C]`: the mean over time of the votes.
    ///
    /// # Errors
    /// If the frames do not fit the network.
    pub fn forward(&self, frames: &Tensor, mode: Mode, observer: &mut dyn Observer) -> Result<Tensor> {
        let mut x = frames.clone();
        let mut rest = &self.layers[..];
        while let [layer, after @ ..] = rest {
            // Norm, ReLU and neuron are one operation where they stand together
            (x, rest) = match (layer, after) {
                (Layer::Norm(name, norm), [Layer::Rectify, Layer::Neuron(_, neuron), after @ ..]) => {
                    let (spikes, statistics) = norm.fire(&x, neuron.as_ref(), mode)?;
                    if let Some(statistics) = statistics {
                        observer.statistics(name, &statistics)?;
                    }
                    observer.spikes(name, &spikes)?;
                    (spikes, after)
                }
                _ => (layer.forward(&x, mode, observer)?, after),
            };
        }
        x.mean(0)
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
            Layer::MaxPool(k) => layers::max_pool2d(x, *k),
            Layer::AvgPool(k) => layers::avg_pool2d(x, *k),
            Layer::Flatten => x.flatten_from(2),
            Layer::Dropout(name) => layers::dropout(x, DROPOUT, name, mode),
            Layer::Linear(linear) => linear.forward(x),
            Layer::Vote(voters) => layers::vote(x, *voters),
        }
    }
}

impl Builder<'_> {
    fn stage(&mut self, stage: Stage, classes: usize) -> Result<()> {
        let name = self.name(stage);
        match stage {
            Stage::Conv { channels, kernel } => self.conv(name, channels, kernel)?,
            Stage::MaxPool(k) => {
                self.shrink(stage, k)?;
                self.layers.push(Layer::MaxPool(k));
            }
            Stage::AvgPool(k) => {
                self.shrink(stage, k)?;
                self.layers.push(Layer::AvgPool(k));
            }
            Stage::Dropout => self.layers.push(Layer::Dropout(name)),
            Stage::FullyConnected { units, dropout } => {
                self.linear(&name, units)?;
                self.layers.push(Layer::Rectify);
                if dropout {
                    self.layers.push(Layer::Dropout(name.clone()));
                }
                self.layers.push(Layer::Neuron(name, self.neuron.clone()));
            }
            Stage::Voting { voters } => {
                self.linear("head", voters * classes)?;
                self.layers.push(Layer::Neuron("head".into(), self.neuron.clone()));
                self.layers.push(Layer::Vote(voters));
            }
        }
        Ok(())
    }

    fn name(&mut self, stage: Stage) -> String {
        let text = stage.to_string();
        let n = self.seen.entry(text.clone()).or_insert(0);
        *n += 1;
        format!("{text}-{n}")
    }

    fn conv(&mut self, name: String, channels: usize, kernel: usize) -> Result<()> {
        if self.flat {
            bail!("network: {name} needs maps, but a fully connected stage before it has flattened them");
        }
        let inputs = self.shape[2];
        fits(&name, &[kernel, kernel, inputs, channels])?;
        let vb = self.vb.pp(&name);
        let uniform = uniform(kernel * kernel * inputs);
        self.layers.push(Layer::Conv(Conv2d {
            weight: vb.get_with_hints((kernel, kernel, inputs, channels), "weight", uniform)?,
            bias: vb.get_with_hints(channels, "bias", uniform)?,
            stride: 1,
            padding: kernel / 2,
        }));
        let norm = vb.pp("norm");
        let norm = BatchNorm {
            weight: norm.get_with_hints(channels, "weight", Init::Const(1.0))?,
            bias: norm.get_with_hints(channels, "bias", Init::Const(0.0))?,
            running_mean: norm.get_with_hints(channels, "running_mean", Init::Const(0.0))?,
            running_var: norm.get_with_hints(channels, "running_var", Init::Const(1.0))?,
            eps: EPS,
            over: self.over,
        };
        self.layers.push(Layer::Norm(name.clone(), norm));
        self.layers.push(Layer::Rectify);
        self.layers.push(Layer::Neuron(name, self.neuron.clone()));
        self.shape[2] = channels;
        Ok(())
    }

    fn linear(&mut self, name: &str, units: usize) -> Result<()> {
        if !self.flat {
            self.layers.push(Layer::Flatten);
            self.flat = true;
        }
        let inputs = self.shape.iter().product();
        fits(name, &[inputs, units])?;
        let vb = self.vb.pp(name);
        self.layers.push(Layer::Linear(Linear {
            weight: vb.get_with_hints((inputs, units), "weight", uniform(inputs))?,
            bias: vb.get_with_hints(units, "bias", uniform(inputs))?,
        }));
        self.shape = [1, 1, units];
        Ok(())
    }

    fn shrink(&mut self, stage: Stage, k: usize) -> Result<()> {
        let [h, w, _] = self.shape;
        if self.flat || h < k || w < k {
            bail!("network: {stage} needs maps of at least {k}×{k}, found {h}×{w}");
        }
        self.shape = [h / k, w / k, self.shape[2]];
        Ok(())
    }
}

/// Refuses a weight that no machine of today holds: a typing error, and better a sentence than an abort.
fn fits(name: &str, dims: &[usize]) -> Result<()> {
    match dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) {
        Some(n) if n <= 1 << 32 => Ok(()),
        _ => bail!("network: {name} would have a weight of {dims:?}, more than 2³² numbers"),
    }
}

/// PyTorch's default for convolution and linear layers, weight and bias alike.
fn uniform(fan_in: usize) -> Init {
    let bound = 1.0 / (fan_in as f64).sqrt();
    Init::Uniform { lo: -bound, up: bound }
}
