//! A training step without a graph of tensors on a CUDA device: the blocks of a network one after
//! the other, each three launches of a library and a handful of ours.
//!
//! The tensor library's own backward pass would keep every activation until the loss is dropped and
//! write a zero and a sum for every edge of the graph. Here a block keeps what its gradients need
//! and nothing else (its inputs, its currents, a few numbers a channel), and gives it up as soon as
//! they are there. Time is folded into the batch for products, and nothing is sliced along it but
//! where spikes return one step later. The same network on tensors is the definition.

mod backward;
mod found;
mod pass;
mod plain;
mod products;
mod steps;
mod stepwise;

use crate::{Block, Frames, Gradients, Graph, Observer};
use candle_core::{DType, Result, Tensor, bail};
use device::Math;
use layers::Mode;
use neuron::Source;
use pass::{Count, Pass};

/// A graph of blocks on a CUDA device.
pub struct OnDevice {
    graph: Graph,
    /// The neurons of each block in CUDA C++, where it has some.
    neurons: Vec<Option<Source>>,
}

impl OnDevice {
    /// The engine of this graph on the CUDA device that its weights lie on, all f32.
    ///
    /// `None` if it has none: a neuron without [`neuron::Neuron::source`], γ of each step below
    /// statistics over time, a window of 16 pixels and more over spikes, or one with a stride of
    /// its own, masks of each step, dropout of the votes ([`Graph::runs_on_a_device`]), another
    /// precision or device.
    pub fn new(graph: Graph) -> Option<OnDevice> {
        let here =
            |t: &Tensor| t.dtype() == DType::F32 && t.device().is_cuda() && t.is_contiguous();
        let learned = |block: &Block| {
            let neuron = block.neuron.as_ref();
            neuron.is_none_or(|n| n.parameters().iter().all(|(_, p)| here(p)))
        };
        let fits = |block: &Block| block.tensors().all(here) && learned(block);
        if !graph.runs_on_a_device() || !graph.blocks.iter().all(fits) {
            return None;
        }
        let source = |block: &Block| block.neuron.as_ref().and_then(|neuron| neuron.source());
        let neurons = graph.blocks.iter().map(source).collect();
        Some(OnDevice { graph, neurons })
    }

    /// Class scores `[B, K]` on the CPU, as the definition gives them.
    ///
    /// # Errors
    /// If the frames do not fit the network, or the device fails.
    pub fn scores(
        &self,
        frames: Frames,
        mode: Mode,
        math: Math,
        observer: &mut dyn Observer,
    ) -> Result<Tensor> {
        let pass = Pass::new(self, frames, mode, math, Count::All)?;
        Ok(pass.forward(observer, false)?.scores)
    }

    /// The votes of each step, `[T, B, K]` on the CPU, whose mean over time are the scores.
    ///
    /// # Errors
    /// As [`OnDevice::scores`].
    pub fn votes(
        &self,
        frames: Frames,
        mode: Mode,
        math: Math,
        observer: &mut dyn Observer,
    ) -> Result<Tensor> {
        let pass = Pass::new(self, frames, mode, math, Count::Steps)?;
        Ok(pass.forward(observer, false)?.scores)
    }

    /// The gradients of one training step of seed `seed`, on the device. `loss` is given the scores
    /// `[B, K]` on the CPU and returns the gradient of the loss with respect to them.
    ///
    /// Of a product below a batch norm the gradient of the bias is 0, which it is: the norm takes
    /// off whatever the bias adds. Elsewhere that sum is computed, and its rounding is what the
    /// bias is trained on.
    ///
    /// # Errors
    /// If the frames do not fit the network, `loss` fails, or the device does.
    pub fn gradients(
        &self,
        frames: Frames,
        seed: u64,
        math: Math,
        observer: &mut dyn Observer,
        loss: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Gradients> {
        let pass = Pass::new(self, frames, Mode::Train { seed }, math, Count::All)?;
        gradients(&pass, observer, loss)
    }

    /// The same for a loss of the votes of each step: `loss` is given `[T, B, K]` and returns the
    /// gradient with respect to them. The scores that come back are these votes.
    ///
    /// # Errors
    /// As [`OnDevice::gradients`].
    pub fn gradients_by_step(
        &self,
        frames: Frames,
        seed: u64,
        math: Math,
        observer: &mut dyn Observer,
        loss: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Gradients> {
        let pass = Pass::new(self, frames, Mode::Train { seed }, math, Count::Steps)?;
        gradients(&pass, observer, loss)
    }
}

fn gradients(
    pass: &Pass,
    observer: &mut dyn Observer,
    loss: impl FnOnce(&Tensor) -> Result<Tensor>,
) -> Result<Gradients> {
    let state = pass.forward(observer, true)?;
    let gradient = loss(&state.scores)?;
    if gradient.dims() != state.scores.dims() || gradient.dtype() != DType::F32 {
        bail!(
            "a gradient of scores {:?} has their shape, found {:?}",
            state.scores.shape(),
            gradient.shape()
        );
    }
    pass.backward(state, &gradient)
}
