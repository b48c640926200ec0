//! A training step without a graph on a CUDA device: the blocks of a network one after the other,
//! each three launches of a library and a handful of ours.
//!
//! The tensor library's own backward pass would keep every activation until the loss is dropped and
//! write a zero and a sum for every edge of the graph. Here a block keeps what its gradients need
//! and nothing else (its input, its currents, a few numbers a channel), and gives it up as soon as
//! they are there. Time is folded into the batch for products; nothing is sliced along it.
//! The same network on tensors is the definition.

mod pass;

use crate::{Block, Frames, Gradients, Graph, Observer, Weight};
use candle_core::{DType, Result, Tensor, bail};
use device::Math;
use layers::Mode;
use neuron::Source;

/// A chain of blocks on a CUDA device.
pub struct OnDevice {
    graph: Graph,
    /// The neurons of each block in CUDA C++.
    neurons: Vec<Source>,
}

/// A block with all that a chain's blocks have.
#[derive(Clone, Copy)]
struct Link<'n> {
    block: &'n Block,
    weight: &'n Weight,
    bias: &'n Tensor,
    neuron: &'n Source,
}

impl OnDevice {
    /// The engine of this graph on the CUDA device that its weights lie on, all f32.
    ///
    /// `None` if it has none: no chain ([`Graph::is_chain`]), a neuron without
    /// [`neuron::Neuron::source`], a norm of another form ([`layers::BatchNorm::is_usual`]), a
    /// window of 16 pixels and more over spikes, dropout of the votes, another precision or device.
    pub fn new(graph: Graph) -> Option<OnDevice> {
        let here =
            |t: &Tensor| t.dtype() == DType::F32 && t.device().is_cuda() && t.is_contiguous();
        let fits =
            |block: &Block| (1..16).contains(&block.pool.side()) && block.tensors().all(here);
        if !graph.runs_on_a_device() || !graph.blocks.iter().all(fits) {
            return None;
        }
        graph.blocks.last().filter(|last| last.drop_activations.is_none())?;
        let source = |block: &Block| block.neuron.as_ref()?.source();
        let neurons = graph.blocks.iter().map(source).collect::<Option<Vec<Source>>>()?;
        Some(OnDevice { graph, neurons })
    }

    /// Its blocks, from the first.
    fn links(&self) -> impl DoubleEndedIterator<Item = Link<'_>> {
        self.graph.blocks.iter().zip(&self.neurons).filter_map(|(block, neuron)| {
            let weight = block.sources.first()?.weight.as_ref()?;
            Some(Link { block, weight, bias: weight.bias()?, neuron })
        })
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
        Ok(pass::forward(self, frames, mode, math, observer, false)?.0)
    }

    /// The gradients of one training step of seed `seed`, on the device. `loss` is given the scores
    /// `[B, K]` on the CPU and returns the gradient of the loss with respect to them.
    ///
    /// Of a convolution below a batch norm the gradient of the bias is 0, which it is: the norm
    /// takes off whatever the bias adds. Elsewhere that sum is computed, and its rounding is what
    /// the bias is trained on.
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
        let (scores, state) =
            pass::forward(self, frames, Mode::Train { seed }, math, observer, true)?;
        let gradient = loss(&scores)?;
        if gradient.dims() != scores.dims() || gradient.dtype() != DType::F32 {
            bail!(
                "a gradient of scores {:?} has their shape, found {:?}",
                scores.shape(),
                gradient.shape()
            );
        }
        pass::backward(self, frames, math, state, &gradient, scores)
    }
}
