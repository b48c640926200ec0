use super::{Firing, decays, fades};
use crate::bad_parameter::range;
use crate::{BadParameter, Cell, Neuron, population};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use surrogate::{Number, Surrogate};

/// Adaptive LIF: every spike raises the threshold, which then sinks back to θ.
///
/// ```text
/// u[t] = v[t-1] + x[t]      o[t] = 1 if u[t] ≥ θ + β·a[t-1]      v[t] = λ · reset(u[t], o[t])
/// a[t] = ρ·a[t-1] + o[t]
/// ```
///
/// A soft reset subtracts θ, not the raised threshold. The gradient passes the threshold as it
/// passes the membrane. Source: Bellec et al. 2018, "Long short-term memory and learning-to-learn
/// in networks of spiking neurons".
#[derive(Clone, Copy, Debug)]
pub struct Adaptive<S> {
    /// Threshold at rest, surrogate and reset.
    pub firing: Firing<S>,
    /// λ in (0, 1]: the part of the membrane kept from one step to the next.
    pub decay: f64,
    /// β ≥ 0: what one spike adds to the threshold.
    pub strength: f64,
    /// ρ in [0, 1): the part of the adaptation kept.
    pub adaptation_decay: f64,
}

impl<S: Surrogate> Cell<2, 0> for Adaptive<S> {
    #[inline(always)]
    fn step<N: Number>(&self, x: N, [v, a]: [N; 2], _: [N; 0]) -> (N, [N; 2]) {
        let u = v + x;
        let o = self.firing.spike(u, N::of(self.firing.threshold) + N::of(self.strength) * a);
        let v = N::of(self.decay) * self.firing.reset(u, o);
        (o, [v, N::of(self.adaptation_decay) * a + o])
    }

    fn only_where_fired(&self) -> bool {
        self.firing.only_where_fired()
    }
}

/// What a run says of it. The source's are for hundreds of steps; these are ours, for tens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Constants {
    /// λ in (0, 1].
    pub decay: f64,
    /// β from 0 to 10⁶.
    pub strength: f64,
    /// ρ in [0, 1).
    pub adaptation_decay: f64,
}

impl Default for Constants {
    fn default() -> Self {
        Self { decay: 0.9, strength: 0.1, adaptation_decay: 0.9 }
    }
}

impl super::Constants for Constants {
    fn check(&self) -> Result<(), BadParameter> {
        decays("decay", self.decay)?;
        fades("adaptation_decay", self.adaptation_decay)?;
        let fits = (0.0..=1e6).contains(&self.strength);
        range("strength", self.strength, fits, "from 0 to 1000000")
    }

    fn neuron<S: Surrogate>(&self, firing: Firing<S>) -> candle_core::Result<Arc<dyn Neuron>> {
        let Constants { decay, strength, adaptation_decay } = *self;
        Ok(population(Adaptive { firing, decay, strength, adaptation_decay })?)
    }
}
