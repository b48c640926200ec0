//! What lies between products where no stage takes it all at once: sums of maps, depthwise products,
//! norm's neighbours, votes.

use super::kernels::{by_channel, each, int};
use crate::DepthwiseSizes;
use candle_core::{DType, Result, Shape, Tensor, bail};
use device::{Arg, Gpu};
use neuron::Pooling;

/// The most parts that a depthwise weight's gradient is summed in.
const SPLITS: usize = 256;

fn of_one_type(tensors: &[&Tensor]) -> Result<DType> {
    match tensors {
        [first, others @ ..] if others.iter().all(|t| t.dtype() == first.dtype()) => {
            Ok(first.dtype())
        }
        _ => bail!("maps of one type were expected"),
    }
}

/// y = a + b, or a copy of a: each is repeated until it fills y. One of them may be y.
///
/// # Errors
/// If y is no multiple of them, or of another type, or the device fails.
pub fn sum_into(y: &Tensor, a: &Tensor, b: Option<&Tensor>) -> Result<()> {
    let gpu = Gpu::of_tensor(y)?;
    let dtype = of_one_type(&[&[y, a][..], b.as_slice()].concat())?;
    let n = y.elem_count();
    let size = |t: &Tensor| t.elem_count().max(1);
    if !n.is_multiple_of(size(a)) || !n.is_multiple_of(b.map_or(1, size)) {
        bail!(
            "maps {:?} and {:?} do not add up to {:?}",
            a.shape(),
            b.map(Tensor::shape),
            y.shape()
        );
    }
    let args = [
        Arg::Pointer(gpu.pointer(a)?),
        Arg::Pointer(b.map_or(Ok(0), |b| gpu.pointer(b))?),
        Arg::Pointer(gpu.pointer(y)?),
        Arg::Size(n as u64),
        Arg::Size(size(a) as u64),
        Arg::Size(b.map_or(1, size) as u64),
    ];
    // SAFETY: y holds n values, a and b a part of them; a thread reads what it writes before.
    unsafe { each(&gpu, "sum", (dtype, dtype), n, &args) }
}

/// a + b in a tensor of this shape, see [`sum_into`].
///
/// # Errors
/// As there.
pub fn add(a: &Tensor, b: Option<&Tensor>, shape: impl Into<Shape>) -> Result<Tensor> {
    let y = Gpu::of_tensor(a)?.empty(shape, a.dtype())?;
    sum_into(&y, a, b)?;
    Ok(y)
}

/// Σ over the steps of x `[steps, …]`, in the shape of one.
///
/// # Errors
/// If it has no such steps, or the device fails.
pub fn over_steps(x: &Tensor, steps: usize) -> Result<Tensor> {
    let n = x.elem_count() / steps.max(1);
    if n * steps != x.elem_count() {
        bail!("{steps} steps were expected, found {:?}", x.shape());
    }
    let gpu = Gpu::of_tensor(x)?;
    let y = gpu.empty(n, x.dtype())?;
    let args = [
        Arg::Pointer(gpu.pointer(x)?),
        Arg::Pointer(gpu.pointer(&y)?),
        Arg::Size(n as u64),
        int(steps),
    ];
    // SAFETY: x holds steps·n values, y n.
    unsafe { each(&gpu, "over_steps", (x.dtype(), x.dtype()), n, &args)? };
    Ok(y)
}

/// x times a mask of f32 that is repeated until it fills x.
///
/// # Errors
/// If it does not, or the device fails.
pub fn masked(x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let (n, m) = (x.elem_count(), mask.elem_count().max(1));
    if !n.is_multiple_of(m) || mask.dtype() != DType::F32 {
        bail!("a mask {:?} cannot take {:?}", mask.shape(), x.shape());
    }
    let gpu = Gpu::of_tensor(x)?;
    let y = gpu.empty(x.shape(), x.dtype())?;
    let args = [
        Arg::Pointer(gpu.pointer(x)?),
        Arg::Pointer(gpu.pointer(mask)?),
        Arg::Pointer(gpu.pointer(&y)?),
        Arg::Size(n as u64),
        Arg::Size(m as u64),
    ];
    // SAFETY: x and y hold n values, the mask m.
    unsafe { each(&gpu, "masked", (x.dtype(), x.dtype()), n, &args)? };
    Ok(y)
}

/// max(0, x).
///
/// # Errors
/// If the device fails.
pub fn rectified(x: &Tensor) -> Result<Tensor> {
    let gpu = Gpu::of_tensor(x)?;
    let y = gpu.empty(x.shape(), x.dtype())?;
    let n = x.elem_count();
    let args = [Arg::Pointer(gpu.pointer(x)?), Arg::Pointer(gpu.pointer(&y)?), Arg::Size(n as u64)];
    // SAFETY: both hold n values of one type.
    unsafe { each(&gpu, "rectify", (x.dtype(), x.dtype()), n, &args)? };
    Ok(y)
}

/// Pooled maps `[n, h, w, c]`.
///
/// # Errors
/// If x holds others, or the device fails.
pub fn pooled(x: &Tensor, [n, h, w, c]: [usize; 4], pool: Pooling) -> Result<Tensor> {
    let k = pool.side();
    if x.elem_count() != n * h * w * c || k == 0 {
        bail!("maps {:?} were expected, found {:?}", [n, h, w, c], x.shape());
    }
    let gpu = Gpu::of_tensor(x)?;
    let y = gpu.empty((n, h / k, w / k, c), x.dtype())?;
    let mut args = vec![Arg::Pointer(gpu.pointer(x)?), Arg::Pointer(gpu.pointer(&y)?)];
    args.extend([n, h, w, c, k, usize::from(matches!(pool, Pooling::Max(_)))].map(int));
    // SAFETY: x holds n·h·w·c values, y those of the windows.
    unsafe { each(&gpu, "pool", (x.dtype(), x.dtype()), y.elem_count(), &args)? };
    Ok(y)
}

/// From the gradient of pooled maps to that of the maps `x`.
///
/// # Errors
/// As [`pooled`].
pub fn pooled_gradient(x: &Tensor, g: &Tensor, shape: [usize; 4], pool: Pooling) -> Result<Tensor> {
    super::pool_backward(x, g, shape, pool.side(), matches!(pool, Pooling::Max(_)))
}

/// Currents of the maps x by a depthwise weight `[k, k, 1, C]` in f32.
///
/// # Errors
/// If they do not fit, or the device fails.
pub fn depthwise(s: &DepthwiseSizes, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    by_window(s, x, weight, false)
}

/// ∂L/∂x of it.
///
/// # Errors
/// As [`depthwise`].
pub fn depthwise_input(s: &DepthwiseSizes, weight: &Tensor, g: &Tensor) -> Result<Tensor> {
    by_window(s, g, weight, true)
}

fn fits(s: &DepthwiseSizes, maps: &[&Tensor], weight: usize) -> Result<()> {
    let size = s.n * s.h * s.w * s.c;
    if maps.iter().any(|t| t.elem_count() != size) || weight != s.k * s.k * s.c {
        bail!("a depthwise convolution {s:?} was expected, found other maps or {weight} weights");
    }
    if s.h * s.w * s.c >= i32::MAX as usize {
        bail!("a depthwise convolution takes maps of fewer than 2³¹ values, found {s:?}");
    }
    Ok(())
}

fn by_window(s: &DepthwiseSizes, x: &Tensor, weight: &Tensor, turned: bool) -> Result<Tensor> {
    fits(s, &[x], weight.elem_count())?;
    if weight.dtype() != DType::F32 {
        bail!("a depthwise weight in f32 was expected, found {:?}", weight.dtype());
    }
    let gpu = Gpu::of_tensor(x)?;
    let y = gpu.empty((s.n, s.h, s.w, s.c), x.dtype())?;
    let mut args = vec![
        Arg::Pointer(gpu.pointer(x)?),
        Arg::Pointer(gpu.pointer(weight)?),
        Arg::Pointer(gpu.pointer(&y)?),
        Arg::Size(s.n as u64),
    ];
    args.extend([s.h, s.w, s.c, s.k, usize::from(turned)].map(int));
    // SAFETY: x and y hold n·h·w·c values, the weight k·k·c, as was checked.
    unsafe { each(&gpu, "depthwise", (x.dtype(), x.dtype()), y.elem_count(), &args)? };
    Ok(y)
}

/// ∂L/∂w `[k, k, 1, C]` of it, in f32: maps are dealt out to parts that are added in order.
///
/// # Errors
/// As [`depthwise`].
pub fn depthwise_weight(s: &DepthwiseSizes, x: &Tensor, g: &Tensor) -> Result<Tensor> {
    let taps = s.k * s.k * s.c;
    fits(s, &[x, g], taps)?;
    let dtype = of_one_type(&[x, g])?;
    let gpu = Gpu::of_tensor(x)?;
    let splits = s.n.clamp(1, SPLITS);
    let part = gpu.empty((splits, taps), DType::F64)?;
    let mut args = vec![
        Arg::Pointer(gpu.pointer(x)?),
        Arg::Pointer(gpu.pointer(g)?),
        Arg::Pointer(gpu.pointer(&part)?),
    ];
    args.extend([s.n, s.h, s.w, s.c, s.k, splits].map(int));
    // SAFETY: x and g hold n·h·w·c values, the parts a number for each tap, channel and split.
    unsafe { each(&gpu, "depthwise_part", (dtype, dtype), splits * taps, &args)? };
    let dw = gpu.empty((s.k, s.k, 1, s.c), DType::F32)?;
    let args = [
        Arg::Pointer(gpu.pointer(&part)?),
        Arg::Pointer(gpu.pointer(&dw)?),
        Arg::Size(taps as u64),
        int(splits),
    ];
    // SAFETY: the parts are those above, `dw` holds one number for each tap and channel.
    unsafe { each(&gpu, "depthwise_weight", (DType::F32, DType::F32), taps, &args)? };
    Ok(dw)
}

/// Σ of each channel of g `[…, C]`, the gradient of a bias.
///
/// # Errors
/// If the device fails.
pub fn channel_sums(g: &Tensor, c: usize) -> Result<Tensor> {
    let gpu = Gpu::of_tensor(g)?;
    let rows = g.elem_count() / c.max(1);
    if rows * c != g.elem_count() || rows == 0 {
        bail!("a gradient of {c} channels was expected, found {:?}", g.shape());
    }
    let at = Arg::Pointer(gpu.pointer(g)?);
    // SAFETY: g holds rows·c values.
    let (part, blocks) = unsafe {
        by_channel(&gpu, "channel_part", g.dtype(), [1, rows, c], |part| {
            Ok(vec![at, Arg::Pointer(gpu.pointer(part)?), int(rows), int(c)])
        })?
    };
    neuron::cuda::channel_sums(&part, blocks)
}

/// The gradient of `n` voted units `[T, B, K·voters]` from that of scores f32, `[B, K]` or of each
/// step `[T, B, K]`: `share` of it.
///
/// # Errors
/// If they do not fit, or the device fails.
pub fn of_votes(
    scores: &Tensor,
    (n, voters): (usize, usize),
    share: f32,
    to: DType,
) -> Result<Tensor> {
    let scored = scores.elem_count().max(1);
    if scores.dtype() != DType::F32 || voters == 0 || !n.is_multiple_of(scored * voters) {
        bail!("{n} votes of {voters} a class cannot have scores {:?}", scores.shape());
    }
    let gpu = Gpu::of_tensor(scores)?;
    let out = gpu.empty(n, to)?;
    let args = [
        Arg::Pointer(gpu.pointer(scores)?),
        Arg::Pointer(gpu.pointer(&out)?),
        Arg::Size(n as u64),
        Arg::Size(scored as u64),
        int(voters),
        Arg::Float(share),
    ];
    // SAFETY: `out` holds n values, the scores those that divide it.
    unsafe { each(&gpu, "of_votes", (DType::F32, to), n, &args)? };
    Ok(out)
}
