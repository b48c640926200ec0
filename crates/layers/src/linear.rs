use candle_core::{Result, Tensor};

/// A fully connected layer, `[…, in]` → `[…, out]`: y = x·W + b.
#[derive(Clone, Debug)]
pub struct Linear {
    /// W `[in, out]`.
    pub weight: Tensor,
    /// b `[out]`.
    pub bias: Tensor,
}

impl Linear {
    /// Currents of `x`.
    ///
    /// # Errors
    /// If the last axis of `x` is not `in`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (inputs, outputs) = self.weight.dims2()?;
        let mut dims = x.dims().to_vec();
        if let Some(last) = dims.last_mut() {
            *last = outputs;
        }
        x.reshape(((), inputs))?.matmul(&self.weight)?.broadcast_add(&self.bias)?.reshape(dims)
    }
}
