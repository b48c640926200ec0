//! A network cut at its products, as passes without a graph take it.

use crate::{Layer, Network};
use candle_core::Tensor;
use layers::{BatchNorm, Conv2d, Linear, Product, Sizes};
use neuron::{Kernel, Neuron, Pooling};

/// The weight of a block.
#[derive(Clone, Copy)]
pub enum Weight<'n> {
    /// With its bias: one without has no block.
    Conv(&'n Conv2d, &'n Tensor),
    Linear(&'n Linear),
}

/// A product and everything up to the next one. `K` is what a kind of passes knows a neuron by.
pub struct Block<'n, K = &'n dyn Kernel> {
    /// The neurons' name.
    pub name: &'n str,
    pub weight: Weight<'n>,
    pub norm: Option<(&'n str, &'n BatchNorm)>,
    pub rectify: bool,
    /// Name of the dropout of currents.
    pub drop_currents: Option<&'n str>,
    pub kernel: K,
    pub pool: Pooling,
    /// Name of the dropout of spikes.
    pub drop_spikes: Option<&'n str>,
}

impl Weight<'_> {
    pub fn tensors(&self) -> (&Tensor, &Tensor) {
        match self {
            Weight::Conv(conv, bias) => (&conv.weight, bias),
            Weight::Linear(linear) => (&linear.weight, &linear.bias),
        }
    }

    /// What it does to activations `[n, h, w, c]`, and the shape of what comes out.
    pub fn product(&self, shape: [usize; 4]) -> candle_core::Result<(Product, [usize; 3])> {
        let [n, h, w, c] = shape;
        match self {
            Weight::Conv(conv, _) => {
                let sizes = Sizes::new(shape, conv.weight.dims(), conv.stride, conv.padding)?;
                Ok((Product::Convolution(sizes), [sizes.oh, sizes.ow, sizes.co]))
            }
            Weight::Linear(linear) => {
                let (inputs, outputs) = linear.weight.dims2()?;
                if inputs != h * w * c {
                    candle_core::bail!(
                        "a linear layer of {inputs} inputs cannot take maps {:?}",
                        [h, w, c]
                    );
                }
                Ok((Product::Linear { n, inputs, outputs }, [1, 1, outputs]))
            }
        }
    }
}

/// The blocks of a network and the voters of a class; `None` if it has a layer or an order of
/// layers that no block has, or a neuron that `kernel` has nothing for.
pub fn blocks<'n, K>(
    network: &'n Network,
    kernel: impl Fn(&'n dyn Neuron) -> Option<K>,
) -> Option<(Vec<Block<'n, K>>, usize)> {
    let mut blocks = Vec::new();
    let mut rest = network.layers();
    loop {
        if let [Layer::Vote(voters)] = rest {
            return Some((blocks, *voters));
        }
        let (block, after) = block(rest, &kernel)?;
        blocks.push(block);
        rest = after;
    }
}

/// The block that `layers` starts with, and what follows it.
fn block<'n, K>(
    layers: &'n [Layer],
    kernel: &impl Fn(&'n dyn Neuron) -> Option<K>,
) -> Option<(Block<'n, K>, &'n [Layer])> {
    let mut rest = layers;
    let mut take = |wanted: fn(&Layer) -> bool| match rest {
        [layer, after @ ..] if wanted(layer) => {
            rest = after;
            Some(layer)
        }
        _ => None,
    };
    take(|l| matches!(l, Layer::Flatten));
    let weight = match take(|l| matches!(l, Layer::Conv(_) | Layer::Linear(_)))? {
        Layer::Conv(conv) if conv.padding < conv.weight.dim(0).ok()? => {
            Weight::Conv(conv, conv.bias.as_ref()?)
        }
        Layer::Linear(linear) => Weight::Linear(linear),
        _ => return None,
    };
    let norm = match take(|l| matches!(l, Layer::Norm(..))) {
        Some(Layer::Norm(name, norm)) => Some((name.as_str(), norm)),
        _ => None,
    };
    let rectify = take(|l| matches!(l, Layer::Rectify)).is_some();
    let drop_currents = dropped(take(|l| matches!(l, Layer::Dropout(_))));
    let Some(Layer::Neuron(name, neuron)) = take(|l| matches!(l, Layer::Neuron(..))) else {
        return None;
    };
    let pool = match take(|l| matches!(l, Layer::MaxPool(1..16) | Layer::AvgPool(1..16))) {
        Some(Layer::MaxPool(k)) => Pooling::Max(*k),
        Some(Layer::AvgPool(k)) => Pooling::Average(*k),
        _ => Pooling::None,
    };
    let drop_spikes = dropped(take(|l| matches!(l, Layer::Dropout(_))));
    let kernel = kernel(neuron.as_ref())?;
    Some((Block { name, weight, norm, rectify, drop_currents, kernel, pool, drop_spikes }, rest))
}

fn dropped(layer: Option<&Layer>) -> Option<&str> {
    match layer {
        Some(Layer::Dropout(name)) => Some(name),
        _ => None,
    }
}
