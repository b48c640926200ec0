use crate::SeededVars;
use candle_core::{DType, Tensor};
use models::{BatchStatistics, Observer};

/// Watches which layers fire in a step, and hands statistics on.
pub(crate) struct FiringMonitor {
    vars: SeededVars,
    fired: Vec<(String, Fired)>,
}

enum Fired {
    Count(bool),
    /// A sum that is read after the step, so that no device waits for it within.
    Sum(Tensor),
}

impl FiringMonitor {
    pub fn new(vars: &SeededVars) -> Self {
        Self { vars: vars.clone(), fired: Vec::new() }
    }

    /// Each layer, and whether it fired.
    pub fn fired(self) -> candle_core::Result<Vec<(String, bool)>> {
        let fired = |(name, fired)| match fired {
            Fired::Count(fired) => Ok((name, fired)),
            Fired::Sum(sum) => Ok((name, sum.to_dtype(DType::F32)?.to_scalar::<f32>()? > 0.0)),
        };
        self.fired.into_iter().map(fired).collect()
    }
}

impl Observer for FiringMonitor {
    fn spikes(&mut self, layer: &str, spikes: &Tensor) -> candle_core::Result<()> {
        self.fired.push((layer.into(), Fired::Sum(spikes.detach().sum_all()?)));
        Ok(())
    }

    fn count(&mut self, layer: &str, spikes: &[u64], _: u64) -> candle_core::Result<()> {
        self.fired.push((layer.into(), Fired::Count(spikes.iter().any(|&n| n > 0))));
        Ok(())
    }

    fn statistics(&mut self, layer: &str, statistics: &BatchStatistics) -> candle_core::Result<()> {
        self.vars.statistics(layer, statistics)
    }
}
