//! From a spec to the operations of a network.

mod neighbours;

use crate::{Biases, Layer, Neurons, Norm, Spec, Stage, StageOptions};
use candle_core::{DType, Result, bail};
use candle_nn::{Init, VarBuilder};
use layers::{BatchNorm, Conv2d, Linear, Windows};
use neuron::surrogate::WhereFired;
use neuron::{Fires, Firing, Neuron, Reset, ResetGradient, Sbpsnn, population};
use std::collections::HashMap;
use std::sync::Arc;

/// Follows the shape of one sample while a network is built.
struct Builder<'a> {
    vb: VarBuilder<'a>,
    neurons: Neurons,
    options: StageOptions,
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
    /// Whether there are no zeros around the map.
    valid: bool,
}

/// The operations of `spec`, see [`crate::Network::new`].
pub fn layers(
    spec: &Spec,
    sample: [usize; 3],
    classes: usize,
    neurons: Neurons,
    options: StageOptions,
    vb: VarBuilder<'_>,
) -> Result<Vec<Layer>> {
    if let Err(wrong) = options.norm.check() {
        bail!("network: {wrong}");
    }
    let mut b = Builder {
        vb,
        neurons,
        options,
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

/// Neurons that fire where more than three quarters of a window did; the gradient passes where they
/// fired.
fn pool_neurons() -> Result<Arc<dyn Neuron>> {
    let firing = Firing {
        threshold: 0.75,
        fires: Fires::AboveThreshold,
        reset: Reset::ToZero,
        reset_gradient: ResetGradient::Detached,
        surrogate: WhereFired { height: 1.0 },
    };
    Ok(population(Sbpsnn { firing, decay: 1.0 })?)
}

impl Builder<'_> {
    fn stage(&mut self, stage: Stage, classes: usize) -> Result<()> {
        let name = self.name(stage);
        match stage {
            Stage::Conv { channels, kernel, valid, lateral, back_ei } => {
                let window = Window { kernel, stride: 1, bias: true, valid };
                self.convolution(&name, window, channels, (lateral, back_ei))?;
            }
            Stage::NeuNorm { shared, mean } => self.neunorm(&name, shared, mean)?,
            Stage::Stem { channels, kernel, stride } => {
                let window = Window { kernel, stride, bias: false, valid: false };
                let conv = self.conv(&name, window, channels)?;
                self.layers.push(conv);
            }
            Stage::Residual { channels, kernel, stride, post: false } => {
                self.pre(&name, channels, kernel, stride)?
            }
            Stage::Residual { channels, kernel, stride, post: true } => {
                self.post(&name, channels, kernel, stride)?
            }
            Stage::Norm => match self.norm(&name, self.shape[2], 1.0)? {
                Some(norm) => self.layers.push(norm),
                None => bail!("network: {name} is a norm, but the network has none (norm=none)"),
            },
            Stage::GlobalAvgPool => self.pool_whole(stage)?,
            Stage::MaxPool(k) => {
                self.shrink(stage, k)?;
                self.layers.push(Layer::MaxPool(k));
            }
            Stage::AvgPool(k) => {
                self.shrink(stage, k)?;
                self.layers.push(Layer::AvgPool(k));
            }
            Stage::StridedAvgPool { window: side, stride, padding } => {
                self.strided_pool(stage, Windows { side, stride, padding })?
            }
            Stage::PoolNeurons(k) => self.pool_neurons(stage, name, k)?,
            Stage::Dropout => self.layers.push(Layer::Dropout(name, self.options.dropout)),
            Stage::FullyConnected { units, dropout } => {
                self.linear(&name, units)?;
                let behind = self.options.norm.options().is_some_and(|norm| norm.linear);
                let norm = if behind { self.norm(&name, units, 1.0)? } else { None };
                let drop = dropout.then(|| Layer::Dropout(name.clone(), self.options.dropout));
                let neurons = self.neurons(&name)?;
                self.layers.extend(norm.into_iter().chain(self.rectify()).chain(drop));
                self.layers.push(neurons);
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
        let Window { kernel, stride, bias, valid } = window;
        let [h, w, inputs] = self.shape;
        if valid && (h < kernel || w < kernel) {
            bail!("network: {name} needs maps of at least {kernel}×{kernel}, found {h}×{w}");
        }
        fits(name, &[kernel, kernel, inputs, channels])?;
        let vb = self.vb.pp(name);
        let uniform = uniform(kernel * kernel * inputs);
        let weight = vb.get_with_hints((kernel, kernel, inputs, channels), "weight", uniform)?;
        let bias = bias && self.options.bias == Biases::All;
        let bias = bias.then(|| vb.get_with_hints(channels, "bias", uniform)).transpose()?;
        let lost = if valid { kernel - 1 } else { 0 };
        self.shape = [(h - lost).div_ceil(stride), (w - lost).div_ceil(stride), channels];
        let padding = if valid { 0 } else { kernel / 2 };
        Ok(Layer::Conv(Conv2d { weight, bias, stride, padding }))
    }

    /// The norm of a stage, if the network has norms; `branch` is what its factor is multiplied
    /// by.
    fn norm(&self, name: &str, channels: usize, branch: f64) -> Result<Option<Layer>> {
        let Norm::Batch(options) = self.options.norm else { return Ok(None) };
        let shape = |by_step: bool| match (by_step, self.options.steps) {
            (false, _) => Ok(vec![channels]),
            (true, Some(steps)) => Ok(vec![steps, channels]),
            (true, None) => bail!(
                "network: the norm of {name} differs from step to step, and so needs a fixed \
                 number of steps, found none"
            ),
        };
        let (of_weight, of_running) =
            (shape(options.per_step_weight)?, shape(options.per_step_running)?);
        fits(name, &of_weight)?;
        let vb = self.vb.pp(name).pp("norm");
        let shift = || vb.get_with_hints(channels, "bias", Init::Const(0.0));
        let norm = BatchNorm {
            weight: vb.get_with_hints(of_weight, "weight", Init::Const(1.0))?,
            bias: options.shift.then(shift).transpose()?,
            running_mean: vb.get_with_hints(
                of_running.clone(),
                "running_mean",
                Init::Const(0.0),
            )?,
            running_var: vb.get_with_hints(of_running, "running_var", Init::Const(1.0))?,
            eps: options.eps,
            over: options.over,
            scale: options.scale * branch,
            momentum: options.momentum,
        };
        Ok(Some(Layer::Norm(name.into(), norm)))
    }

    /// What a norm's factor is multiplied by where two branches are added up.
    fn branch_scale(&self) -> f64 {
        self.options.norm.options().map_or(1.0, |norm| norm.branch_scale)
    }

    fn rectify(&self) -> Option<Layer> {
        self.options.rectify.then_some(Layer::Rectify)
    }

    /// Norm, ReLU, neurons.
    fn activation(&self, name: &str, channels: usize) -> Result<Vec<Layer>> {
        let norm = self.norm(name, channels, 1.0)?;
        Ok(norm.into_iter().chain(self.rectify()).chain([self.neurons(name)?]).collect())
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
        let mut body = self.activation(&first, before[2])?;
        body.push(self.conv(
            &first,
            Window { kernel, stride, bias: false, valid: false },
            channels,
        )?);
        body.extend(self.activation(&second, channels)?);
        body.push(self.conv(
            &second,
            Window { kernel, stride: 1, bias: false, valid: false },
            channels,
        )?);
        let mut shortcut = Vec::new();
        if (before[2], 1) != (channels, stride) {
            self.shape = before;
            shortcut.extend(self.activation(&third, before[2])?);
            shortcut.push(self.conv(
                &third,
                Window { kernel: 1, stride, bias: false, valid: false },
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
        let mut body = vec![self.conv(
            &first,
            Window { kernel, stride, bias: false, valid: false },
            channels,
        )?];
        body.extend(self.activation(&first, channels)?);
        body.push(self.conv(
            &second,
            Window { kernel, stride: 1, bias: false, valid: false },
            channels,
        )?);
        body.extend(self.norm(&second, channels, self.branch_scale())?);
        let mut shortcut = Vec::new();
        if (before[2], 1) != (channels, stride) {
            self.shape = before;
            shortcut.push(self.conv(
                &third,
                Window { kernel: 1, stride, bias: false, valid: false },
                channels,
            )?);
            shortcut.extend(self.norm(&third, channels, self.branch_scale())?);
        }
        self.layers.push(Layer::Residual { body, shortcut });
        let neurons = self.neurons(&second)?;
        self.layers.extend(self.rectify().into_iter().chain([neurons]));
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
        let biased = self.options.bias != Biases::None;
        let bias = || vb.get_with_hints(units, "bias", uniform(inputs));
        self.layers.push(Layer::Linear(Linear {
            weight: vb.get_with_hints((inputs, units), "weight", uniform(inputs))?,
            bias: biased.then(bias).transpose()?,
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

    fn pool_neurons(&mut self, stage: Stage, name: String, k: usize) -> Result<()> {
        self.shrink(stage, k)?;
        self.layers.extend([Layer::AvgPool(k), Layer::Neuron(name, pool_neurons()?)]);
        Ok(())
    }

    fn strided_pool(&mut self, stage: Stage, windows: Windows) -> Result<()> {
        let Windows { side, stride, padding } = windows;
        let [h, w, c] = self.shape;
        let (Some(rows), Some(columns), false) = (windows.across(h), windows.across(w), self.flat)
        else {
            let least = side - 2 * padding;
            bail!("network: {stage} needs maps of at least {least}×{least}, found {h}×{w}");
        };
        self.shape = [rows, columns, c];
        self.layers.push(match (stride, padding) {
            (stride, 0) if stride == side => Layer::AvgPool(side),
            _ => Layer::StridedAvgPool(windows),
        });
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
