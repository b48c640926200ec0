//! The one place that loops over time.
//!
//! Forward reads x and writes o. Backward reads x and G and writes D; it computes u again from x
//! instead of keeping it, because one more addition, comparison and reset per element cost less
//! than one more stream of memory.

mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
mod fire;
mod loops;
pub mod membrane;
mod membrane_rows;
mod operation;
mod rows;
mod source;
pub mod stage;

use cpu::parameter_sums;
pub use fire::Fire;
pub use loops::Back;
pub use membrane::Membrane;
pub use operation::{scan, scan_learned};
pub use rows::Rows;
pub use source::Source;

use candle_core::{CpuStorage, Layout, Result, bail};

fn steps(layout: &Layout) -> Result<usize> {
    match layout.dims().first() {
        Some(&t) if t > 0 => Ok(t),
        _ => bail!(
            "a neuron scans currents [T, …] with at least one step, found shape {:?}",
            layout.shape()
        ),
    }
}

fn part<'a, F>(data: &'a [F], layout: &Layout) -> Result<&'a [F]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&data[start..end]),
        None => bail!("a neuron's kernel takes contiguous tensors, found {layout:?}"),
    }
}

fn dtype(s: &CpuStorage) -> candle_core::DType {
    candle_core::backend::BackendStorage::dtype(s)
}
