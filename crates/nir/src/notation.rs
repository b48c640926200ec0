//! A network out of a file in the paper's notation, with its weights under the names of ours.

use crate::{Error, Imported};
use candle_core::{Device, Tensor};
use layers::{Conv2d, Linear, Windows};
use models::{Layer, Stage};
use neuron::Config;
use std::collections::HashMap;

/// A network as programs are told it.
#[derive(Clone, Debug)]
pub struct Said {
    /// The network in the paper's notation.
    pub notation: String,
    /// Its weights, by the names of their variables.
    pub weights: Vec<(String, Tensor)>,
    /// Its neurons, by the names of their layers.
    pub neurons: Vec<(String, Config)>,
}

/// `imported` in the notation: without norms and ReLU, every product with a bias.
///
/// # Errors
/// A layer that the notation has no word for.
pub fn said(imported: &Imported) -> Result<Said, Error> {
    let mut teller = Teller::default();
    let mut rest = imported.network.layers();
    while let [layer, behind @ ..] = rest {
        rest = match (layer, behind) {
            (Layer::Flatten, behind) => behind,
            (Layer::MaxPool(k), behind) => {
                teller.name(Stage::MaxPool(*k));
                behind
            }
            (Layer::AvgPool(k), behind) => {
                teller.name(Stage::AvgPool(*k));
                behind
            }
            (Layer::StridedAvgPool(Windows { side, stride, padding }), behind) => {
                let (window, stride, padding) = (*side, *stride, *padding);
                teller.name(Stage::StridedAvgPool { window, stride, padding });
                behind
            }
            (Layer::Conv(conv), [Layer::Neuron(node, _), behind @ ..]) => {
                let stage = convolution(conv, node)?;
                teller.layer(stage, &conv.weight, conv.bias.as_ref(), imported, node)?;
                behind
            }
            (Layer::Linear(Linear { weight, bias }), [Layer::Neuron(node, _), behind @ ..]) => {
                let stage = match behind {
                    [Layer::Vote(voters)] => Stage::Voting { voters: *voters },
                    _ => Stage::FullyConnected { units: weight.dim(1)?, dropout: false },
                };
                teller.layer(stage, weight, bias.as_ref(), imported, node)?;
                if matches!(stage, Stage::Voting { .. }) { &[] } else { behind }
            }
            _ => {
                return Err(Error::Graph(
                    "the notation has products with neurons behind them and a last one that \
                     votes alone; this network has another order, which runs but has no name"
                        .into(),
                ));
            }
        };
    }
    if !matches!(imported.network.layers(), [.., Layer::Neuron(..), Layer::Vote(_)]) {
        return Err(Error::Graph(
            "expected a fully connected layer of neurons before the output, which votes".into(),
        ));
    }
    let Teller { stages, weights, neurons, .. } = teller;
    Ok(Said { notation: stages.join("-"), weights, neurons })
}

fn convolution(conv: &Conv2d, node: &str) -> Result<Stage, Error> {
    let Conv2d { weight, stride, padding, .. } = conv;
    let (kernel, _, _, channels) = weight.dims4()?;
    match (stride, *padding) {
        (1, padding) if kernel % 2 == 1 && [0, kernel / 2].contains(&padding) => {
            let valid = padding == 0 && kernel > 1;
            Ok(Stage::Conv { channels, kernel, valid, lateral: None, back_ei: None })
        }
        (stride, padding) => Err(Error::Node {
            node: node.into(),
            expected: "a convolution with stride 1 and an odd window, with a border of zeros that \
                       keeps the map's size or with none, as the notation has it"
                .into(),
            found: format!("a window of {kernel}, stride {stride} and padding {padding}"),
        }),
    }
}

#[derive(Default)]
struct Teller {
    stages: Vec<String>,
    seen: HashMap<String, usize>,
    weights: Vec<(String, Tensor)>,
    neurons: Vec<(String, Config)>,
}

impl Teller {
    /// Adds a stage: the name of its layer.
    fn name(&mut self, stage: Stage) -> String {
        let text = stage.to_string();
        let count = self.seen.entry(text.clone()).or_insert(0);
        *count += 1;
        let name = format!("{text}-{count}");
        self.stages.push(text);
        if matches!(stage, Stage::Voting { .. }) { "head".into() } else { name }
    }

    fn layer(
        &mut self,
        stage: Stage,
        weight: &Tensor,
        bias: Option<&Tensor>,
        imported: &Imported,
        node: &str,
    ) -> Result<(), Error> {
        let name = self.name(stage);
        let outputs = weight.dims().last().copied().unwrap_or_default();
        let bias = match bias {
            Some(bias) => bias.clone(),
            None => Tensor::zeros(outputs, weight.dtype(), &Device::Cpu)?,
        };
        self.weights.push((format!("{name}.weight"), weight.clone()));
        self.weights.push((format!("{name}.bias"), bias));
        let config = imported.neurons.iter().find(|(of, _)| of == node);
        self.neurons.extend(config.map(|(_, config)| (name, *config)));
        Ok(())
    }
}
