use crate::{Number, Surrogate};
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
    fn slope<N: Number>(&self, u: N, threshold: N) -> N {
        // The division is made for every u and the result chosen afterwards: that keeps the loop
        // free of branches, and an infinity of an unused lane reaches nothing.
        N::select(u.at_least(threshold), N::of(1.0) / u, N::of(0.0))
    }

    /// One division, as in the paper's code, where g · (1/u) rounds twice: the BPTA residual can
    /// nearly cancel g, and what is left then shows every rounding before it.
    #[inline(always)]
    fn times_slope<N: Number>(&self, g: N, u: N, threshold: N) -> N {
        N::select(u.at_least(threshold), g / u, N::of(0.0))
    }

    fn zero_below_threshold(&self) -> bool {
        true
    }
}
