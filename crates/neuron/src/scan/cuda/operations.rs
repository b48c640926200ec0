//! The scan, plain and behind a batch norm, as operations on candle's tensors.

use super::{Norm, Stage, Upstream, fire_into_storage, gradient};
use crate::{Normalisation, Pooling, Source};
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

/// Batch norm and ReLU before the scan; maps are rows of channels.
fn normalised<'a>(neuron: &'a Source, dims: &[usize], norm: &'a Norm) -> Stage<'a> {
    let (steps, c) = (dims[0], dims[dims.len() - 1]);
    let rows = dims.iter().product::<usize>() / (steps * c).max(1);
    Stage { shape: [1, 1, rows, c], norm: Some(norm), rectify: true, ..plain(neuron, steps, 1) }
}

fn norm(n: &Normalisation) -> Result<Norm> {
    Norm::new(n.moments.contiguous()?, &n.weight, &n.bias, n.eps)
}

/// [`crate::Neuron::scan_normalised`] of currents on a device.
///
/// # Errors
/// As [`forward`], and if the moments do not belong to `z`.
pub fn normalised_forward(
    neuron: &Source,
    z: &CudaStorage,
    layout: &Layout,
    n: &Normalisation,
) -> Result<CudaStorage> {
    let gpu = Gpu::of(&z.device)?;
    let z = gpu.view_of(z, layout)?;
    fire_into_storage(&normalised(neuron, layout.dims(), &norm(n)?), &gpu, z, z.dtype, 0)
}

/// ∂L/∂z, ∂L/∂γ and ∂L/∂β.
///
/// # Errors
/// As [`normalised_forward`].
pub fn normalised_backward(
    neuron: &Source,
    z: &Tensor,
    n: &Normalisation,
    g: &Tensor,
) -> Result<(Tensor, Tensor, Tensor)> {
    let norm = norm(n)?;
    let found = gradient(&normalised(neuron, z.dims(), &norm), z, Upstream::Activations(g))?;
    match found.norm {
        Some((gamma, beta)) => Ok((found.z.reshape(z.shape())?, gamma, beta)),
        None => bail!("a stage with a norm gave no gradient of it"),
    }
}
