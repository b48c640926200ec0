use crate::data::Sets;
use anyhow::{Context, Result};
use candle_core::{DType, Device};
use datasets::Name;
use events::Framing;
use models::{Network, Spec, StatisticsOver};
use neuron::{Config, Method};
use serde::{Deserialize, Serialize};
use training::{Compute, History, Progress, SeededVars, Setup, train};

/// One run as plain data, one field per axis: everything that decides its numbers but the seed, the
/// recordings and the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The data set.
    pub data: Name,
    /// How a recording becomes the input of each step.
    #[serde(rename = "framing")]
    pub encoding: Encoding,
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

/// How a recording becomes the input of each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Direct encoding: an image, or a spectrogram, is shown at every one of `steps` steps.
    Direct {
        /// Number of steps T.
        steps: usize,
    },
    /// Sixteen windows that move over a spectrogram, so that time is time.
    Chunks,
    /// Events become frames; written as the framing itself.
    #[serde(untagged)]
    Events(Framing),
}

impl Run {
    /// The network with the initial weights of `vars`.
    ///
    /// # Errors
    /// If the network or its neuron cannot be built for this data set's frames.
    pub fn network(&self, vars: &SeededVars, device: &Device) -> Result<Network> {
        let spec: Spec = self.network.parse()?;
        let info = self.data.info();
        let [height, width, channels] = info.content.frame();
        let (height, width) = self.setup.side.map_or((height, width), |side| (side, side));
        let builder = vars.builder(DType::F32, device);
        Network::new(
            &spec,
            [height, width, channels],
            info.classes.len(),
            self.neuron.build()?,
            self.batch_norm,
            builder,
        )
        .map_err(in_one_sentence)
        .with_context(|| format!("cannot build {} for {height}×{width} frames of {}", self.network, info.title))
    }

    /// The straight line from frames to numbers: network, training, history.
    ///
    /// # Errors
    /// If the network cannot be built, or training stops.
    pub fn train(
        &self,
        sets: &Sets,
        compute: &Compute,
        seed: u64,
        device: &Device,
        progress: &mut dyn Progress,
    ) -> Result<History, training::Error> {
        let mut vars = SeededVars::new(seed);
        let network = self.network(&vars, device).map_err(candle_core::Error::wrap)?;
        train(&network, &mut vars, (sets.train(), sets.test()), &self.setup, compute, seed, device, progress)
    }
}

/// candle's error without the backtrace that it adds where RUST_BACKTRACE asks for one.
pub(crate) fn in_one_sentence(error: candle_core::Error) -> anyhow::Error {
    let text = error.to_string();
    anyhow::anyhow!("{}", text.lines().next().unwrap_or_default().trim())
}
