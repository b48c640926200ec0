use super::{Firing, decays};
use crate::{BadParameter, Cell, Neuron, population};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use surrogate::{Number, Surrogate};

/// The neuron of spike-based backpropagation: a leak that the gradient does not see.
///
/// ```text
/// u[t] = v[t-1] + x[t]      o[t] = 1 if u[t] > θ      v[t] = λ · reset(u[t], o[t])
/// ```
///
/// The leak counts as 1 in the gradient. In the source θ = 1, u > θ, a hard reset whose spike is
/// detached, and [`WhereFired`](surrogate::WhereFired) of height 1/θ. The published rule also
/// multiplies ∂L/∂o by a factor of each neuron's whole spike train, which no step knows: whoever
/// has the spikes does that, outside. With λ = 1, θ = 0.75 and height 1 it is the neuron behind the
/// rule's poolings.
///
/// Source: Lee et al., "Enabling spike-based backpropagation for training deep neural network
/// architectures", Frontiers in Neuroscience 2020.
#[derive(Clone, Copy, Debug)]
pub struct Sbpsnn<S> {
    /// Threshold, surrogate and reset.
    pub firing: Firing<S>,
    /// λ in (0, 1].
    pub decay: f64,
}

impl<S: Surrogate> Cell<1, 0> for Sbpsnn<S> {
    #[inline(always)]
    fn step<N: Number>(&self, x: N, [v]: [N; 1], _: [N; 0]) -> (N, [N; 1]) {
        let u = v + x;
        let o = self.firing.spike(u, N::of(self.firing.threshold));
        let kept = self.firing.reset(u, o);
        (o, [(N::of(self.decay) * kept).with_gradient_of(kept)])
    }

    fn only_where_fired(&self) -> bool {
        self.firing.only_where_fired()
    }
}

/// What a run says of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Constants {
    /// λ in (0, 1]; 0.99 in the source.
    pub decay: f64,
}

impl Default for Constants {
    fn default() -> Self {
        Self { decay: 0.99 }
    }
}

impl super::Constants for Constants {
    fn check(&self) -> Result<(), BadParameter> {
        decays("decay", self.decay)
    }

    fn neuron<S: Surrogate>(&self, firing: Firing<S>) -> candle_core::Result<Arc<dyn Neuron>> {
        Ok(population(Sbpsnn { firing, decay: self.decay })?)
    }
}
