//! One pass of a golden network, and everything that it leaves behind.

use super::axis_order::{Layout, frames};
use super::form::{Form, gradient};
use super::golden::Golden;
use super::layer_list::{LayerList, Norm, Parameter};
use anyhow::{Context, Result, ensure};
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;
use events::{Grid, Shape, transforms};
use models::{
    BatchStatistics, Crossovers, Frames, Mode, Network, Observer, Options, StatisticsOver,
};
use neuron::Neuron;
use std::collections::HashMap;
use std::sync::Arc;
use training::{GradientsOf, Reduction, loss_gradient, mse};

/// The variables and running statistics of a network, by our names.
pub struct Weights {
    variables: Vec<(String, Var)>,
    running: HashMap<String, Tensor>,
    dtype: DType,
}

impl Weights {
    /// The stored initial values in precision `dtype`; running statistics of zero mean and unit
    /// variance.
    pub fn initial(golden: &Golden, list: &LayerList, dtype: DType) -> Result<Weights> {
        let variable = |p: &Parameter| -> Result<(String, Var)> {
            let stored = golden.input(&format!("param.{}", p.golden))?.to_dtype(dtype)?;
            Ok((
                p.ours.clone(),
                Var::from_tensor(&p.layout.ours(&stored).context(p.golden.clone())?)?,
            ))
        };
        let variables = list.parameters.iter().map(variable).collect::<Result<_>>()?;
        let mut weights = Weights { variables, running: HashMap::new(), dtype };
        for norm in &list.norms {
            let zero = Tensor::zeros(norm.channels, dtype, &Device::Cpu)?;
            weights.set_running(norm, (zero.clone(), (zero + 1.0)?));
        }
        Ok(weights)
    }

    /// The same with its variables on a device.
    pub fn on(mut self, device: &Device) -> Result<Weights> {
        for (_, var) in &mut self.variables {
            *var = Var::from_tensor(&var.as_detached_tensor().to_device(device)?)?;
        }
        Ok(self)
    }

    /// Replaces the running mean and variance of `norm`.
    pub fn set_running(&mut self, norm: &Norm, (mean, var): (Tensor, Tensor)) {
        self.running.insert(format!("{}.norm.running_mean", norm.ours), mean);
        self.running.insert(format!("{}.norm.running_var", norm.ours), var);
    }

    /// The variables with their names.
    pub fn variables(&self) -> Vec<(String, Var)> {
        self.variables.clone()
    }

    /// The network of these weights on a device, without dropout.
    pub fn network(
        &self,
        list: &LayerList,
        sample: &Sample,
        neuron: Arc<dyn Neuron>,
        device: &Device,
    ) -> Result<Network> {
        let mut tensors = self.running.clone();
        tensors.extend(
            self.variables.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())),
        );
        for tensor in tensors.values_mut() {
            *tensor = tensor.to_device(device)?;
        }
        let vb = VarBuilder::from_tensors(tensors, self.dtype, device);
        let [c, h, w] = sample.shape;
        let over = StatisticsOver::Step;
        Ok(Network::new(&list.without_dropout, [h, w, c], sample.classes, neuron, over, vb)?)
    }

    /// The parameters, or their gradients, in the stored layout, in the list's order.
    pub fn in_golden_layout(
        &self,
        list: &LayerList,
        of: impl Fn(&str, &Var) -> Result<Tensor>,
    ) -> Result<Vec<Tensor>> {
        let layout = |p: &Parameter| p.layout;
        let pairs = list.parameters.iter().map(layout).zip(&self.variables);
        pairs
            .map(|(layout, (name, var)): (Layout, _)| {
                Ok(layout.golden(&of(name, var)?.to_device(&Device::Cpu)?)?)
            })
            .collect()
    }
}

/// The stored input and target.
pub struct Sample {
    /// Frames `[T, B, H, W, C]` as the network gets them.
    pub frames: Tensor,
    /// Classes of the batch.
    pub labels: Vec<u32>,
    /// Number of classes.
    pub classes: usize,
    /// Channels, height, width of a frame.
    pub shape: [usize; 3],
    /// Whether every step sees the same image.
    pub image: bool,
}

impl Sample {
    /// Reads input and target.
    ///
    /// # Errors
    /// If they are missing or do not fit each other.
    pub fn read(golden: &Golden) -> Result<Sample> {
        let input = golden.input("input")?;
        // the stored counts have the number of steps in their shape; a number in the JSON file
        // alone could ask for any memory
        let counts = golden
            .names("")
            .find(|name| name.ends_with(".spike_count"))
            .context("no tensor <kind>.spike_count")?;
        let steps = golden.input(counts)?.dims().last().copied().unwrap_or_default();
        let stated: usize = golden.field("/T")?;
        ensure!(stated == steps, "expected {stated} steps (field /T), found {steps} in {counts}");
        let mut frames = frames(&input, steps)?;
        if input.dtype() == DType::U8 && frames.dims()[2..4] == [128, 128] {
            frames = resize_nearest(&frames, 64)?;
        }
        let (_, _, h, w, c) = frames.dims5()?;
        let labels =
            golden.integers("target")?.into_iter().map(u32::try_from).collect::<Result<_, _>>()?;
        let image = input.rank() == 4;
        Ok(Sample {
            frames,
            labels,
            classes: golden.field("/num_classes")?,
            shape: [c, h, w],
            image,
        })
    }

    /// The mean squared error of scores.
    pub fn loss(&self, scores: &Tensor) -> Result<Tensor> {
        Ok(mse(scores, &self.labels, Reduction::Mean)?)
    }

    /// What the analogue warm-up sees: an image once, frames all.
    pub fn warmup_frames(&self) -> Result<Tensor> {
        Ok(if self.image { self.frames.narrow(0, 0, 1)? } else { self.frames.clone() })
    }
}

/// The pixels (2i, 2j) of 128x128 frames, as the reference resizes them.
fn resize_nearest(frames: &Tensor, size: usize) -> Result<Tensor> {
    let (t, b, height, width, channels) = frames.dims5()?;
    let shape = Shape { steps: t * b, height, width, channels };
    let grid = Grid::new(shape, frames.flatten_all()?.to_vec1::<u8>()?)?;
    let values = transforms::resize_nearest(&grid, size, size).into_values();
    Ok(Tensor::from_vec(values, (t, b, size, size, channels), frames.device())?)
}

/// Scores of `frames`: by the network as it trains, which may take several operations in one, or by
/// one after the other.
pub fn forward(
    network: &Network,
    form: Form,
    frames: &Tensor,
    mode: Mode,
    watch: &mut PassRecord,
) -> Result<Tensor> {
    Ok(match form {
        Form::Scan => network.forward(frames, mode, watch)?,
        Form::Step => {
            let mut x = frames.clone();
            for layer in network.layers() {
                x = layer.forward(&x, mode, watch)?;
            }
            x.mean(0)?
        }
        Form::Event => {
            let (values, shown) = event_frames(frames, watch.still)?;
            let blocks = network.event_driven().context("this network has no event-driven form")?;
            blocks.scores(Frames { values: &values, ..shown }, mode, EVENT, watch)?
        }
        Form::Device => on_device::scores(network, frames, mode, watch)?,
    })
}

/// Every product at the entries that are not zero, whatever their density.
const EVENT: Options = Options { crossover: Crossovers::at(f64::INFINITY), memory_budget: None };

/// The values of frames, of an image once, and what they are.
fn event_frames(frames: &Tensor, still: bool) -> Result<(Vec<f32>, Frames<'static>)> {
    let (steps, b, h, w, c) = frames.dims5()?;
    let shown = if still { frames.narrow(0, 0, 1)? } else { frames.clone() };
    Ok((
        shown.flatten_all()?.to_vec1()?,
        Frames { values: &[], bytes: None, steps, shape: [b, h, w, c], still },
    ))
}

/// What a pass tells an observer.
#[derive(Default)]
pub struct PassRecord {
    counts: Vec<Tensor>,
    statistics: HashMap<String, BatchStatistics>,
    /// Whether an event-driven pass is given an image once, for all steps.
    still: bool,
}

impl Observer for PassRecord {
    fn spikes(&mut self, _layer: &str, spikes: &Tensor) -> candle_core::Result<()> {
        let steps = spikes.dim(0)?;
        // f64: a count is exact
        self.counts.push(spikes.detach().to_dtype(DType::F64)?.reshape((steps, ()))?.sum(1)?);
        Ok(())
    }

    fn count(&mut self, _layer: &str, spikes: &[u64], _: u64) -> candle_core::Result<()> {
        let counts: Vec<f64> = spikes.iter().map(|&n| n as f64).collect();
        self.counts.push(Tensor::new(counts, &Device::Cpu)?);
        Ok(())
    }

    fn statistics(&mut self, layer: &str, statistics: &BatchStatistics) -> candle_core::Result<()> {
        let here = |t: &Tensor| t.to_device(&Device::Cpu);
        let statistics = BatchStatistics {
            mean: here(&statistics.mean)?,
            unbiased_var: here(&statistics.unbiased_var)?,
            momentum: statistics.momentum,
        };
        self.statistics.insert(layer.into(), statistics);
        Ok(())
    }
}

impl PassRecord {
    /// Watches passes over a sample.
    pub fn over(sample: &Sample) -> PassRecord {
        PassRecord { still: sample.image, ..PassRecord::default() }
    }

    /// Spikes of each layer and step, `[layers, T]`.
    pub fn counts(&self) -> Result<Tensor> {
        ensure!(!self.counts.is_empty(), "no layer spiked");
        Ok(Tensor::stack(&self.counts, 0)?)
    }

    /// Folds the statistics that `norm` used into its running ones.
    pub fn update(&self, weights: &Weights, norm: &Norm) -> Result<(Tensor, Tensor)> {
        let of = |what: &str| {
            weights.running.get(&format!("{}.norm.{what}", norm.ours)).context(norm.ours.clone())
        };
        let used = self
            .statistics
            .get(&norm.ours)
            .with_context(|| format!("{} gave no statistics", norm.ours))?;
        let used = BatchStatistics { momentum: norm.momentum, ..used.clone() };
        Ok(used.update(of("running_mean")?, of("running_var")?)?)
    }
}

/// Passes of blocks on a CUDA device.
#[cfg(feature = "cuda")]
mod on_device {
    use super::{PassRecord, Sample, event_frames};
    use anyhow::{Context, Result};
    use candle_core::Tensor;
    use models::{Frames, Gradients, Math, Mode, Network, Precision};
    use training::{Reduction, loss_gradient};

    const EXACT: Math = Math { precision: Precision::F32, deterministic: true };

    pub fn scores(
        network: &Network,
        frames: &Tensor,
        mode: Mode,
        watch: &mut PassRecord,
    ) -> Result<Tensor> {
        let (values, shown) = event_frames(frames, watch.still)?;
        let blocks = network.on_device().context("this network has no blocks on a device")?;
        Ok(blocks.scores(Frames { values: &values, ..shown }, mode, EXACT, watch)?)
    }

    pub fn gradients(
        network: &Network,
        frames: &Tensor,
        sample: &Sample,
        watch: &mut PassRecord,
    ) -> Result<(Tensor, Gradients)> {
        let (values, shown) = event_frames(frames, watch.still)?;
        let blocks = network.on_device().context("this network has no blocks on a device")?;
        let of = |scores: &Tensor| Ok(loss_gradient(scores, &sample.labels, Reduction::Mean)?.0);
        let found = blocks.gradients(Frames { values: &values, ..shown }, 0, EXACT, watch, of)?;
        Ok((found.scores.clone(), found))
    }
}

#[cfg(not(feature = "cuda"))]
mod on_device {
    use super::{PassRecord, Sample};
    use anyhow::{Result, bail};
    use candle_core::Tensor;
    use models::{Gradients, Mode, Network};

    pub fn scores(_: &Network, _: &Tensor, _: Mode, _: &mut PassRecord) -> Result<Tensor> {
        bail!("this program was built without CUDA")
    }

    pub fn gradients(
        _: &Network,
        _: &Tensor,
        _: &Sample,
        _: &mut PassRecord,
    ) -> Result<(Tensor, Gradients)> {
        bail!("this program was built without CUDA")
    }
}

/// A training pass: scores, loss, spikes, gradients.
pub struct Pass {
    /// `[B, K]`.
    pub scores: Tensor,
    /// One number.
    pub loss: Tensor,
    /// Of all variables.
    pub gradients: Box<dyn GradientsOf>,
    /// Spikes and statistics on the way.
    pub watch: PassRecord,
}

impl Pass {
    /// Runs `network` forward and backward.
    pub fn train(network: &Network, form: Form, frames: &Tensor, sample: &Sample) -> Result<Pass> {
        let mut watch = PassRecord::over(sample);
        if form == Form::Event {
            let (values, shown) = event_frames(frames, watch.still)?;
            let blocks = network.event_driven().context("this network has no event-driven form")?;
            let of =
                |scores: &Tensor| Ok(loss_gradient(scores, &sample.labels, Reduction::Mean)?.0);
            let found =
                blocks.gradients(Frames { values: &values, ..shown }, 0, EVENT, &mut watch, of)?;
            let loss = sample.loss(&found.scores)?;
            return Ok(Pass {
                scores: found.scores.clone(),
                loss,
                gradients: Box::new(found),
                watch,
            });
        }
        if form == Form::Device {
            let (scores, gradients) = on_device::gradients(network, frames, sample, &mut watch)?;
            return Ok(Pass {
                loss: sample.loss(&scores)?,
                scores,
                gradients: Box::new(gradients),
                watch,
            });
        }
        let scores = forward(network, form, frames, Mode::Train { seed: 0 }, &mut watch)?;
        let loss = sample.loss(&scores)?;
        let gradients = Box::new(loss.backward()?);
        Ok(Pass { scores, loss, gradients, watch })
    }

    /// The gradient of a variable.
    pub fn gradient(&self, name: &str, variable: &Var) -> Result<Tensor> {
        gradient(self.gradients.as_ref(), name, variable)
    }
}
