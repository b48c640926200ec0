use super::{Firing, decays, fades};
use crate::{BadParameter, Cell, Neuron, population};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use surrogate::{Number, Surrogate};

/// Current-based LIF: a synaptic current that decays on its own charges the membrane.
///
/// ```text
/// i[t] = β·i[t-1] + x[t]      u[t] = v[t-1] + i[t]      v[t] = λ · reset(u[t], o[t])
/// ```
///
/// Source: Neftci, Mostafa & Zenke 2019, "Surrogate gradient learning in spiking neural networks".
#[derive(Clone, Copy, Debug)]
pub struct Synaptic<S> {
    /// Threshold, surrogate and reset.
    pub firing: Firing<S>,
    /// λ in (0, 1]: the part of the membrane kept from one step to the next.
    pub decay: f64,
    /// β in [0, 1): the part of the current kept.
    pub current_decay: f64,
}

impl<S: Surrogate> Cell<2, 0> for Synaptic<S> {
    #[inline(always)]
    fn step<N: Number>(&self, x: N, [v, i]: [N; 2], _: [N; 0]) -> (N, [N; 2]) {
        let i = N::of(self.current_decay) * i + x;
        let u = v + i;
        let o = self.firing.spike(u, N::of(self.firing.threshold));
        (o, [N::of(self.decay) * self.firing.reset(u, o), i])
    }

    fn only_where_fired(&self) -> bool {
        self.firing.only_where_fired()
    }
}

/// What a run says of it. The source leaves both to the task; these are e^(−1/10) and e^(−1/5) to
/// one digit: a membrane of 10 and a synapse of 5 steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Constants {
    /// λ in (0, 1].
    pub decay: f64,
    /// β in [0, 1).
    pub current_decay: f64,
}

impl Default for Constants {
    fn default() -> Self {
        Self { decay: 0.9, current_decay: 0.8 }
    }
}

impl super::Constants for Constants {
    fn check(&self) -> Result<(), BadParameter> {
        decays("decay", self.decay)?;
        fades("current_decay", self.current_decay)
    }

    fn neuron<S: Surrogate>(&self, firing: Firing<S>) -> candle_core::Result<Arc<dyn Neuron>> {
        let Constants { decay, current_decay } = *self;
        Ok(population(Synaptic { firing, decay, current_decay })?)
    }
}
