//! From a network to a graph.

use crate::graph::{Graph, Node};
use crate::maps::{Product, numbers};
use crate::{Error, Membrane};
use candle_core::Tensor;
use layers::{BatchNorm, Conv2d, Depthwise, Linear, Windows};
use models::{Layer, Network};
use std::collections::HashSet;

/// The graph of `network` for samples of `[height, width, channels]`, in evaluation; `membrane`
/// tells what the neurons of a layer are. Its output is the votes of one step, `[classes]`; scores
/// are their mean over time.
///
/// # Errors
/// What NIR has no word for: the sentence names it, and what to train instead.
pub fn export(
    network: &Network,
    [h, w, c]: [usize; 3],
    membrane: &dyn Fn(&str) -> Result<Membrane, Error>,
) -> Result<Graph, Error> {
    let mut writer = Writer { graph: Graph::default(), names: HashSet::new(), membrane };
    let input = writer.add("input", Node::Input(vec![c, h, w]), &[]);
    let mut value = Value::of(input, [h, w, c]);
    writer.layers(network.layers(), &mut value)?;
    writer.commit("out", &mut value)?;
    let shape = value.axes();
    let from = value.node();
    writer.add("output", Node::Output(shape), &from);
    Ok(writer.graph)
}

/// What there is at one point of a network: nodes, added up, each through a product that is not
/// written yet.
#[derive(Clone, Debug)]
struct Value {
    sources: Vec<(String, Option<Product>)>,
    bias: Option<Vec<f64>>,
    /// Height, width, channels; 1, 1, units behind a flattening.
    shape: [usize; 3],
    flat: bool,
    /// The maps that were flattened, where no product came since.
    maps: Option<[usize; 3]>,
    /// Whether it is of spikes, 0 or 1.
    spikes: bool,
}

impl Value {
    fn of(node: String, shape: [usize; 3]) -> Value {
        let sources = vec![(node, None)];
        Value { sources, bias: None, shape, flat: false, maps: None, spikes: false }
    }

    /// NIR's shape of it.
    fn axes(&self) -> Vec<usize> {
        let [h, w, c] = self.shape;
        if self.flat { vec![c] } else { vec![c, h, w] }
    }

    fn node(&self) -> Vec<String> {
        self.sources.iter().map(|(node, _)| node.clone()).collect()
    }

    fn is_written(&self) -> bool {
        self.bias.is_none() && matches!(self.sources[..], [(_, None)])
    }

    /// Puts a product behind what is written.
    fn product(&mut self, product: Product, bias: Option<Vec<f64>>, shape: [usize; 3]) {
        for (_, open) in &mut self.sources {
            *open = Some(product.clone());
        }
        (self.bias, self.shape) = (bias, shape);
        (self.spikes, self.maps) = (false, None);
    }
}

struct Writer<'a> {
    graph: Graph,
    names: HashSet<String>,
    membrane: &'a dyn Fn(&str) -> Result<Membrane, Error>,
}

impl Writer<'_> {
    /// Adds a node behind others, under a name that is new and a word of every language.
    fn add(&mut self, name: &str, node: Node, from: &[String]) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let base: String = name.chars().map(plain).collect();
        let mut name = base.clone();
        let mut count = 1;
        while !self.names.insert(name.clone()) {
            count += 1;
            name = format!("{base}_{count}");
        }
        self.graph.nodes.push((name.clone(), node));
        self.graph.edges.extend(from.iter().map(|from| (from.clone(), name.clone())));
        name
    }

    /// Writes the open products of `value`, each output times `scale`: the nodes whose sum it is.
    fn products(&mut self, name: &str, value: &mut Value, scale: f64) -> Result<(), Error> {
        let [_, _, outputs] = value.shape;
        let mut bias = value.bias.take();
        if let Some(bias) = &mut bias {
            bias.iter_mut().for_each(|value| *value *= scale);
        }
        let of_map = |product: &Product| matches!(product, Product::Conv { .. });
        for (node, open) in &mut value.sources {
            let needed = scale != 1.0 || bias.is_some();
            let Some(mut product) =
                open.take().or_else(|| needed.then(|| Product::identity(value.shape, value.flat)))
            else {
                continue;
            };
            product.scale(&vec![scale; outputs]);
            let kind = if of_map(&product) { "conv" } else { "linear" };
            // the first of several products brings the bias
            let written = product.node(outputs, bias.take().as_deref());
            *node = self.add(&format!("{kind}_{name}"), written, std::slice::from_ref(node));
        }
        Ok(())
    }

    /// Writes `value`, so that it is the output of one node.
    fn commit(&mut self, name: &str, value: &mut Value) -> Result<(), Error> {
        if value.is_written() {
            return Ok(());
        }
        self.products(name, value, 1.0)?;
        if value.sources.len() > 1 {
            let node = Product::identity(value.shape, value.flat).node(value.shape[2], None);
            let sum = self.add(&format!("sum_{name}"), node, &value.node());
            value.sources = vec![(sum, None)];
        }
        Ok(())
    }

    fn layers(&mut self, layers: &[Layer], value: &mut Value) -> Result<(), Error> {
        for (i, layer) in layers.iter().enumerate() {
            self.layer(layer, next_neurons(&layers[i..]), value)?;
        }
        Ok(())
    }

    /// Takes one layer; `next` is the stage whose neurons come next.
    fn layer(&mut self, layer: &Layer, next: &str, value: &mut Value) -> Result<(), Error> {
        match layer {
            Layer::Dropout(..) => Ok(()),
            Layer::Norm(name, norm) => fold(name, norm, value),
            Layer::Neuron(name, _) => self.neurons(name, value),
            Layer::Rectify => unsaid(
                format!("the ReLU before the neurons of {next}"),
                "it has no rectifier, and a negative current changes a membrane; train the network \
                 without it, with --set rectify=false",
            ),
            Layer::Recurrent { name, .. } => unsaid(
                format!("the lateral connections of {name}"),
                "it does not fix the delay of a circle, so that simulators differ in it; train \
                 the network without them",
            ),
            Layer::BackEi { name, .. } => unsaid(
                format!("the feedback and signs of {name}"),
                "it has no gate of currents and no spike that inhibits; train the network without \
                 them",
            ),
            Layer::NeuNorm(_) => unsaid(
                format!("the NeuNorm before {next}"),
                "it has no trace of all channels; train the network without it",
            ),
            Layer::MaxPool(k) => self.max_pool(*k, next, value),
            layer => {
                // a sum is written as it is before a residual block or a product reads it
                self.commit(next, value)?;
                self.product(layer, value)
            }
        }
    }

    /// Takes a layer that is a product of what is written.
    fn product(&mut self, layer: &Layer, value: &mut Value) -> Result<(), Error> {
        let [h, w, c] = value.shape;
        match layer {
            Layer::Conv(Conv2d { weight, bias, stride, padding }) => {
                let (side, _, inputs, outputs) = weight.dims4()?;
                let out = |size: usize| (size + 2 * padding - side) / stride + 1;
                let (stride, padding) = (*stride, *padding);
                let weight = numbers(weight)?;
                let maps = [h, w];
                let product = Product::Conv { weight, side, inputs, stride, padding, maps };
                let bias = bias.as_ref().map(numbers).transpose()?;
                value.product(product, bias, [out(h), out(w), outputs]);
            }
            Layer::Depthwise(Depthwise { weight }) => {
                value.product(depthwise(weight, value.shape)?, None, [h, w, c]);
            }
            Layer::AvgPool(k) => self.average(Windows { side: *k, stride: *k, padding: 0 }, value),
            Layer::StridedAvgPool(windows) => self.average(*windows, value),
            Layer::Flatten if !value.flat => {
                let node = Node::Flatten { start: 0, end: -1, input: vec![c, h, w] };
                let node = self.add("flatten", node, &value.node());
                value.sources = vec![(node, None)];
                (value.maps, value.flat, value.shape) = (Some([h, w, c]), true, [1, 1, h * w * c]);
            }
            Layer::Linear(Linear { weight, bias }) => {
                let (_, outputs) = weight.dims2()?;
                let product = Product::Dense { weight: numbers(weight)?, maps: value.maps };
                let bias = bias.as_ref().map(numbers).transpose()?;
                value.product(product, bias, [1, 1, outputs]);
            }
            Layer::Vote(voters) => {
                let classes = c / voters;
                let votes =
                    |at: usize| if at / classes / voters == at % classes { 1.0 } else { 0.0 };
                let mean = (0..c * classes).map(|at| votes(at) / *voters as f64).collect();
                let product = Product::Dense { weight: mean, maps: value.maps };
                value.product(product, None, [1, 1, classes]);
            }
            Layer::Residual { body, shortcut } => self.residual(body, shortcut, value)?,
            // what is flat stays so, and the others are no products: taken before
            Layer::Flatten
            | Layer::Norm(..)
            | Layer::Rectify
            | Layer::Neuron(..)
            | Layer::Recurrent { .. }
            | Layer::BackEi { .. }
            | Layer::NeuNorm(_)
            | Layer::MaxPool(_)
            | Layer::Dropout(..) => {}
        }
        Ok(())
    }

    /// body(x) + shortcut(x): the sources of both, added up where they are read.
    fn residual(
        &mut self,
        body: &[Layer],
        shortcut: &[Layer],
        value: &mut Value,
    ) -> Result<(), Error> {
        let mut other = value.clone();
        self.layers(body, value)?;
        self.layers(shortcut, &mut other)?;
        value.sources.extend(other.sources);
        value.bias = match (value.bias.take(), other.bias) {
            (Some(a), Some(b)) => Some(a.iter().zip(&b).map(|(a, b)| a + b).collect()),
            (a, b) => a.or(b),
        };
        value.spikes = false;
        Ok(())
    }

    fn average(&mut self, windows: Windows, value: &mut Value) {
        let [h, w, c] = value.shape;
        let across = |size: usize| windows.across(size).unwrap_or_default();
        let pool = Product::pool(value.shape, windows, 1.0 / (windows.side * windows.side) as f64);
        value.product(pool, None, [across(h), across(w), c]);
    }

    fn neurons(&mut self, name: &str, value: &mut Value) -> Result<(), Error> {
        let membrane = (self.membrane)(name)?;
        self.products(name, value, membrane.scale())?;
        let node = self.add(&format!("lif_{name}"), membrane.node(&value.axes()), &value.node());
        value.sources = vec![(node, None)];
        value.spikes = true;
        Ok(())
    }

    /// Max pooling of spikes is their OR: neurons without memory that fire where any of a window
    /// did. Their membrane is half of the number of spikes, and is 0 again after each step.
    fn max_pool(&mut self, k: usize, next: &str, value: &mut Value) -> Result<(), Error> {
        if !value.spikes {
            return unsaid(
                format!("the max pooling before {next}"),
                "it has no maximum, and only of spikes is it another thing, their OR; train with \
                 average pooling there",
            );
        }
        let [h, w, c] = value.shape;
        let windows = Windows { side: k, stride: k, padding: 0 };
        value.product(Product::pool(value.shape, windows, 1.0), None, [h / k, w / k, c]);
        self.products("pool", value, 1.0)?;
        let node = self.add("lif_pool", Membrane::OR.node(&value.axes()), &value.node());
        value.sources = vec![(node, None)];
        value.spikes = true;
        Ok(())
    }
}

fn unsaid<T>(what: String, why: &str) -> Result<T, Error> {
    Err(Error::Unsaid { what, why: why.into() })
}

/// The stage whose neurons come next, for sentences.
fn next_neurons(layers: &[Layer]) -> &str {
    let name = layers.iter().find_map(|layer| match layer {
        Layer::Neuron(name, _) | Layer::Recurrent { name, .. } | Layer::BackEi { name, .. } => {
            Some(name.as_str())
        }
        Layer::Residual { body, .. } => Some(next_neurons(body)),
        _ => None,
    });
    name.unwrap_or("votes")
}

/// Multiplies the open products by a norm's factor, and shifts their sum.
fn fold(name: &str, norm: &BatchNorm, value: &mut Value) -> Result<(), Error> {
    if norm.by_step() {
        return unsaid(
            format!("the norm of {name}"),
            "it has one weight for all steps, and this norm differs from step to step; train with \
             --set norm=step or norm=time",
        );
    }
    if value.maps.is_some() {
        return unsaid(
            format!("the norm of {name}"),
            "it is behind flattened maps without a product",
        );
    }
    let [weight, mean, variance] =
        [numbers(&norm.weight)?, numbers(&norm.running_mean)?, numbers(&norm.running_var)?];
    let shift = norm.bias.as_ref().map(numbers).transpose()?;
    let channels = weight.len();
    let factors: Vec<f64> =
        (0..channels).map(|c| weight[c] * norm.scale / (variance[c] + norm.eps).sqrt()).collect();
    let before = value.bias.take().unwrap_or_else(|| vec![0.0; channels]);
    let shifted = |c: usize| {
        (before[c] - mean[c]) * factors[c] + shift.as_ref().map_or(0.0, |shift| shift[c])
    };
    value.bias = Some((0..channels).map(shifted).collect());
    for (_, open) in &mut value.sources {
        let product = open.get_or_insert_with(|| Product::identity(value.shape, value.flat));
        product.scale(&factors);
    }
    value.spikes = false;
    Ok(())
}

/// A depthwise convolution as a product of all channels with all, zero between different ones.
fn depthwise(weight: &Tensor, shape: [usize; 3]) -> Result<Product, Error> {
    let (side, c) = (weight.dim(0)?, shape[2]);
    let mut product = Product::pool(shape, Windows { side, stride: 1, padding: side / 2 }, 1.0);
    if let Product::Conv { weight: dense, .. } = &mut product {
        let own = numbers(weight)?;
        dense.iter_mut().enumerate().for_each(|(at, value)| {
            *value *= own[at / (c * c) * c + at % c];
        });
    }
    Ok(product)
}
