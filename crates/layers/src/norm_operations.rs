//! What batch norm computes, as operations on tensors with their gradients.

use crate::kernel::{Stored, by_precision, slice};
use crate::normalise::{Scales, sums};
#[cfg(feature = "cuda")]
use candle_core::cuda_backend::CudaStorage;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, WithDType, bail,
};

/// `[3, sets, C]`: mean and biased variance of each set, in two passes (a one-pass variance
/// cancels), and what the mean lost when it was rounded: that would shift all values of a channel
/// to the same side, and later sums over them would add it up instead of averaging it out.
pub struct Moments {
    pub sets: usize,
}

impl Moments {
    pub fn run<F: Stored>(&self, x: &[F], c: usize) -> Vec<F> {
        let (rows, sets) = (x.len() / c, self.sets);
        let n = (rows / sets) as f64;
        let first = sums::<F>(rows, sets, c, |row, a, _| {
            for (a, &x) in a.iter_mut().zip(&x[row * c..][..c]) {
                *a += x;
            }
        });
        let mut out = vec![F::zero(); 3 * sets * c];
        let (mean, others) = out.split_at_mut(sets * c);
        let (var, lost) = others.split_at_mut(sets * c);
        for set in 0..sets {
            for i in 0..c {
                mean[set * c + i] = F::of(first[set * 2 * c + i] / n);
            }
        }
        let per_set = rows / sets;
        let second = sums::<F>(rows, sets, c, |row, a, b| {
            let mean = &mean[row / per_set * c..][..c];
            for (((a, b), &m), &x) in a.iter_mut().zip(b).zip(mean).zip(&x[row * c..][..c]) {
                let d = x - m;
                *a += d * d;
                *b += d; // what rounding the mean left over
            }
        });
        for set in 0..sets {
            for i in 0..c {
                let (square, rest) = (second[set * 2 * c + i] / n, second[set * 2 * c + c + i] / n);
                var[set * c + i] = F::of(square - rest * rest);
                lost[set * c + i] = F::of(rest);
            }
        }
        out
    }
}

impl CustomOp1 for Moments {
    fn name(&self) -> &'static str {
        "moments"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let c = channels(layout)?;
        let out =
            by_precision!(x, F => F::to_cpu_storage_owned(self.run::<F>(slice(x, layout)?, c)));
        Ok((out, (3, self.sets, c).into()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let c = channels(layout)?;
        Ok((crate::cuda::moments_of(x, layout, self.sets, c)?, (3, self.sets, c).into()))
    }
}

fn channels(layout: &Layout) -> Result<usize> {
    match layout.dims().last() {
        Some(&c) if c > 0 => Ok(c),
        _ => bail!("batch norm takes […, channel], found shape {:?}", layout.shape()),
    }
}

/// y = γ(x − μ)/√(σ² + ε) + β for given moments, differentiable through the moments as well.
#[derive(Clone)]
pub struct Normalise {
    pub moments: Tensor,
    /// γ and β as tensors: kernels of a device are handed those, where the CPU takes their
    /// storages.
    #[cfg_attr(not(feature = "cuda"), expect(dead_code))]
    pub parameters: [Tensor; 2],
    pub eps: f64,
}

impl Normalise {
    fn scales<F: Stored>(&self) -> Result<Scales<F>> {
        let (_, sets, c) = self.moments.dims3()?;
        let all: Vec<F> = self.moments.flatten_all()?.to_vec1()?;
        Ok(Scales::of(&all, sets * c, c, self.eps))
    }
}

impl CustomOp3 for Normalise {
    fn name(&self) -> &'static str {
        "normalise"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        gamma: &CpuStorage,
        gl: &Layout,
        beta: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let y = by_precision!(x, F => F::to_cpu_storage_owned(
            self.scales::<F>()?.apply(slice(x, xl)?, slice(gamma, gl)?, slice(beta, bl)?)));
        Ok((y, xl.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        xl: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let [gamma, beta] = &self.parameters;
        let y = crate::cuda::normalise_forward(x, xl, &self.moments, [gamma, beta], self.eps)?;
        Ok((y, xl.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        _beta: &Tensor,
        _y: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let g = g.contiguous()?;
        #[cfg(feature = "cuda")]
        if x.device().is_cuda() {
            let of =
                crate::cuda::normalise_backward(x, &g, &self.moments, [gamma, _beta], self.eps)?;
            let [x, gamma, beta] = of.map(Some);
            return Ok((x, gamma, beta));
        }
        // per set and channel: Σg and Σg·x̂
        let sums = x.apply_op2_no_bwd(&g, &GradientSums(self.clone()))?;
        let (dbeta, dgamma) = (sums.get(0)?.sum(0)?, sums.get(1)?.sum(0)?);
        let dx = InputGradient { normalise: self.clone(), sums, gamma: gamma.clone() };
        Ok((Some(x.apply_op2_no_bwd(&g, &dx)?), Some(dgamma), Some(dbeta)))
    }
}

struct GradientSums(Normalise);

impl CustomOp2 for GradientSums {
    fn name(&self) -> &'static str {
        "normalise-gradient-sums"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        g: &CpuStorage,
        gl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, sets, c) = self.0.moments.dims3()?;
        let out = by_precision!(x, F => F::to_cpu_storage_owned(
            self.0.scales::<F>()?.gradient_sums(slice(x, xl)?, slice(g, gl)?)));
        Ok((out, (2, sets, c).into()))
    }
}

/// ∂L/∂x = γ/√(σ² + ε) · (g − Σg/n − x̂ · Σ(g·x̂)/n), sums over the set that x was normalised with.
struct InputGradient {
    normalise: Normalise,
    sums: Tensor,
    gamma: Tensor,
}

impl InputGradient {
    fn run<F: Stored>(&self, x: &[F], g: &[F]) -> Result<Vec<F>> {
        let sums: Vec<F> = self.sums.flatten_all()?.to_vec1()?;
        let gamma: Vec<F> = self.gamma.flatten_all()?.to_vec1()?;
        Ok(self.normalise.scales::<F>()?.input_gradient(x, g, &sums, &gamma))
    }
}

impl CustomOp2 for InputGradient {
    fn name(&self) -> &'static str {
        "normalise-input-gradient"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        g: &CpuStorage,
        gl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let d = by_precision!(x, F => F::to_cpu_storage_owned(self.run::<F>(slice(x, xl)?, slice(g, gl)?)?));
        Ok((d, xl.shape().clone()))
    }
}
