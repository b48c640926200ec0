use crate::{Number, Surrogate};
use serde::{Deserialize, Serialize};

/// ∂o/∂u = (α/2) / (1 + (π/2 · α · (u − θ))²), the derivative of (1/π)·atan(π/2 · α · (u − θ)) +
/// 1/2.
///
/// Source: Fang et al. 2021 (PLIF); α = 2 there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Atan {
    /// Steepness α, positive.
    pub alpha: f64,
}

impl Default for Atan {
    fn default() -> Self {
        Self { alpha: 2.0 }
    }
}

impl Surrogate for Atan {
    #[inline(always)]
    fn slope<N: Number>(&self, u: N, threshold: N) -> N {
        let z = N::of(std::f64::consts::FRAC_PI_2 * self.alpha) * (u - threshold);
        N::of(self.alpha / 2.0) / (N::of(1.0) + z * z)
    }
}
