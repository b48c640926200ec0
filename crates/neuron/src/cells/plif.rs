use super::Firing;
use crate::bad_parameter::range;
use crate::{BadParameter, Cell, Neuron, Parameter, population};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
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

    fn readings(&self, [w]: [f64; 1]) -> Vec<(&'static str, f64)> {
        vec![("tau", 1.0 + (-w).exp())]
    }
}

/// What a run says of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Constants {
    /// τ₀ above 1, in steps: where the time constant of each layer starts; 2 in the source.
    pub tau: f64,
}

impl Default for Constants {
    fn default() -> Self {
        Self { tau: 2.0 }
    }
}

impl super::Constants for Constants {
    fn check(&self) -> Result<(), BadParameter> {
        let fits = self.tau > 1.0 && self.tau <= 1e6;
        range("tau", self.tau, fits, "above 1 and at most 1000000")?;
        // w, an f32, is −ln(τ − 1)
        let some = self.tau as f32 > 1.0;
        range("tau", self.tau, some, "not so near to 1 that f32 takes it for 1")
    }

    fn neuron<S: Surrogate>(&self, firing: Firing<S>) -> candle_core::Result<Arc<dyn Neuron>> {
        Ok(population(Plif { firing, tau: self.tau })?)
    }
}
