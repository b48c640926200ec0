use crate::{Real, Surrogate};
use serde::{Deserialize, Serialize};

/// BPSA: ∂o/∂u = 1/u where u ≥ θ, 0 elsewhere; a gradient passes a neuron only where it fired, and
/// less of it the further the membrane overshot. It needs θ > 0.
///
/// Source: the paper, Eq. 9. Its code divides by u + 10⁻¹², which is u itself in single precision
/// for every u ≥ 10⁻⁴.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InverseMembrane {}

impl Surrogate for InverseMembrane {
    #[inline(always)]
    fn slope<F: Real>(&self, u: F, threshold: F) -> F {
        // The division is made for every u and the result chosen afterwards: that keeps the loop
        // free of branches, and an infinity of an unused lane reaches nothing.
        let inverse = u.recip();
        if u >= threshold { inverse } else { F::zero() }
    }

    /// One division, as in the paper's code, where g · (1/u) rounds twice: the BPTA residual can
    /// nearly cancel g, and what is left then shows every rounding before it.
    #[inline(always)]
    fn times_slope<F: Real>(&self, g: F, u: F, threshold: F) -> F {
        let quotient = g / u;
        if u >= threshold { quotient } else { F::zero() }
    }

    fn zero_below_threshold(&self) -> bool {
        true
    }

    fn cuda(&self) -> Option<String> {
        Some("return u >= threshold ? g / u : real(0);".into())
    }
}
