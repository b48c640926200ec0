use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Storage, Tensor, bail};
use std::cell::RefCell;

/// Elements of one task: enough to be worth handing to a thread.
pub const CHUNK: usize = 1 << 15;

/// Hands the values of a contiguous f32 tensor on the CPU to a function that may change them.
pub fn with_values(tensor: &Tensor, mut f: impl FnMut(&mut [f32]) -> Result<()>) -> Result<()> {
    type Changes<'f> = dyn FnMut(&mut [f32]) -> Result<()> + 'f;
    struct Handed<'f>(RefCell<&'f mut Changes<'f>>);
    impl InplaceOp1 for Handed<'_> {
        fn name(&self) -> &'static str {
            "optimiser"
        }
        fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
            match (storage, layout.contiguous_offsets()) {
                (CpuStorage::F32(v), Some((start, end))) => {
                    (self.0.borrow_mut())(&mut v[start..end])
                }
                _ => bail!("an optimiser takes contiguous f32 tensors"),
            }
        }
    }
    tensor.inplace_op1(&Handed(RefCell::new(&mut f)))
}

/// Hands the values of a contiguous f32 gradient on the CPU to a function.
pub fn of_gradient<R>(g: &Tensor, f: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let (g, layout) = g.storage_and_layout();
    match (&*g, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(g)), Some((start, end))) => f(&g[start..end]),
        _ => bail!("an optimiser takes contiguous f32 gradients on the CPU"),
    }
}
