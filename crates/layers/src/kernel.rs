//! What every kernel of this crate needs: typed slices of a tensor, and one match on the precision.

use candle_core::{CpuStorage, DType, Layout, Result, bail};
use surrogate::Real;

/// The two precisions as candle stores them.
pub trait Stored: Real + candle_core::WithDType {}
impl Stored for f32 {}
impl Stored for f64 {}

/// The contiguous elements of a storage.
pub fn slice<'a, F: Stored>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [F]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<F>()?[start..end]),
        None => bail!("this kernel takes contiguous tensors, found {layout:?}"),
    }
}

/// The precision of a storage, if it is one of the two this crate computes in.
pub fn precision(storage: &CpuStorage) -> Result<DType> {
    match storage {
        CpuStorage::F32(_) => Ok(DType::F32),
        CpuStorage::F64(_) => Ok(DType::F64),
        other => {
            bail!(
                "layers take f32 or f64 tensors, found {:?}",
                candle_core::backend::BackendStorage::dtype(other)
            )
        }
    }
}

/// `by_precision!(storage, F => expression)`: the expression with `F` the type of the storage's
/// elements.
macro_rules! by_precision {
    ($storage:expr, $f:ident => $body:expr) => {
        match $crate::kernel::precision($storage)? {
            candle_core::DType::F64 => {
                type $f = f64;
                $body
            }
            _ => {
                type $f = f32;
                $body
            }
        }
    };
}
pub(crate) use by_precision;

/// Height, width and channels of a channels-last tensor `[…, H, W, C]`, and how many maps lie
/// before them.
pub fn maps(layout: &Layout) -> Result<(usize, usize, usize, usize)> {
    match layout.dims() {
        [lead @ .., h, w, c] if !lead.is_empty() => Ok((lead.iter().product(), *h, *w, *c)),
        other => {
            bail!("a layer over maps takes […, height, width, channel], found shape {other:?}")
        }
    }
}

/// The shape of `layout` with its last three axes replaced.
pub fn with_maps(layout: &Layout, h: usize, w: usize, c: usize) -> candle_core::Shape {
    let dims = layout.dims();
    let mut out = dims[..dims.len() - 3].to_vec();
    out.extend([h, w, c]);
    out.into()
}
