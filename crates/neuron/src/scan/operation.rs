//! The scan as an operation on tensors, with its gradient.

#[cfg(feature = "cuda")]
use super::cuda;
use super::{Rows, cpu, dtype, part, steps};
#[cfg(feature = "cuda")]
use candle_core::cuda_backend::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};
use surrogate::Real;

/// Spikes `[T, …]` of currents `[T, …]`.
pub fn scan<R: Rows>(rows: R, x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Scan(rows))
}

/// [`scan`] of neurons with learnable parameters `[P]`, whose values `rows` has.
pub fn scan_learned<R: Rows>(rows: R, x: &Tensor, parameters: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op2(parameters, Learned { rows, parameters: parameters.detach() })
}

struct Scan<R>(R);
struct Learned<R> {
    rows: R,
    /// Kernels of a device are handed a tensor, where the CPU has the values in `rows`.
    #[cfg_attr(not(feature = "cuda"), expect(dead_code))]
    parameters: Tensor,
}
struct ScanGradient<R>(R);

impl<R: Rows> Scan<R> {
    fn forward(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let steps = steps(layout)?;
        let spikes = match x {
            CpuStorage::F32(x) => CpuStorage::F32(cpu::forward(&self.0, part(x, layout)?, steps)),
            CpuStorage::F64(x) => CpuStorage::F64(cpu::forward(&self.0, part(x, layout)?, steps)),
            other => bail!("a neuron takes f32 or f64 currents, found {:?}", dtype(other)),
        };
        Ok((spikes, layout.shape().clone()))
    }

    /// D, and behind it ∂L/∂parameter of each, in one row.
    fn gradients(&self, x: &Tensor, g: &Tensor) -> Result<Tensor> {
        x.apply_op2_no_bwd(&g.contiguous()?, &ScanGradient(self.0))
    }
}

impl<R: Rows> CustomOp1 for Scan<R> {
    fn name(&self) -> &'static str {
        "neuron-scan"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward(x, layout)
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let spikes = cuda::forward(&self.0.source(), x, layout, steps(layout)?, None)?;
        Ok((spikes, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _spikes: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        #[cfg(feature = "cuda")]
        if x.device().is_cuda() {
            return Ok(Some(cuda::backward(&self.0.source(), x, &g.contiguous()?, None)?.0));
        }
        self.gradients(x, g)?.reshape(x.shape()).map(Some)
    }
}

impl<R: Rows> CustomOp2 for Learned<R> {
    fn name(&self) -> &'static str {
        "neuron-scan-with-parameters"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Scan(self.rows).forward(x, layout)
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        layout: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (source, learned) = (self.rows.source(), Some(&self.parameters));
        let spikes = cuda::forward(&source, x, layout, steps(layout)?, learned)?;
        Ok((spikes, layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        parameters: &Tensor,
        _spikes: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        #[cfg(feature = "cuda")]
        if x.device().is_cuda() {
            let (source, learned) = (self.rows.source(), Some(&self.parameters));
            let (d, by_parameter) = cuda::backward(&source, x, &g.contiguous()?, learned)?;
            return Ok((Some(d), by_parameter));
        }
        let all = Scan(self.rows).gradients(x, g)?;
        let d = all.narrow(0, 0, x.elem_count())?.reshape(x.shape())?;
        let by_parameter = all.narrow(0, x.elem_count(), R::PARAMETERS)?;
        Ok((Some(d), Some(by_parameter.reshape(parameters.shape())?)))
    }
}

impl<R: Rows> CustomOp2 for ScanGradient<R> {
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
        fn in_one_row<R: Rows, F: Real>(rows: &R, x: &[F], g: &[F], steps: usize) -> Vec<F> {
            let (mut d, sums) = cpu::backward(rows, x, g, steps);
            d.extend(sums.into_iter().map(F::of));
            d
        }
        let steps = steps(xl)?;
        let all = match (x, g) {
            (CpuStorage::F32(x), CpuStorage::F32(g)) => {
                CpuStorage::F32(in_one_row(&self.0, part(x, xl)?, part(g, gl)?, steps))
            }
            (CpuStorage::F64(x), CpuStorage::F64(g)) => {
                CpuStorage::F64(in_one_row(&self.0, part(x, xl)?, part(g, gl)?, steps))
            }
            (x, g) => {
                bail!(
                    "a neuron's gradient is f32 or f64 like its currents, found {:?}, {:?}",
                    dtype(x),
                    dtype(g)
                )
            }
        };
        Ok((all, (xl.shape().elem_count() + R::PARAMETERS).into()))
    }
}
