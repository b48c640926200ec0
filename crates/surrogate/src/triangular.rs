use crate::{Real, Surrogate};
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
    fn slope<F: Real>(&self, u: F, threshold: F) -> F {
        let h = F::of(self.half_width);
        (F::one() - (u - threshold).abs() / h).max(F::zero()) / h
    }

    fn cuda(&self) -> Option<String> {
        let h = self.half_width;
        Some(format!(
            "const real h = real({h:?}), y = real(1) - fabs(u - threshold) / h; return g * ((y > real(0) ? y : real(0)) / h);"
        ))
    }
}
