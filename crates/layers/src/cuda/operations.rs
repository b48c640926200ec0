//! Layers as operations on candle's tensors: what a forward pass writes into a storage, and
//! gradients as tensors.

use super::convolution;
use super::kernels::{by_channel, computed, each, int, moments as moments_in};
use super::{Math, from_cudnn, to_cudnn};
use crate::Sizes;
use candle_core::cuda_backend::CudaStorage;
use candle_core::{Layout, Result, Tensor, bail};
use device::{Arg, Gpu, View};
use neuron::cuda::{Affine, Norm};
use std::sync::Arc;

type Found = (Arc<Gpu>, View);

fn view(x: &CudaStorage, layout: &Layout) -> Result<Found> {
    let gpu = Gpu::of(&x.device)?;
    let view = gpu.view_of(x, layout)?;
    Ok((gpu, view))
}

/// A storage for `n` values of the type of `like`, and its address.
fn output(gpu: &Gpu, n: usize, like: View) -> Result<(CudaStorage, u64)> {
    let storage = gpu.empty_storage(n, like.dtype)?;
    let address = gpu.address(&storage, &Layout::contiguous(n))?;
    Ok((storage, address))
}

/// max(0, x).
pub fn rectify_forward(x: &CudaStorage, layout: &Layout) -> Result<CudaStorage> {
    let (gpu, x) = view(x, layout)?;
    let (y, address) = output(&gpu, x.len, x)?;
    let args = [Arg::Pointer(x.address), Arg::Pointer(address), Arg::Size(x.len as u64)];
    // SAFETY: both hold x.len values of one type.
    unsafe { each(&gpu, "rectify", (x.dtype, x.dtype), x.len, &args)? };
    Ok(y)
}

/// The gradient where y is above 0.
pub fn rectify_backward(y: &Tensor, g: &Tensor) -> Result<Tensor> {
    let gpu = Gpu::of_tensor(y)?;
    let (n, d) = (y.elem_count(), gpu.empty(y.shape(), y.dtype())?);
    if g.elem_count() != n || g.dtype() != y.dtype() {
        bail!("a gradient of {:?} was expected, found {:?}", y.shape(), g.shape());
    }
    let args = [
        Arg::Pointer(gpu.pointer(y)?),
        Arg::Pointer(gpu.pointer(g)?),
        Arg::Pointer(gpu.pointer(&d)?),
        Arg::Size(n as u64),
    ];
    // SAFETY: three tensors of n values of one type.
    unsafe { each(&gpu, "rectify_gradient", (y.dtype(), y.dtype()), n, &args)? };
    Ok(d)
}

/// Pooling of maps `[n, h, w, c]`.
pub fn pool_forward(
    x: &CudaStorage,
    layout: &Layout,
    [n, h, w, c]: [usize; 4],
    k: usize,
    max: bool,
) -> Result<CudaStorage> {
    let (gpu, x) = view(x, layout)?;
    let outputs = n * (h / k) * (w / k) * c;
    let (y, address) = output(&gpu, outputs, x)?;
    let mut args = vec![Arg::Pointer(x.address), Arg::Pointer(address)];
    args.extend([n, h, w, c, k, usize::from(max)].map(int));
    // SAFETY: x holds n·h·w·c values, y those of the windows.
    unsafe { each(&gpu, "pool", (x.dtype, x.dtype), outputs, &args)? };
    Ok(y)
}

/// Its gradient.
pub fn pool_backward(
    x: &Tensor,
    g: &Tensor,
    [n, h, w, c]: [usize; 4],
    k: usize,
    max: bool,
) -> Result<Tensor> {
    let gpu = Gpu::of_tensor(x)?;
    let d = gpu.empty(x.shape(), x.dtype())?;
    if x.elem_count() != n * h * w * c
        || g.elem_count() != n * (h / k) * (w / k) * c
        || g.dtype() != x.dtype()
    {
        bail!("a gradient of pooled maps {:?} was expected, found {:?}", x.shape(), g.shape());
    }
    let mut args = vec![
        Arg::Pointer(gpu.pointer(x)?),
        Arg::Pointer(gpu.pointer(g)?),
        Arg::Pointer(gpu.pointer(&d)?),
    ];
    args.extend([n, h, w, c, k, usize::from(max)].map(int));
    // SAFETY: checked above.
    unsafe { each(&gpu, "pool_gradient", (x.dtype(), x.dtype()), d.elem_count(), &args)? };
    Ok(d)
}

/// Moments `[3, sets, C]` as a storage.
pub fn moments(x: &CudaStorage, layout: &Layout, sets: usize, c: usize) -> Result<CudaStorage> {
    let (gpu, x) = view(x, layout)?;
    let moments = moments_in(&gpu, x, [sets, c], None, 1, false)?.0;
    let (storage, layout) = moments.storage_and_layout();
    match &*storage {
        // a few numbers: copied
        candle_core::Storage::Cuda(storage) => {
            candle_core::backend::BackendStorage::try_clone(storage, layout)
        }
        _ => bail!("moments of a device lie elsewhere"),
    }
}

/// y = (x − μ) · γ/√(σ² + ε) + β.
pub fn normalise_forward(
    x: &CudaStorage,
    layout: &Layout,
    moments: &Tensor,
    [gamma, beta]: [&Tensor; 2],
    eps: f64,
) -> Result<CudaStorage> {
    let (gpu, x) = view(x, layout)?;
    let norm = Norm::new(moments.clone(), affine(gamma, beta, eps))?;
    let (y, address) = output(&gpu, x.len, x)?;
    normalise_into(&gpu, x, &norm, address)?;
    Ok(y)
}

/// The usual norm of these.
fn affine<'a>(gamma: &'a Tensor, beta: &'a Tensor, eps: f64) -> Affine<'a> {
    Affine { gamma, constant: 1.0, beta: Some(beta), eps }
}

/// What a norm makes of currents `z` `[sets, …, C]`.
///
/// # Errors
/// If they do not fit, or the device fails.
pub fn normalised(z: &Tensor, norm: &Norm) -> Result<Tensor> {
    let gpu = Gpu::of_tensor(z)?;
    let y = gpu.empty(z.shape(), z.dtype())?;
    normalise_into(&gpu, gpu.view(z)?, norm, gpu.pointer(&y)?)?;
    Ok(y)
}

/// [`normalised`] into as many values at an address.
fn normalise_into(gpu: &Gpu, x: View, norm: &Norm, address: u64) -> Result<()> {
    let (_, sets, c) = norm.moments().dims3()?;
    if !x.len.is_multiple_of(sets * c) || norm.moments().dtype() != computed(x.dtype) {
        bail!("a norm of {sets} sets of {c} channels cannot take {} values", x.len);
    }
    let mut args = vec![
        Arg::Pointer(x.address),
        Arg::Pointer(gpu.pointer(norm.moments())?),
        Arg::Pointer(gpu.pointer(norm.factors())?),
        Arg::Pointer(address),
        Arg::Size(x.len as u64),
    ];
    args.extend([x.len / (sets * c), sets, c].map(int));
    // SAFETY: moments and factors hold 3·sets·c numbers; x and y x.len values.
    unsafe { each(gpu, "normalise", (x.dtype, x.dtype), x.len, &args) }
}

/// ∂L/∂x, ∂L/∂γ, ∂L/∂β.
pub fn normalise_backward(
    x: &Tensor,
    g: &Tensor,
    moments: &Tensor,
    [gamma, beta]: [&Tensor; 2],
    eps: f64,
) -> Result<[Tensor; 3]> {
    normalise_gradient(x, g, &Norm::new(moments.clone(), affine(gamma, beta, eps))?)
}

/// ∂L/∂z, ∂L/∂γ, ∂L/∂β of [`normalised`].
///
/// # Errors
/// As there.
pub fn normalise_gradient(x: &Tensor, g: &Tensor, norm: &Norm) -> Result<[Tensor; 3]> {
    let (gpu, moments) = (Gpu::of_tensor(x)?, norm.moments());
    let (_, sets, c) = moments.dims3()?;
    let (n, dtype) = (x.elem_count(), x.dtype());
    let rows = n / (sets * c);
    if g.elem_count() != n
        || g.dtype() != dtype
        || rows * sets * c != n
        || moments.dtype() != computed(dtype)
    {
        bail!("a gradient of {:?} was expected, found {:?}", x.shape(), g.shape());
    }
    let [x_at, g_at, mean, factors] =
        [x, g, moments, norm.factors()].map(|t| gpu.pointer(t).map(Arg::Pointer));
    let (x_at, g_at, mean, factors) = (x_at?, g_at?, mean?, factors?);
    // SAFETY: x and g hold sets·rows·c values, moments and factors 3·sets·c numbers.
    let (part, blocks) = unsafe {
        by_channel(&gpu, "normalise_part", dtype, [sets, rows, c], |part| {
            Ok(vec![
                x_at,
                g_at,
                mean,
                factors,
                Arg::Pointer(gpu.pointer(part)?),
                int(rows),
                int(sets),
                int(c),
            ])
        })?
    };
    let (pqr, d_gamma, d_beta) = norm.finish(&part, blocks, rows as f64)?;
    let d = gpu.empty(x.shape(), dtype)?;
    let mut args = vec![x_at, g_at, mean, Arg::Pointer(gpu.pointer(&pqr)?)];
    args.extend([Arg::Pointer(gpu.pointer(&d)?), Arg::Size(n as u64)]);
    args.extend([rows, sets, c].map(int));
    // SAFETY: as above.
    unsafe { each(&gpu, "normalise_gradient", (dtype, dtype), n, &args)? };
    Ok([d, d_gamma, d_beta])
}

/// Products of single operations are never rounded more than their tensors, and the same bits every
/// time.
const EXACT: Math = Math { precision: device::Precision::F32, deterministic: true };

/// y = x ∗ w + b.
pub fn conv_forward(
    s: &Sizes,
    x: &CudaStorage,
    xl: &Layout,
    w: &Tensor,
    b: &Tensor,
) -> Result<CudaStorage> {
    let (gpu, x) = view(x, xl)?;
    let n = s.n * s.pixels() * s.co;
    let (y, address) = output(&gpu, n, x)?;
    let w = to_cudnn(w, s.ci, x.dtype)?;
    convolution::forward_into(&gpu, s, x, &w, address, EXACT)?;
    if b.dims() != [s.co] || b.dtype() != x.dtype {
        bail!(
            "a convolution to {} channels takes as many biases of its type, found {:?}",
            s.co,
            b.shape()
        );
    }
    let args = [
        Arg::Pointer(address),
        Arg::Pointer(gpu.pointer(b)?),
        Arg::Pointer(address),
        Arg::Size(n as u64),
        int(s.co),
    ];
    // SAFETY: y holds n values, each read and written by one thread; b holds co.
    unsafe { each(&gpu, "add_bias", (x.dtype, x.dtype), n, &args)? };
    Ok(y)
}

/// ∂L/∂x if it is wanted, ∂L/∂w, ∂L/∂b.
pub fn conv_backward(
    s: &Sizes,
    x: &Tensor,
    w: &Tensor,
    g: &Tensor,
    wanted: bool,
) -> Result<(Option<Tensor>, Tensor, Tensor)> {
    let dx = match wanted {
        true => Some(
            convolution::input_gradient(s, &to_cudnn(w, s.ci, g.dtype())?, g, EXACT)?
                .reshape(x.shape())?,
        ),
        false => None,
    };
    let dw = from_cudnn(&convolution::weight_gradient(s, x, g, EXACT)?, s.ci)?;
    let db = g.reshape(((), s.co))?.sum(0)?;
    Ok((dx, dw, db))
}
