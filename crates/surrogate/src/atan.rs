use crate::{Real, Surrogate};
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
    fn slope<F: Real>(&self, u: F, threshold: F) -> F {
        let z = F::of(std::f64::consts::FRAC_PI_2 * self.alpha) * (u - threshold);
        F::of(self.alpha / 2.0) / (F::one() + z * z)
    }

    fn cuda(&self) -> Option<String> {
        let (slope, half) = (std::f64::consts::FRAC_PI_2 * self.alpha, self.alpha / 2.0);
        Some(format!(
            "const real z = real({slope:?}) * (u - threshold); return g * (real({half:?}) / (real(1) + z * z));"
        ))
    }
}
