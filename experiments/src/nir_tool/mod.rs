//! The commands of `nir`, one file each: flags, and calls in a row.

/// A trained network as a NIR file.
pub mod export;
/// A NIR file as weights of ours.
pub mod import;
mod trained;
/// A NIR file against the network that it was made of, spike by spike.
pub mod verify;

use anyhow::Result;
use candle_core::{DType, Tensor};
use safetensors::tensor::{Dtype, TensorView, serialize};

/// Tensors of numbers, or of bytes where they are such, as a safetensors file.
fn safetensors(tensors: &[(String, Tensor)]) -> Result<Vec<u8>> {
    let bytes = |(name, tensor): &(String, Tensor)| -> Result<_> {
        let flat = tensor.flatten_all()?;
        let (dtype, bytes) = match tensor.dtype() {
            DType::U8 => (Dtype::U8, flat.to_vec1::<u8>()?),
            _ => {
                let values = flat.to_dtype(DType::F32)?.to_vec1::<f32>()?;
                (Dtype::F32, values.iter().flat_map(|value| value.to_le_bytes()).collect())
            }
        };
        Ok((name.clone(), dtype, tensor.dims().to_vec(), bytes))
    };
    let all = tensors.iter().map(bytes).collect::<Result<Vec<_>>>()?;
    let mut views = Vec::new();
    for (name, dtype, shape, bytes) in &all {
        views.push((name, TensorView::new(*dtype, shape.clone(), bytes)?));
    }
    Ok(serialize(views, None)?)
}
