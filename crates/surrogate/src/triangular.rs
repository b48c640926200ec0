use crate::{Number, Surrogate};
use serde::{Deserialize, Serialize};

/// ∂o/∂u = κ · max(0, 1 − |u − θ|/h) / h.
///
/// Source: Esser et al. 2016; with the damping factor κ Bellec et al. 2018, and BNTT (κ = 0.3).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Triangular {
    /// Half width h of the base, in units of the membrane potential; positive.
    pub half_width: f64,
    /// Damping factor κ, the area of the slope; positive. 1 where nothing is said.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub height: f64,
}

fn one() -> f64 {
    1.0
}

fn is_one(height: &f64) -> bool {
    *height == 1.0
}

impl Default for Triangular {
    fn default() -> Self {
        Self { half_width: 1.0, height: 1.0 }
    }
}

impl Surrogate for Triangular {
    #[inline(always)]
    fn slope<N: Number>(&self, u: N, threshold: N) -> N {
        let h = N::of(self.half_width);
        N::of(self.height) * ((N::of(1.0) - (u - threshold).abs() / h).positive() / h)
    }
}
