use crate::{Cell, Fires};
use surrogate::{Number, Surrogate};

/// Integrate-and-fire with subtraction: no leak, and no charge is lost at a spike.
///
/// ```text
/// u[t] = v[t-1] + x[t]      o[t] = 1 if u[t] ≥ θ      v[t] = u[t] − θ·o[t]
/// ```
///
/// The reset is differentiated. It is what analogue networks are converted to; without a leak but
/// with another reset it is [`Lif`](crate::Lif) with decay 1. Source: Rueckauer et al. 2017.
#[derive(Clone, Copy, Debug)]
pub struct IntegrateAndFire<S> {
    /// θ > 0.
    pub threshold: f64,
    /// Whether a membrane exactly at the threshold fires.
    pub fires: Fires,
    /// ∂o/∂u.
    pub surrogate: S,
}

impl<S: Surrogate> Cell<1, 0> for IntegrateAndFire<S> {
    #[inline(always)]
    fn step<N: Number>(&self, x: N, [v]: [N; 1], _: [N; 0]) -> (N, [N; 1]) {
        let theta = N::of(self.threshold);
        let u = v + x;
        let o = N::spike(u, theta, self.fires, &self.surrogate);
        (o, [u - theta * o])
    }
}
