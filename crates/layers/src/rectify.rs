use crate::kernel::{Stored, by_precision, slice};
#[cfg(feature = "cuda")]
use candle_core::cuda_backend::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, WithDType};
use rayon::prelude::*;

/// ReLU: max(0, x), whose gradient at 0 is 0.
///
/// candle's own passes the gradient at exactly 0, and exactly 0 is what batch norm makes of a
/// silent channel whose shift is still 0, that is of many channels at the start of training.
pub fn rectify(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Rectify)
}

const CHUNK: usize = 1 << 15;

struct Rectify;
struct RectifyGradient;

impl CustomOp1 for Rectify {
    fn name(&self) -> &'static str {
        "rectify"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        fn run<F: Stored>(x: &[F]) -> Vec<F> {
            let mut y = vec![F::zero(); x.len()];
            y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| {
                y.iter_mut()
                    .zip(x)
                    .for_each(|(y, &x)| *y = if x > F::zero() { x } else { F::zero() });
            });
            y
        }
        let y = by_precision!(x, F => F::to_cpu_storage_owned(run::<F>(slice(x, layout)?)));
        Ok((y, layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        Ok((crate::cuda::rectify_forward(x, layout)?, layout.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, y: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        #[cfg(feature = "cuda")]
        if y.device().is_cuda() {
            return crate::cuda::rectify_backward(y, &g.contiguous()?).map(Some);
        }
        Ok(Some(y.apply_op2_no_bwd(&g.contiguous()?, &RectifyGradient)?))
    }
}

impl CustomOp2 for RectifyGradient {
    fn name(&self) -> &'static str {
        "rectify-gradient"
    }

    fn cpu_fwd(
        &self,
        y: &CpuStorage,
        yl: &Layout,
        g: &CpuStorage,
        gl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        fn run<F: Stored>(y: &[F], g: &[F]) -> Vec<F> {
            let mut d = vec![F::zero(); y.len()];
            d.par_chunks_mut(CHUNK).zip(y.par_chunks(CHUNK)).zip(g.par_chunks(CHUNK)).for_each(
                |((d, y), g)| {
                    let pairs = d.iter_mut().zip(y).zip(g);
                    pairs.for_each(|((d, &y), &g)| *d = if y > F::zero() { g } else { F::zero() });
                },
            );
            d
        }
        let d =
            by_precision!(y, F => F::to_cpu_storage_owned(run::<F>(slice(y, yl)?, slice(g, gl)?)));
        Ok((d, yl.shape().clone()))
    }
}
