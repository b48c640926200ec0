use crate::{Cell, Fires};
use surrogate::{Number, WhereFired};

/// The neuron of spike-based backpropagation: a leak that the gradient does not see.
///
/// ```text
/// u[t] = v[t-1] + x[t]      o[t] = 1 if u[t] > θ      v[t] = λ·u[t]·(1 − o[t])
/// ```
///
/// ∂o/∂u is 1/θ where it fired, else 0; the leak counts as 1, and the spike in the reset as a
/// constant. The published rule also multiplies ∂L/∂o by a factor of each neuron's whole spike
/// train, which no step knows: whoever has the spikes does that, outside. With λ = 1 and θ = 0.75
/// it is the neuron behind the rule's poolings, but for the slope, which is 1 there.
///
/// Source: Lee et al., "Enabling spike-based backpropagation for training deep neural network
/// architectures", Frontiers in Neuroscience 2020.
#[derive(Clone, Copy, Debug)]
pub struct Sbpsnn {
    /// θ > 0.
    pub threshold: f64,
    /// λ in (0, 1].
    pub decay: f64,
    /// ∂o/∂u where it fired; 1/θ in the source.
    pub slope: f64,
}

impl Cell<1, 0> for Sbpsnn {
    #[inline(always)]
    fn step<N: Number>(&self, x: N, [v]: [N; 1], _: [N; 0]) -> (N, [N; 1]) {
        let u = v + x;
        let surrogate = WhereFired { height: self.slope };
        let o = N::spike(u, N::of(self.threshold), Fires::AboveThreshold, &surrogate);
        let kept = u * (N::of(1.0) - o.detach());
        (o, [(N::of(self.decay) * kept).with_gradient_of(kept)])
    }

    fn only_where_fired(&self) -> bool {
        true
    }
}
