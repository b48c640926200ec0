use crate::scan::{Cell, Fire, scan, scan_normalised, stage};
use crate::{
    Fired, Fires, Kernel, Neuron, Normalisation, Reset, ResetGradient, Stage, StageGradient,
    Stepwise, Upstream,
};
use candle_core::{Result, Tensor};
use surrogate::{Real, Surrogate};

/// The leaky integrate-and-fire neuron; with `decay` 1 the integrate-and-fire neuron.
///
/// `u[t] = v[t-1] + x[t]`, `o[t] = fires(u[t])`, `v[t] = λ · reset(u[t], o[t])`: the paper's Eq. 4
/// without its one-step input delay, which the released code does not have either. Its leak comes
/// at the end of the step, on the membrane already reset; there is no factor on the input.
#[derive(Clone, Copy, Debug)]
pub struct Lif<S> {
    /// θ > 0.
    pub threshold: f64,
    /// λ in (0, 1]: the part of the membrane kept from one step to the next.
    pub decay: f64,
    /// Whether a membrane exactly at the threshold fires.
    pub fires: Fires,
    /// What a spike does to the membrane.
    pub reset: Reset,
    /// How the gradient crosses that reset.
    pub reset_gradient: ResetGradient,
    /// ∂o/∂u.
    pub surrogate: S,
}

impl<S> Lif<S> {
    /// Whether the gradient of a membrane that fired crosses its reset whole.
    #[inline(always)]
    fn crosses(&self) -> bool {
        self.reset == Reset::Subtract
            && matches!(
                self.reset_gradient,
                ResetGradient::Differentiated | ResetGradient::Detached
            )
    }
}

impl<S: Surrogate> Neuron for Lif<S> {
    fn step(&self, x: &Tensor, v: &Tensor) -> Result<(Tensor, Tensor)> {
        let u = (x + v)?;
        let o = u.apply_op1(Fire(*self))?;
        let fixed = o.detach();
        let silent = fixed.affine(-1.0, 1.0)?;
        // What stays at silent neurons, with its gradient; at firing ones the value alone.
        let kept = match self.reset {
            Reset::ToZero => (&u * &silent)?,
            Reset::Subtract => {
                ((&u * &silent)? + (&u.affine(1.0, -self.threshold)? * &fixed)?.detach())?
            }
        };
        let v = match (self.reset_gradient, self.reset) {
            // The leak first, as the paper's code has it: the same value, and its gradient to the
            // last bit.
            (ResetGradient::Differentiated, Reset::ToZero) => {
                let v = (u.affine(self.decay, 0.0)? * o.affine(-1.0, 1.0)?)?;
                return Ok((o, v));
            }
            (ResetGradient::Differentiated, Reset::Subtract) => {
                (&u - o.affine(self.threshold, 0.0)?)?
            }
            (ResetGradient::Detached, Reset::Subtract) => {
                (&u - fixed.affine(self.threshold, 0.0)?)?
            }
            (ResetGradient::Detached, Reset::ToZero) | (ResetGradient::Cut, _) => kept,
            // α(o − o) adds nothing forward and α backward.
            (ResetGradient::Residual { alpha }, _) => (kept + ((&o - &fixed)? * alpha)?)?,
        };
        Ok((o, v.affine(self.decay, 0.0)?))
    }

    fn scan(&self, x: &Tensor) -> Result<Tensor> {
        scan(*self, x)
    }

    fn stage(&self) -> Option<&dyn Kernel> {
        Some(self)
    }

    fn stepwise_at(&self, _rate: f64) -> Option<&dyn Stepwise> {
        Some(self)
    }

    fn source(&self) -> Option<String> {
        Cell::source(self)
    }

    fn scan_normalised(&self, z: &Tensor, n: &Normalisation) -> Result<Option<Tensor>> {
        scan_normalised(*self, z, n).map(Some)
    }
}

impl<S: Surrogate> Kernel for Lif<S> {
    fn fire(&self, stage: &Stage, z: &[f32]) -> Fired {
        stage::fire(*self, stage, z)
    }

    fn backward(&self, stage: &Stage, z: &[f32], upstream: &Upstream) -> StageGradient {
        stage::backward(*self, stage, z, upstream)
    }

    fn step(&self, x: &[f32], v: &mut [f32], fired: &mut [u8]) {
        stage::step(*self, x, v, fired);
    }

    fn only_where_fired(&self) -> bool {
        self.fires == Fires::AtThreshold && self.surrogate.zero_below_threshold()
    }
}

impl<S: Surrogate> Cell for Lif<S> {
    #[inline(always)]
    fn charge<F: Real>(&self, x: F, v: F) -> F {
        x + v
    }

    #[inline(always)]
    fn fires<F: Real>(&self, u: F) -> bool {
        match self.fires {
            Fires::AtThreshold => u >= F::of(self.threshold),
            Fires::AboveThreshold => u > F::of(self.threshold),
        }
    }

    #[inline(always)]
    fn carry<F: Real>(&self, u: F, fired: bool) -> F {
        let reset = match self.reset {
            Reset::ToZero => F::zero(),
            Reset::Subtract => u - F::of(self.threshold),
        };
        F::of(self.decay) * if fired { reset } else { u }
    }

    #[inline(always)]
    fn times_slope<F: Real>(&self, g: F, u: F) -> F {
        self.surrogate.times_slope(g, u, F::of(self.threshold))
    }

    #[inline(always)]
    fn backward<F: Real>(&self, u: F, fired: bool, g: F, m: F) -> F {
        let decay = F::of(self.decay);
        // M·∂v/∂o, in the order of the paper's code
        let through_reset = match (self.reset_gradient, self.reset) {
            (ResetGradient::Differentiated, Reset::ToZero) => -(m * (u * decay)),
            (ResetGradient::Differentiated, Reset::Subtract) => {
                -(m * F::of(self.threshold * self.decay))
            }
            (ResetGradient::Detached | ResetGradient::Cut, _) => F::zero(),
            (ResetGradient::Residual { alpha }, _) => F::of(alpha) * (m * decay),
        };
        let kept = if fired && !self.crosses() { F::zero() } else { m };
        self.times_slope(g + through_reset, u) + kept * decay
    }

    fn source(&self) -> Option<String> {
        let slope = self.surrogate.cuda()?;
        let (threshold, decay) = (self.threshold, self.decay);
        let fires = match self.fires {
            Fires::AtThreshold => ">=",
            Fires::AboveThreshold => ">",
        };
        let reset = match self.reset {
            Reset::ToZero => "real(0)",
            Reset::Subtract => "u - threshold",
        };
        // as in `backward`
        let through_reset = match (self.reset_gradient, self.reset) {
            (ResetGradient::Differentiated, Reset::ToZero) => "-(m * (u * decay))".to_owned(),
            (ResetGradient::Differentiated, Reset::Subtract) => {
                format!("-(m * real({:?}))", threshold * decay)
            }
            (ResetGradient::Detached | ResetGradient::Cut, _) => "real(0)".to_owned(),
            (ResetGradient::Residual { alpha }, _) => format!("real({alpha:?}) * (m * decay)"),
        };
        let kept = if self.crosses() { "m" } else { "(fired ? real(0) : m)" };
        Some(format!(
            "
__device__ __forceinline__ real times_slope(real g, real u, real threshold) {{ {slope} }}
__device__ __forceinline__ bool fires(real u) {{ return u {fires} real({threshold:?}); }}
__device__ __forceinline__ real carry(real u, bool fired) {{
  const real threshold = real({threshold:?});
  return real({decay:?}) * (fired ? {reset} : u);
}}
__device__ __forceinline__ real backward(real u, bool fired, real g, real m) {{
  const real threshold = real({threshold:?}), decay = real({decay:?});
  return times_slope(g + {through_reset}, u, threshold) + {kept} * decay;
}}
"
        ))
    }
}
