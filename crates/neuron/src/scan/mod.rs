//! The one place that loops over time.
//!
//! Forward reads x and writes o. Backward reads x and G and writes D; it computes u again from x
//! instead of keeping it, because one more addition, comparison and reset per element cost less
//! than one more stream of memory.

mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
mod normalised;
pub mod stage;

pub use normalised::{Normalisation, scan_normalised};

#[cfg(feature = "cuda")]
use candle_core::cuda_backend::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};
use surrogate::Real;

/// What the scan must know of a neuron, in scalars. `step` in tensor operations is the definition.
pub trait Cell: Copy + std::fmt::Debug + Send + Sync + 'static {
    /// u from the input current and the carried membrane.
    fn charge<F: Real>(&self, x: F, v: F) -> F;
    /// Whether the neuron fires at u.
    fn fires<F: Real>(&self, u: F) -> bool;
    /// v, the membrane carried to the next step.
    fn carry<F: Real>(&self, u: F, fired: bool) -> F;
    /// g · ∂o/∂u.
    fn times_slope<F: Real>(&self, g: F, u: F) -> F;
    /// ∂L/∂u from G = ∂L/∂o and M = ∂L/∂v. The cell's charge must have ∂u/∂x = ∂u/∂v = 1.
    fn backward<F: Real>(&self, u: F, fired: bool, g: F, m: F) -> F;
    /// The three above in CUDA C++, see [`crate::Neuron::source`].
    fn source(&self) -> Option<String>;
}

/// Spikes `[T, …]` of currents `[T, …]`.
pub fn scan<C: Cell>(cell: C, x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Scan(cell))
}

struct Scan<C>(C);
struct ScanGradient<C>(C);

impl<C: Cell> CustomOp1 for Scan<C> {
    fn name(&self) -> &'static str {
        "neuron-scan"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let steps = steps(layout)?;
        let spikes = match x {
            CpuStorage::F32(x) => CpuStorage::F32(cpu::forward(&self.0, part(x, layout)?, steps)),
            CpuStorage::F64(x) => CpuStorage::F64(cpu::forward(&self.0, part(x, layout)?, steps)),
            other => bail!("a neuron takes f32 or f64 currents, found {:?}", dtype(other)),
        };
        Ok((spikes, layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        Ok((cuda::forward(&source(&self.0)?, x, layout, steps(layout)?)?, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _spikes: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        #[cfg(feature = "cuda")]
        if x.device().is_cuda() {
            return cuda::backward(&source(&self.0)?, x, &g.contiguous()?).map(Some);
        }
        Ok(Some(x.apply_op2_no_bwd(&g.contiguous()?, &ScanGradient(self.0))?))
    }
}

impl<C: Cell> CustomOp2 for ScanGradient<C> {
    fn name(&self) -> &'static str {
        "neuron-scan-gradient"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        g: &CpuStorage,
        gl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let steps = steps(xl)?;
        let d = match (x, g) {
            (CpuStorage::F32(x), CpuStorage::F32(g)) => {
                CpuStorage::F32(cpu::backward(&self.0, part(x, xl)?, part(g, gl)?, steps))
            }
            (CpuStorage::F64(x), CpuStorage::F64(g)) => {
                CpuStorage::F64(cpu::backward(&self.0, part(x, xl)?, part(g, gl)?, steps))
            }
            (x, g) => {
                bail!(
                    "a neuron's gradient is f32 or f64 like its currents, found {:?}, {:?}",
                    dtype(x),
                    dtype(g)
                )
            }
        };
        Ok((d, xl.shape().clone()))
    }
}

/// The spike of one step with its surrogate gradient, as an operation of the plain definition.
pub struct Fire<C>(pub C);

struct FireGradient<C>(C);

impl<C: Cell> CustomOp1 for Fire<C> {
    fn name(&self) -> &'static str {
        "fire"
    }

    fn cpu_fwd(&self, u: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        fn spikes<C: Cell, F: Real>(cell: &C, u: &[F]) -> Vec<F> {
            u.iter().map(|&u| if cell.fires(u) { F::one() } else { F::zero() }).collect()
        }
        let out = match u {
            CpuStorage::F32(u) => CpuStorage::F32(spikes(&self.0, part(u, layout)?)),
            CpuStorage::F64(u) => CpuStorage::F64(spikes(&self.0, part(u, layout)?)),
            other => bail!("a membrane is f32 or f64, found {:?}", dtype(other)),
        };
        Ok((out, layout.shape().clone()))
    }

    /// One step of a scan that starts at 0.
    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, u: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        Ok((cuda::forward(&source(&self.0)?, u, layout, 1)?, layout.shape().clone()))
    }

    fn bwd(&self, u: &Tensor, _spikes: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        #[cfg(feature = "cuda")]
        if u.device().is_cuda() {
            let one_step = |t: &Tensor| t.contiguous()?.unsqueeze(0);
            return cuda::backward(&source(&self.0)?, &one_step(u)?, &one_step(g)?)?
                .squeeze(0)
                .map(Some);
        }
        Ok(Some(u.contiguous()?.apply_op2_no_bwd(&g.contiguous()?, &FireGradient(self.0))?))
    }
}

impl<C: Cell> CustomOp2 for FireGradient<C> {
    fn name(&self) -> &'static str {
        "fire-gradient"
    }

    fn cpu_fwd(
        &self,
        u: &CpuStorage,
        ul: &Layout,
        g: &CpuStorage,
        gl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        fn gradients<C: Cell, F: Real>(cell: &C, u: &[F], g: &[F]) -> Vec<F> {
            u.iter().zip(g).map(|(&u, &g)| cell.times_slope(g, u)).collect()
        }
        let d = match (u, g) {
            (CpuStorage::F32(u), CpuStorage::F32(g)) => {
                CpuStorage::F32(gradients(&self.0, part(u, ul)?, part(g, gl)?))
            }
            (CpuStorage::F64(u), CpuStorage::F64(g)) => {
                CpuStorage::F64(gradients(&self.0, part(u, ul)?, part(g, gl)?))
            }
            (u, g) => bail!(
                "a spike's gradient has its membrane's precision, found {:?}, {:?}",
                dtype(u),
                dtype(g)
            ),
        };
        Ok((d, ul.shape().clone()))
    }
}

#[cfg(feature = "cuda")]
fn source<C: Cell>(cell: &C) -> Result<String> {
    match cell.source() {
        Some(source) => Ok(source),
        None => bail!(
            "{cell:?} has no CUDA source; give its surrogate one (Surrogate::cuda), or train on the CPU"
        ),
    }
}

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
