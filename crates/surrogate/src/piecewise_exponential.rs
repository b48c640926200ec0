use crate::{Real, Surrogate};
use serde::{Deserialize, Serialize};

/// ∂o/∂u = (α/2) · exp(−α|u − θ|).
///
/// Source: Shrestha & Orchard 2018 (SLAYER), where it is the probability density of a spike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PiecewiseExponential {
    /// Steepness α, positive.
    pub alpha: f64,
}

impl Default for PiecewiseExponential {
    fn default() -> Self {
        Self { alpha: 2.0 }
    }
}

impl Surrogate for PiecewiseExponential {
    #[inline(always)]
    fn slope<F: Real>(&self, u: F, threshold: F) -> F {
        F::of(self.alpha / 2.0) * (-F::of(self.alpha) * (u - threshold).abs()).exp()
    }

    fn cuda(&self) -> Option<String> {
        let (half, alpha) = (self.alpha / 2.0, self.alpha);
        Some(format!("return g * (real({half:?}) * exp(-real({alpha:?}) * fabs(u - threshold)));"))
    }
}
