//! One training step of the paper's networks at a firing rate asked for: what `--bin step` times
//! and others compare with.

mod latency;
mod layer;
mod rates;
mod share;
mod tensors;
mod trained;

pub use latency::{Latency, latency};
pub use layer::{NeuronsAlone, Protocol};
pub use rates::set_rates;
pub use share::export;
pub use trained::train_on_mnist;

use crate::Method;
use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor};
use models::{
    Architecture, Frames, Gradients, LayerTrace, Network, Observer, Options, StatisticsOver,
    Variant,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::time::Instant;
use training::{AdamWConfig, Optimiser, Reduction, SeededVars, loss_gradient};

/// Which step.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// The network, as the paper's code has it.
    pub net: Architecture,
    /// What its channels and units are divided by.
    pub narrow: usize,
    /// T.
    pub steps: usize,
    /// B.
    pub batch: usize,
    /// The method.
    pub method: Method,
    /// What batch norm averages over.
    pub norm: StatisticsOver,
    /// Seed of weights, frames and masks.
    pub seed: u64,
}

/// Part of the pixels of an event frame that is not zero.
const EVENTS: f64 = 0.05;

/// A network with its optimiser and one batch.
pub struct Step {
    /// What it is.
    pub settings: Settings,
    /// Network.
    pub network: Network,
    /// Its variables.
    pub vars: SeededVars,
    /// The batch; one step of still images.
    pub values: Vec<f32>,
    /// One class for each sample.
    pub labels: Vec<u32>,
    /// Its optimiser.
    pub optimiser: Optimiser,
}

/// Seconds of a step, and what its layers did.
#[derive(Clone, Debug, Serialize)]
pub struct Timed {
    /// Scores and loss.
    pub forward_s: f64,
    /// All gradients.
    pub backward_s: f64,
    /// AdamW.
    pub optimiser_s: f64,
    /// All three.
    pub total_s: f64,
    /// Layers, from the first.
    pub layers: Vec<LayerTrace>,
}

impl Settings {
    /// Height, width and channels of a frame, and classes.
    pub fn frame(&self) -> ([usize; 3], usize) {
        match self.net {
            Architecture::Small => ([28, 28, 1], 10),
            Architecture::Middle => ([34, 34, 2], 10),
            Architecture::MiddleCifar | Architecture::ResNet34 => ([32, 32, 3], 10),
            Architecture::Large => ([64, 64, 2], 11),
        }
    }

    /// Whether all steps show the same image: direct encoding.
    pub fn still(&self) -> bool {
        matches!(self.net, Architecture::Small | Architecture::MiddleCifar | Architecture::ResNet34)
    }
}

impl Step {
    /// Fresh weights, and frames of noise: images of uniform values, or frames with few events.
    ///
    /// # Errors
    /// If the network cannot be built.
    pub fn new(settings: Settings) -> Result<Step> {
        Self::on(settings, &Device::Cpu)
    }

    /// [`Step::new`] with the network on a device.
    ///
    /// # Errors
    /// As there.
    pub fn on(settings: Settings, device: &Device) -> Result<Step> {
        let ([h, w, c], classes) = settings.frame();
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        let steps = if settings.still() { 1 } else { settings.steps };
        let value = |_| match settings.still() {
            true => rng.random::<f32>(),
            false if rng.random_bool(EVENTS) => f32::from(rng.random_range(1u8..4)),
            false => 0.0,
        };
        let values: Vec<f32> = (0..steps * settings.batch * h * w * c).map(value).collect();
        let labels = (0..settings.batch).map(|i| (i % classes) as u32).collect();
        Self::built(settings, values, labels, device)
    }

    /// Fresh weights, and these frames and labels.
    ///
    /// # Errors
    /// If the network cannot be built.
    pub fn of(settings: Settings, values: Vec<f32>, labels: Vec<u32>) -> Result<Step> {
        Self::built(settings, values, labels, &Device::Cpu)
    }

    fn built(
        settings: Settings,
        values: Vec<f32>,
        labels: Vec<u32>,
        device: &Device,
    ) -> Result<Step> {
        let (frame, classes) = settings.frame();
        let vars = SeededVars::new(settings.seed);
        let spec = settings.net.spec(Variant::Code)?.narrowed(settings.narrow);
        let neuron = settings.method.neuron.build()?;
        let builder = vars.builder(DType::F32, device);
        let network = Network::new(&spec, frame, classes, neuron, settings.norm, builder)?;
        let optimiser = Optimiser::adamw(vars.trainable(), AdamWConfig::default())?;
        Ok(Step { settings, network, vars, values, labels, optimiser })
    }

    /// The frames of a pass.
    pub fn frames(&self) -> Frames<'_> {
        let [h, w, c] = self.settings.frame().0;
        let Settings { steps, batch, .. } = self.settings;
        let still = self.settings.still();
        Frames {
            values: &self.values,
            bytes: None,
            steps,
            shape: [batch, h, w, c],
            still: still && steps > 1,
        }
    }

    /// Forward and backward; with it the seconds of the forward pass and the loss.
    ///
    /// # Errors
    /// A network without an event-driven form, or a budget that is too small.
    pub fn gradients(
        &self,
        options: Options,
        observer: &mut dyn Observer,
    ) -> Result<(Gradients, f64, f64)> {
        let blocks =
            self.network.event_driven().context("this network has no event-driven form")?;
        let start = Instant::now();
        let (mut forward_s, mut loss) = (0.0, 0.0);
        let of = |scores: &Tensor| {
            let (gradient, value) = loss_gradient(scores, &self.labels, Reduction::Mean)?;
            (forward_s, loss) = (start.elapsed().as_secs_f64(), value);
            Ok(gradient)
        };
        let gradients =
            blocks.gradients(self.frames(), self.settings.seed, options, observer, of)?;
        Ok((gradients, forward_s, loss))
    }

    /// One whole training step at learning rate `lr`; at 0 the weights stay and all the work is
    /// done.
    ///
    /// # Errors
    /// As [`Step::gradients`].
    pub fn run(&mut self, options: Options, lr: f64) -> Result<Timed> {
        let start = Instant::now();
        let mut vars = self.vars.clone();
        let (gradients, forward_s, _) = self.gradients(options, &mut vars)?;
        let both_s = start.elapsed().as_secs_f64();
        self.optimiser.step(&gradients, lr)?;
        let total_s = start.elapsed().as_secs_f64();
        Ok(Timed {
            forward_s,
            backward_s: both_s - forward_s,
            optimiser_s: total_s - both_s,
            total_s,
            layers: gradients.layers,
        })
    }
}
