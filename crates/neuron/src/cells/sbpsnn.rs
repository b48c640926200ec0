use super::{Firing, decays};
use crate::{
    BadParameter, Cell, Cost, Fired, Kernel, Neuron, Pooling, Population, Stage, StageGradient,
    Upstream, population,
};
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
    /// Whether ∂L/∂o has the source's [`Factor`]. It needs all spikes of a pass, so that a layer
    /// with lateral connections has none.
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
struct Weighted<S> {
    neuron: Arc<Population<Sbpsnn<S>, 1, 0>>,
    decay: f64,
}

impl<S: Surrogate> Neuron for Weighted<S> {
    fn start(&self, x: &Tensor) -> Computed<Tensor> {
        self.neuron.start(x)
    }

    fn step(&self, x: &Tensor, v: &Tensor) -> Computed<(Tensor, Tensor)> {
        Neuron::step(&*self.neuron, x, v)
    }

    fn scan(&self, x: &Tensor) -> Computed<Tensor> {
        let spikes = self.neuron.scan(x)?;
        let factor = Factor::of(&spikes.detach(), self.decay)?.factor;
        // no value, and what the factor adds to the gradient
        let rest = spikes.broadcast_mul(&(factor - 1.0)?)?;
        &spikes + (&rest - rest.detach())?
    }

    fn stage(&self) -> Option<&dyn Kernel> {
        self.neuron.stage().map(|_| self as &dyn Kernel)
    }

    fn membrane(&self, x: &Tensor, v: &Tensor) -> Computed<Tensor> {
        self.neuron.membrane(x, v)
    }

    fn cost(&self) -> Cost {
        self.neuron.cost()
    }
}

impl<S: Surrogate> Kernel for Weighted<S> {
    fn fire(&self, stage: &Stage, z: &[f32]) -> Fired {
        self.neuron.fire(stage, z)
    }

    fn backward(&self, stage: &Stage, z: &[f32], upstream: &Upstream) -> StageGradient {
        with_factors(&*self.neuron, self.decay, stage, z, upstream)
    }

    fn states(&self) -> usize {
        self.neuron.states()
    }

    fn kept(&self) -> usize {
        self.neuron.kept()
    }

    /// Spikes of all steps, two sums and the factor.
    fn laid_out(&self, steps: usize) -> usize {
        steps + 20
    }

    fn step(&self, x: &[f32], v: &mut [f32], fired: &mut [u8]) {
        Kernel::step(&*self.neuron, x, v, fired);
    }

    fn only_where_fired(&self) -> bool {
        self.neuron.only_where_fired()
    }
}

/// [`Kernel::backward`] where each neuron's ∂L/∂o has its factor. The spikes of a pass come first,
/// since the factor is made of all of them; and pixel by pixel, since the neurons of a pooling
/// window have factors of their own.
fn with_factors(
    kernel: &dyn Kernel,
    decay: f64,
    stage: &Stage,
    z: &[f32],
    upstream: &Upstream,
) -> StageGradient {
    let alone = Stage { pool: Pooling::None, ..*stage };
    let spikes = kernel.fire(&alone, z).counts;
    let factors = factors(&spikes, stage.steps, decay);
    let c = stage.shape[3];
    let pixels = factors.len() / c;
    kernel.backward(&alone, z, &|p, row| {
        before_pool(stage, &spikes, p, row, upstream);
        let factors = &factors[p % pixels * c..][..c];
        row.iter_mut().zip(factors).for_each(|(g, factor)| *g *= factor);
    })
}

/// The factor of each neuron whose spikes `[T, …]` are given.
fn factors(spikes: &[u8], steps: usize, decay: f64) -> Vec<f32> {
    let size = spikes.len() / steps;
    let (mut filtered, mut count) = (vec![0f64; size], vec![0f64; size]);
    for step in spikes.chunks_exact(size) {
        for ((filtered, count), &o) in filtered.iter_mut().zip(&mut count).zip(step) {
            *filtered = decay * *filtered + f64::from(o);
            *count += f64::from(o);
        }
    }
    let factor = |(filtered, count): (&f64, &f64)| {
        let active = if *filtered > 1e-3 { 1.0 } else { 0.0 };
        (active + decay.ln() * filtered / count.max(1.0)) as f32
    };
    filtered.iter().zip(&count).map(factor).collect()
}

/// Writes the gradient of the spikes of pixel `p`, counted through `[T, B, H, W]`, from that of its
/// pooling window, into `row`.
fn before_pool(stage: &Stage, spikes: &[u8], p: usize, row: &mut [f32], upstream: &Upstream) {
    let [_, h, w, c] = stage.shape;
    let (k, (rows, columns)) = (stage.pool.side(), stage.pooled());
    let (map, y, x) = (p / (h * w), p / w % h, p % w);
    if y / k >= rows || x / k >= columns {
        row.fill(0.0);
        return;
    }
    upstream((map * rows + y / k) * columns + x / k, row);
    match stage.pool {
        Pooling::None => {}
        Pooling::Average(_) => row.iter_mut().for_each(|g| *g /= (k * k) as f32),
        Pooling::Max(_) => {
            let first = (map * h + y / k * k) * w + x / k * k;
            let fired = |j: usize, i: usize| spikes[(first + j / k * w + j % k) * c + i] != 0;
            for (i, g) in row.iter_mut().enumerate() {
                // to the first that fired, else to the first
                let taker = (0..k * k).find(|&j| fired(j, i)).unwrap_or(0);
                if taker != y % k * k + x % k {
                    *g = 0.0;
                }
            }
        }
    }
}
