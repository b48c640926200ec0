use super::Step;
use anyhow::Result;
use candle_core::{Device, Tensor};
use models::Mode;
use std::time::Instant;
use training::{Reduction, mse};

impl Step {
    /// Seconds of scores, loss and all gradients by tensor operations, which are the definition.
    ///
    /// # Errors
    /// If memory does not suffice.
    pub fn by_tensors(&self) -> Result<f64> {
        let frames = self.frames();
        let [b, h, w, c] = frames.shape;
        let shown = if frames.still { 1 } else { frames.steps };
        let once = Tensor::from_slice(frames.values, (shown, b, h, w, c), &Device::Cpu)?;
        let all = once.broadcast_as((frames.steps, b, h, w, c))?.contiguous()?;
        let start = Instant::now();
        let mode = Mode::Train { seed: self.settings.seed };
        let scores = self.network.forward(&all, mode, &mut ())?;
        mse(&scores, &self.labels, Reduction::Mean)?.backward()?;
        Ok(start.elapsed().as_secs_f64())
    }
}
