use crate::{Number, Surrogate};
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
    fn slope<N: Number>(&self, u: N, threshold: N) -> N {
        N::of(self.alpha / 2.0) * (-N::of(self.alpha) * (u - threshold).abs()).exp()
    }
}
