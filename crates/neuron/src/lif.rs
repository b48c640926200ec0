use crate::Fires::{AboveThreshold, AtThreshold};
use crate::Reset::{Subtract, ToZero};
use crate::ResetGradient::{Cut, Detached, Differentiated, Residual};
use crate::scan::{Fire, Membrane, Rows, membrane, scan, stage};
use crate::{
    Cell, Fired, Fires, Firing, Gradient, Kernel, Neuron, Reset, ResetGradient, Source, Stage,
    StageGradient, Stepwise, Upstream,
};
use candle_core::{Result, Tensor};
use surrogate::{Number, Real, Surrogate};

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

impl<S: Copy> Lif<S> {
    #[inline(always)]
    fn firing(&self) -> Firing<S> {
        let Lif { threshold, fires, reset, reset_gradient, surrogate, .. } = *self;
        Firing { threshold, fires, reset, reset_gradient, surrogate }
    }

    /// Whether the gradient of a membrane that fired crosses its reset whole.
    #[inline(always)]
    fn crosses(&self) -> bool {
        self.reset == Subtract && matches!(self.reset_gradient, Differentiated | Detached)
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
            ToZero => (&u * &silent)?,
            Subtract => ((&u * &silent)? + (&u.affine(1.0, -self.threshold)? * &fixed)?.detach())?,
        };
        let v = match (self.reset_gradient, self.reset) {
            // The leak first, as the paper's code has it: the same value, and its gradient to the
            // last bit.
            (Differentiated, ToZero) => {
                let v = (u.affine(self.decay, 0.0)? * o.affine(-1.0, 1.0)?)?;
                return Ok((o, v));
            }
            (Differentiated, Subtract) => (&u - o.affine(self.threshold, 0.0)?)?,
            (Detached, Subtract) => (&u - fixed.affine(self.threshold, 0.0)?)?,
            (Detached, ToZero) | (Cut, _) => kept,
            // α(o − o) adds nothing forward and α backward.
            (Residual { alpha }, _) => (kept + ((&o - &fixed)? * alpha)?)?,
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

    fn source(&self) -> Option<Source> {
        Some(Rows::source(self))
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
        self.firing().only_where_fired()
    }
}

/// The equations over any number: what the backward rules by hand are held to.
impl<S: Surrogate> Cell<1, 0> for Lif<S> {
    #[inline(always)]
    fn step<N: Number>(&self, x: N, [v]: [N; 1], _: [N; 0]) -> (N, [N; 1]) {
        let firing = self.firing();
        let u = v + x;
        let o = firing.spike(u, N::of(self.threshold));
        (o, [N::of(self.decay) * firing.reset(u, o)])
    }

    #[inline(always)]
    fn backward<N: Number>(
        &self,
        x: N,
        [v]: [N; 1],
        _: [N; 0],
        g: N,
        [m]: [N; 1],
    ) -> Gradient<N, 1, 0> {
        let u = x + v;
        let d = Membrane::backward(self, u, Membrane::fires(self, u), g, m);
        Gradient { x: d, state: [d], parameters: [] }
    }

    fn only_where_fired(&self) -> bool {
        self.firing().only_where_fired()
    }
}

/// The surrogate of passes that ask no gradient.
#[derive(Clone, Copy, Debug)]
pub struct Unasked;

impl Surrogate for Unasked {
    fn slope<N: Number>(&self, _: N, _: N) -> N {
        N::of(0.0)
    }
}

impl<S: Surrogate> Membrane for Lif<S> {
    type Forward = Lif<Unasked>;

    fn forward(&self) -> Lif<Unasked> {
        let Lif { threshold, decay, fires, reset, reset_gradient, .. } = *self;
        Lif { threshold, decay, fires, reset, reset_gradient, surrogate: Unasked }
    }

    #[inline(always)]
    fn fires<N: Number>(&self, u: N) -> N::Mask {
        self.fires.at(u, N::of(self.threshold))
    }

    #[inline(always)]
    fn carry<N: Number>(&self, u: N, fired: N::Mask) -> N {
        let reset = match self.reset {
            ToZero => N::of(0.0),
            Subtract => u - N::of(self.threshold),
        };
        N::of(self.decay) * N::select(fired, reset, u)
    }

    #[inline(always)]
    fn times_slope<N: Number>(&self, g: N, u: N) -> N {
        self.surrogate.times_slope(g, u, N::of(self.threshold))
    }

    #[inline(always)]
    fn backward<N: Number>(&self, u: N, fired: N::Mask, g: N, m: N) -> N {
        let decay = N::of(self.decay);
        // M·∂v/∂o, in the order of the paper's code
        let through_reset = match (self.reset_gradient, self.reset) {
            (Differentiated, ToZero) => -(m * (u * decay)),
            (Differentiated, Subtract) => -(m * N::of(self.threshold * self.decay)),
            (Detached | Cut, _) => N::of(0.0),
            (Residual { alpha }, _) => N::of(alpha) * (m * decay),
        };
        let kept = if self.crosses() { m } else { N::select(fired, N::of(0.0), m) };
        Membrane::times_slope(self, g + through_reset, u) + kept * decay
    }

    #[inline(always)]
    fn fire_row<F: Real, O: From<bool>>(&self, x: &[F], v: &mut [F], o: &mut [O]) {
        match (self.fires, self.reset) {
            (AtThreshold, ToZero) => membrane::fire(&self.with(AtThreshold, ToZero), x, v, o),
            (AtThreshold, Subtract) => membrane::fire(&self.with(AtThreshold, Subtract), x, v, o),
            (AboveThreshold, ToZero) => membrane::fire(&self.with(AboveThreshold, ToZero), x, v, o),
            (AboveThreshold, Subtract) => {
                membrane::fire(&self.with(AboveThreshold, Subtract), x, v, o);
            }
        }
    }

    #[inline(always)]
    fn charge_row<F: Real>(&self, x: &[F], v: &mut [F], u: &mut [F]) {
        match (self.fires, self.reset) {
            (AtThreshold, ToZero) => membrane::charge(&self.with(AtThreshold, ToZero), x, v, u),
            (AtThreshold, Subtract) => membrane::charge(&self.with(AtThreshold, Subtract), x, v, u),
            (AboveThreshold, ToZero) => {
                membrane::charge(&self.with(AboveThreshold, ToZero), x, v, u);
            }
            (AboveThreshold, Subtract) => {
                membrane::charge(&self.with(AboveThreshold, Subtract), x, v, u);
            }
        }
    }

    /// Six loops for the sixteen choices: after a residual α all that a rule cuts is its α = 0, and
    /// where the whole gradient crosses no one asks who fired.
    #[inline(always)]
    fn back_row<F: Real>(&self, u: &[F], g: &[F], m: &mut [F]) {
        match (self.reset_gradient, self.reset) {
            (Differentiated, ToZero) => self.back_by_fires(ToZero, Differentiated, u, g, m),
            (Differentiated, Subtract) => {
                let choices = Lif { reset_gradient: Differentiated, ..*self };
                membrane::back(&choices.with(AtThreshold, Subtract), u, g, m);
            }
            (Detached, Subtract) => {
                let choices = Lif { reset_gradient: Detached, ..*self };
                membrane::back(&choices.with(AtThreshold, Subtract), u, g, m);
            }
            (Detached, ToZero) | (Cut, _) => {
                self.back_by_fires(ToZero, Residual { alpha: 0.0 }, u, g, m);
            }
            (Residual { alpha }, _) => self.back_by_fires(ToZero, Residual { alpha }, u, g, m),
        }
    }
}

/// Loops whose choices are constants: of each choice one copy, which has no branch left inside.
impl<S: Surrogate> Lif<S> {
    #[inline(always)]
    fn with(&self, fires: Fires, reset: Reset) -> Self {
        Lif { fires, reset, ..*self }
    }

    #[inline(always)]
    fn back_by_fires<F: Real>(
        &self,
        reset: Reset,
        reset_gradient: ResetGradient,
        u: &[F],
        g: &[F],
        m: &mut [F],
    ) {
        let choices = Lif { reset_gradient, ..*self };
        match self.fires {
            AtThreshold => membrane::back(&choices.with(AtThreshold, reset), u, g, m),
            AboveThreshold => membrane::back(&choices.with(AboveThreshold, reset), u, g, m),
        }
    }
}
