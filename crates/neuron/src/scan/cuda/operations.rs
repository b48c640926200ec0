//! The scan as an operation on candle's tensors.

use super::{Stage, Upstream, fire_into_storage, gradient};
use crate::{Pooling, Source};
use candle_core::cuda_backend::CudaStorage;
use candle_core::{Layout, Result, Tensor, bail};
use device::Gpu;

/// A stage of `neurons` that is the scan alone: neurons know no channels, so any width will do.
fn plain(neuron: &Source, steps: usize, neurons: usize) -> Stage<'_> {
    let c = [8, 4, 2, 1].into_iter().find(|c| neurons.is_multiple_of(*c)).unwrap_or(1);
    Stage {
        neuron,
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

/// Spikes of currents `[steps, …]`.
///
/// # Errors
/// If they are of a type that no kernel has, or the device fails.
pub fn forward(
    neuron: &Source,
    x: &CudaStorage,
    layout: &Layout,
    steps: usize,
) -> Result<CudaStorage> {
    let gpu = Gpu::of(&x.device)?;
    let x = gpu.view_of(x, layout)?;
    match x.len {
        0 => gpu.empty_storage(0, x.dtype),
        len => fire_into_storage(&plain(neuron, steps, len / steps), &gpu, x, x.dtype, 0),
    }
}

/// ∂L/∂x from ∂L/∂o, both `[T, …]`.
///
/// # Errors
/// As [`forward`].
pub fn backward(neuron: &Source, x: &Tensor, g: &Tensor) -> Result<Tensor> {
    if x.elem_count() == 0 {
        return x.zeros_like();
    }
    if x.dtype() != g.dtype() {
        bail!(
            "a neuron's gradient has its currents' precision, found {:?}, {:?}",
            x.dtype(),
            g.dtype()
        );
    }
    let steps = x.dim(0)?;
    gradient(&plain(neuron, steps, x.elem_count() / steps), x, Upstream::Activations(g))?
        .z
        .reshape(x.shape())
}
