use candle_core::{Result, Tensor};
use layers::BatchStatistics;

/// Watches a pass. `()` ignores everything.
pub trait Observer {
    /// The spikes `[T, B, …]` of the neurons called `layer`, in a pass of tensor operations; an
    /// event-driven one has no such tensor and calls [`Observer::count`].
    fn spikes(&mut self, layer: &str, spikes: &Tensor) -> Result<()> {
        let _ = (layer, spikes);
        Ok(())
    }

    /// How many of the neurons called `layer` fired at each step, of so many that could: neurons ·
    /// samples. A pass without a graph calls this in place of [`Observer::spikes`].
    fn count(&mut self, layer: &str, spikes: &[u64], chances: u64) -> Result<()> {
        let _ = (layer, spikes, chances);
        Ok(())
    }

    /// What the neurons called `layer` give behind their pooling, one step after another; the last
    /// axis, `channels` long, is the feature maps of a convolution, else the neurons. Only passes
    /// of blocks on the CPU call this, beside [`Observer::count`].
    fn outputs(&mut self, layer: &str, spikes: &[u8], channels: usize) -> Result<()> {
        let _ = (layer, spikes, channels);
        Ok(())
    }

    /// The statistics that the batch norm of `layer` used in a training pass. Whoever trains folds
    /// them into the running statistics; the network itself keeps nothing.
    fn statistics(&mut self, layer: &str, statistics: &BatchStatistics) -> Result<()> {
        let _ = (layer, statistics);
        Ok(())
    }
}

impl Observer for () {}
