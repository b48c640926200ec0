//! SLAYER (Shrestha & Orchard, NeurIPS 2018): spike-response neurons and its losses.

use crate::{Kernel, Real};

/// Neurons of one layer. Membranes are u = ε∗(W·s) + ν∗o; a neuron fires at u ≥ θ, and its
/// refractory responses ν add up: there is no reset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slayer {
    /// θ.
    pub threshold: f64,
    /// τ of the synapses' kernel ε.
    pub tau_sr: f64,
    /// τ of the refractory kernel ν.
    pub tau_ref: f64,
    /// Size of ν in θ.
    pub scale_ref: f64,
    /// Width of the spike function's slope, in θ.
    pub tau_rho: f64,
    /// Height of the slope.
    pub scale_rho: f64,
    /// Length of a step; a spike's value is 1/step.
    pub step: f64,
}

impl Slayer {
    /// ε, for samples that end at `until`.
    pub fn epsilon<F: Real>(&self, until: f64) -> Kernel<F> {
        Kernel::alpha(self.tau_sr, 1.0, self.step, until)
    }

    /// ν, for samples that end at `until`.
    pub fn nu<F: Real>(&self, until: f64) -> Kernel<F> {
        let factor = -self.scale_ref * self.threshold;
        Kernel::alpha(self.tau_ref, factor, self.step, until)
    }

    /// Spikes of membranes `u` without the refractory part, which is added to them.
    pub fn fire<F: Real>(&self, u: &mut [F], steps: usize) -> Vec<F> {
        let nu: Kernel<F> = self.nu(steps as f64 * self.step);
        let (threshold, spike) = (F::of(self.threshold), F::of(1.0 / self.step));
        let mut spikes = vec![F::zero(); u.len()];
        for (u, spikes) in u.chunks_mut(steps.max(1)).zip(spikes.chunks_mut(steps.max(1))) {
            for (t, o) in spikes.iter_mut().enumerate() {
                if u[t] >= threshold {
                    *o = spike;
                    // ν(0) = 0: a spike does not change its own step
                    u[t..].iter_mut().zip(&nu.values).for_each(|(u, &nu)| *u += nu);
                }
            }
        }
        spikes
    }

    /// ∂L/∂u of ∂L/∂o, by membranes with their refractory part; nothing goes through ν.
    pub fn backward<F: Real>(&self, u: &[F], g: &[F]) -> Vec<F> {
        let width = F::of(self.tau_rho * self.threshold);
        let height = F::of(self.scale_rho / (self.tau_rho * self.threshold));
        let threshold = F::of(self.threshold);
        let slope = |u: F| height * (-(u - threshold).abs() / width).exp();
        u.iter().zip(g).map(|(&u, &g)| g * slope(u)).collect()
    }
}

/// What a class is to fire in a region of the steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    /// The first step of the region, and the one behind its last.
    pub region: [usize; 2],
    /// Spikes of the true class.
    pub desired: f64,
    /// Spikes of the others.
    pub undesired: f64,
}

impl Counted {
    /// SLAYER's NumSpikes: inside the region the error is (count − wanted)/length, constant, and
    /// everywhere ε∗ of the spikes outside is added; ½Σe²·step, and ∂L/∂o, which goes through the
    /// adjoint of ε though the counts were not filtered.
    pub fn loss<F: Real>(
        &self,
        spikes: &[F],
        steps: usize,
        is_label: &[bool],
        epsilon: &Kernel<F>,
    ) -> (F, Vec<F>) {
        let step = F::of(epsilon.step);
        let [first, end] = [self.region[0].min(steps), self.region[1].min(steps)];
        let mut outside = spikes.to_vec();
        outside.chunks_mut(steps.max(1)).for_each(|row| row[first..end].fill(F::zero()));
        let mut errors = epsilon.forward(&outside, steps);
        let rows = spikes.chunks(steps.max(1)).zip(errors.chunks_mut(steps.max(1)));
        for ((spikes, errors), &is_label) in rows.zip(is_label) {
            let wanted = F::of(if is_label { self.desired } else { self.undesired });
            let count = spikes[first..end].iter().copied().sum::<F>() * step;
            let error = (count - wanted) / F::of((end - first) as f64);
            errors[first..end].iter_mut().for_each(|e| *e += error);
        }
        halved(errors, steps, epsilon)
    }
}

/// ½Σ(ε∗(o − d))²·step of spikes and the desired ones, and ∂L/∂o.
pub fn spike_time_loss<F: Real>(
    spikes: &[F],
    desired: &[F],
    steps: usize,
    epsilon: &Kernel<F>,
) -> (F, Vec<F>) {
    let differ: Vec<F> = spikes.iter().zip(desired).map(|(&o, &d)| o - d).collect();
    halved(epsilon.forward(&differ, steps), steps, epsilon)
}

fn halved<F: Real>(errors: Vec<F>, steps: usize, epsilon: &Kernel<F>) -> (F, Vec<F>) {
    let step = F::of(epsilon.step);
    let loss = errors.iter().map(|&e| e * e).sum::<F>() * step / F::of(2.0);
    let g: Vec<F> = errors.into_iter().map(|e| e * step).collect();
    (loss, epsilon.adjoint(&g, steps))
}
