//! One function for each kernel of `kernels.cu` that a whole network calls.

use crate::BatchStatistics;
use candle_core::{DType, Result, Tensor, bail};
use device::{Arg, Gpu, Program, View, real};
use std::sync::Arc;

/// What is computed in for values of a type.
pub fn computed(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// `kernels.cu` for reading one type and writing another.
fn program(from: DType, to: DType) -> Result<Program> {
    let definitions = vec![("TX", real(from)?), ("TY", real(to)?)];
    let compute = if to == DType::F64 { to } else { computed(from) };
    Ok(Program::new(("kernels.cu", include_str!("kernels.cu")), compute, "", definitions))
}

/// A whole number as kernels take it; the sizes of tensors that fit a device are below 2³² along
/// each axis.
pub fn int(n: usize) -> Arg {
    Arg::Int(n as u32 as i32)
}

/// Runs a kernel that visits `n` values in any order.
///
/// # Safety
/// As [`Gpu::launch`].
pub unsafe fn each(
    gpu: &Gpu,
    name: &'static str,
    (from, to): (DType, DType),
    n: usize,
    args: &[Arg],
) -> Result<()> {
    if n == 0 {
        return Ok(());
    }
    let kernel = gpu.kernel(program(from, to)?, name)?;
    // SAFETY: the caller's promise.
    unsafe { gpu.launch(&kernel, [gpu.blocks(n, 256), 1], 256, args) }
}

/// Runs a kernel that sums over rows `[sets, rows, c]`, channel by channel; returns how many blocks
/// left a part each.
///
/// # Safety
/// As [`Gpu::launch`]; `args` are made for that number of blocks.
pub unsafe fn by_channel(
    gpu: &Gpu,
    name: &'static str,
    dtype: DType,
    [sets, rows, c]: [usize; 3],
    args: impl FnOnce(&Tensor) -> Result<Vec<Arg>>,
) -> Result<(Tensor, usize)> {
    let side = (256 / c).max(1);
    let tiles = c.div_ceil(256);
    let blocks = rows
        .div_ceil(side)
        .clamp(1, (4 * gpu.multiprocessors() as usize).div_ceil(sets * tiles).max(1));
    let part = gpu.empty((blocks, sets, 2, c), computed(dtype))?;
    let kernel = gpu.kernel(program(dtype, dtype)?, name)?;
    // SAFETY: the caller's promise; `part` holds a row for each block.
    unsafe { gpu.launch(&kernel, [blocks as u32, (sets * tiles) as u32], 256, &args(&part)?)? };
    Ok((part, blocks))
}

/// Moments `[3, sets, C]` of currents `z` `[sets, …, C]` (mean, biased variance, what rounding took
/// from the mean), and what the running statistics are told. `bias` `[C]` is what the currents are
/// given without; `equal` says for how many steps one of z stands: `repeat` of these are told as
/// rows of their own, else they count as so many more values. Their momentum is the usual 0.1.
///
/// # Errors
/// If fewer than two values are normalised together, or the device fails.
pub fn batch_moments(
    z: &Tensor,
    sets: usize,
    bias: Option<&Tensor>,
    equal: usize,
    repeat: bool,
) -> Result<(Tensor, BatchStatistics)> {
    let gpu = Gpu::of_tensor(z)?;
    let c = z.dim(candle_core::D::Minus1)?;
    if let Some(bias) = bias
        && (bias.dims() != [c] || bias.dtype() != computed(z.dtype()))
    {
        bail!("a bias [{c}] was expected, found {:?} {:?}", bias.dtype(), bias.shape());
    }
    moments(&gpu, gpu.view(z)?, [sets, c], bias, equal, repeat)
}

/// [`batch_moments`] of values that may be no tensor yet.
pub fn moments(
    gpu: &Arc<Gpu>,
    z: View,
    [sets, c]: [usize; 2],
    bias: Option<&Tensor>,
    equal: usize,
    repeat: bool,
) -> Result<(Tensor, BatchStatistics)> {
    let rows = z.len / (sets * c).max(1);
    let counted = if repeat { rows } else { rows * equal };
    if counted < 2 || rows * sets * c != z.len {
        bail!("batch norm needs at least two values per channel, found {counted}");
    }
    let (dtype, repeat) = (computed(z.dtype), if repeat { equal } else { 1 });
    // SAFETY: z holds sets·rows·c values of its type.
    let (part, blocks) = unsafe {
        by_channel(gpu, "moments_part", z.dtype, [sets, rows, c], |part| {
            Ok(vec![
                Arg::Pointer(z.address),
                Arg::Pointer(gpu.pointer(part)?),
                int(rows),
                int(sets),
                int(c),
            ])
        })?
    };
    let out = gpu.empty((3, sets, c), dtype)?;
    let mean = gpu.empty((repeat * sets, c), dtype)?;
    let unbiased_var = gpu.empty((repeat * sets, c), dtype)?;
    let args = [
        Arg::Pointer(z.address),
        Arg::Pointer(gpu.pointer(&part)?),
        int(blocks),
        Arg::Pointer(bias.map_or(Ok(0), |b| gpu.pointer(b))?),
        Arg::Double(rows as f64),
        Arg::Double(counted as f64 / (counted - 1) as f64),
        int(rows),
        int(sets),
        int(c),
        int(repeat),
        Arg::Pointer(gpu.pointer(&out)?),
        Arg::Pointer(gpu.pointer(&mean)?),
        Arg::Pointer(gpu.pointer(&unbiased_var)?),
    ];
    let kernel = gpu.kernel(program(z.dtype, z.dtype)?, "moments")?;
    // SAFETY: the parts are those of `blocks` blocks, the results were made above, the bias was
    // checked.
    unsafe { gpu.launch(&kernel, [c.div_ceil(32) as u32, sets as u32], 256, &args)? };
    Ok((out, BatchStatistics { mean, unbiased_var, momentum: 0.1 }))
}

/// Running statistics `[C]`, or of at least `sets` steps `[…, C]`, as moments `[3, sets, C]` of
/// currents that are given without their `bias` `[C]`, if they have one.
///
/// # Errors
/// If they do not fit each other.
pub fn running_moments(
    mean: &Tensor,
    var: &Tensor,
    bias: Option<&Tensor>,
    sets: usize,
) -> Result<Tensor> {
    let (c, dtype) = (mean.dim(candle_core::D::Minus1)?, mean.dtype());
    let by_set = mean.rank() == 2;
    let biased = bias.is_none_or(|bias| bias.dims() == [c] && bias.dtype() == dtype);
    if mean.dims() != var.dims() || var.dtype() != dtype || computed(dtype) != dtype || !biased {
        bail!(
            "running statistics and bias [{c}] of one type were expected, found {:?}, {:?}",
            var.shape(),
            bias.map(Tensor::shape)
        );
    }
    if by_set && mean.dim(0)? < sets {
        bail!(
            "a batch norm of {} steps was shown {sets}; make the network for as many",
            mean.dim(0)?
        )
    }
    let gpu = Gpu::of_tensor(mean)?;
    let out = gpu.empty((3, sets, c), dtype)?;
    let args = [
        Arg::Pointer(gpu.pointer(mean)?),
        Arg::Pointer(gpu.pointer(var)?),
        Arg::Pointer(bias.map_or(Ok(0), |bias| gpu.pointer(bias))?),
        Arg::Pointer(gpu.pointer(&out)?),
        int(sets),
        int(c),
        int(usize::from(by_set)),
    ];
    // SAFETY: c numbers each, or at least sets·c where they are by set, and 3·sets·c in `out`.
    unsafe { each(&gpu, "running_moments", (dtype, dtype), sets * c, &args)? };
    Ok(out)
}

/// running ← (1 − momentum) · running + momentum · row for all `rows` `[R, C]` in order, in one
/// launch.
///
/// # Errors
/// If they do not fit each other.
pub fn fold(running: &Tensor, rows: &Tensor, momentum: f64) -> Result<Tensor> {
    let (n, c) = rows.dims2()?;
    let dtype = running.dtype();
    if running.dims() != [c] || dtype != rows.dtype() || computed(dtype) != dtype {
        bail!("running statistics {:?} cannot take rows {:?}", running.shape(), rows.shape());
    }
    let gpu = Gpu::of_tensor(running)?;
    let out = gpu.empty(c, dtype)?;
    let number = |x: f64| if dtype == DType::F64 { Arg::Double(x) } else { Arg::Float(x as f32) };
    let args = [
        Arg::Pointer(gpu.pointer(running)?),
        Arg::Pointer(gpu.pointer(rows)?),
        Arg::Pointer(gpu.pointer(&out)?),
        number(1.0 - momentum),
        number(momentum),
        int(n),
        int(c),
    ];
    // SAFETY: C values each, n·C rows.
    unsafe { each(&gpu, "fold", (dtype, dtype), c, &args)? };
    Ok(out)
}

/// A weight `[k, k, ci, co]` as `[co, k, k, padded]` of type `to`, the channels behind `ci` zero:
/// what cuDNN takes.
///
/// # Errors
/// If it is no such weight.
pub fn to_cudnn(w: &Tensor, padded: usize, to: DType) -> Result<Tensor> {
    let (k, k2, ci, co) = w.dims4()?;
    let gpu = Gpu::of_tensor(w)?;
    let out = gpu.empty((co, k, k2, padded.max(ci)), to)?;
    let args = [
        Arg::Pointer(gpu.pointer(w)?),
        Arg::Pointer(gpu.pointer(&out)?),
        int(k * k2),
        int(ci),
        int(padded.max(ci)),
        int(co),
    ];
    // SAFETY: both hold k·k·co times their channels.
    unsafe { each(&gpu, "to_cudnn", (w.dtype(), to), out.elem_count(), &args)? };
    Ok(out)
}

/// The gradient `[co, k, k, padded]` of such a weight as `[k, k, ci, co]`, in f32 (in f64 if it is
/// that).
///
/// # Errors
/// If it is no such gradient.
pub fn from_cudnn(g: &Tensor, ci: usize) -> Result<Tensor> {
    let (co, k, k2, padded) = g.dims4()?;
    if ci > padded {
        bail!("a gradient {:?} has fewer than {ci} channels", g.shape());
    }
    let gpu = Gpu::of_tensor(g)?;
    let to = computed(g.dtype());
    let out = gpu.empty((k, k2, ci, co), to)?;
    let args = [
        Arg::Pointer(gpu.pointer(g)?),
        Arg::Pointer(gpu.pointer(&out)?),
        int(k * k2),
        int(ci),
        int(padded),
        int(co),
    ];
    // SAFETY: as in `to_cudnn`.
    unsafe { each(&gpu, "from_cudnn", (g.dtype(), to), out.elem_count(), &args)? };
    Ok(out)
}

/// Values `[…, channels]` as `[…, padded]` of type `to`, the channels behind theirs zero.
///
/// # Errors
/// If a type has no kernel.
pub fn expand(x: &Tensor, padded: usize, to: DType) -> Result<Tensor> {
    let channels = x.dim(candle_core::D::Minus1)?;
    let mut dims = x.dims().to_vec();
    if let Some(last) = dims.last_mut() {
        *last = padded.max(channels);
    }
    let gpu = Gpu::of_tensor(x)?;
    let out = gpu.empty(dims, to)?;
    let n = out.elem_count();
    let args = [
        Arg::Pointer(gpu.pointer(x)?),
        Arg::Pointer(gpu.pointer(&out)?),
        Arg::Size(n as u64),
        int(channels),
        int(padded.max(channels)),
    ];
    // SAFETY: `out` holds the pixels of x with `padded` channels each.
    unsafe { each(&gpu, "expand", (x.dtype(), to), n, &args)? };
    Ok(out)
}

/// Scores f32 `[B, K]` of spikes `[T, B, …]` with `voters` units for each class: the mean over
/// steps and voters.
///
/// # Errors
/// If the units are no multiple of the voters.
pub fn vote(spikes: &Tensor, voters: usize) -> Result<Tensor> {
    let (steps, batch) = (spikes.dim(0)?, spikes.dim(1)?);
    let units = spikes.elem_count() / (steps * batch).max(1);
    if voters == 0 || !units.is_multiple_of(voters) {
        bail!("voting takes a multiple of {voters} units, found {units}");
    }
    let gpu = Gpu::of_tensor(spikes)?;
    let classes = units / voters;
    let scores = gpu.empty((batch, classes), DType::F32)?;
    let args = [
        Arg::Pointer(gpu.pointer(spikes)?),
        Arg::Pointer(gpu.pointer(&scores)?),
        int(steps),
        int(batch),
        int(classes),
        int(voters),
    ];
    // SAFETY: spikes hold steps·batch·classes·voters values.
    unsafe { each(&gpu, "vote", (spikes.dtype(), DType::F32), batch * classes, &args)? };
    Ok(scores)
}

/// One step of AdamW on a variable: `w`, its moments `m` and `v`, all changed in place, its
/// gradient `g`; f32 and of one size. The constants are 1 − β₁, 1 − β₂, β₂, 1 − η·wd, η/(1 − β₁ᵗ),
/// √(1 − β₂ᵗ), ε. Entry `index` of `lost` (u32) becomes 1 if a weight is not finite any more.
///
/// # Errors
/// If they do not fit each other.
pub fn adamw(
    [w, m, v, g]: [&Tensor; 4],
    constants: [f32; 7],
    lost: &Tensor,
    index: usize,
) -> Result<()> {
    let n = w.elem_count();
    if [w, m, v, g].iter().any(|t| t.elem_count() != n || t.dtype() != DType::F32)
        || index >= lost.elem_count()
        || lost.dtype() != DType::U32
    {
        bail!(
            "AdamW takes f32 variables, moments and gradients of one size, found {:?} and {:?}",
            w.shape(),
            g.shape()
        );
    }
    let gpu = Gpu::of_tensor(w)?;
    let mut args = Vec::with_capacity(13);
    for tensor in [w, m, v, g] {
        args.push(Arg::Pointer(gpu.pointer(tensor)?));
    }
    args.push(Arg::Size(n as u64));
    args.extend(constants.map(Arg::Float));
    args.push(Arg::Pointer(gpu.pointer(lost)? + 4 * index as u64));
    // SAFETY: four tensors of n f32 each, and one u32 inside `lost`. Nothing else reads them
    // meanwhile: one stream.
    unsafe { each(&gpu, "adamw", (DType::F32, DType::F32), n, &args) }
}
