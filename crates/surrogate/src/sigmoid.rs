use crate::{Real, Surrogate};
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
    fn slope<F: Real>(&self, u: F, threshold: F) -> F {
        // e = exp(−α|u − θ|) never overflows, and s(1 − s) = e / (1 + e)² is even in u − θ.
        let e = (-F::of(self.alpha) * (u - threshold).abs()).exp();
        let d = F::one() + e;
        F::of(self.alpha) * e / (d * d)
    }

    fn cuda(&self) -> Option<String> {
        let alpha = self.alpha;
        Some(format!(
            "const real e = exp(-real({alpha:?}) * fabs(u - threshold)), d = real(1) + e; \
             return g * (real({alpha:?}) * e / (d * d));"
        ))
    }
}
