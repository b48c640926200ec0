use crate::{Number, Surrogate};
use serde::{Deserialize, Serialize};

/// ∂o/∂u = max(0, 1 − |u − θ|/h) / h.
///
/// Source: Esser et al. 2016; Bellec et al. 2018 (with an extra damping factor, not used here).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Triangular {
    /// Half width h of the base, in units of the membrane potential; positive.
    pub half_width: f64,
}

impl Default for Triangular {
    fn default() -> Self {
        Self { half_width: 1.0 }
    }
}

impl Surrogate for Triangular {
    #[inline(always)]
    fn slope<N: Number>(&self, u: N, threshold: N) -> N {
        let h = N::of(self.half_width);
        (N::of(1.0) - (u - threshold).abs() / h).positive() / h
    }
}
