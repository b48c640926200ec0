use crate::{Number, Surrogate};
use serde::{Deserialize, Serialize};

/// ∂o/∂u = exp(−((u − θ)/σ)²/2) / (σ·√(2π)): the density of a normal distribution.
///
/// Source: Fang et al. 2020 (IIRSNN), with σ = 0.4.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gaussian {
    /// Width σ in units of the membrane potential, positive.
    pub sigma: f64,
}

impl Default for Gaussian {
    fn default() -> Self {
        Self { sigma: 0.4 }
    }
}

impl Surrogate for Gaussian {
    #[inline(always)]
    fn slope<N: Number>(&self, u: N, threshold: N) -> N {
        let z = (u - threshold) / N::of(self.sigma);
        let area = self.sigma * (2.0 * std::f64::consts::PI).sqrt();
        (-(z * z) / N::of(2.0)).exp() / N::of(area)
    }
}
