use crate::data::Sets;
use anyhow::{Context, Result};
use candle_core::{DType, Device};
use datasets::Name;
use events::Framing;
use models::{Network, Spec, StatisticsOver};
use neuron::{Config, Method};
use serde::{Deserialize, Serialize};
use training::{History, Progress, SeededVars, Setup, train};

/// One run as plain data, one field per axis: everything that decides its numbers but the seed, the
/// recordings and the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The data set.
    pub data: Name,
    /// How events become frames.
    pub framing: Framing,
    /// The network in the paper's notation, as wide as it runs.
    pub network: String,
    /// What batch norm averages over.
    pub batch_norm: StatisticsOver,
    /// The method by name.
    pub method: Method,
    /// The method's neuron, or what was made of it.
    pub neuron: Config,
    /// Epochs, batches, optimiser, loss, augmentation.
    pub setup: Setup,
}

impl Run {
    /// The straight line from frames to numbers: network, training, history.
    ///
    /// # Errors
    /// If the network cannot be built for these frames, or training stops.
    pub fn train(&self, sets: &Sets, seed: u64, device: &Device, progress: &mut dyn Progress) -> Result<History> {
        let spec: Spec = self.network.parse()?;
        let info = self.data.info();
        let (height, width) = match self.setup.side {
            Some(side) => (side, side),
            None => (info.sensor.height.into(), info.sensor.width.into()),
        };
        let mut vars = SeededVars::new(seed);
        let builder = vars.builder(DType::F32, device);
        let neuron = self.neuron.build()?;
        let network = Network::new(&spec, [height, width, 2], info.classes.len(), neuron, self.batch_norm, builder)
            .with_context(|| format!("cannot build {} for {height}×{width} frames", self.network))?;
        Ok(train(&network, &mut vars, (&sets.train, &sets.test), &self.setup, seed, device, progress)?)
    }
}
