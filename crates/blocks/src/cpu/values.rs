use candle_core::{CpuStorage, Result, Storage, Tensor, bail};
use std::ops::Deref;

/// The values of an f32 tensor on the CPU.
pub struct Values<'t> {
    /// candle's lock, whose own type is not ours to name.
    storage: Box<dyn Deref<Target = Storage> + 't>,
    range: (usize, usize),
}

impl<'t> Values<'t> {
    pub fn of(tensor: &'t Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        match (&*storage, layout.contiguous_offsets()) {
            (Storage::Cpu(CpuStorage::F32(_)), Some(range)) => {
                Ok(Values { storage: Box::new(storage), range })
            }
            _ => bail!(
                "event-driven passes take contiguous f32 tensors on the CPU, found {layout:?}"
            ),
        }
    }
}

impl Deref for Values<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &**self.storage {
            Storage::Cpu(CpuStorage::F32(values)) => &values[self.range.0..self.range.1],
            _ => &[],
        }
    }
}
