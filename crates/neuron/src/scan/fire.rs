use super::{Membrane, dtype, part};
#[cfg(feature = "cuda")]
use super::{Rows, cuda};
#[cfg(feature = "cuda")]
use candle_core::cuda_backend::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};
use surrogate::Real;

/// The spike of one step with its surrogate gradient, as an operation of the plain definition.
pub struct Fire<C>(pub C);

struct FireGradient<C>(C);

impl<C: Membrane> CustomOp1 for Fire<C> {
    fn name(&self) -> &'static str {
        "fire"
    }

    fn cpu_fwd(&self, u: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        fn spikes<C: Membrane, F: Real>(cell: &C, u: &[F]) -> Vec<F> {
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
        Ok((cuda::forward(&self.0.source(), u, layout, 1, None)?, layout.shape().clone()))
    }

    fn bwd(&self, u: &Tensor, _spikes: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        #[cfg(feature = "cuda")]
        if u.device().is_cuda() {
            let one_step = |t: &Tensor| t.contiguous()?.unsqueeze(0);
            let source = self.0.source();
            return cuda::backward(&source, &one_step(u)?, &one_step(g)?, None)?
                .0
                .squeeze(0)
                .map(Some);
        }
        Ok(Some(u.contiguous()?.apply_op2_no_bwd(&g.contiguous()?, &FireGradient(self.0))?))
    }
}

impl<C: Membrane> CustomOp2 for FireGradient<C> {
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
        fn gradients<C: Membrane, F: Real>(cell: &C, u: &[F], g: &[F]) -> Vec<F> {
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
