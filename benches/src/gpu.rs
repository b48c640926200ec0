//! What a CUDA device does in turn with other frameworks: a training step, neurons alone, the Open
//! Neuromorphic protocol.

use crate::step::{Settings, Step};
use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor};
use device::Gpu;
use layers::cuda::{multiply, multiply_weight};
use models::{Frames, Math, Precision};
use neuron::cuda::{Stage, Upstream, fire, gradient};
use neuron::{Config, Neuron, Pooling, Source};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::time::Instant;
use training::{Reduction, loss_gradient};

/// Seconds of forward (with the loss, where there is one) and of everything.
#[derive(Clone, Copy, Debug)]
pub struct Seconds {
    /// Until the scores are known.
    pub forward: f64,
    /// Until the device has finished.
    pub total: f64,
}

/// Something that is timed: every run ends when the device has finished.
pub trait Work {
    /// One run.
    ///
    /// # Errors
    /// If the device fails.
    fn run(&mut self) -> Result<Seconds>;
}

/// A training step of one of the paper's networks: forward, loss, backward, AdamW at learning rate
/// 0.
pub struct Training {
    step: Step,
    bytes: Option<Vec<u8>>,
    math: Math,
    device: Device,
}

impl Training {
    /// The step of `settings` on a device.
    ///
    /// # Errors
    /// If the network cannot be built.
    pub fn new(settings: Settings, math: Math, device: &Device) -> Result<Training> {
        let step = Step::on(settings, device)?;
        let whole = step.values.iter().all(|v| f32::from(*v as u8) == *v);
        let bytes = whole.then(|| step.values.iter().map(|v| *v as u8).collect());
        Ok(Training { step, bytes, math, device: device.clone() })
    }
}

impl Work for Training {
    fn run(&mut self) -> Result<Seconds> {
        self.device.synchronize()?;
        let start = Instant::now();
        let mut vars = self.step.vars.clone();
        let mut forward = 0.0;
        let gradients = {
            let blocks =
                self.step.network.on_device().context("this network has no blocks on a device")?;
            let frames = Frames { bytes: self.bytes.as_deref(), ..self.step.frames() };
            let of = |scores: &Tensor| {
                let gradient = loss_gradient(scores, &self.step.labels, Reduction::Mean)?.0;
                forward = start.elapsed().as_secs_f64();
                Ok(gradient)
            };
            blocks.gradients(frames, self.step.settings.seed, self.math, &mut vars, of)?
        };
        self.step.optimiser.step(&gradients, 0.0)?;
        drop(gradients);
        self.device.synchronize()?;
        Ok(Seconds { forward, total: start.elapsed().as_secs_f64() })
    }
}

/// A stage of neurons and nothing else.
fn bare(neuron: &Source, steps: usize, shape: [usize; 4]) -> Stage<'_> {
    Stage {
        neuron,
        learned: None,
        steps,
        shape,
        still: false,
        norm: None,
        bias: None,
        rectify: false,
        mask: None,
        pool: Pooling::None,
        drop: None,
    }
}

fn source(neuron: &Arc<dyn Neuron>) -> Result<Source> {
    neuron.source().context("this neuron has no CUDA source")
}

/// So many random values on a device, uniform between two: made of a short piece, since the host's
/// generator would take minutes for all of them.
fn uniform(gpu: &Gpu, n: usize, low: f32, high: f32, dtype: DType) -> Result<Tensor> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let piece: Vec<f32> =
        (0..n.min((1 << 20) + 7)).map(|_| low + (high - low) * rng.random::<f32>()).collect();
    let values: Vec<f32> = piece.iter().copied().cycle().take(n).collect();
    Ok(layers::cuda::expand(&gpu.floats(&values, n)?, 0, dtype)?)
}

/// Neurons alone, forward and backward: currents and spikes of one type.
pub struct NeuronsAlone {
    neuron: Source,
    steps: usize,
    x: Tensor,
    g: Tensor,
    counts: Tensor,
    device: Device,
}

impl NeuronsAlone {
    /// So many neurons with random currents.
    ///
    /// # Errors
    /// If the device fails.
    pub fn new(
        steps: usize,
        neurons: usize,
        dtype: DType,
        device: &Device,
    ) -> Result<NeuronsAlone> {
        let Device::Cuda(cuda) = device else {
            anyhow::bail!("neurons alone are timed on a CUDA device here")
        };
        let gpu = Gpu::of(cuda)?;
        let neuron = source(&Config::bpsa_bpta().build()?)?;
        let shape = (steps, neurons);
        let x = uniform(&gpu, steps * neurons, 0.0, 1.0, dtype)?.reshape(shape)?;
        let g = uniform(&gpu, steps * neurons, 1.0, 1.0, dtype)?.reshape(shape)?;
        let counts = Tensor::zeros(steps, DType::U32, device)?;
        Ok(NeuronsAlone { neuron, steps, x, g, counts, device: device.clone() })
    }

    /// Bytes that have to move: currents in and spikes out, then currents and gradients in and
    /// gradients out.
    pub fn bytes(&self) -> usize {
        self.x.elem_count() * self.x.dtype().size_in_bytes() * 5
    }
}

impl Work for NeuronsAlone {
    fn run(&mut self) -> Result<Seconds> {
        let width = if self.x.dim(1)?.is_multiple_of(512) { 512 } else { 1 };
        let stage = bare(&self.neuron, self.steps, [1, 1, self.x.dim(1)? / width, width]);
        self.device.synchronize()?;
        let start = Instant::now();
        let spikes = fire(&stage, &self.x, self.x.dtype(), (&self.counts, 0))?;
        self.device.synchronize()?;
        let forward = start.elapsed().as_secs_f64();
        let found = gradient(&stage, &self.x, Upstream::Activations(&self.g))?;
        self.device.synchronize()?;
        let total = start.elapsed().as_secs_f64();
        drop((spikes, found));
        Ok(Seconds { forward, total })
    }
}

/// The Open Neuromorphic protocol: one linear layer of n inputs and n neurons, batch 16, T = 500,
/// f32, the loss the sum of all spikes.
pub struct Protocol {
    neuron: Source,
    n: usize,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    counts: Tensor,
    math: Math,
    device: Device,
}

const BATCH: usize = 16;
const STEPS: usize = 500;

impl Protocol {
    /// Uniform inputs, PyTorch's initial weights.
    ///
    /// # Errors
    /// If the device fails.
    pub fn new(n: usize, precision: Precision, device: &Device) -> Result<Protocol> {
        let Device::Cuda(cuda) = device else {
            anyhow::bail!("this protocol is timed on a CUDA device here")
        };
        let gpu = Gpu::of(cuda)?;
        let rows = STEPS * BATCH;
        let bound = 1.0 / (n as f32).sqrt();
        let of = |n, low, high| uniform(&gpu, n, low, high, DType::F32);
        Ok(Protocol {
            neuron: source(&Config::bpsa_bpta().build()?)?,
            n,
            x: of(rows * n, 0.0, 1.0)?.reshape((rows, n))?,
            weight: of(n * n, -bound, bound)?.reshape((n, n))?,
            bias: of(n, -bound, bound)?,
            ones: of(rows * n, 1.0, 1.0)?,
            counts: Tensor::zeros(STEPS, DType::U32, device)?,
            math: Math { precision, deterministic: false },
            device: device.clone(),
        })
    }
}

impl Work for Protocol {
    fn run(&mut self) -> Result<Seconds> {
        let stage =
            Stage { bias: Some(&self.bias), ..bare(&self.neuron, STEPS, [BATCH, 1, 1, self.n]) };
        self.device.synchronize()?;
        let start = Instant::now();
        let z = multiply(&self.x, &self.weight, self.math)?;
        let spikes = fire(&stage, &z, DType::F32, (&self.counts, 0))?;
        self.device.synchronize()?;
        let forward = start.elapsed().as_secs_f64();
        let found = gradient(&stage, &z, Upstream::Activations(&self.ones))?;
        let dw = multiply_weight(&self.x, &found.z, self.math)?;
        self.device.synchronize()?;
        let total = start.elapsed().as_secs_f64();
        drop((spikes, found, dw));
        Ok(Seconds { forward, total })
    }
}
