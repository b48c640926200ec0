//! From a spec to the operations of a network.

use crate::{Layer, Neurons, Spec, Stage};
use candle_core::{DType, Result, bail};
use candle_nn::{Init, VarBuilder};
use layers::{BatchNorm, Conv2d, Linear, StatisticsOver};
use std::collections::HashMap;
use std::iter;

/// ε of batch norm (PyTorch's default, used by the paper).
pub const EPS: f64 = 1e-5;

/// Follows the shape of one sample while a network is built.
struct Builder<'a> {
    vb: VarBuilder<'a>,
    neurons: Neurons,
    over: StatisticsOver,
    /// Height, width, channels; after flattening 1, 1, units.
    shape: [usize; 3],
    flat: bool,
    layers: Vec<Layer>,
    seen: HashMap<String, usize>,
}

/// How a convolution is made.
struct Window {
    kernel: usize,
    stride: usize,
    bias: bool,
}

/// The operations of `spec`, see [`crate::Network::new`].
pub fn layers(
    spec: &Spec,
    sample: [usize; 3],
    classes: usize,
    neurons: Neurons,
    over: StatisticsOver,
    vb: VarBuilder<'_>,
) -> Result<Vec<Layer>> {
    let mut b = Builder {
        vb,
        neurons,
        over,
        shape: sample,
        flat: false,
        layers: vec![],
        seen: HashMap::new(),
    };
    for stage in spec.stages() {
        b.stage(*stage, classes)?;
    }
    Ok(b.layers)
}

impl Builder<'_> {
    fn stage(&mut self, stage: Stage, classes: usize) -> Result<()> {
        let name = self.name(stage);
        match stage {
            Stage::Conv { channels, kernel } => {
                let conv = self.conv(&name, Window { kernel, stride: 1, bias: true }, channels)?;
                let activation = self.activation(&name, channels)?;
                self.layers.extend(iter::once(conv).chain(activation));
            }
            Stage::Stem { channels, kernel, stride } => {
                let conv = self.conv(&name, Window { kernel, stride, bias: false }, channels)?;
                self.layers.push(conv);
            }
            Stage::Residual { channels, kernel, stride, post: false } => {
                self.pre(&name, channels, kernel, stride)?
            }
            Stage::Residual { channels, kernel, stride, post: true } => {
                self.post(&name, channels, kernel, stride)?
            }
            Stage::Norm => self.layers.push(self.norm(&name, self.shape[2])?),
            Stage::GlobalAvgPool => self.pool_whole(stage)?,
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
                let drop = dropout.then(|| Layer::Dropout(name.clone()));
                let neurons = self.neurons(&name)?;
                self.layers.extend(iter::once(Layer::Rectify).chain(drop).chain([neurons]));
            }
            Stage::Voting { voters } => {
                self.linear("head", voters * classes)?;
                let neurons = self.neurons("head")?;
                self.layers.extend([neurons, Layer::Vote(voters)]);
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

    /// A convolution of what there is, which becomes what there is.
    fn conv(&mut self, name: &str, window: Window, channels: usize) -> Result<Layer> {
        if self.flat {
            bail!(
                "network: {name} needs maps, but a fully connected stage before it has flattened them"
            );
        }
        let Window { kernel, stride, bias } = window;
        let [h, w, inputs] = self.shape;
        fits(name, &[kernel, kernel, inputs, channels])?;
        let vb = self.vb.pp(name);
        let uniform = uniform(kernel * kernel * inputs);
        let weight = vb.get_with_hints((kernel, kernel, inputs, channels), "weight", uniform)?;
        let bias = bias.then(|| vb.get_with_hints(channels, "bias", uniform)).transpose()?;
        self.shape = [h.div_ceil(stride), w.div_ceil(stride), channels];
        Ok(Layer::Conv(Conv2d { weight, bias, stride, padding: kernel / 2 }))
    }

    fn norm(&self, name: &str, channels: usize) -> Result<Layer> {
        let vb = self.vb.pp(name).pp("norm");
        let norm = BatchNorm {
            weight: vb.get_with_hints(channels, "weight", Init::Const(1.0))?,
            bias: vb.get_with_hints(channels, "bias", Init::Const(0.0))?,
            running_mean: vb.get_with_hints(channels, "running_mean", Init::Const(0.0))?,
            running_var: vb.get_with_hints(channels, "running_var", Init::Const(1.0))?,
            eps: EPS,
            over: self.over,
        };
        Ok(Layer::Norm(name.into(), norm))
    }

    /// Norm, ReLU, neurons.
    fn activation(&self, name: &str, channels: usize) -> Result<[Layer; 3]> {
        Ok([self.norm(name, channels)?, Layer::Rectify, self.neurons(name)?])
    }

    /// The neurons of a layer, whose learnable parameters are variables of its own.
    fn neurons(&self, name: &str) -> Result<Layer> {
        let pattern = self.neurons.of(name);
        let mut own = Vec::new();
        for (parameter, initial) in pattern.parameters() {
            if ["weight", "bias", "norm"].contains(&parameter) {
                bail!(
                    "network: the neurons of {name} call a parameter {parameter}, as the layer \
                     calls its own variable; give it another name"
                );
            }
            let initial = Init::Const(initial.detach().to_dtype(DType::F64)?.to_scalar()?);
            own.push(self.vb.pp(name).get_with_hints((), parameter, initial)?);
        }
        let neuron = match own.is_empty() {
            true => pattern.clone(),
            false => match pattern.with_parameters(&own)? {
                Some(neuron) => neuron,
                None => bail!(
                    "network: the neurons of {name} have learnable parameters, but cannot be \
                     given those of a layer; implement Neuron::with_parameters"
                ),
            },
        };
        Ok(Layer::Neuron(name.into(), neuron))
    }

    /// A block with pre-activation.
    fn pre(&mut self, name: &str, channels: usize, kernel: usize, stride: usize) -> Result<()> {
        let [first, second, third] = ["1", "2", "shortcut"].map(|part| format!("{name}.{part}"));
        let before = self.shape;
        let mut body = self.activation(&first, before[2])?.to_vec();
        body.push(self.conv(&first, Window { kernel, stride, bias: false }, channels)?);
        body.extend(self.activation(&second, channels)?);
        body.push(self.conv(&second, Window { kernel, stride: 1, bias: false }, channels)?);
        let mut shortcut = Vec::new();
        if (before[2], 1) != (channels, stride) {
            self.shape = before;
            shortcut.extend(self.activation(&third, before[2])?);
            shortcut.push(self.conv(
                &third,
                Window { kernel: 1, stride, bias: false },
                channels,
            )?);
        }
        self.layers.push(Layer::Residual { body, shortcut });
        Ok(())
    }

    /// A block with post-activation.
    fn post(&mut self, name: &str, channels: usize, kernel: usize, stride: usize) -> Result<()> {
        let [first, second, third] = ["1", "2", "shortcut"].map(|part| format!("{name}.{part}"));
        let before = self.shape;
        let mut body = vec![self.conv(&first, Window { kernel, stride, bias: false }, channels)?];
        body.extend(self.activation(&first, channels)?);
        body.push(self.conv(&second, Window { kernel, stride: 1, bias: false }, channels)?);
        body.push(self.norm(&second, channels)?);
        let mut shortcut = Vec::new();
        if (before[2], 1) != (channels, stride) {
            self.shape = before;
            shortcut.push(self.conv(
                &third,
                Window { kernel: 1, stride, bias: false },
                channels,
            )?);
            shortcut.push(self.norm(&third, channels)?);
        }
        let neurons = self.neurons(&second)?;
        self.layers.extend([Layer::Residual { body, shortcut }, Layer::Rectify, neurons]);
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

    fn pool_whole(&mut self, stage: Stage) -> Result<()> {
        let [h, w, _] = self.shape;
        if self.flat || h != w {
            bail!(
                "network: {stage} averages over a whole square map, found {h}×{w}; take AP<k> for another window"
            );
        }
        self.shrink(stage, h)?;
        self.layers.push(Layer::AvgPool(h));
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

/// Refuses a weight that no machine of today holds: a typing error, and better a sentence than an
/// abort.
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
