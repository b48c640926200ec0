use crate::fan::Fan;
use crate::{Activity, Batch, Layer, Neurons, Stored, Synapses, Syops};
use candle_core::{DType, Error, Result, Tensor, TensorId, bail};
use layers::BatchNorm;
use models::{Layer as Operation, Network};
use neuron::Neuron;

/// Runs `network` on `frames` `[T, B, H, W, C]` in evaluation mode and adds to `activity` what it
/// did. Returns the votes of each step, `[T, B, K]`, whose mean over time are the scores. Slower
/// than [`Network::forward`] and with every layer's input and output in memory: take batches of
/// moderate size.
///
/// Counts are exact: nothing is summed in floating point but `syops`, which is defined so.
///
/// # Errors
/// If the frames hold no step or no sample, do not fit the network, or `activity` is of another
/// one.
pub fn observe(network: &Network, frames: &Tensor, activity: &mut Activity) -> Result<Tensor> {
    let [steps, samples, ..] = *frames.dims() else {
        bail!("frames to observe: expected [T, B, H, W, C], found shape {:?}", frames.shape());
    };
    if steps == 0 || samples == 0 {
        bail!(
            "frames to observe: expected at least one step and one sample, found {steps} and {samples}"
        );
    }
    let mut votes = frames.clone();
    let mut seen = Seen::new(steps, samples);
    network.walk(frames, &mut |operation, x, y| {
        votes = y.clone();
        seen.operation(operation, x, y)
    })?;
    seen.activity.batches.push(seen.batch);
    activity.merge(seen.activity).map_err(Error::wrap)?;
    Ok(votes)
}

/// What one batch has done so far.
struct Seen {
    activity: Activity,
    batch: Batch,
    current: Option<Current>,
    /// Whether neurons have fired already: what comes behind them is no longer the frames.
    behind_neurons: bool,
    /// Convolutions and fully connected layers so far.
    numbers: [usize; 2],
}

/// The tensor that a layer's weights gave, followed through norm, ReLU and dropout: whoever takes
/// it first names the layer.
struct Current {
    tensor: TensorId,
    layer: usize,
    named: bool,
}

/// What one step of a sample's map, or of a batch's, holds.
struct Values {
    nonzero: u64,
    /// Only −1, 0 and 1.
    ternary: bool,
}

impl Values {
    fn of(values: &[f32]) -> Values {
        let nonzero = values.iter().filter(|&&v| v != 0.0).count() as u64;
        Values { nonzero, ternary: values.iter().all(|&v| v == 0.0 || v.abs() == 1.0) }
    }
}

impl Seen {
    fn new(steps: usize, samples: usize) -> Seen {
        let (steps, samples) = (steps as u64, samples as u64);
        let activity = Activity { samples, steps, ..Activity::default() };
        Seen {
            activity,
            batch: Batch { samples, ..Batch::default() },
            current: None,
            behind_neurons: false,
            numbers: [0; 2],
        }
    }

    fn operation(&mut self, operation: &Operation, x: &Tensor, y: &Tensor) -> Result<()> {
        match operation {
            Operation::Conv(conv) => {
                self.store([&conv.weight].into_iter().chain(&conv.bias));
                self.weights("conv", &Fan::of_conv(conv, x)?, x, y)?;
            }
            Operation::Depthwise(depthwise) => {
                self.store([&depthwise.weight]);
                self.weights("conv", &Fan::of_depthwise(depthwise, x)?, x, y)?;
            }
            Operation::Linear(linear) => {
                self.store([&linear.weight].into_iter().chain(&linear.bias));
                self.weights("linear", &Fan::of_linear(linear)?, x, y)?;
            }
            Operation::Norm(name, norm) => self.norm(name, norm, x, y)?,
            Operation::Rectify => self.rectify(x, y)?,
            Operation::Neuron(name, neuron) => self.neurons(name, neuron.as_ref(), x, y)?,
            Operation::MaxPool(_) | Operation::AvgPool(_) | Operation::StridedAvgPool(_) => {
                self.syops_elementwise(x, 1)?
            }
            // into the trace and from it: two operations for each spike's place
            Operation::NeuNorm(norm) => {
                self.store([&norm.weight]);
                self.syops_elementwise(x, 2)?;
            }
            Operation::Dropout(..) => self.follow(x, y),
            // what is inside a block was seen already, and recurrent neurons in their parts
            Operation::Flatten
            | Operation::Vote(_)
            | Operation::Residual { .. }
            | Operation::Recurrent { .. }
            | Operation::BackEi { .. } => {}
        }
        Ok(())
    }

    fn weights(&mut self, kind: &str, fan: &Fan, x: &Tensor, y: &Tensor) -> Result<()> {
        let calls = self.activity.steps * self.activity.samples;
        let mut synapses = Synapses {
            input_values: 0,
            input_nonzero: 0,
            accumulates: 0,
            multiply_accumulates: 0,
            dense: fan.dense * calls,
            weights: fan.weights,
            zero_weights: fan.zero_weights,
            biases: fan.biases,
            outputs: y.elem_count() as u64 / calls,
            still: !self.behind_neurons,
        };
        let syops = syops_of_weights(fan, kind, synapses.outputs);
        let mut first = Vec::new();
        for t in 0..x.dim(0)? {
            let step = step(x, t)?;
            synapses.call(&step, fan);
            samples_of(&step, self.activity.samples)
                .for_each(|sample| self.activity.syops.count(syops, sample));
            if t == 0 {
                first = step;
            } else {
                synapses.still = synapses.still && first == step;
            }
        }
        self.driven(kind, synapses, y);
        Ok(())
    }

    /// A layer whose weights gave `y`, under a name until it gets its own.
    fn driven(&mut self, kind: &str, synapses: Synapses, y: &Tensor) {
        let number = &mut self.numbers[usize::from(kind == "linear")];
        *number += 1;
        let name = format!("{kind}-{number}");
        self.current =
            Some(Current { tensor: y.id(), layer: self.activity.layers.len(), named: false });
        self.activity.layers.push(Layer { name, synapses: Some(synapses), neurons: None });
    }

    fn norm(&mut self, name: &str, norm: &BatchNorm, x: &Tensor, y: &Tensor) -> Result<()> {
        self.store([&norm.weight].into_iter().chain(&norm.bias));
        let running = [&norm.running_mean, &norm.running_var];
        self.activity.stored.norm_buffer_bytes +=
            running.map(bytes).iter().sum::<u64>() + Stored::BATCH_COUNT_BYTES;
        self.name(name, x);
        self.follow(x, y);
        self.syops_elementwise(x, 2)
    }

    fn rectify(&mut self, x: &Tensor, y: &Tensor) -> Result<()> {
        for t in 0..y.dim(0)? {
            self.batch.rectified_nonzero += Values::of(&step(y, t)?).nonzero;
        }
        self.batch.rectified_values += y.elem_count() as u64;
        self.follow(x, y);
        self.syops_elementwise(y, 1)
    }

    fn neurons(&mut self, name: &str, neuron: &dyn Neuron, x: &Tensor, y: &Tensor) -> Result<()> {
        let chances = y.elem_count() as u64;
        let neurons = chances / (self.activity.steps * self.activity.samples);
        let cost = neuron.cost();
        let mut counts = Neurons { neurons, spikes: 0, chances, membrane_updates: 0, cost };
        self.store(neuron.parameters().iter().map(|(_, parameter)| parameter));
        let (u, _) = neuron::membranes(neuron, x)?;
        let mut before = Vec::new();
        for t in 0..x.dim(0)? {
            let u = step(&u, t)?;
            counts.spikes += Values::of(&step(y, t)?).nonzero;
            counts.membrane_updates += match t {
                0 => u.len() as u64,
                _ => u.iter().zip(&before).filter(|(now, before)| now != before).count() as u64,
            };
            before = u;
        }
        self.batch.spikes += counts.spikes;
        self.batch.chances += chances;
        self.activity.syops.accumulates += chances as f64;
        self.activity.stored.neuron_layers += 1;
        self.behind_neurons = true;
        self.name(name, x);
        match self.current.take().filter(|current| current.tensor == x.id()) {
            Some(current) => self.activity.layers[current.layer].neurons = Some(counts),
            None => self.activity.layers.push(Layer {
                name: name.into(),
                synapses: None,
                neurons: Some(counts),
            }),
        }
        Ok(())
    }

    /// Gives the layer whose currents `x` are the name of who takes them.
    fn name(&mut self, name: &str, x: &Tensor) {
        let taken = self.activity.layers.iter().any(|layer| layer.name == name);
        if let Some(current) = &mut self.current
            && current.tensor == x.id()
            && !current.named
            && !taken
        {
            current.named = true;
            self.activity.layers[current.layer].name = name.into();
        }
    }

    fn follow(&mut self, x: &Tensor, y: &Tensor) {
        if let Some(current) = &mut self.current
            && current.tensor == x.id()
        {
            current.tensor = y.id();
        }
    }

    fn store<'t>(&mut self, parameters: impl IntoIterator<Item = &'t Tensor>) {
        for parameter in parameters {
            self.activity.stored.parameters += parameter.elem_count() as u64;
            self.activity.stored.parameter_bytes += bytes(parameter);
        }
    }

    /// So many operations for each value of `x`, by syops' rules.
    fn syops_elementwise(&mut self, x: &Tensor, each: u64) -> Result<()> {
        let samples = self.activity.samples;
        let operations = each * x.elem_count() as u64 / (self.activity.steps * samples);
        for t in 0..x.dim(0)? {
            samples_of(&step(x, t)?, samples)
                .for_each(|sample| self.activity.syops.count(operations, sample));
        }
        Ok(())
    }
}

/// Effective synaptic operations of the inputs of a step, each sample as long as `fan`.
fn operations(step: &[f32], fan: &[u64]) -> u64 {
    let sample = |values: &[f32]| {
        values.iter().zip(fan).filter(|&(&v, _)| v != 0.0).map(|(_, &fan)| fan).sum::<u64>()
    };
    step.chunks_exact(fan.len().max(1)).map(sample).sum()
}

/// All values of `x` at step `t`.
fn step(x: &Tensor, t: usize) -> Result<Vec<f32>> {
    x.get(t)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

fn samples_of(step: &[f32], samples: u64) -> impl Iterator<Item = &[f32]> {
    step.chunks_exact((step.len() / samples as usize).max(1))
}

fn bytes(tensor: &Tensor) -> u64 {
    (tensor.elem_count() * tensor.dtype().size_in_bytes()) as u64
}

impl Stored {
    /// PyTorch's `num_batches_tracked`, int64.
    const BATCH_COUNT_BYTES: u64 = 8;
}

impl Synapses {
    /// Counts one call, whose inputs are `step`.
    fn call(&mut self, step: &[f32], fan: &Fan) {
        let values = Values::of(step);
        let operations = operations(step, &fan.effective);
        self.input_values += step.len() as u64;
        self.input_nonzero += values.nonzero;
        match values.ternary {
            true => self.accumulates += operations,
            false => self.multiply_accumulates += operations,
        }
    }
}

/// What syops counts for the weights in one sample at one step: without regard to borders, and with
/// biases.
fn syops_of_weights(fan: &Fan, kind: &str, outputs: u64) -> u64 {
    let positions = if kind == "conv" { outputs / fan.outputs.max(1) } else { 1 };
    (fan.weights + fan.biases) * positions
}

impl Syops {
    /// Operations on an input: those of spikes times their mean, where at most two values, both in
    /// [0, 1], pass for spikes.
    fn count(&mut self, operations: u64, input: &[f32]) {
        let first = input.first().copied().unwrap_or(0.0);
        let second = input.iter().copied().find(|&v| v != first).unwrap_or(first);
        let spikes = input.iter().all(|&v| (v == first || v == second) && (0.0..=1.0).contains(&v));
        if spikes {
            let mean = input.iter().map(|&v| f64::from(v)).sum::<f64>() / input.len().max(1) as f64;
            self.accumulates += operations as f64 * mean;
        } else {
            self.multiply_accumulates += operations;
        }
    }
}
