use crate::{Number, Surrogate};
use serde::{Deserialize, Serialize};

/// ∂o/∂u = h where u > θ, 0 elsewhere: a gradient passes a neuron only where it fired, and all of
/// it alike.
///
/// Source: Lee et al. 2020, "Enabling spike-based backpropagation", with h = 1/θ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhereFired {
    /// Height h, positive.
    pub height: f64,
}

impl Default for WhereFired {
    fn default() -> Self {
        Self { height: 1.0 }
    }
}

impl Surrogate for WhereFired {
    #[inline(always)]
    fn slope<N: Number>(&self, u: N, threshold: N) -> N {
        N::select(u.above(threshold), N::of(self.height), N::of(0.0))
    }

    fn zero_below_threshold(&self) -> bool {
        true
    }
}
