//! A network as plain data: blocks, and what each of them reads.

use candle_core::{Result, Tensor, bail};
use layers::{
    BatchNorm, Conv2d, Depthwise, DepthwiseSizes, Linear, Masks, Product, Sizes, StatisticsOver,
    Windows,
};
use neuron::{Neuron, Pooling};
use std::sync::Arc;

/// Blocks in an order in which each reads the frames, blocks before it, or what any block gave one
/// step ago.
#[derive(Clone, Debug)]
pub struct Graph {
    /// From the frames to the votes; the last one's activations are voted on.
    pub blocks: Vec<Block>,
    /// Units of a class: its score is the mean of their activations over all steps.
    pub voters: usize,
}

/// Everything up to the next product or the next sum: currents, which are added up from the
/// sources, then norm, ReLU, dropout, neurons, pooling and dropout again, each only where it is
/// named.
#[derive(Clone, Debug)]
pub struct Block {
    /// The name of its neurons, else of its norm, else one that no other block has.
    pub name: String,
    /// What its currents are the sum of; at least one of this step.
    pub sources: Vec<Source>,
    /// Batch norm and its name.
    pub affine: Option<(String, BatchNorm)>,
    /// ReLU.
    pub rectify: bool,
    /// Name of the dropout of currents.
    pub drop_currents: Option<String>,
    /// Without neurons its activations are its currents.
    pub neuron: Option<Arc<dyn Neuron>>,
    /// Of spikes, or of currents where there are no neurons.
    pub pool: Pooling,
    /// Average pooling whose windows step, overlap or reach over the border, in place of the pool;
    /// without neurons alone.
    pub windows: Option<Windows>,
    /// Name of the dropout behind the pool.
    pub drop_activations: Option<String>,
    /// How long a mask of either dropout stays.
    pub masks: Masks,
}

/// One summand of a block's currents.
#[derive(Clone, Debug)]
pub struct Source {
    /// Whose activations.
    pub from: Origin,
    /// What multiplies them; `None` adds them as they are (a residual network's shortcut).
    pub weight: Option<Weight>,
    /// Those of which step.
    pub delay: Delay,
}

/// Where activations come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The frames.
    Frames,
    /// The block of that index.
    Block(usize),
}

/// First and last of the blocks that run step by step.
pub type Range = (usize, usize);

/// When activations are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// In the step that made them.
    Now,
    /// One step later (lateral, recurrent and feedback connections); zero in the first step. Blocks
    /// that lie between such a reader and its origin run step by step.
    Next,
}

/// The weight of a source.
#[derive(Clone, Debug)]
pub enum Weight {
    /// A convolution.
    Conv(Conv2d),
    /// A depthwise convolution.
    Depthwise(Depthwise),
    /// A fully connected layer over the flattened map.
    Linear(Linear),
}

impl Source {
    /// Activations of this step.
    pub fn now(from: Origin, weight: Option<Weight>) -> Source {
        Source { from, weight, delay: Delay::Now }
    }
}

impl Block {
    /// A block of these sources and nothing else.
    pub fn of(name: String, sources: Vec<Source>) -> Block {
        Block {
            name,
            sources,
            affine: None,
            rectify: false,
            drop_currents: None,
            neuron: None,
            pool: Pooling::None,
            windows: None,
            drop_activations: None,
            masks: Masks::Pass,
        }
    }

    /// Whether its activations are its currents, untouched.
    pub fn is_sum(&self) -> bool {
        let changes = self.affine.is_some() || self.rectify || self.neuron.is_some();
        let drops = self.drop_currents.is_some() || self.drop_activations.is_some();
        !changes && !drops && self.pool == Pooling::None && self.windows.is_none()
    }

    /// All tensors that a pass reads.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let weights = self.sources.iter().filter_map(|source| source.weight.as_ref());
        let norm = self.affine.as_ref().map(|(_, n)| n);
        let of_norm = norm.map(|n| {
            [Some(&n.weight), n.bias.as_ref(), Some(&n.running_mean), Some(&n.running_var)]
        });
        let of_weights = weights.flat_map(|w| [Some(w.weight()), w.bias()]);
        of_weights.flatten().chain(of_norm.into_iter().flatten().flatten())
    }

    /// Whether it drops neurons by a mask of each step.
    pub(crate) fn drops_by_step(&self) -> bool {
        let drops = self.drop_currents.is_some() || self.drop_activations.is_some();
        drops && self.masks == Masks::Step
    }

    /// Whether its norm or its masks differ from step to step, so that equal currents do not stay
    /// equal.
    pub(crate) fn by_step(&self) -> bool {
        self.drops_by_step() || self.affine.as_ref().is_some_and(|(_, norm)| norm.by_step())
    }
}

impl Weight {
    /// `[k, k, in, out]`, `[k, k, 1, channels]` or `[in, out]`.
    pub fn weight(&self) -> &Tensor {
        match self {
            Weight::Conv(conv) => &conv.weight,
            Weight::Depthwise(depthwise) => &depthwise.weight,
            Weight::Linear(linear) => &linear.weight,
        }
    }

    /// `[out]`, if it has one.
    pub fn bias(&self) -> Option<&Tensor> {
        match self {
            Weight::Conv(conv) => conv.bias.as_ref(),
            Weight::Depthwise(_) => None,
            Weight::Linear(linear) => linear.bias.as_ref(),
        }
    }

    /// Currents of the maps `x` `[T, B, H, W, C]`, as maps: of a linear layer of one pixel.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Weight::Conv(conv) => conv.forward(x),
            Weight::Depthwise(depthwise) => depthwise.forward(x),
            Weight::Linear(linear) => {
                linear.forward(&x.flatten_from(2)?)?.unsqueeze(2)?.unsqueeze(2)
            }
        }
    }

    /// What it does to activations `[n, h, w, c]`, and the shape of what comes out.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn product(&self, shape: [usize; 4]) -> Result<(Product, [usize; 3])> {
        let [n, h, w, c] = shape;
        match self {
            Weight::Conv(conv) => {
                let sizes = Sizes::new(shape, conv.weight.dims(), conv.stride, conv.padding)?;
                Ok((Product::Convolution(sizes), [sizes.oh, sizes.ow, sizes.co]))
            }
            Weight::Depthwise(depthwise) => {
                let sizes = DepthwiseSizes::new(shape, depthwise.weight.dims())?;
                Ok((Product::Depthwise(sizes), [h, w, c]))
            }
            Weight::Linear(linear) => {
                let (inputs, outputs) = linear.weight.dims2()?;
                if inputs != h * w * c {
                    bail!("a linear layer of {inputs} inputs cannot take maps {:?}", [h, w, c]);
                }
                Ok((Product::Linear { n, inputs, outputs }, [1, 1, outputs]))
            }
        }
    }
}

impl Graph {
    /// First and last of the blocks that run step by step together, in order: from each reader of
    /// the step before to its origin, and what lies between; ranges with a block in common are one.
    pub fn stepwise(&self) -> Vec<Range> {
        let mut ranges: Vec<Range> = Vec::new();
        for (i, block) in self.blocks.iter().enumerate() {
            for source in &block.sources {
                if let (Delay::Next, Origin::Block(j)) = (source.delay, source.from) {
                    ranges.push((i.min(j), i.max(j)));
                }
            }
        }
        ranges.sort_unstable();
        ranges.dedup_by(|next, before| {
            let meet = next.0 <= before.1;
            if meet {
                before.1 = before.1.max(next.1);
            }
            meet
        });
        ranges
    }

    /// The range of [`Graph::stepwise`] that a block lies in.
    pub(crate) fn range_of(&self, block: usize) -> Option<Range> {
        self.stepwise().into_iter().find(|(first, last)| (*first..=*last).contains(&block))
    }

    /// Whether a CUDA device can run it: neurons that have a source for one, windows of fewer than
    /// 16 pixels a side over their spikes, no γ of each step below statistics over time, no dropout
    /// of the votes, no masks of each step, no windows with a stride of their own.
    pub fn runs_on_a_device(&self) -> bool {
        let neurons = |block: &Block| match &block.neuron {
            Some(neuron) => neuron.source().is_some() && (1..16).contains(&block.pool.side()),
            None => block.pool.side() > 0,
        };
        let norm = |block: &Block| {
            let norm = block.affine.as_ref().map(|(_, norm)| norm);
            norm.is_none_or(|n| n.weight.rank() == 1 || n.over == StatisticsOver::Step)
        };
        let votes = self.blocks.last().is_some_and(|last| last.drop_activations.is_none());
        let plain = |block: &Block| !block.drops_by_step() && block.windows.is_none();
        votes && self.blocks.iter().all(|block| neurons(block) && norm(block) && plain(block))
    }
}
