use crate::data::Sets;
use crate::encoding::Encoding;
use anyhow::{Context, Result, anyhow, ensure};
use candle_core::{DType, Device};
use datasets::Name;
use layers::Masks;
use models::{Biases, Network, Neurons, Norm, Spec, StageOptions};
use neuron::{BadParameter, Config, Neuron, PartialConfig, WhenSilent};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use surrogate::Surrogate;
use training::{Compute, History, Progress, SeededVars, Setup, WarmUp, train};

/// One run as plain data, one field per axis: everything that decides its numbers but the seed, the
/// recordings and the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The data set.
    pub data: Name,
    /// The classes that it is trained and tested on, where it is not all of the data set's; in the
    /// data set's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// How a recording becomes the input of each step.
    #[serde(rename = "framing")]
    pub encoding: Encoding,
    /// The network in the paper's notation, as wide as it runs.
    pub network: String,
    /// The norm between products and neurons; receipts of before it had options call it
    /// `batch_norm`.
    #[serde(alias = "batch_norm")]
    pub norm: Norm,
    /// Whether a ReLU stands between norm and neurons.
    #[serde(default = "rectified", skip_serializing_if = "is_rectified")]
    pub rectify: bool,
    /// Which products have a bias.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub bias: Biases,
    /// How long a mask of dropout stays.
    #[serde(default, skip_serializing_if = "is_of_a_pass")]
    pub dropout: Masks,
    /// The system by its id, see [`crate::systems`]; receipts of before there were other systems
    /// call it `method`.
    #[serde(alias = "method")]
    pub system: String,
    /// Which of its settings.
    #[serde(default, skip_serializing_if = "SystemSetting::is_house")]
    pub setting: SystemSetting,
    /// The system's neuron, or what was made of it.
    pub neuron: Config,
    /// Layers whose neurons have some fields otherwise, by the layer's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub neurons: BTreeMap<String, PartialConfig>,
    /// A surrogate of the user's own in place of the neuron's; a receipt has its name.
    #[serde(default, skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub own_surrogate: Option<OwnSurrogate>,
    /// SHA-256, in hex, of the file whose weights it begins with in place of random ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_weights_sha256: Option<String>,
    /// Whether those weights were taken whatever run their file says that they are of.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub initial_weights_of_another_run: bool,
    /// Epochs, batches, optimiser, loss, augmentation.
    pub setup: Setup,
}

/// In which setting a system is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SystemSetting {
    /// The system's idea inside the paper's network and budget.
    #[default]
    House,
    /// The system's own recipe, as it was published.
    Published,
}

impl SystemSetting {
    /// Whether it is the default, which receipts leave out.
    pub fn is_house(&self) -> bool {
        *self == Self::House
    }
}

fn rectified() -> bool {
    true
}

fn is_rectified(rectify: &bool) -> bool {
    *rectify
}

fn is_of_a_pass(dropout: &Masks) -> bool {
    *dropout == Masks::Pass
}

fn is_usual(bias: &Biases) -> bool {
    *bias == Biases::default()
}

/// A surrogate of a user's own, with the name under which receipts have it.
#[derive(Clone)]
pub struct OwnSurrogate {
    name: String,
    neuron: WithOwn,
    value: Arc<dyn std::any::Any + Send + Sync>,
}

/// A neuron with the surrogate that an [`OwnSurrogate`] holds.
type WithOwn = fn(&OwnSurrogate, &Config) -> Result<Arc<dyn Neuron>, BadParameter>;

impl OwnSurrogate {
    /// A surrogate under a name: letters, digits and `-_+.`, since it becomes a part of a file's
    /// name. Its parameters belong into the name, because a receipt has nothing else of it.
    ///
    /// # Errors
    /// Another character in the name.
    pub fn new<S: Surrogate>(name: &str, surrogate: S) -> Result<Self> {
        ensure!(
            Self::is_name(name),
            "the surrogate's name: expected 1 to 64 letters, digits and -_+., found \"{}\"; choose another",
            sentence::shown(name)
        );
        let ours =
            surrogate::Kind::all().map(|kind| serde_json::to_value(kind).unwrap_or_default());
        ensure!(
            !ours.iter().any(|kind| kind.get(name).is_some()),
            "the surrogate's name: {name} is one of the library's own, and receipts would not tell the two apart; choose another"
        );
        let neuron = |own: &OwnSurrogate, config: &Config| match own.value.downcast_ref::<S>() {
            Some(surrogate) => config.with(*surrogate),
            None => config.build(),
        };
        Ok(Self { name: name.to_owned(), neuron, value: Arc::new(surrogate) })
    }

    /// Whether a surrogate of a user's own can be called so.
    pub fn is_name(name: &str) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_+.".contains(c);
        (1..=64).contains(&name.len()) && name.chars().all(plain)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Debug for OwnSurrogate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OwnSurrogate({})", self.name)
    }
}

impl PartialEq for OwnSurrogate {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Serialize for OwnSurrogate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

impl Run {
    /// `[height, width, channels]` of the frames that its network sees.
    pub fn frame(&self) -> [usize; 3] {
        let [height, width, channels] = self.data.info().content.frame();
        let (height, width) = self.setup.side.map_or((height, width), |side| (side, side));
        [height, width, channels]
    }

    /// The network without memory for its weights, see [`Network::outline`].
    ///
    /// # Errors
    /// As [`Run::network`].
    pub fn outline(&self) -> Result<Network> {
        let (spec, neurons) = self.parts()?;
        let classes = self.data.info().classes.len();
        let built = Network::outline(&spec, self.frame(), classes, neurons, self.stages());
        self.built(built)
    }

    /// What stands around its products.
    fn stages(&self) -> StageOptions {
        let Run { norm, rectify, bias, dropout, .. } = *self;
        StageOptions { norm, rectify, bias, dropout, steps: self.steps() }
    }

    /// The same whose neurons are all of one kind, nothing checked.
    pub(crate) fn outline_of(&self, neuron: &Config) -> Result<Network> {
        let (spec, classes) = (self.network.parse()?, self.data.info().classes.len());
        let neuron = neuron.build()?;
        Ok(Network::outline(&spec, self.frame(), classes, neuron, self.stages())?)
    }

    /// What a network is made of, every field checked.
    fn parts(&self) -> Result<(Spec, Neurons)> {
        self.check().map_err(|error| anyhow!("{error}"))?;
        let mut neurons = Neurons::from(self.neuron(&self.neuron)?);
        for layer in self.neurons.keys() {
            neurons = neurons.with(layer, self.neuron(&self.neuron_of(layer)?)?);
        }
        Ok((self.network.parse()?, neurons))
    }

    fn built(&self, network: candle_core::Result<Network>) -> Result<Network> {
        let [height, width, _] = self.frame();
        let (network_text, title) = (sentence::shown(&self.network), self.data.info().title);
        let network = network.map_err(in_one_sentence).with_context(|| {
            format!("cannot build {network_text} for {height}×{width} frames of {title}")
        })?;
        Ok(match self.setup.head.without_neurons() {
            true => network.without_output_neurons(),
            false => network,
        })
    }

    /// The variables of a network of this run, none of them made yet.
    pub fn variables(&self, seed: u64) -> SeededVars {
        SeededVars::with(seed, self.setup.initialisation)
    }

    /// The network with the initial weights of `vars`.
    ///
    /// # Errors
    /// A field outside its range, or a network or neuron that cannot be built for this data set's
    /// frames.
    pub fn network(&self, vars: &SeededVars, device: &Device) -> Result<Network> {
        let (spec, neurons) = self.parts()?;
        let classes = self.data.info().classes.len();
        let builder = vars.builder(DType::F32, device);
        self.built(Network::new(&spec, self.frame(), classes, neurons, self.stages(), builder))
    }

    /// What the neurons of a layer are: the run's, with the fields that the layer has otherwise.
    ///
    /// # Errors
    /// A reset where the kind of neuron has none, or none where it has one.
    pub fn neuron_of(&self, layer: &str) -> Result<Config, BadParameter> {
        match self.neurons.get(layer) {
            Some(part) => self.neuron.changed(part),
            None => Ok(self.neuron),
        }
    }

    /// Neurons, with the user's surrogate and the warm-up's fallback where the run has them.
    ///
    /// # Errors
    /// A parameter outside its range.
    fn neuron(&self, config: &Config) -> Result<Arc<dyn Neuron>> {
        let usual = match &self.own_surrogate {
            Some(own) => (own.neuron)(own, config)?,
            None => config.build()?,
        };
        Ok(match self.setup.warm_up {
            WarmUp::SigmoidWhenSilent { rate } => Arc::new(WhenSilent::new(usual, config, rate)?),
            _ => usual,
        })
    }

    /// Whether its warm-up never ends: it trains the analogue network.
    pub fn is_analogue(&self) -> bool {
        matches!(self.setup.warm_up, WarmUp::Ann { epochs } if epochs >= self.setup.epochs)
    }

    /// The network that is there after the last epoch: without neurons if the warm-up never ended.
    pub fn trained(&self, network: &Network) -> Network {
        if self.is_analogue() { network.analogue() } else { network.clone() }
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
        let mut vars = self.variables(seed);
        let network = self.network(&vars, device).map_err(candle_core::Error::wrap)?;
        train(
            &network,
            &mut vars,
            (sets.train(), sets.test()),
            &self.setup,
            compute,
            seed,
            device,
            progress,
        )
    }
}

/// candle's error without the backtrace that it adds where RUST_BACKTRACE asks for one.
pub(crate) fn in_one_sentence(error: candle_core::Error) -> anyhow::Error {
    let text = error.to_string();
    anyhow::anyhow!("{}", text.lines().next().unwrap_or_default().trim())
}
