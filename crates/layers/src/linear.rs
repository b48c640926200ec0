use candle_core::{Result, Tensor};

/// A fully connected layer, `[…, in]` → `[…, out]`: y = x·W + b.
#[derive(Clone, Debug)]
pub struct Linear {
    /// W `[in, out]`.
    pub weight: Tensor,
    /// b `[out]`; `None` adds nothing and trains nothing.
    pub bias: Option<Tensor>,
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
        let y = x.reshape(((), inputs))?.matmul(&self.weight)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(bias)?.reshape(dims),
            None => y.reshape(dims),
        }
    }
}
