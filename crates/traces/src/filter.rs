use crate::Real;

/// s[t] = (1 − 1/τ)·s[t−1] + x[t], and the trace s/τ (TSSL-BP).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exponential {
    /// τ in steps, above 1.
    pub tau: f64,
}

impl Exponential {
    /// The traces of rows of `steps` values.
    pub fn forward<F: Real>(&self, x: &[F], steps: usize) -> Vec<F> {
        let tau = F::of(self.tau);
        let mut out = Vec::with_capacity(x.len());
        for row in x.chunks(steps.max(1)) {
            let mut s = F::zero();
            out.extend(row.iter().map(|&x| {
                s = s - s / tau + x;
                s / tau
            }));
        }
        out
    }

    /// The adjoint: ∂L/∂x of ∂L/∂trace, the same filter run backwards.
    pub fn adjoint<F: Real>(&self, g: &[F], steps: usize) -> Vec<F> {
        let tau = F::of(self.tau);
        let kept = F::one() - F::one() / tau;
        let mut out = g.to_vec();
        for row in out.chunks_mut(steps.max(1)) {
            let mut a = F::zero();
            for g in row.iter_mut().rev() {
                a = *g / tau + kept * a;
                *g = a;
            }
        }
        out
    }

    /// ∂L/∂trace whose adjoint `a` is: (a[t] − (1 − 1/τ)·a[t+1])·τ.
    pub fn unadjoint<F: Real>(&self, a: &[F], steps: usize) -> Vec<F> {
        let tau = F::of(self.tau);
        let kept = F::one() - F::one() / tau;
        let mut out = Vec::with_capacity(a.len());
        for row in a.chunks(steps.max(1)) {
            let after = row.iter().skip(1).copied().chain([F::zero()]);
            out.extend(row.iter().zip(after).map(|(&now, after)| tau * (now - kept * after)));
        }
        out
    }
}

/// A kernel of finite length on the grid of steps (SLAYER).
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel<F> {
    /// Its values, of lag 0 first.
    pub values: Vec<F>,
    /// Length of a step: what a value counts in a sum.
    pub step: f64,
}

impl<F: Real> Kernel<F> {
    /// factor·(t/τ)·e^(1−t/τ) at multiples of `step` below `until`, cut at the first value behind
    /// its maximum that is smaller than 0.01. In f64, and rounded once.
    pub fn alpha(tau: f64, factor: f64, step: f64, until: f64) -> Kernel<F> {
        let mut values = Vec::new();
        let mut t = 0.0;
        while t < until {
            let value = factor * (t / tau) * (1.0 - t / tau).exp();
            if value.abs() < 0.01 && t > tau {
                break;
            }
            values.push(F::of(value));
            t = values.len() as f64 * step;
        }
        Kernel { values, step }
    }

    /// (ε∗x)[t] = Σ ε[k]·x[t−k]·step, of rows of `steps` values.
    pub fn forward(&self, x: &[F], steps: usize) -> Vec<F> {
        let mut out = Vec::with_capacity(x.len());
        for row in x.chunks(steps.max(1)) {
            out.extend((0..row.len()).map(|t| {
                let lags = self.values.iter().take(t + 1).enumerate();
                lags.map(|(k, &e)| e * row[t - k]).sum::<F>() * F::of(self.step)
            }));
        }
        out
    }

    /// The adjoint: ∂L/∂x of ∂L/∂(ε∗x).
    pub fn adjoint(&self, g: &[F], steps: usize) -> Vec<F> {
        let mut out = Vec::with_capacity(g.len());
        for row in g.chunks(steps.max(1)) {
            out.extend((0..row.len()).map(|t| {
                let lags = self.values.iter().zip(&row[t..]);
                lags.map(|(&e, &g)| e * g).sum::<F>() * F::of(self.step)
            }));
        }
        out
    }
}
