use crate::{Number, Surrogate};
use serde::{Deserialize, Serialize};

/// STBP's window: ∂o/∂u = 1/(2h) where |u − θ| < h, 0 elsewhere (both ends open).
///
/// With the default half width h = 0.5 and θ = 0.5 it is 1 for 0 < u < 1, the baseline of the
/// paper. Source: Wu et al. 2018, "Spatio-temporal backpropagation".
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rectangular {
    /// Half width h of the window, in units of the membrane potential; positive.
    pub half_width: f64,
}

impl Default for Rectangular {
    fn default() -> Self {
        Self { half_width: 0.5 }
    }
}

impl Surrogate for Rectangular {
    #[inline(always)]
    fn slope<N: Number>(&self, u: N, threshold: N) -> N {
        let inside = N::of(self.half_width).above((u - threshold).abs());
        N::select(inside, N::of(0.5 / self.half_width), N::of(0.0))
    }
}
