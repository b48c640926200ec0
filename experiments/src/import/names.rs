//! Our variables under the names of the paper's released code, whose checkpoints call layer i of a
//! network `fun.<i>`, every operation a layer of its own.

use crate::Run;
use crate::conformance::Layout;
use anyhow::{Result, bail};
use models::{Layer, Network};
use neuron::Kind;

/// A variable under both names.
#[derive(Clone, Debug, PartialEq)]
pub struct Counterpart {
    /// `fun.0.weight`.
    pub theirs: String,
    /// `128C3-1.weight`.
    pub ours: String,
    /// How theirs is laid out.
    pub layout: Layout,
}

/// What a network takes from a checkpoint of the released code.
#[derive(Default)]
pub struct Names {
    /// Variables in the order of the layers.
    pub wanted: Vec<Counterpart>,
    /// Constants of the neurons that a checkpoint may hold: name, what it is, our value.
    pub constants: Vec<(String, &'static str, f64)>,
    /// Counters that a checkpoint may hold, and that we have no use for.
    pub counters: Vec<String>,
}

impl Names {
    /// The names of `network`, which `run` describes.
    ///
    /// # Errors
    /// If the released code has no such network.
    pub fn of(run: &Run, network: &Network) -> Result<Names> {
        let mut names = Names::default();
        let [_, _, mut channels] = run.data.info().content.frame();
        let layers = network.layers();
        for (i, layer) in layers.iter().enumerate() {
            match layer {
                Layer::Conv(conv) if conv.bias.is_some() => {
                    let (_, _, _, out) = conv.weight.dims4()?;
                    names.product(i, stage(&layers[i..])?, Layout::Conv);
                    channels = out;
                }
                Layer::Linear(linear) => {
                    let (inputs, out) = linear.weight.dims2()?;
                    // rows and columns of a flattened map may be taken as one axis
                    names.product(
                        i,
                        stage(&layers[i..])?,
                        Layout::Linear([channels, inputs / channels.max(1), 1]),
                    );
                    channels = out;
                }
                Layer::Norm(name, _) => names.norm(i, name),
                Layer::Neuron(name, _) => names.neuron(i, name, run)?,
                Layer::Conv(_)
                | Layer::Depthwise(_)
                | Layer::Residual { .. }
                | Layer::NeuNorm(_)
                | Layer::BackEi { .. }
                | Layer::Recurrent { .. } => bail!(
                    "the paper's released code has no residual or recurrent network and no convolution without bias, so its checkpoints have no names for {}; \
                     take a .safetensors file of this program",
                    run.network
                ),
                Layer::Rectify
                | Layer::MaxPool(_)
                | Layer::AvgPool(_)
                | Layer::StridedAvgPool(_)
                | Layer::Flatten
                | Layer::Dropout(..)
                | Layer::Vote(_) => {}
            }
        }
        Ok(names)
    }

    fn product(&mut self, i: usize, stage: &str, layout: Layout) {
        self.want(format!("fun.{i}.weight"), format!("{stage}.weight"), layout);
        self.want(format!("fun.{i}.bias"), format!("{stage}.bias"), Layout::Vector);
    }

    fn norm(&mut self, i: usize, stage: &str) {
        for what in ["weight", "bias", "running_mean", "running_var"] {
            self.want(format!("fun.{i}.{what}"), format!("{stage}.norm.{what}"), Layout::Vector);
        }
        self.counters.push(format!("fun.{i}.num_batches_tracked"));
    }

    fn neuron(&mut self, i: usize, layer: &str, run: &Run) -> Result<()> {
        let neuron = run.neuron_of(layer)?;
        let decay = match neuron.kind {
            Kind::Lif { decay } => decay,
            Kind::If => 1.0,
            _ => bail!(
                "the paper's released code has no neurons but LIF, so its checkpoints have no \
                 names for those of {layer}; take a .safetensors file of this program"
            ),
        };
        self.constants.push((format!("fun.{i}.threshold"), "threshold", neuron.threshold));
        self.constants.push((format!("fun.{i}.decay"), "decay", decay));
        Ok(())
    }

    fn want(&mut self, theirs: String, ours: String, layout: Layout) {
        self.wanted.push(Counterpart { theirs, ours, layout });
    }
}

/// The stage of the product that `layers` start with: the norm or the neurons behind it bear its
/// name.
fn stage(layers: &[Layer]) -> Result<&str> {
    let name = layers.iter().find_map(|layer| match layer {
        Layer::Norm(name, _) | Layer::Neuron(name, _) => Some(name.as_str()),
        _ => None,
    });
    name.map_or_else(|| bail!("a layer without neurons behind it has no name"), Ok)
}
