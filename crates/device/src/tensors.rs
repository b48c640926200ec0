//! Tensors of a device that kernels write and read.

#![expect(unsafe_code, reason = "device memory is allocated before it is written")]

use crate::Gpu;
use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::DeviceRepr;
use candle_core::cuda_backend::{CudaDType, CudaStorage};
use candle_core::op::BackpropOp;
use candle_core::{DType, Layout, Result, Shape, Storage, Tensor, bail};
use half::{bf16, f16};

/// Contiguous values on a device, of a tensor or of a storage that is none yet.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Address of the first.
    pub address: u64,
    /// Their type.
    pub dtype: DType,
    /// How many.
    pub len: usize,
}

impl Gpu {
    /// The values of a tensor.
    ///
    /// # Errors
    /// As [`Gpu::pointer`].
    pub fn view(&self, tensor: &Tensor) -> Result<View> {
        Ok(View { address: self.pointer(tensor)?, dtype: tensor.dtype(), len: tensor.elem_count() })
    }

    /// The values of a storage.
    ///
    /// # Errors
    /// As [`Gpu::address`].
    pub fn view_of(&self, storage: &CudaStorage, layout: &Layout) -> Result<View> {
        Ok(View {
            address: self.address(storage, layout)?,
            dtype: BackendStorage::dtype(storage),
            len: layout.shape().elem_count(),
        })
    }

    /// A tensor of a storage that holds exactly its values.
    pub fn tensor(&self, storage: CudaStorage, shape: impl Into<Shape>) -> Tensor {
        Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false)
    }

    /// A tensor of bytes that come from the host, see [`Gpu::copy_to`].
    ///
    /// # Errors
    /// If the memory cannot be had, or there are not as many values as the shape says.
    pub fn bytes(&self, values: &[u8], shape: impl Into<Shape>) -> Result<Tensor> {
        self.sent(values, values.len(), shape.into(), DType::U8)
    }

    /// A tensor of f32 that come from the host, see [`Gpu::copy_to`].
    ///
    /// # Errors
    /// As [`Gpu::bytes`].
    pub fn floats(&self, values: &[f32], shape: impl Into<Shape>) -> Result<Tensor> {
        // SAFETY: any four bytes of an f32 are bytes.
        let bytes = unsafe {
            std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values))
        };
        self.sent(bytes, values.len(), shape.into(), DType::F32)
    }

    fn sent(&self, bytes: &[u8], len: usize, shape: Shape, dtype: DType) -> Result<Tensor> {
        if shape.elem_count() != len {
            bail!("a tensor {shape:?} takes {} values, found {len}", shape.elem_count());
        }
        let tensor = self.empty(shape, dtype)?;
        // SAFETY: the tensor was made for these values.
        unsafe { self.copy_to(self.pointer(&tensor)?, bytes)? };
        Ok(tensor)
    }

    /// A tensor whose values are whatever was in the memory; a kernel is to write all of them.
    ///
    /// # Errors
    /// If the memory cannot be had, or no kernel has this type.
    pub fn empty(&self, shape: impl Into<Shape>, dtype: DType) -> Result<Tensor> {
        let shape = shape.into();
        Ok(self.tensor(self.empty_storage(shape.elem_count(), dtype)?, shape))
    }

    /// The storage of [`Gpu::empty`].
    ///
    /// # Errors
    /// As there.
    pub fn empty_storage(&self, len: usize, dtype: DType) -> Result<CudaStorage> {
        match dtype {
            DType::U8 => self.slice::<u8>(len),
            DType::U32 => self.slice::<u32>(len),
            DType::BF16 => self.slice::<bf16>(len),
            DType::F16 => self.slice::<f16>(len),
            DType::F32 => self.slice::<f32>(len),
            DType::F64 => self.slice::<f64>(len),
            other => bail!("no kernel takes {other:?}"),
        }
    }

    fn slice<T: CudaDType + DeviceRepr>(&self, len: usize) -> Result<CudaStorage> {
        // SAFETY: nothing reads device memory but kernels and copies, and the caller has it written
        // first.
        let slice = unsafe { self.cuda_device().alloc::<T>(len.max(1)) };
        let slice = slice.map_err(|error| {
            let bytes = len * size_of::<T>();
            let free = self.memory().map(|(free, _)| free).unwrap_or_default();
            candle_core::Error::Msg(format!(
                "{} of device memory cannot be had ({} are free): {error}; take a smaller batch, fewer steps, \
                 or --precision bf16",
                sentence::size(bytes as u128),
                sentence::size(free as u128)
            ))
        })?;
        Ok(CudaStorage::wrap_cuda_slice(slice, self.cuda_device().clone()))
    }
}
