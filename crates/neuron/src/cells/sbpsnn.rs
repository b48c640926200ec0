use super::{Firing, decays};
use crate::{BadParameter, Cell, Cost, Neuron, population};
use candle_core::{Result as Computed, Tensor};
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
/// multiplies ∂L/∂o by a factor of each neuron's whole spike train, which no step knows: see
/// [`Factor`]. With λ = 1, θ = 0.75 and height 1 it is the neuron behind the
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
    /// Whether ∂L/∂o has the source's [`Factor`]. It needs all spikes of a pass, so that such
    /// neurons are trained by tensor operations.
    pub factor: bool,
}

impl Default for Constants {
    fn default() -> Self {
        Self { decay: 0.99, factor: false }
    }
}

impl super::Constants for Constants {
    fn check(&self) -> Result<(), BadParameter> {
        decays("decay", self.decay)
    }

    fn neuron<S: Surrogate>(&self, firing: Firing<S>) -> candle_core::Result<Arc<dyn Neuron>> {
        let neuron = population(Sbpsnn { firing, decay: self.decay })?;
        Ok(match self.factor {
            true => Arc::new(Weighted { neuron, decay: self.decay }),
            false => neuron,
        })
    }
}

/// The factor of ∂L/∂o of each neuron, and what it is made of: with N spikes o in T steps and
/// F = Σ_t λ^(T−1−t) · o[t],
///
/// ```text
/// c = [F > 0.001] + ln(λ) · F/N
/// ```
///
/// It makes up for the leak that the gradient does not see.
pub struct Factor {
    /// F: spikes filtered by the leak.
    pub filtered: Tensor,
    /// N.
    pub count: Tensor,
    /// c.
    pub factor: Tensor,
}

impl Factor {
    /// Of all spikes of a pass, `[T, …]`.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn of(spikes: &Tensor, decay: f64) -> Computed<Factor> {
        let steps = spikes.dim(0)?;
        let weights: Vec<f64> = (0..steps).map(|t| decay.powi((steps - 1 - t) as i32)).collect();
        let mut shape = vec![1; spikes.rank()];
        shape[0] = steps;
        let weights =
            Tensor::from_vec(weights, shape, spikes.device())?.to_dtype(spikes.dtype())?;
        let filtered = spikes.broadcast_mul(&weights)?.sum(0)?;
        let count = spikes.sum(0)?;
        let active = filtered.gt(1e-3)?.to_dtype(spikes.dtype())?;
        let lost = ((&filtered * decay.ln())? / count.maximum(1.0)?)?;
        Ok(Factor { factor: (active + lost)?, filtered, count })
    }
}

/// The neurons with their [`Factor`]. Forward they are [`Sbpsnn`]; a single step has no factor.
#[derive(Debug)]
struct Weighted {
    neuron: Arc<dyn Neuron>,
    decay: f64,
}

impl Neuron for Weighted {
    fn start(&self, x: &Tensor) -> Computed<Tensor> {
        self.neuron.start(x)
    }

    fn step(&self, x: &Tensor, v: &Tensor) -> Computed<(Tensor, Tensor)> {
        self.neuron.step(x, v)
    }

    fn scan(&self, x: &Tensor) -> Computed<Tensor> {
        let spikes = self.neuron.scan(x)?;
        let factor = Factor::of(&spikes.detach(), self.decay)?.factor;
        // no value, and what the factor adds to the gradient
        let rest = spikes.broadcast_mul(&(factor - 1.0)?)?;
        &spikes + (&rest - rest.detach())?
    }

    fn membrane(&self, x: &Tensor, v: &Tensor) -> Computed<Tensor> {
        self.neuron.membrane(x, v)
    }

    fn cost(&self) -> Cost {
        self.neuron.cost()
    }
}
