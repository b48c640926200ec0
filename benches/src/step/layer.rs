use anyhow::{Context, Result};
use layers::Product;
use neuron::{Config, Kernel, Neuron, Pooling, Stage};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

/// Neurons alone, forward and backward, as a training step runs them: currents in f32, spikes in
/// bytes.
pub struct NeuronsAlone {
    neuron: Arc<dyn Neuron>,
    steps: usize,
    x: Vec<f32>,
    g: Vec<f32>,
}

fn uniform(rng: &mut ChaCha8Rng, n: usize, low: f32, high: f32) -> Vec<f32> {
    (0..n).map(|_| low + (high - low) * rng.random::<f32>()).collect()
}

fn kernel(neuron: &dyn Neuron) -> Result<&dyn Kernel> {
    neuron.stage().context("this neuron has no kernel")
}

/// A stage of neurons and nothing else.
fn bare(steps: usize, batch: usize, units: usize) -> Stage<'static> {
    let shape = [batch, 1, 1, units];
    Stage {
        steps,
        shape,
        still: false,
        norm: None,
        rectify: false,
        mask: None,
        pool: Pooling::None,
    }
}

impl NeuronsAlone {
    /// So many neurons with random currents, of which about a tenth makes a neuron fire.
    ///
    /// # Errors
    /// None that the built-in method has.
    pub fn new(steps: usize, neurons: usize) -> Result<NeuronsAlone> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let x = uniform(&mut rng, steps * neurons, -0.4, 0.5);
        let g = uniform(&mut rng, steps * neurons, -1.0, 1.0);
        Ok(NeuronsAlone { neuron: Config::bpsa_bpta().build()?, steps, x, g })
    }

    /// Bytes that have to move: currents in and spikes out, then currents and gradients in and
    /// gradients out.
    pub fn bytes(&self) -> usize {
        self.x.len() * (4 + 1 + 4 + 4 + 4)
    }

    /// Seconds of forward and backward.
    ///
    /// # Errors
    /// As [`NeuronsAlone::new`].
    pub fn run(&self) -> Result<(f64, f64)> {
        let neurons = self.x.len() / self.steps;
        // to the kernel, 512 neurons are the channels of a pixel
        let width = if neurons.is_multiple_of(512) { 512 } else { neurons };
        let stage = bare(self.steps, neurons / width, width);
        let kernel = kernel(self.neuron.as_ref())?;
        let start = Instant::now();
        let fired = black_box(kernel.fire(&stage, &self.x));
        let forward = start.elapsed().as_secs_f64();
        let gradient = kernel.backward(&stage, &self.x, &|p, row| {
            row.copy_from_slice(&self.g[p * width..][..width])
        });
        black_box(gradient);
        drop(fired);
        Ok((forward, start.elapsed().as_secs_f64() - forward))
    }
}

/// The Open Neuromorphic protocol: one linear layer of n inputs and n neurons, batch 16, T = 500,
/// the loss the sum of all spikes.
pub struct Protocol {
    neuron: Arc<dyn Neuron>,
    n: usize,
    batch: usize,
    steps: usize,
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Protocol {
    /// Uniform inputs, PyTorch's initial weights.
    ///
    /// # Errors
    /// None that the built-in method has.
    pub fn new(n: usize) -> Result<Protocol> {
        let (batch, steps) = (16, 500);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let bound = 1.0 / (n as f32).sqrt();
        let x = uniform(&mut rng, steps * batch * n, 0.0, 1.0);
        let (weight, bias) =
            (uniform(&mut rng, n * n, -bound, bound), uniform(&mut rng, n, -bound, bound));
        Ok(Protocol { neuron: Config::bpsa_bpta().build()?, n, batch, steps, x, weight, bias })
    }

    /// Seconds of forward and backward; gradients of weight and bias, as the protocol asks for.
    ///
    /// # Errors
    /// As [`Protocol::new`].
    pub fn run(&self) -> Result<(f64, f64)> {
        let product =
            Product::Linear { n: self.steps * self.batch, inputs: self.n, outputs: self.n };
        let kernel = kernel(self.neuron.as_ref())?;
        let start = Instant::now();
        let z = product.dense_forward(&self.x, &self.weight, &self.bias);
        let stage = bare(self.steps, self.batch, self.n);
        black_box(kernel.fire(&stage, &z));
        let forward = start.elapsed().as_secs_f64();
        let gradient = kernel.backward(&stage, &z, &|_, row| row.fill(1.0));
        black_box(product.dense_weight_gradient(&self.x, &gradient.z));
        black_box(product.bias_gradient(&gradient.z));
        Ok((forward, start.elapsed().as_secs_f64() - forward))
    }
}
