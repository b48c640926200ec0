//! Layers on a CUDA device: products by cuDNN and cuBLAS, everything else by `kernels.cu`, compiled
//! when it is first needed.
//!
//! A network that trains as a whole calls these one after the other, without a graph; the
//! operations on candle's tensors use the same ones.

#![expect(
    unsafe_code,
    reason = "kernels and libraries take addresses; each call says what makes them valid"
)]

mod convolution;
mod kernels;
mod linear;
mod maps;
mod operations;

pub use convolution::{
    forward as convolve, input_gradient as convolve_input, weight_gradient as convolve_weight,
};
pub use device::Math;
pub use kernels::{
    adamw, batch_moments, expand, fold, from_cudnn, running_moments, to_cudnn, vote,
};
pub use linear::{
    forward as multiply, input_gradient as multiply_input, weight_gradient as multiply_weight,
};
pub use maps::{
    add, channel_sums, depthwise, depthwise_input, depthwise_weight, masked, of_votes, over_steps,
    pooled, pooled_gradient, rectified, sum_into,
};
pub(crate) use operations::{
    conv_backward, conv_forward, moments as moments_of, normalise_backward, normalise_forward,
    pool_backward, pool_forward, rectify_backward, rectify_forward,
};
pub use operations::{normalise_gradient, normalised, rectify_backward as rectified_gradient};

use candle_core::{DType, Result, bail};
use device::cudarc::cudnn::sys::cudnnDataType_t;

fn data_type(dtype: DType) -> Result<cudnnDataType_t> {
    Ok(match dtype {
        DType::F32 => cudnnDataType_t::CUDNN_DATA_FLOAT,
        DType::F64 => cudnnDataType_t::CUDNN_DATA_DOUBLE,
        DType::F16 => cudnnDataType_t::CUDNN_DATA_HALF,
        DType::BF16 => cudnnDataType_t::CUDNN_DATA_BFLOAT16,
        other => bail!("a convolution takes f32, f64, f16 or bf16, found {other:?}"),
    })
}
