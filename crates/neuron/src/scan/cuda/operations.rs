//! The scan as an operation on candle's tensors.

use super::{Stage, Upstream, fire_into_storage, gradient};
use crate::{Pooling, Source};
use candle_core::cuda_backend::CudaStorage;
use candle_core::{Layout, Result, Tensor, bail};
use device::Gpu;

/// A stage of `neurons` that is the scan alone: neurons know no channels, so any width will do.
fn plain<'a>(
    neuron: &'a Source,
    steps: usize,
    neurons: usize,
    learned: Option<&'a Tensor>,
) -> Stage<'a> {
    let c = [8, 4, 2, 1].into_iter().find(|c| neurons.is_multiple_of(*c)).unwrap_or(1);
    Stage {
        neuron,
        learned,
        steps,
        shape: [1, 1, neurons / c, c],
        still: false,
        norm: None,
        bias: None,
        rectify: false,
        mask: None,
        pool: Pooling::None,
        drop: None,
    }
}

/// Spikes of currents `[steps, …]`; `learned` as [`Stage::learned`].
///
/// # Errors
/// If they are of a type that no kernel has, or the device fails.
pub fn forward(
    neuron: &Source,
    x: &CudaStorage,
    layout: &Layout,
    steps: usize,
    learned: Option<&Tensor>,
) -> Result<CudaStorage> {
    let gpu = Gpu::of(&x.device)?;
    let x = gpu.view_of(x, layout)?;
    match x.len {
        0 => gpu.empty_storage(0, x.dtype),
        len => {
            let stage = plain(neuron, steps, len / steps, learned);
            fire_into_storage(&stage, &gpu, x, x.dtype, 0)
        }
    }
}

/// ∂L/∂x from ∂L/∂o, both `[T, …]`, and ∂L/∂`learned` `[P]` if there are any.
///
/// # Errors
/// As [`forward`].
pub fn backward(
    neuron: &Source,
    x: &Tensor,
    g: &Tensor,
    learned: Option<&Tensor>,
) -> Result<(Tensor, Option<Tensor>)> {
    if x.elem_count() == 0 {
        return Ok((x.zeros_like()?, learned.map(Tensor::zeros_like).transpose()?));
    }
    if x.dtype() != g.dtype() {
        bail!(
            "a neuron's gradient has its currents' precision, found {:?}, {:?}",
            x.dtype(),
            g.dtype()
        );
    }
    let steps = x.dim(0)?;
    let stage = plain(neuron, steps, x.elem_count() / steps, learned);
    let found = gradient(&stage, x, Upstream::Activations(g))?;
    Ok((found.z.reshape(x.shape())?, found.parameters))
}
