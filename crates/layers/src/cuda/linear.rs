//! The three products of a fully connected layer by cuBLAS. cuBLAS reads column by column, so each
//! product is that of the transposes: a row-major `[a, b]` is its `b × a`.

use super::Math;
use candle_core::{DType, Error, Result, Tensor, bail};
use device::cudarc::cublas::{result, sys};
use device::{Gpu, Precision};
use std::ffi::c_void;

/// A row-major matrix, or its transpose.
#[derive(Clone, Copy)]
struct Factor<'a> {
    matrix: &'a Tensor,
    transposed: bool,
}

impl<'a> Factor<'a> {
    fn of(matrix: &'a Tensor) -> Self {
        Self { matrix, transposed: false }
    }

    fn t(matrix: &'a Tensor) -> Self {
        Self { matrix, transposed: true }
    }

    fn dims(&self) -> Result<(usize, usize)> {
        let (rows, columns) = self.matrix.dims2()?;
        Ok(if self.transposed { (columns, rows) } else { (rows, columns) })
    }

    fn operation(&self) -> sys::cublasOperation_t {
        match self.transposed {
            true => sys::cublasOperation_t::CUBLAS_OP_T,
            false => sys::cublasOperation_t::CUBLAS_OP_N,
        }
    }
}

fn kind(dtype: DType) -> Result<sys::cudaDataType_t> {
    Ok(match dtype {
        DType::F32 => sys::cudaDataType_t::CUDA_R_32F,
        DType::F64 => sys::cudaDataType_t::CUDA_R_64F,
        DType::F16 => sys::cudaDataType_t::CUDA_R_16F,
        DType::BF16 => sys::cudaDataType_t::CUDA_R_16BF,
        other => bail!("a linear layer takes f32, f64, f16 or bf16, found {other:?}"),
    })
}

/// a·b, row-major, in `to`.
fn product(a: Factor, b: Factor, to: DType, math: Math) -> Result<Tensor> {
    let ((m, k), (k2, n)) = (a.dims()?, b.dims()?);
    let dtype = a.matrix.dtype();
    if k != k2 || b.matrix.dtype() != dtype {
        bail!(
            "a linear layer cannot multiply {m}×{k} {dtype:?} by {k2}×{n} {:?}",
            b.matrix.dtype()
        );
    }
    let gpu = Gpu::of_tensor(a.matrix)?;
    let out = gpu.empty((m, n), to)?;
    let int = |n: usize| i32::try_from(n).map_err(Error::wrap);
    let leading = |factor: Factor| int(factor.matrix.dims2()?.1);
    let compute = match (dtype, math.precision) {
        (DType::F64, _) => sys::cublasComputeType_t::CUBLAS_COMPUTE_64F,
        (DType::F32, Precision::Tf32) => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32,
        _ => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
    };
    let (one, zero) = ((1.0f32, 1.0f64), (0.0f32, 0.0f64));
    let scalar = |v: &(f32, f64)| -> *const c_void {
        if dtype == DType::F64 { (&raw const v.1).cast() } else { (&raw const v.0).cast() }
    };
    let algorithm = sys::cublasGemmAlgo_t::CUBLAS_GEMM_DFALT;
    let [left, right, result] = [b.matrix, a.matrix, &out].map(|t| gpu.pointer(t));
    // SAFETY: contiguous matrices of the sizes given, on the handle's device; `out` was made for
    // the product.
    unsafe {
        result::gemm_ex(
            *gpu.blas().handle(),
            b.operation(),
            a.operation(),
            int(n)?,
            int(m)?,
            int(k)?,
            scalar(&one),
            left? as *const c_void,
            kind(dtype)?,
            leading(b)?,
            right? as *const c_void,
            kind(dtype)?,
            leading(a)?,
            scalar(&zero),
            result? as *mut c_void,
            kind(to)?,
            int(n)?,
            compute,
            algorithm,
        )
    }
    .map_err(Error::wrap)?;
    Ok(out)
}

/// x·w of `[n, in]` and `[in, out]`.
///
/// # Errors
/// If they do not fit, or cuBLAS cannot.
pub fn forward(x: &Tensor, w: &Tensor, math: Math) -> Result<Tensor> {
    product(Factor::of(x), Factor::of(w), x.dtype(), math)
}

/// ∂L/∂x = g·wᵀ.
///
/// # Errors
/// As [`forward`].
pub fn input_gradient(w: &Tensor, g: &Tensor, math: Math) -> Result<Tensor> {
    product(Factor::of(g), Factor::t(w), g.dtype(), math)
}

/// ∂L/∂w = xᵀ·g, in f32 where x is a half (in f64 where it is that).
///
/// # Errors
/// As [`forward`].
pub fn weight_gradient(x: &Tensor, g: &Tensor, math: Math) -> Result<Tensor> {
    let to = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    product(Factor::t(x), Factor::of(g), to, math)
}
