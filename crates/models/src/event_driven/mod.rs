//! A training step without a graph: forward and backward of a whole network on slices of f32,
//! event-driven wherever the density pays.
//!
//! A network is cut into blocks: a product, and everything up to the next one as a
//! [`neuron::Stage`]. Between blocks activations are lists of their non-zero entries, which is all
//! that both neighbours need, and all that is kept; the currents of a block are kept or computed
//! again, as the memory budget says. [`Network::forward`] on tensors is the definition.

mod inference;
mod memory;
mod norms;
mod pass;
mod values;

pub use inference::{Decision, Inference};
pub use memory::Plan;
pub use pass::{Gradients, LayerTrace};

use crate::blocks::{Block, blocks};
use crate::{Mode, Network, Observer};
use candle_core::{Result, Tensor, bail};
use layers::Crossovers;

/// Frames of a pass.
#[derive(Clone, Copy, Debug)]
pub struct Frames<'a> {
    /// `[T, B, H, W, C]`, or `[B, H, W, C]` of a still image.
    pub values: &'a [f32],
    /// T.
    pub steps: usize,
    /// The same values as bytes, where all of them are whole numbers up to 255: a device is sent
    /// these, a quarter as much.
    pub bytes: Option<&'a [u8]>,
    /// B, H, W, C.
    pub shape: [usize; 4],
    /// Whether all steps show the same frames, which `values` then holds once: what they are
    /// multiplied with is computed once.
    pub still: bool,
}

/// How to compute. It changes the order of sums, and so a result by rounding; a membrane that lies
/// within rounding of its threshold may then fire or not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// From which density on products are dense. The same crossovers give the same bits, for any
    /// number of threads.
    pub crossover: Crossovers,
    /// Bytes that the activations and gradients of a step may take, beside weights, moments and
    /// data.
    pub memory_budget: Option<usize>,
}

impl Default for Options {
    /// Dense from a density of 0.5 on, about what [`layers::calibrate`] finds on a machine with
    /// AVX2; no budget.
    fn default() -> Self {
        Self { crossover: Crossovers::at(0.5), memory_budget: None }
    }
}

/// A network as blocks, see [`Network::event_driven`].
pub struct EventDriven<'n> {
    blocks: Vec<Block<'n>>,
    voters: usize,
}

impl Network {
    /// This network as event-driven blocks, on the CPU and in f32.
    ///
    /// `None` if it cannot be: a neuron without [`neuron::Neuron::stage`], a residual block, a
    /// convolution without a bias, a layer between two products in an order that no stage has,
    /// another precision or device.
    pub fn event_driven(&self) -> Option<EventDriven<'_>> {
        let (blocks, voters) = blocks(self, |neuron| neuron.stage())?;
        let here = |t: &Tensor| {
            t.dtype() == candle_core::DType::F32 && t.device().is_cpu() && t.is_contiguous()
        };
        let normed = |b: &Block| {
            b.norm.is_none_or(|(_, n)| {
                [&n.weight, &n.bias, &n.running_mean, &n.running_var].into_iter().all(here)
            })
        };
        let all_here =
            |b: &Block| here(b.weight.tensors().0) && here(b.weight.tensors().1) && normed(b);
        blocks.iter().all(all_here).then_some(EventDriven { blocks, voters })
    }
}

impl EventDriven<'_> {
    /// Class scores `[B, K]`, as [`Network::forward`] gives them.
    ///
    /// # Errors
    /// If the frames do not fit the network.
    pub fn scores(
        &self,
        frames: Frames,
        mode: Mode,
        options: Options,
        observer: &mut dyn Observer,
    ) -> Result<Tensor> {
        Ok(pass::forward(self, frames, mode, options, observer, false)?.0)
    }

    /// The gradients of one training step of seed `seed`. `loss` is given the scores `[B, K]` and
    /// returns the gradient of the loss with respect to them.
    ///
    /// # Errors
    /// If the frames do not fit the network, `loss` fails, or the step does not fit the memory
    /// budget.
    pub fn gradients(
        &self,
        frames: Frames,
        seed: u64,
        options: Options,
        observer: &mut dyn Observer,
        loss: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Gradients> {
        let (scores, state) =
            pass::forward(self, frames, Mode::Train { seed }, options, observer, true)?;
        let gradient = loss(&scores)?;
        if gradient.dims() != scores.dims() {
            bail!(
                "a gradient of scores {:?} has their shape, found {:?}",
                scores.shape(),
                gradient.shape()
            );
        }
        pass::backward(self, frames, options, state, &gradient)
    }

    /// What a training step on such frames keeps, and what it takes.
    ///
    /// # Errors
    /// If the frames do not fit the network, or the step the budget.
    pub fn plan(&self, frames: Frames, options: Options) -> Result<Plan> {
        memory::plan(self, frames, options.memory_budget)
    }
}
