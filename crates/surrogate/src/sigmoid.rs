use crate::{Number, Surrogate};
use serde::{Deserialize, Serialize};

/// ∂o/∂u = α · s · (1 − s) with s = 1 / (1 + exp(−α(u − θ))).
///
/// Source: Zenke & Ganguli 2018 and many since; α = 4 is a common choice, TSSL-BP's fallback for
/// silent layers is α = 5.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sigmoid {
    /// Steepness α, positive.
    pub alpha: f64,
}

impl Default for Sigmoid {
    fn default() -> Self {
        Self { alpha: 4.0 }
    }
}

impl Surrogate for Sigmoid {
    #[inline(always)]
    fn slope<N: Number>(&self, u: N, threshold: N) -> N {
        // e = exp(−α|u − θ|) never overflows, and s(1 − s) = e / (1 + e)² is even in u − θ.
        let e = (-N::of(self.alpha) * (u - threshold).abs()).exp();
        let d = N::of(1.0) + e;
        N::of(self.alpha) * e / (d * d)
    }
}
