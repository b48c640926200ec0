//! A loss of spike traces: each train of spikes, filtered, against that of a train that is wanted
//! (van Rossum's distance).

use crate::one_hot::{Sizes, one_hot};
use candle_core::{Result, Tensor};

/// The trace of spikes o: a\[t\] = a\[t−1\] + (o\[t\] − a\[t−1\])/τ, and 0 before the first step.
#[derive(Clone, Copy)]
pub struct Traces {
    /// τ in steps, at least 1.
    pub tau: f64,
    /// Steps from a wanted spike to the next, the first of them behind so many steps.
    pub period: usize,
}

impl Traces {
    /// The trace wanted of a sample's class at every step; of other classes it is 0.
    fn wanted(&self, steps: usize) -> Vec<f64> {
        let mut a = 0.0;
        let next = |t: usize| {
            let spike = if (t + 1).is_multiple_of(self.period.max(1)) { 1.0 } else { 0.0 };
            a += (spike - a) / self.tau;
            a
        };
        (0..steps).map(next).collect()
    }

    /// ½ Σ (a − y)² over steps and classes, mean over the batch, in tensor operations.
    pub fn define(&self, outputs: &Tensor, labels: &[u32]) -> Result<Tensor> {
        let (steps, batch, classes) = outputs.dims3()?;
        let hot = one_hot(labels, classes, outputs)?;
        let mut a = outputs.get(0)?.zeros_like()?;
        let mut sum = Tensor::zeros((), outputs.dtype(), outputs.device())?;
        for (t, wanted) in self.wanted(steps).into_iter().enumerate() {
            a = (&a + ((outputs.get(t)? - &a)? / self.tau)?)?;
            sum = (sum + (&a - (&hot * wanted)?)?.sqr()?.sum_all()?)?;
        }
        sum / (2 * batch) as f64
    }

    /// The same and its gradient, on slices: ā\[t\] = (a\[t\] − y\[t\])/B + (1 − 1/τ)·ā\[t+1\], and
    /// ∂L/∂o\[t\] = ā\[t\]/τ.
    pub fn of(&self, outputs: &[f64], sizes: Sizes, labels: &[u32]) -> (f64, Vec<f64>) {
        let [steps, batch, classes] = sizes;
        let size = batch * classes;
        let (mut a, mut off) = (vec![0.0; size], outputs.to_vec());
        for (step, wanted) in off.chunks_exact_mut(size.max(1)).zip(self.wanted(steps)) {
            for (i, (a, off)) in a.iter_mut().zip(step).enumerate() {
                *a += (*off - *a) / self.tau;
                let right = labels[i / classes] as usize == i % classes;
                *off = if right { *a - wanted } else { *a };
            }
        }
        let value = off.iter().map(|off| off * off).sum::<f64>() / (2 * batch) as f64;
        let (mut back, mut gradient) = (vec![0.0; size], off);
        for step in gradient.chunks_exact_mut(size.max(1)).rev() {
            for (back, g) in back.iter_mut().zip(step) {
                *back = *g / batch as f64 + (1.0 - 1.0 / self.tau) * *back;
                *g = *back / self.tau;
            }
        }
        (value, gradient)
    }
}
