//! A training step without a graph on a CUDA device: the blocks of a network one after the other,
//! each three launches of a library and a handful of ours.
//!
//! The tensor library's own backward pass would keep every activation until the loss is dropped and
//! write a zero and a sum for every edge of the graph. Here a block keeps what its gradients need
//! and nothing else (its input, its currents, a few numbers a channel), and gives it up as soon as
//! they are there. Time is folded into the batch for products; nothing is sliced along it.
//! [`Network::forward`] on tensors is the definition.

mod pass;

use crate::blocks::{Block, blocks};
use crate::{Frames, Gradients, Mode, Network, Observer};
use candle_core::{DType, Result, Tensor, bail};
use device::Math;
use neuron::Source;

/// A network on a CUDA device as blocks, see [`Network::on_device`].
pub struct OnDevice<'n> {
    blocks: Vec<Block<'n, Source>>,
    voters: usize,
}

impl Network {
    /// This network as blocks on the CUDA device that its weights lie on, all f32.
    ///
    /// `None` if it cannot be: a neuron without [`neuron::Neuron::source`], a residual block, a
    /// convolution without a bias, a layer between two products in an order that no stage has,
    /// another precision or device.
    pub fn on_device(&self) -> Option<OnDevice<'_>> {
        let (blocks, voters) = blocks(self, |neuron| neuron.source())?;
        let here =
            |t: &Tensor| t.dtype() == DType::F32 && t.device().is_cuda() && t.is_contiguous();
        let normed = |b: &Block<Source>| {
            b.norm.is_none_or(|(_, n)| {
                [&n.weight, &n.bias, &n.running_mean, &n.running_var].into_iter().all(here)
            })
        };
        let all_here = |b: &Block<Source>| {
            let (weight, bias) = b.weight.tensors();
            here(weight) && here(bias) && normed(b)
        };
        (!blocks.is_empty() && blocks.iter().all(all_here)).then_some(OnDevice { blocks, voters })
    }
}

impl OnDevice<'_> {
    /// Class scores `[B, K]` on the CPU, as [`Network::forward`] gives them.
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
