//! NeuNorm: what a trace of all channels' spikes takes from each of them.

use candle_core::{Result, Tensor, bail};

/// NeuNorm behind neurons: y\[t\] = s\[t\] − w · a\[t\], where the trace of a pixel is
/// a\[t\] = k · a\[t−1\] + b · Σ over its channels of s\[t\], and 0 before the first step.
///
/// Source: Wu et al., AAAI 2019, and SpikingJelly's `layer.NeuNorm`, which has b = (1 − k)/C².
#[derive(Clone, Debug)]
pub struct NeuNorm {
    /// w: `[H, W, C]`, or `[H, W, 1]` where all channels share it.
    pub weight: Tensor,
    /// k.
    pub decay: f64,
    /// b.
    pub input: f64,
}

impl NeuNorm {
    /// y of spikes `[T, B, H, W, C]`, in tensor operations.
    ///
    /// # Errors
    /// If they are no maps of w's size.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (steps, _, h, w, c) = x.dims5()?;
        let (rows, columns, channels) = self.weight.dims3()?;
        if [rows, columns] != [h, w] || (channels != c && channels != 1) {
            bail!("NeuNorm of {:?} takes maps of that size, found {:?}", self.weight, [h, w, c]);
        }
        let driven = (x.sum_keepdim(4)? * self.input)?;
        let mut a = driven.get(0)?;
        let mut traces = vec![a.clone()];
        for t in 1..steps {
            a = ((a * self.decay)? + driven.get(t)?)?;
            traces.push(a.clone());
        }
        x.broadcast_sub(&Tensor::stack(&traces, 0)?.broadcast_mul(&self.weight)?)
    }
}
