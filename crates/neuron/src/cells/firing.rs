use crate::{Fires, Reset, ResetGradient};
use surrogate::{Number, Surrogate};

/// What most neurons share: a threshold, a surrogate, and what a spike does to the membrane.
#[derive(Clone, Copy, Debug)]
pub struct Firing<S> {
    /// θ > 0.
    pub threshold: f64,
    /// Whether a membrane exactly at the threshold fires.
    pub fires: Fires,
    /// What a spike does to the membrane.
    pub reset: Reset,
    /// How the gradient crosses that reset.
    pub reset_gradient: ResetGradient,
    /// ∂o/∂u.
    pub surrogate: S,
}

impl<S: Surrogate> Firing<S> {
    /// The spike o of a membrane `u` at `threshold`, which a neuron may move away from θ.
    #[inline(always)]
    pub fn spike<N: Number>(&self, u: N, threshold: N) -> N {
        N::spike(u, threshold, self.fires, &self.surrogate)
    }

    /// The membrane `u` after its spike `o`, with the gradient that the rule lets across.
    #[inline(always)]
    pub fn reset<N: Number>(&self, u: N, o: N) -> N {
        let (fixed, theta) = (o.detach(), N::of(self.threshold));
        let silent = N::of(1.0) - fixed;
        // what stays at silent neurons, with its gradient; at firing ones the value alone
        let kept = match self.reset {
            Reset::ToZero => u * silent,
            Reset::Subtract => u * silent + ((u - theta) * fixed).detach(),
        };
        match (self.reset_gradient, self.reset) {
            (ResetGradient::Differentiated, Reset::ToZero) => u * (N::of(1.0) - o),
            (ResetGradient::Differentiated, Reset::Subtract) => u - o * theta,
            (ResetGradient::Detached, Reset::Subtract) => u - fixed * theta,
            (ResetGradient::Detached, Reset::ToZero) | (ResetGradient::Cut, _) => kept,
            // α(o − o) adds nothing forward and α backward
            (ResetGradient::Residual { alpha }, _) => kept + N::of(alpha) * (o - fixed),
        }
    }

    /// Whether a gradient passes a spike only where there is one.
    pub fn only_where_fired(&self) -> bool {
        let at_threshold = self.surrogate.slope(self.threshold, self.threshold);
        self.surrogate.zero_below_threshold()
            && (self.fires == Fires::AtThreshold || at_threshold == 0.0)
    }
}
