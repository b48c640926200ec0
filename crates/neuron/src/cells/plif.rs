use super::Firing;
use crate::{Cell, Parameter};
use surrogate::{Number, Surrogate};

/// Parametric LIF: the time constant τ is learned, one for all neurons of a population.
///
/// ```text
/// k = σ(w) = 1/τ      u[t] = v[t-1] + (x[t] − v[t-1])·k      v[t] = reset(u[t], o[t])
/// ```
///
/// w starts at −ln(τ₀ − 1), so that τ starts at τ₀. Source: Fang et al., "Incorporating learnable
/// membrane time constant to enhance learning of spiking neural networks", ICCV 2021; there θ = 1,
/// u ≥ θ, a hard reset whose spike is detached, and [`Atan`](surrogate::Atan) with α = 2.
#[derive(Clone, Copy, Debug)]
pub struct Plif<S> {
    /// Threshold, surrogate and reset.
    pub firing: Firing<S>,
    /// τ₀ > 1, in steps.
    pub tau: f64,
}

impl<S: Surrogate> Cell<1, 1> for Plif<S> {
    fn parameters(&self) -> [Parameter; 1] {
        [Parameter { name: "w", initial: -(self.tau - 1.0).ln() }]
    }

    #[inline(always)]
    fn step<N: Number>(&self, x: N, [v]: [N; 1], [w]: [N; 1]) -> (N, [N; 1]) {
        let u = v + (x - v) * w.sigmoid();
        let o = self.firing.spike(u, N::of(self.firing.threshold));
        (o, [self.firing.reset(u, o)])
    }

    fn only_where_fired(&self) -> bool {
        self.firing.only_where_fired()
    }
}
