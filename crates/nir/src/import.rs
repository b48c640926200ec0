//! From a graph to a network.

// Long: one reader, kind of node by kind of node; what one refuses depends on the others.

use crate::Error;
use crate::graph::{Array, Convolution, Graph, Node, Pool, Population};
use crate::maps::ours;
use candle_core::{Device, Tensor};
use layers::{Conv2d, Linear, Windows};
use models::{Layer, Network};
use neuron::cells::synaptic;
use neuron::{Config, Fires, Kind};

/// A network out of a file.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The network, its layers of neurons under the names of their nodes.
    pub network: Network,
    /// `[height, width, channels]` of the frames that it takes.
    pub sample: [usize; 3],
    /// What its neurons are, by node. A file says nothing of gradients: those are BPSA + BPTA's.
    pub neurons: Vec<(String, Config)>,
}

/// The network of a graph, in steps of `dt` seconds by forward Euler ([`crate::DT`] of most files,
/// 10⁻³ of one made in ms). Neurons fire above their threshold.
///
/// Dense products that are a pooling or votes become such. A neuron's factor R·dt/τ on its current
/// is taken into the product before it.
///
/// # Errors
/// A graph that is no chain, or a node that has no layer here; the sentence names it.
pub fn network(graph: &Graph, dt: f64) -> Result<Imported, Error> {
    let chain = graph.chain().map_err(Error::Graph)?;
    let mut reader = Reader::start(chain[0], dt)?;
    for (i, &(name, node)) in chain.iter().enumerate().skip(1) {
        let last = i + 2 == chain.len();
        reader.node(name, node, last)?;
    }
    let Reader { mut layers, sample, neurons, .. } = reader;
    if !matches!(layers.last(), Some(Layer::Vote(_))) {
        layers.push(Layer::Vote(1));
    }
    Ok(Imported { network: Network::of(layers), sample, neurons })
}

/// Most numbers of a layer's dense product, or of its maps.
const MOST: usize = 1 << 29;

struct Reader {
    dt: f64,
    sample: [usize; 3],
    layers: Vec<Layer>,
    neurons: Vec<(String, Config)>,
    /// Height, width, channels of what there is.
    shape: [usize; 3],
    flat: bool,
    /// The maps that were flattened, until a product of them.
    maps: Option<[usize; 3]>,
    /// Whether it is of spikes.
    spikes: bool,
    /// Whether the last layer is the sum of each window of spikes: with neurons that one spike
    /// suffices for, it is a max pooling.
    sums: Option<usize>,
}

impl Reader {
    fn start((name, node): (&str, &Node), dt: f64) -> Result<Reader, Error> {
        let (sample, flat) = match node {
            Node::Input(shape) => match shape[..] {
                [c, h, w] if few(&[c, h, w]) => ([h, w, c], false),
                [units] if few(&[units]) => ([1, 1, units], true),
                ref found => {
                    let expected = "a shape [channels, height, width] or [units] of at most 2²⁹";
                    return Err(refused(name, expected, format!("{found:?}")));
                }
            },
            node => return Err(refused(name, "the Input", node.kind())),
        };
        let layers = if flat { vec![Layer::Flatten] } else { Vec::new() };
        Ok(Reader {
            dt,
            sample,
            layers,
            neurons: Vec::new(),
            shape: sample,
            flat,
            maps: None,
            spikes: false,
            sums: None,
        })
    }

    /// Takes a node; `last` is the one before the output.
    fn node(&mut self, name: &str, node: &Node, last: bool) -> Result<(), Error> {
        let sums = self.sums.take();
        match node {
            Node::Output(_) => Ok(()),
            Node::Conv2d(conv) => self.convolution(name, conv),
            Node::Affine(weight, bias) => self.dense(name, weight, Some(bias), last),
            Node::Linear(weight) => self.dense(name, weight, None, last),
            Node::AvgPool2d(pool) => self.average(name, pool),
            Node::SumPool2d(pool) => {
                let Windows { side, stride, padding } = self.windows(name, pool)?;
                let c = self.shape[2];
                let taps = side * side;
                self.dense_fits(name, &[c, c, side, side])?;
                let own = |at: usize| if at / taps % c == at / taps / c { 1.0 } else { 0.0 };
                let values = (0..c * c * taps).map(own).collect();
                self.convolution(
                    name,
                    &Convolution {
                        weight: Array { shape: vec![c, c, side, side], values },
                        bias: Array::filled(&[c], 0.0),
                        input_shape: None,
                        stride: [stride; 2],
                        padding: [padding; 2],
                        dilation: [1; 2],
                        groups: 1,
                    },
                )
            }
            Node::Flatten { start, end, .. } => self.flatten(name, *start, *end),
            Node::Neurons(population) => self.population(name, population, sums),
            node => Err(refused(
                name,
                "Conv2d, Affine, Linear, AvgPool2d, SumPool2d, Flatten, IF, LIF or CubaLIF",
                node.kind(),
            )),
        }
    }

    fn flatten(&mut self, name: &str, start: i64, end: i64) -> Result<(), Error> {
        if self.flat {
            return Ok(());
        }
        if !matches!((start, end), (0, -1 | 2)) {
            let found = format!("{start} to {end}");
            return Err(refused(name, "a flattening of all axes, from 0 to -1", found));
        }
        let [h, w, c] = self.shape;
        (self.maps, self.flat, self.shape) = (Some(self.shape), true, [1, 1, h * w * c]);
        self.layers.push(Layer::Flatten);
        Ok(())
    }

    fn convolution(&mut self, name: &str, conv: &Convolution) -> Result<(), Error> {
        let [h, w, c] = self.shape;
        let Convolution { weight, bias, stride, padding, dilation, groups, .. } = conv;
        let (&[outputs, inputs, side, across], groups @ 1..) = (&weight.shape[..], *groups) else {
            let found = format!("{:?} in {groups}", weight.shape);
            return Err(refused(name, "a weight with four axes, in at least one group", found));
        };
        let expected = "a square window, one stride of at least 1, one padding, no dilation";
        let square = side == across && stride[0] == stride[1] && padding[0] == padding[1];
        if !square || *dilation != [1, 1] || side == 0 || stride[0] == 0 {
            let found = format!("{side}×{across}, {stride:?}, {padding:?}, {dilation:?}");
            return Err(refused(name, expected, found));
        }
        let fits = inputs * groups == c && outputs % groups == 0 && outputs > 0;
        if self.flat || !fits || bias.values.len() != outputs {
            let expected = format!("a product of {} and a bias for each output", self.about());
            let found = format!("a weight of {:?} in {groups} groups", weight.shape);
            return Err(refused(name, &expected, found));
        }
        let (stride, padding) = (stride[0], padding[0]);
        let out =
            |size: usize| (size + 2 * padding).checked_sub(side).map(|more| more / stride + 1);
        let (Some(rows), Some(columns)) = (out(h), out(w)) else {
            let found = format!("{h}×{w}");
            return Err(refused(name, &format!("maps of at least {side}×{side}"), found));
        };
        self.dense_fits(name, &[side, side, c, outputs])?;
        self.dense_fits(name, &[rows, columns, outputs])?;
        self.shape = [rows, columns, outputs];
        let plain = side > 1 && outputs == c && groups == 1 && bias.uniform() == Some(0.0);
        let factor = if plain { diagonal(weight) } else { None };
        let spikes = std::mem::take(&mut self.spikes);
        if factor == Some((1.0 / (side * side) as f64) as f32) && 2 * padding <= side {
            self.layers.push(averaging(Windows { side, stride, padding }));
            return Ok(());
        }
        let whole = side == stride && padding == 0 && spikes;
        self.sums = (factor == Some(1.0) && whole).then_some(side);
        let mut values = vec![0.0f32; side * side * c * outputs];
        for (at, &value) in weight.values.iter().enumerate() {
            let (tap, rest) = (at % (side * side), at / (side * side));
            let (input, output) = (rest % inputs, rest / inputs);
            // a group of outputs reads the inputs of its own group
            let input = output / (outputs / groups) * inputs + input;
            values[(tap * c + input) * outputs + output] = value;
        }
        let weight = Tensor::from_vec(values, (side, side, c, outputs), &Device::Cpu)?;
        let bias = Tensor::from_vec(bias.values.clone(), outputs, &Device::Cpu)?;
        self.layers.push(Layer::Conv(Conv2d { weight, bias: Some(bias), stride, padding }));
        Ok(())
    }

    fn dense(
        &mut self,
        name: &str,
        weight: &Array,
        bias: Option<&Array>,
        last: bool,
    ) -> Result<(), Error> {
        let fits = |outputs: usize| bias.is_none_or(|bias| bias.values.len() == outputs);
        let (outputs, inputs) = match weight.shape[..] {
            [outputs, inputs]
                if self.flat && inputs == self.shape[2] && outputs > 0 && fits(outputs) =>
            {
                (outputs, inputs)
            }
            ref found => {
                let expected = format!("a weight [outputs, inputs] of {}", self.about());
                return Err(refused(name, &expected, format!("{found:?}")));
            }
        };
        let zero = bias.is_none_or(|bias| bias.uniform() == Some(0.0));
        if last && zero && self.maps.is_none() && is_vote(weight, outputs, inputs) {
            self.layers.push(Layer::Vote(inputs / outputs));
            return Ok(());
        }
        let mut values = vec![0.0f32; inputs * outputs];
        for (at, &value) in weight.values.iter().enumerate() {
            let (input, output) = (at % inputs, at / inputs);
            values[ours(input, self.maps) * outputs + output] = value;
        }
        let weight = Tensor::from_vec(values, (inputs, outputs), &Device::Cpu)?;
        let bias = bias.map(|bias| Tensor::from_vec(bias.values.clone(), outputs, &Device::Cpu));
        self.layers.push(Layer::Linear(Linear { weight, bias: bias.transpose()? }));
        (self.shape, self.maps, self.spikes) = ([1, 1, outputs], None, false);
        Ok(())
    }

    fn windows(&self, name: &str, pool: &Pool) -> Result<Windows, Error> {
        let [(side, across), (stride, along), (padding, beside)] =
            [pool.kernel, pool.stride, pool.padding].map(|[rows, columns]| (rows, columns));
        let square = side == across && stride == along && padding == beside;
        if self.flat || !square || side == 0 || stride == 0 || 2 * padding > side {
            let found = format!("{pool:?}");
            return Err(refused(name, "a square window on maps", found));
        }
        Ok(Windows { side, stride, padding })
    }

    fn average(&mut self, name: &str, pool: &Pool) -> Result<(), Error> {
        let windows = self.windows(name, pool)?;
        let [h, w, c] = self.shape;
        let (Some(rows), Some(columns)) = (windows.across(h), windows.across(w)) else {
            let expected = format!("maps of at least {0}×{0}", windows.side);
            return Err(refused(name, &expected, format!("{h}×{w}")));
        };
        self.shape = [rows, columns, c];
        self.spikes = false;
        self.layers.push(averaging(windows));
        Ok(())
    }

    fn population(
        &mut self,
        name: &str,
        population: &Population,
        sums: Option<usize>,
    ) -> Result<(), Error> {
        let Constants { kind, gain, threshold } = constants(name, population, self.dt)?;
        // with a synaptic current a spike would be felt in later steps too
        let forgets = !matches!(kind, Kind::Synaptic(_));
        if let Some(side) = sums.filter(|_| gain > threshold && forgets) {
            self.layers.pop();
            self.layers.push(Layer::MaxPool(side));
            self.spikes = true;
            return Ok(());
        }
        let threshold = match self.layers.last_mut() {
            Some(
                Layer::Conv(Conv2d { weight, bias, .. }) | Layer::Linear(Linear { weight, bias }),
            ) => {
                *weight = times(weight, gain)?;
                *bias = bias.as_ref().map(|bias| times(bias, gain)).transpose()?;
                threshold
            }
            // without a product before it, a membrane in other units
            _ => threshold / gain,
        };
        let fires = Fires::AboveThreshold;
        let config = Config { kind, threshold, fires, ..Config::bpsa_bpta() };
        let neuron = config.build().map_err(|error| {
            let (field, expected, found) = error.parts();
            refused(name, &format!("a {field} {expected}"), found)
        })?;
        self.layers.push(Layer::Neuron(name.to_owned(), neuron));
        self.neurons.push((name.to_owned(), config));
        self.spikes = true;
        Ok(())
    }

    /// Refuses what a file of a few bytes can ask for and no memory holds.
    fn dense_fits(&self, name: &str, sizes: &[usize]) -> Result<(), Error> {
        match few(sizes) {
            true => Ok(()),
            false => Err(refused(name, "at most 2²⁹ numbers in a layer", format!("{sizes:?}"))),
        }
    }

    /// What there is, for sentences.
    fn about(&self) -> String {
        let [h, w, c] = self.shape;
        match self.flat {
            true => format!("{c} units"),
            false => format!("maps of {c} channels, {h}×{w}"),
        }
    }
}

/// Whether there is a number of these sizes, and not more than memory holds.
fn few(sizes: &[usize]) -> bool {
    let count = sizes.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
    count.is_some_and(|count| (1..=MOST).contains(&count))
}

fn averaging(windows: Windows) -> Layer {
    match windows {
        Windows { side, stride, padding: 0 } if side == stride => Layer::AvgPool(side),
        windows => Layer::StridedAvgPool(windows),
    }
}

/// A population in our words.
struct Constants {
    kind: Kind,
    gain: f64,
    threshold: f64,
}

/// The forward Euler step of a population.
fn constants(name: &str, of: &Population, dt: f64) -> Result<Constants, Error> {
    let one = |field: &str, array: &Array| match array.uniform() {
        Some(value) => Ok(f64::from(value)),
        None => Err(refused(name, &format!("one {field} for all neurons"), "several")),
    };
    for (field, array) in [("v_leak", &of.v_leak), ("v_reset", &of.v_reset)] {
        let value = one(field, array)?;
        if value != 0.0 {
            return Err(refused(name, &format!("{field} 0"), sentence::number(value)));
        }
    }
    let (r, threshold) = (one("r", &of.r)?, one("v_threshold", &of.v_threshold)?);
    let kept = |field: &str, array: &Array| {
        let tau = one(field, array)?;
        // a time constant of exactly dt is rounded to single precision in the file
        match dt / tau {
            part if (0.0..=1.0 + 1e-6).contains(&part) => Ok((part, short(1.0 - part).max(0.0))),
            _ => Err(refused(name, &format!("{field} of at least {dt} s"), format!("{tau} s"))),
        }
    };
    let (kind, gain) = match (&of.tau, &of.synapse) {
        // R = 1/dt is forward Euler; R = 1 is meant so too where a simulator's step is its unit
        (None, _) => (Kind::If, if r == 1.0 { 1.0 } else { r * dt }),
        (Some(tau), None) => {
            let (part, decay) = kept("tau", tau)?;
            (Kind::Lif { decay }, r * part)
        }
        (Some(tau), Some([tau_syn, w_in])) => {
            let (part, decay) = kept("tau_mem", tau)?;
            let (of_current, current_decay) = kept("tau_syn", tau_syn)?;
            let constants = synaptic::Constants { decay, current_decay };
            (Kind::Synaptic(constants), r * part * one("w_in", w_in)? * of_current)
        }
    };
    if !(gain > 0.0 && threshold > 0.0) {
        let found = format!("{} and {}", sentence::number(r), sentence::number(threshold));
        return Err(refused(name, "r and v_threshold above 0", found));
    }
    Ok(Constants { kind, gain, threshold })
}

/// The number of few digits that a file's single precision stands for: 0.9, not 0.8999999999.
fn short(value: f64) -> f64 {
    let rounded = (value * 1e6).round() / 1e6;
    if (rounded - value).abs() < 1e-7 { rounded } else { value }
}

fn times(tensor: &Tensor, factor: f64) -> Result<Tensor, Error> {
    let values = crate::maps::numbers(tensor)?;
    let values: Vec<f32> = values.into_iter().map(|value| (value * factor) as f32).collect();
    Ok(Tensor::from_vec(values, tensor.dims(), &Device::Cpu)?)
}

/// The number on the diagonal of a weight `[n, n, …]` that is 0 elsewhere.
fn diagonal(weight: &Array) -> Option<f32> {
    let n = weight.shape[0];
    let taps = weight.values.len() / (n * n);
    let factor = *weight.values.first()?;
    let fits = |(at, &value): (usize, &f32)| {
        let (input, output) = (at / taps % n, at / taps / n);
        value == if input == output { factor } else { 0.0 }
    };
    weight.values.iter().enumerate().all(fits).then_some(factor)
}

/// Whether each output is the mean of as many consecutive inputs.
fn is_vote(weight: &Array, outputs: usize, inputs: usize) -> bool {
    let voters = inputs / outputs;
    let mean = (1.0 / voters.max(1) as f64) as f32;
    let fits = |(at, &value): (usize, &f32)| {
        value == if at % inputs / voters == at / inputs { mean } else { 0.0 }
    };
    voters > 0 && inputs.is_multiple_of(outputs) && weight.values.iter().enumerate().all(fits)
}

fn refused(node: &str, expected: &str, found: impl Into<String>) -> Error {
    Error::Node { node: node.into(), expected: expected.into(), found: found.into() }
}
