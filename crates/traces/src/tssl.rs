//! TSSL-BP (Zhang & Li, NeurIPS 2020): LIF neurons whose gradient goes through the traces of their
//! spikes.

use crate::{Exponential, Real};

/// Neurons of one layer, and the rule of their backward pass.
///
/// v[t] = (1 − 1/τm)·v[t−1] + I[t] until u > θ; then a spike, and v = 0. The layer gives on the
/// trace of its spikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tssl {
    /// τm in steps.
    pub tau_m: f64,
    /// τs in steps, of the traces.
    pub tau_s: f64,
    /// θ.
    pub threshold: f64,
    /// Which backward pass.
    pub rule: TsslRule,
}

/// The two versions of the published code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TsslRule {
    /// As the paper's numbers were made: in a layer that fires less than `fallback_rate` the
    /// gradient is a sigmoid's, in all others 1/Δ, at most `most`, where a neuron fired.
    Published {
        /// The rate over batch, units and steps up to which a layer falls back.
        fallback_rate: f64,
        /// The most of 1/Δ.
        most: f64,
    },
    /// As the code is today: each neuron falls back at steps where its own trace is below 1/(4τs).
    Head {
        /// The most of 1/Δ.
        most: f64,
    },
}

/// What a forward pass leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Tape<F> {
    /// Steps T of each row.
    pub steps: usize,
    /// u, membranes before the reset.
    pub membranes: Vec<F>,
    /// Δ = u[t] − v[t−1].
    pub changes: Vec<F>,
    /// o.
    pub spikes: Vec<F>,
}

impl Tssl {
    /// The rule of the published numbers.
    pub fn published(tau_m: f64, tau_s: f64, threshold: f64) -> Tssl {
        let rule = TsslRule::Published { fallback_rate: 0.1, most: 10.0 };
        Tssl { tau_m, tau_s, threshold, rule }
    }

    /// The rule of the code's last version.
    pub fn of_head(tau_m: f64, tau_s: f64, threshold: f64) -> Tssl {
        Tssl { tau_m, tau_s, threshold, rule: TsslRule::Head { most: 8.0 } }
    }

    /// Filter of the layer's currents and of its spikes.
    pub fn filter(&self) -> Exponential {
        Exponential { tau: self.tau_s }
    }

    /// Spikes of filtered currents `x`, rows of `steps` values.
    pub fn forward<F: Real>(&self, x: &[F], steps: usize) -> Tape<F> {
        let (leak, threshold) = (F::of(1.0 / self.tau_m), F::of(self.threshold));
        let mut tape = Tape {
            steps,
            membranes: Vec::with_capacity(x.len()),
            changes: Vec::with_capacity(x.len()),
            spikes: Vec::with_capacity(x.len()),
        };
        for row in x.chunks(steps.max(1)) {
            let mut v = F::zero();
            for &x in row {
                let change = x - leak * v;
                let u = v + change;
                let fires = u > threshold;
                v = if fires { F::zero() } else { u };
                tape.membranes.push(u);
                tape.changes.push(change);
                tape.spikes.push(if fires { F::one() } else { F::zero() });
            }
        }
        tape
    }

    /// ∂L/∂I of `g`, which is ∂L/∂o: what the product above gives, or of the last layer the
    /// adjoint of ∂L/∂trace.
    pub fn backward<F: Real>(&self, tape: &Tape<F>, g: &[F]) -> Vec<F> {
        match self.rule {
            TsslRule::Published { most, .. } => self.published_backward(tape, g, most),
            TsslRule::Head { most } => self.head_backward(tape, g, most),
        }
    }

    /// Whether a layer falls back as a whole.
    pub fn falls_back<F: Real>(&self, tape: &Tape<F>) -> bool {
        let TsslRule::Published { fallback_rate, .. } = self.rule else { return false };
        let spikes: F = tape.spikes.iter().copied().sum();
        let rate = spikes / F::of(tape.spikes.len().max(1) as f64);
        rate <= F::of(fallback_rate)
    }

    fn published_backward<F: Real>(&self, tape: &Tape<F>, g: &[F], most: f64) -> Vec<F> {
        let (steps, leak) = (tape.steps.max(1), F::of(1.0 / self.tau_m));
        // of every trace, that of the layer's own reset added
        let mut all = self.filter().unadjoint(g, steps);
        for (row, g) in all.chunks_mut(steps).enumerate() {
            let mut carried = F::zero();
            for t in (0..g.len()).rev() {
                let i = row * steps + t;
                let of_trace = g[t];
                if tape.spikes[i] > F::zero() {
                    g[t] += leak * tape.membranes[i] * carried;
                    carried = of_trace;
                } else {
                    carried = (F::one() - leak) * carried;
                }
            }
        }
        let mut all = self.filter().adjoint(&all, steps);
        let falls_back = self.falls_back(tape);
        for (i, a) in all.iter_mut().enumerate() {
            *a *= match falls_back {
                true => self.sigmoid_slope(tape.membranes[i]),
                false => inverse_change(tape, i, most),
            };
        }
        all
    }

    fn head_backward<F: Real>(&self, tape: &Tape<F>, g: &[F], most: f64) -> Vec<F> {
        let (steps, leak) = (tape.steps.max(1), F::of(1.0 / self.tau_m));
        let traces = self.filter().forward(&tape.spikes, steps);
        let silent = F::of(1.0 / (4.0 * self.tau_s));
        let mut out = vec![F::zero(); g.len()];
        for (row, out) in out.chunks_mut(steps).enumerate() {
            let mut m = F::zero();
            for t in (0..out.len()).rev() {
                let i = row * steps + t;
                let (q, u, o) = (inverse_change(tape, i, most), tape.membranes[i], tape.spikes[i]);
                m = g[i] * q + m * (u * q * leak) + m * (F::one() - leak) * (F::one() - o);
                // what is carried on is m in either case
                out[t] = match traces[i] < silent {
                    true => g[i] * self.sigmoid_slope(u),
                    false => m,
                };
            }
        }
        out
    }

    /// σ′ = e/((1+e)²·0.2), e = exp(clamp((θ−u)/0.2, ±8)).
    fn sigmoid_slope<F: Real>(&self, u: F) -> F {
        let (width, most) = (F::of(0.2), F::of(8.0));
        let e = ((F::of(self.threshold) - u) / width).max(-most).min(most).exp();
        let one = F::one();
        e / ((one + e) * (one + e) * width)
    }
}

/// 1/Δ where a neuron fired, at most `most`; else 0.
fn inverse_change<F: Real>(tape: &Tape<F>, i: usize, most: f64) -> F {
    match tape.spikes[i] > F::zero() {
        true => (F::one() / tape.changes[i]).min(F::of(most)),
        false => F::zero(),
    }
}

/// The train that the true class is to fire in `steps` steps: every second step from the second
/// on; of five steps 0,1,0,1,1 as published, and 0,1,1,1,1 in the code's last version.
pub fn target_train<F: Real>(steps: usize, published: bool) -> Vec<F> {
    let train: Vec<bool> = match (steps, published) {
        (5, true) => vec![false, true, false, true, true],
        (5, false) => vec![false, true, true, true, true],
        _ => (0..steps).map(|t| t % 2 == 1).collect(),
    };
    train.into_iter().map(|fires| if fires { F::one() } else { F::zero() }).collect()
}

/// ½Σ(a − y)² of output traces and targets, and ∂L/∂a.
pub fn trace_loss<F: Real>(traces: &[F], targets: &[F]) -> (F, Vec<F>) {
    let g: Vec<F> = traces.iter().zip(targets).map(|(&a, &y)| a - y).collect();
    (g.iter().map(|&d| d * d).sum::<F>() / F::of(2.0), g)
}

/// d = (Σa − n)/T of each output row, n `desired` where it is the label's and else `undesired`; 0
/// where it fires enough, or little enough; ½Σd² over all steps, and ∂L/∂a.
pub fn count_loss<F: Real>(
    traces: &[F],
    steps: usize,
    is_label: &[bool],
    [desired, undesired]: [f64; 2],
) -> (F, Vec<F>) {
    let mut g = vec![F::zero(); traces.len()];
    let rows = traces.chunks(steps.max(1)).zip(g.chunks_mut(steps.max(1)));
    for ((trace, g), &is_label) in rows.zip(is_label) {
        let wanted = F::of(if is_label { desired } else { undesired });
        let d = (trace.iter().copied().sum::<F>() - wanted) / F::of(steps as f64);
        let enough = if is_label { d >= F::zero() } else { d <= F::zero() };
        g.fill(if enough { F::zero() } else { d });
    }
    (g.iter().map(|&d| d * d).sum::<F>() / F::of(2.0), g)
}
