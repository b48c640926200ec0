//! A convolution's three products by cuDNN, channels last, with the algorithm of each size chosen
//! once; by their definition where cuDNN has none.
// Long: three products of one library, which share descriptions, choice and operands.

use super::kernels::{each, int};
use super::{Math, data_type};
use crate::Sizes;
use candle_core::{DType, Error, Result, Tensor, bail};
use device::cudarc::cudnn::{result, sys};
use device::{Algorithm, Arg, Direction, Gpu, Library, Precision, View};
use std::ffi::c_void;
use std::mem::MaybeUninit;

/// Algorithms that cuDNN is asked for at most: eight, each with the kinds of arithmetic that it
/// has.
const ALGORITHMS: usize = 24;
/// Memory that an algorithm may take to work in. The fast ones need little; FFT would take tens of
/// gigabytes.
const WORKSPACE: usize = 1 << 30;

/// cuDNN's description of one convolution; freed when dropped.
struct Description {
    x: sys::cudnnTensorDescriptor_t,
    y: sys::cudnnTensorDescriptor_t,
    w: sys::cudnnFilterDescriptor_t,
    convolution: sys::cudnnConvolutionDescriptor_t,
}

impl Description {
    fn new(s: &Sizes, dtype: DType, math: sys::cudnnMathType_t) -> Result<Description> {
        let int = |n: usize| i32::try_from(n).map_err(Error::wrap);
        let channels_last = sys::cudnnTensorFormat_t::CUDNN_TENSOR_NHWC;
        let mut d = Description {
            x: std::ptr::null_mut(),
            y: std::ptr::null_mut(),
            w: std::ptr::null_mut(),
            convolution: std::ptr::null_mut(),
        };
        d.x = result::create_tensor_descriptor().map_err(Error::wrap)?;
        d.y = result::create_tensor_descriptor().map_err(Error::wrap)?;
        d.w = result::create_filter_descriptor().map_err(Error::wrap)?;
        d.convolution = result::create_convolution_descriptor().map_err(Error::wrap)?;
        let kind = data_type(dtype)?;
        let sums = if dtype == DType::F64 { kind } else { sys::cudnnDataType_t::CUDNN_DATA_FLOAT };
        let (padding, stride) = (int(s.padding)?, int(s.stride)?);
        // SAFETY: the four descriptors were created above and are alive.
        unsafe {
            let x = [int(s.n)?, int(s.ci)?, int(s.h)?, int(s.w)?];
            result::set_tensor4d_descriptor(d.x, channels_last, kind, x).map_err(Error::wrap)?;
            let y = [int(s.n)?, int(s.co)?, int(s.oh)?, int(s.ow)?];
            result::set_tensor4d_descriptor(d.y, channels_last, kind, y).map_err(Error::wrap)?;
            let w = [int(s.co)?, int(s.ci)?, int(s.k)?, int(s.k)?];
            result::set_filter4d_descriptor(d.w, kind, channels_last, w).map_err(Error::wrap)?;
            let mode = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
            result::set_convolution2d_descriptor(
                d.convolution,
                padding,
                padding,
                stride,
                stride,
                1,
                1,
                mode,
                sums,
            )
            .map_err(Error::wrap)?;
            result::set_convolution_math_type(d.convolution, math).map_err(Error::wrap)?;
        }
        Ok(d)
    }
}

impl Drop for Description {
    fn drop(&mut self) {
        // SAFETY: each was created in `new`, or is null there, and is destroyed once; a failure
        // leaks it and no more.
        unsafe {
            let _ = (!self.x.is_null()).then(|| result::destroy_tensor_descriptor(self.x));
            let _ = (!self.y.is_null()).then(|| result::destroy_tensor_descriptor(self.y));
            let _ = (!self.w.is_null()).then(|| result::destroy_filter_descriptor(self.w));
            let _ = (!self.convolution.is_null())
                .then(|| result::destroy_convolution_descriptor(self.convolution));
        }
    }
}

/// What arithmetic cuDNN may choose from.
fn allowed(dtype: DType, math: Math) -> sys::cudnnMathType_t {
    match (dtype, math.precision) {
        (DType::BF16 | DType::F16, _) => sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
        (_, Precision::Tf32) => sys::cudnnMathType_t::CUDNN_DEFAULT_MATH,
        _ => sys::cudnnMathType_t::CUDNN_FMA_MATH,
    }
}

/// Activations, weights and currents of a convolution; the direction says which of them is written.
#[derive(Clone, Copy)]
struct Operands {
    x: *mut c_void,
    w: *mut c_void,
    y: *mut c_void,
}

/// What of an algorithm's entry decides, whatever the direction.
struct Found {
    algorithm: Algorithm,
    works: bool,
    deterministic: bool,
}

/// `found!(entries, count, exact)`: the entries that cuDNN has written, in their order, fastest
/// first. Numbers are read as such: a newer library may write ones that the enumerations do not
/// have.
macro_rules! found {
    ($entries:expr, $count:expr, $exact:expr) => {{
        let written = $entries.iter().take($count.max(0) as usize);
        let all = written.map(|entry| {
            let entry = entry.as_ptr();
            // SAFETY: cuDNN has written as many entries as it says, and these fields are 32 bits
            // wide.
            let [number, status, deterministic, math] = unsafe {
                [
                    (&raw const (*entry).algo).cast::<u32>().read(),
                    (&raw const (*entry).status).cast::<u32>().read(),
                    (&raw const (*entry).determinism).cast::<u32>().read(),
                    (&raw const (*entry).mathType).cast::<u32>().read(),
                ]
            };
            // SAFETY: as above.
            let workspace = unsafe { (&raw const (*entry).memory).read() };
            // cuDNN also tries its default arithmetic, which is TF32 for f32
            let allowed = !$exact || math == sys::cudnnMathType_t::CUDNN_FMA_MATH as u32;
            Found {
                algorithm: Algorithm { number, math, workspace },
                works: status == 0 && workspace <= WORKSPACE && allowed,
                deterministic: deterministic == sys::cudnnDeterminism_t::CUDNN_DETERMINISTIC as u32,
            }
        });
        all.collect::<Vec<_>>()
    }};
}

/// All algorithms of a direction, the fastest first: timed on the operands, or as cuDNN expects
/// them where the choice must not depend on a clock.
// Long: three directions ask the same of three functions of the library.
fn algorithms(
    library: &mut Library,
    gpu: &Gpu,
    direction: Direction,
    d: &Description,
    o: Operands,
    exact: bool,
    timed: bool,
) -> Result<Vec<Found>> {
    let (handle, most) = (library.cudnn, ALGORITHMS as i32);
    let room = if timed { WORKSPACE.min(gpu.available()? / 4) } else { 0 };
    let Ok(workspace) = library.workspace(gpu, room) else { return Ok(Vec::new()) };
    let workspace = workspace as *mut c_void;
    let mut count = 0;
    macro_rules! ask {
        ($entry:ty, $find:ident($($found:expr),*), $get:ident($($given:expr),*)) => {{
            let mut entries = [const { MaybeUninit::<$entry>::uninit() }; ALGORITHMS];
            let first = entries.as_mut_ptr().cast();
            // SAFETY: descriptors and handle are alive; operands are those of the descriptors;
            // `entries` holds as many as are asked for; the workspace has `room` bytes.
            unsafe {
                match timed {
                    true => sys::$find(handle, $($found,)* most, &mut count, first, workspace, room),
                    false => sys::$get(handle, $($given,)* most, &mut count, first),
                }
            }
            .result()
            .map_or_else(refused, |()| Ok(found!(entries, count, exact)))?
        }};
    }
    Ok(match direction {
        Direction::Forward => ask!(
            sys::cudnnConvolutionFwdAlgoPerf_t,
            cudnnFindConvolutionForwardAlgorithmEx(d.x, o.x, d.w, o.w, d.convolution, d.y, o.y),
            cudnnGetConvolutionForwardAlgorithm_v7(d.x, d.w, d.convolution, d.y)
        ),
        Direction::Input => ask!(
            sys::cudnnConvolutionBwdDataAlgoPerf_t,
            cudnnFindConvolutionBackwardDataAlgorithmEx(
                d.w,
                o.w,
                d.y,
                o.y,
                d.convolution,
                d.x,
                o.x
            ),
            cudnnGetConvolutionBackwardDataAlgorithm_v7(d.w, d.y, d.convolution, d.x)
        ),
        Direction::Weight => ask!(
            sys::cudnnConvolutionBwdFilterAlgoPerf_t,
            cudnnFindConvolutionBackwardFilterAlgorithmEx(
                d.x,
                o.x,
                d.y,
                o.y,
                d.convolution,
                d.w,
                o.w
            ),
            cudnnGetConvolutionBackwardFilterAlgorithm_v7(d.x, d.y, d.convolution, d.w)
        ),
    })
}

/// What cuDNN does not take at all has no algorithm, and there is the definition; anything else is
/// an error.
fn refused(error: result::CudnnError) -> Result<Vec<Found>> {
    // statuses of bad parameters begin at 2000, those of what is not supported at 3000, others at
    // 4000
    match error.0 as u32 {
        2000..4000 => Ok(Vec::new()),
        _ => Err(Error::wrap(error)),
    }
}

/// The algorithm for a product, chosen at its first call; `None` if cuDNN has none.
fn choose(
    library: &mut Library,
    gpu: &Gpu,
    direction: Direction,
    s: &Sizes,
    dtype: DType,
    math: Math,
    o: Operands,
) -> Result<Option<Algorithm>> {
    let Sizes { n, h, w, ci, k, stride, padding, co, .. } = *s;
    let kind = [
        data_type(dtype)? as usize,
        allowed(dtype, math) as usize,
        usize::from(math.deterministic),
    ];
    let sizes = [n, h, w, ci, k, stride, padding, co];
    let key = (direction, sizes.into_iter().chain(kind).map(|v| v as i64).collect::<Vec<i64>>());
    if let Some(algorithm) = library.algorithms.get(&key) {
        return Ok(*algorithm);
    }
    if dtype == DType::F64 {
        // cuDNN promises nothing for double precision with channels last, and only checks are
        // computed in it
        return Ok(None);
    }
    let d = Description::new(s, dtype, allowed(dtype, math))?;
    let good = |f: &Found| f.works && (f.deterministic || !math.deterministic);
    let exact = dtype == DType::F32 && math.precision != Precision::Tf32;
    let mut algorithm = None;
    // a search that found nothing, for want of memory perhaps, leaves cuDNN's own expectation
    for timed in [true, false].into_iter().filter(|timed| !timed || !math.deterministic) {
        let all = algorithms(library, gpu, direction, &d, o, exact, timed)?;
        // the search has more room than what it chooses will need
        library.give_up_workspace();
        algorithm = algorithm.or(all.into_iter().find(good).map(|found| found.algorithm));
        if algorithm.is_some() {
            break;
        }
    }
    if algorithm.is_none() {
        // a step does not end for it
        terminal::say!(
            "cuDNN has no algorithm for {direction:?} of {s:?} in {dtype:?}: computed by definition, slowly"
        );
    }
    library.algorithms.insert(key, algorithm);
    Ok(algorithm)
}

/// One product by its definition.
fn by_definition(
    gpu: &Gpu,
    direction: Direction,
    s: &Sizes,
    dtype: DType,
    o: Operands,
) -> Result<()> {
    let (name, operands, results) = match direction {
        Direction::Forward => ("convolve", [o.x, o.w, o.y], s.n * s.pixels() * s.co),
        Direction::Input => ("convolve_input", [o.w, o.y, o.x], s.n * s.h * s.w * s.ci),
        Direction::Weight => ("convolve_weight", [o.x, o.y, o.w], s.co * s.window()),
    };
    let mut args: Vec<Arg> = operands.iter().map(|address| Arg::Pointer(*address as u64)).collect();
    args.extend([s.n, s.h, s.w, s.ci, s.k, s.stride, s.padding, s.oh, s.ow, s.co].map(int));
    // SAFETY: operands hold what `s` says in `dtype`, as the callers have checked.
    unsafe { each(gpu, name, (dtype, dtype), results, &args) }
}

/// One product: writes what the direction says from the other two.
// Long: three directions, each a call of the library with its thirteen operands.
fn run(
    gpu: &Gpu,
    direction: Direction,
    s: &Sizes,
    dtype: DType,
    math: Math,
    o: Operands,
) -> Result<()> {
    let most = (s.n * s.h * s.w * s.ci).max(s.n * s.pixels() * s.co);
    if most > i32::MAX as usize {
        bail!(
            "cuDNN takes tensors of fewer than 2³¹ values, a convolution of {} maps has {most}; take a smaller batch",
            s.n
        );
    }
    gpu.with_library(|library| {
        let Some(algorithm) = choose(library, gpu, direction, s, dtype, math, o)? else {
            return by_definition(gpu, direction, s, dtype, o);
        };
        let d = Description::new(s, dtype, math_type(algorithm.math))?;
        let workspace = library.workspace(gpu, algorithm.workspace)? as *mut c_void;
        let (one, zero) = ((1.0f32, 1.0f64), (0.0f32, 0.0f64));
        let scalar = |v: &(f32, f64)| -> *const c_void {
            if dtype == DType::F64 { (&raw const v.1).cast() } else { (&raw const v.0).cast() }
        };
        let (a, b, size) = (scalar(&one), scalar(&zero), algorithm.workspace);
        let handle = library.cudnn;
        // SAFETY: operands hold what `s` says in `dtype`, as the callers have checked; the
        // workspace has the bytes the algorithm asked for; the number came from cuDNN for this
        // direction, so it is one of its enumeration.
        let done = unsafe {
            match direction {
                Direction::Forward => {
                    let algorithm = std::mem::transmute::<u32, sys::cudnnConvolutionFwdAlgo_t>(algorithm.number);
                    let (x, w, y) = (o.x, o.w, o.y);
                    result::convolution_forward(
                        handle,
                        a,
                        d.x,
                        x,
                        d.w,
                        w,
                        d.convolution,
                        algorithm,
                        workspace,
                        size,
                        b,
                        d.y,
                        y,
                    )
                }
                Direction::Input => {
                    let algorithm = std::mem::transmute::<u32, sys::cudnnConvolutionBwdDataAlgo_t>(algorithm.number);
                    let (x, w, y) = (o.x, o.w, o.y);
                    result::convolution_backward_data(
                        handle,
                        a,
                        d.w,
                        w,
                        d.y,
                        y,
                        d.convolution,
                        algorithm,
                        workspace,
                        size,
                        b,
                        d.x,
                        x,
                    )
                }
                Direction::Weight => {
                    let algorithm = std::mem::transmute::<u32, sys::cudnnConvolutionBwdFilterAlgo_t>(algorithm.number);
                    let (x, w, y) = (o.x, o.w, o.y);
                    result::convolution_backward_filter(
                        handle,
                        a,
                        d.x,
                        x,
                        d.y,
                        y,
                        d.convolution,
                        algorithm,
                        workspace,
                        size,
                        b,
                        d.w,
                        w,
                    )
                }
            }
        };
        done.map_err(Error::wrap)
    })
}

fn math_type(number: u32) -> sys::cudnnMathType_t {
    use sys::cudnnMathType_t::*;
    let all = [
        CUDNN_DEFAULT_MATH,
        CUDNN_TENSOR_OP_MATH,
        CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION,
        CUDNN_FMA_MATH,
    ];
    all.into_iter().find(|m| *m as u32 == number).unwrap_or(CUDNN_DEFAULT_MATH)
}

/// y = x ∗ w into `y`, an address of as many values as [`forward`] returns, from values that may be
/// no tensor yet.
pub fn forward_into(gpu: &Gpu, s: &Sizes, x: View, w: &Tensor, y: u64, math: Math) -> Result<()> {
    let (inputs, weights) = (s.n * s.h * s.w * s.ci, s.co * s.window());
    if x.len != inputs || w.elem_count() != weights || w.dtype() != x.dtype {
        bail!(
            "a convolution {s:?} takes {inputs} and {weights} values of one type, found {} and {:?}",
            x.len,
            w.shape()
        );
    }
    let operands = Operands {
        x: x.address as *mut c_void,
        w: gpu.pointer(w)? as *mut c_void,
        y: y as *mut c_void,
    };
    run(gpu, Direction::Forward, s, x.dtype, math, operands)
}

/// The three operands if each has its size and all one type.
fn operands(gpu: &Gpu, s: &Sizes, x: &Tensor, w: &Tensor, y: &Tensor) -> Result<Operands> {
    let expected = [s.n * s.h * s.w * s.ci, s.co * s.window(), s.n * s.pixels() * s.co];
    let found = [x, w, y].map(|t| t.elem_count());
    if found != expected || [w, y].iter().any(|t| t.dtype() != x.dtype()) {
        bail!(
            "a convolution {s:?} takes {expected:?} values of one type, found {found:?} of {:?}",
            x.dtype()
        );
    }
    let address = |t: &Tensor| Ok::<_, Error>(gpu.pointer(t)? as *mut c_void);
    Ok(Operands { x: address(x)?, w: address(w)?, y: address(y)? })
}

/// y = x ∗ w of maps `[n, h, w, ci]` with a weight `[co, k, k, ci]`: `[n, oh, ow, co]`.
///
/// # Errors
/// If they do not fit, or cuDNN cannot.
pub fn forward(s: &Sizes, x: &Tensor, w: &Tensor, math: Math) -> Result<Tensor> {
    let gpu = Gpu::of_tensor(x)?;
    let y = gpu.empty((s.n, s.oh, s.ow, s.co), x.dtype())?;
    run(&gpu, Direction::Forward, s, x.dtype(), math, operands(&gpu, s, x, w, &y)?)?;
    Ok(y)
}

/// ∂L/∂x `[n, h, w, ci]`.
///
/// # Errors
/// As [`forward`].
pub fn input_gradient(s: &Sizes, w: &Tensor, g: &Tensor, math: Math) -> Result<Tensor> {
    let gpu = Gpu::of_tensor(g)?;
    let x = gpu.empty((s.n, s.h, s.w, s.ci), g.dtype())?;
    run(&gpu, Direction::Input, s, g.dtype(), math, operands(&gpu, s, &x, w, g)?)?;
    Ok(x)
}

/// ∂L/∂w `[co, k, k, ci]`.
///
/// # Errors
/// As [`forward`].
pub fn weight_gradient(s: &Sizes, x: &Tensor, g: &Tensor, math: Math) -> Result<Tensor> {
    let gpu = Gpu::of_tensor(x)?;
    let w = gpu.empty((s.co, s.k, s.k, s.ci), x.dtype())?;
    run(&gpu, Direction::Weight, s, x.dtype(), math, operands(&gpu, s, x, &w, g)?)?;
    Ok(w)
}
