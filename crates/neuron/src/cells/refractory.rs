use super::{Firing, fades};
use crate::bad_parameter::range;
use crate::{BadParameter, Cell, Fires, Neuron, population};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use surrogate::{Number, Surrogate};

/// A decaying trace of the neuron's own spikes in place of a reset.
///
/// ```text
/// u[t] = x[t] − R[t-1] + λ·u[t-1]      o[t] = 1 if u[t] > θ      R[t] = r·R[t-1] + o[t]
/// ```
///
/// Everything is differentiated. Source: Fang et al., "Exploiting neuron and synapse filter
/// dynamics in spatial temporal learning of deep spiking neural network", IJCAI 2020, where θ = 1
/// and λ is r (with their membrane filter) or 0 (without: the filter stands in the synapses).
#[derive(Clone, Copy, Debug)]
pub struct Refractory<S> {
    /// θ > 0.
    pub threshold: f64,
    /// Whether a membrane exactly at the threshold fires.
    pub fires: Fires,
    /// r in [0, 1): the part of the trace kept from one step to the next.
    pub trace_decay: f64,
    /// λ in [0, 1]: the part of the membrane kept.
    pub decay: f64,
    /// ∂o/∂u.
    pub surrogate: S,
}

impl<S: Surrogate> Cell<2, 0> for Refractory<S> {
    #[inline(always)]
    fn step<N: Number>(&self, x: N, [trace, u]: [N; 2], _: [N; 0]) -> (N, [N; 2]) {
        let u = x - trace + N::of(self.decay) * u;
        let o = N::spike(u, N::of(self.threshold), self.fires, &self.surrogate);
        (o, [N::of(self.trace_decay) * trace + o, u])
    }
}

/// What a run says of it: r and λ are e^(−1/4), the source's first example, with its membrane
/// filter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Constants {
    /// λ in [0, 1].
    pub decay: f64,
    /// r in [0, 1).
    pub trace_decay: f64,
}

impl Default for Constants {
    fn default() -> Self {
        Self { decay: 0.7788, trace_decay: 0.7788 }
    }
}

impl super::Constants for Constants {
    const RESETS: bool = false;

    fn check(&self) -> Result<(), BadParameter> {
        range("decay", self.decay, (0.0..=1.0).contains(&self.decay), "from 0 to 1")?;
        fades("trace_decay", self.trace_decay)
    }

    fn neuron<S: Surrogate>(&self, firing: Firing<S>) -> candle_core::Result<Arc<dyn Neuron>> {
        let (Constants { decay, trace_decay }, Firing { threshold, fires, surrogate, .. }) =
            (*self, firing);
        Ok(population(Refractory { threshold, fires, trace_decay, decay, surrogate })?)
    }
}
