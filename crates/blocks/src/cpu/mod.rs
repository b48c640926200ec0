//! A training step without a graph of tensors: forward and backward of a whole network on slices of
//! f32, event-driven wherever the density pays.
//!
//! Between blocks activations of neurons are lists of their non-zero entries, which is all that
//! both neighbours need, and all that is kept; the currents of a block are kept or computed again,
//! as the memory budget says. Blocks without neurons pass on the currents themselves. The same
//! network on tensors is the definition.

mod activations;
mod backward;
mod forward;
mod inference;
mod memory;
mod norms;
mod pass;
mod plain;
mod spikes;
mod stepwise;
mod trace;
mod values;

pub use inference::{Decision, Inference};
pub use memory::Plan;
pub use trace::{Gradients, LayerTrace};

use crate::layout::layouts;
use crate::{Block, Frames, Graph, Observer, Weight};
use candle_core::{DType, Result, Tensor, bail};
use layers::{Crossovers, Mode};
use neuron::{Kernel, Stepwise};
use pass::{Count, Pass};

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

/// A graph on the CPU and in f32, event-driven.
pub struct EventDriven {
    graph: Graph,
}

impl EventDriven {
    /// The engine of this graph.
    ///
    /// `None` if it has none: a neuron without [`neuron::Neuron::stage`], or without
    /// [`neuron::Neuron::stepwise_at`] where spikes return, a window of 16 pixels and more over
    /// spikes, zeros around a map that reach further than the window, dropout of the votes, another
    /// precision or device.
    pub fn new(graph: Graph) -> Option<EventDriven> {
        let here = |t: &Tensor| t.dtype() == DType::F32 && t.device().is_cpu() && t.is_contiguous();
        let fits = |block: &Block| {
            let kernel = block.neuron.is_none()
                || kernel(block).is_some()
                    && (1..16).contains(&block.pool.side())
                    && block.windows.is_none();
            let narrow = |weight: &Weight| match weight {
                Weight::Conv(conv) => conv.weight.dim(0).is_ok_and(|k| conv.padding < k),
                Weight::Depthwise(_) | Weight::Linear(_) => true,
            };
            let weights = block.sources.iter().filter_map(|source| source.weight.as_ref());
            kernel && weights.into_iter().all(narrow) && block.tensors().all(here)
        };
        let stepwise = graph.stepwise().into_iter().all(|(first, last)| {
            let mut blocks = graph.blocks.get(first..=last).unwrap_or_default().iter();
            blocks.all(|block| block.neuron.is_none() || stepwise_at(block, 0.0).is_some())
        });
        // votes are of spikes as they are
        let votes = graph.blocks.last().is_some_and(|last| last.drop_activations.is_none());
        (votes && stepwise && graph.blocks.iter().all(fits)).then_some(EventDriven { graph })
    }

    /// Class scores `[B, K]`, as the definition gives them.
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
        Ok(self.pass(frames, mode, options, Count::All)?.forward(observer, None)?.scores)
    }

    /// The votes of each step, `[T, B, K]`, whose mean over time are the scores.
    ///
    /// # Errors
    /// If the frames do not fit the network.
    pub fn votes(
        &self,
        frames: Frames,
        mode: Mode,
        options: Options,
        observer: &mut dyn Observer,
    ) -> Result<Tensor> {
        Ok(self.pass(frames, mode, options, Count::Steps)?.forward(observer, None)?.scores)
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
        self.pass(frames, Mode::Train { seed }, options, Count::All)?.gradients(observer, loss)
    }

    /// The same for a loss of the votes of each step: `loss` is given `[T, B, K]` and returns the
    /// gradient with respect to them. The scores that come back are these votes.
    ///
    /// # Errors
    /// As [`EventDriven::gradients`].
    pub fn gradients_by_step(
        &self,
        frames: Frames,
        seed: u64,
        options: Options,
        observer: &mut dyn Observer,
        loss: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Gradients> {
        self.pass(frames, Mode::Train { seed }, options, Count::Steps)?.gradients(observer, loss)
    }

    /// What a training step on such frames keeps, and what it takes.
    ///
    /// # Errors
    /// If the frames do not fit the network, or the step the budget.
    pub fn plan(&self, frames: Frames, options: Options) -> Result<Plan> {
        let pass = self.pass(frames, Mode::Train { seed: 0 }, options, Count::All)?;
        memory::plan(&pass, options.memory_budget)
    }

    fn pass<'a>(
        &'a self,
        frames: Frames<'a>,
        mode: Mode,
        options: Options,
        count: Count,
    ) -> Result<Pass<'a>> {
        let layouts = layouts(&self.graph, (frames.shape, frames.still), frames.steps)?;
        Ok(Pass { graph: &self.graph, layouts, frames, mode, options, count })
    }
}

impl Pass<'_> {
    fn gradients(
        &self,
        observer: &mut dyn Observer,
        loss: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Gradients> {
        let keep = memory::plan(self, self.options.memory_budget)?.keep;
        let state = self.forward(observer, Some(&keep))?;
        let gradient = loss(&state.scores)?;
        if gradient.dims() != state.scores.dims() {
            bail!(
                "a gradient of scores {:?} has their shape, found {:?}",
                state.scores.shape(),
                gradient.shape()
            );
        }
        self.backward(state, &gradient)
    }
}

/// The kernels of single steps of a block's neurons that fire at `rate`.
fn stepwise_at(block: &Block, rate: f64) -> Option<&dyn Stepwise> {
    block.neuron.as_ref().and_then(|neuron| neuron.stepwise_at(rate))
}

/// The kernels of a block's neurons.
fn kernel(block: &Block) -> Option<&dyn Kernel> {
    block.neuron.as_ref().and_then(|neuron| neuron.stage())
}
