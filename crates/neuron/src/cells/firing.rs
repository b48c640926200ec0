use crate::{Fires, Reset, ResetGradient};
use surrogate::{Number, Surrogate};

/// One of two terms by a choice of the neuron. Floats compute both, see [`Number::constant`]; an
/// equation that is written down has the one alone. No function with closures, which would be calls
/// inside a loop over neurons.
macro_rules! choose {
    ($N:ident, $holds:expr, $yes:expr, $no:expr) => {
        match $N::constant($holds) {
            Some(mask) => $N::select(mask, $yes, $no),
            None if $holds => $yes,
            None => $no,
        }
    };
}

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
        let (fixed, theta, one) = (o.detach(), N::of(self.threshold), N::of(1.0));
        let subtract = self.reset == Reset::Subtract;
        let is = |rule| self.reset_gradient == rule;
        let alpha = match self.reset_gradient {
            ResetGradient::Residual { alpha } => alpha,
            _ => 0.0,
        };
        let differentiated = is(ResetGradient::Differentiated);
        let detached = is(ResetGradient::Detached);
        let residual = is(ResetGradient::Residual { alpha });
        choose!(
            N,
            differentiated,
            choose!(N, subtract, u - o * theta, u * (one - o)),
            choose!(N, detached && subtract, u - fixed * theta, {
                // what stays at silent neurons, with its gradient; at firing ones the value alone
                let silent = u * (one - fixed);
                let taken = choose!(N, subtract, silent + ((u - theta) * fixed).detach(), silent);
                // α(o − o) adds nothing forward and α backward
                choose!(N, residual, taken + N::of(alpha) * (o - fixed), taken)
            })
        )
    }

    /// Whether a gradient passes a spike only where there is one.
    pub fn only_where_fired(&self) -> bool {
        let at_threshold = self.surrogate.slope(self.threshold, self.threshold);
        self.surrogate.zero_below_threshold()
            && (self.fires == Fires::AtThreshold || at_threshold == 0.0)
    }
}
