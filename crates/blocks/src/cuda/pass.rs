//! Forward: block by block, each keeping what its gradients will need.
// Long: one pass from frames to votes, whose parts share what is known of it.

use super::OnDevice;
use super::plain::{Currents, Plain};
use super::products::Multiplier;
use super::steps::Steps;
use crate::graph::Range;
use crate::layout::{Layout, layouts};
use crate::{Block, DROPOUT, Frames, Graph, Observer, Origin, Source, Weight};
use candle_core::{DType, Device, Result, Tensor, bail};
use device::{Gpu, Math, Precision};
use layers::cuda::{add, batch_moments, expand, running_moments, sum_into, vote};
use layers::{BatchNorm, BatchStatistics, Mode, StatisticsOver};
use neuron::cuda::{Affine, Norm, Stage, fire};
use std::sync::Arc;

/// A graph on the frames of one pass.
pub struct Pass<'a> {
    pub engine: &'a OnDevice,
    pub layouts: Vec<Layout>,
    pub frames: Frames<'a>,
    pub mode: Mode,
    pub math: Math,
    pub count: Count,
    pub gpu: Arc<Gpu>,
    /// Of activations and currents.
    pub dtype: DType,
}

/// Of how many steps the votes are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// All: scores `[B, K]`, the mean over steps and voters.
    All,
    /// Each apart: `[T, B, K]`, the mean over voters.
    Steps,
}

/// What a block leaves for its backward pass.
#[derive(Default)]
pub struct Kept {
    /// Of each source its activations, where they are multiplied, and what by.
    pub inputs: Vec<Option<(Tensor, Multiplier)>>,
    /// Currents without a bias; of a block that runs step by step those of all steps.
    pub z: Option<Tensor>,
    pub norm: Option<Norm>,
    /// The sum of the sources' biases.
    pub bias: Option<Tensor>,
    pub mask: Option<Tensor>,
    pub drop: Option<Tensor>,
    /// The neurons' learnable parameters, `[P]`.
    pub learned: Option<Tensor>,
    /// Of a block without neurons.
    pub currents: Option<Currents>,
    /// Of a block that runs step by step.
    pub steps: Option<Steps>,
}

/// All that a forward pass leaves.
pub struct State {
    pub kept: Vec<Kept>,
    pub scores: Tensor,
    /// Spikes ÷ (neurons · samples · steps) of each block.
    pub rates: Vec<f64>,
}

impl Kept {
    /// The stage of a block with these neurons.
    pub fn stage<'a>(
        &'a self,
        block: &Block,
        neuron: &'a neuron::Source,
        (steps, layout): (usize, &Layout),
    ) -> Stage<'a> {
        Stage {
            neuron,
            learned: self.learned.as_ref(),
            steps,
            shape: layout.currents,
            still: layout.still,
            norm: self.norm.as_ref(),
            bias: if self.norm.is_none() { self.bias.as_ref() } else { None },
            rectify: block.rectify,
            mask: self.mask.as_ref(),
            pool: block.pool,
            drop: self.drop.as_ref(),
        }
    }

    /// A block without, over so many maps; `norm` is that of all of them.
    pub fn plain<'a>(&'a self, block: &'a Block, maps: usize, layout: &Layout) -> Plain<'a> {
        let [_, h, w, c] = layout.currents;
        Plain {
            block,
            shape: [maps, h, w, c],
            norm: self.norm.as_ref(),
            bias: if self.norm.is_none() { self.bias.as_ref() } else { None },
            mask: self.mask.as_ref(),
            drop: self.drop.as_ref(),
        }
    }
}

impl<'a> Pass<'a> {
    pub fn new(
        engine: &'a OnDevice,
        frames: Frames<'a>,
        mode: Mode,
        math: Math,
        count: Count,
    ) -> Result<Pass<'a>> {
        let graph = &engine.graph;
        let layouts = layouts(graph, (frames.shape, frames.still), frames.steps)?;
        let Some(first) = graph.blocks.iter().flat_map(Block::tensors).next() else {
            bail!("a network without weights")
        };
        let (gpu, dtype) = (Gpu::of_tensor(first)?, math.precision.dtype());
        Ok(Pass { engine, layouts, frames, mode, math, count, gpu, dtype })
    }

    pub fn graph(&self) -> &'a Graph {
        &self.engine.graph
    }

    /// Scores on the CPU, and with `train` what the backward pass needs.
    pub fn forward(&self, observer: &mut dyn Observer, train: bool) -> Result<State> {
        let blocks = &self.graph().blocks;
        let steps = self.frames.steps;
        let counts = Tensor::zeros((blocks.len(), steps), DType::U32, &self.gpu.device())?;
        let mut frames = Some(self.sent()?);
        let reads_frames = |block: &Block| block.sources.iter().any(|s| s.from == Origin::Frames);
        let last_of_frames = blocks.iter().rposition(reads_frames).unwrap_or_default();
        let mut outputs: Vec<Option<Tensor>> = Vec::new();
        let (mut kept, mut last) = (Vec::new(), None);
        while outputs.len() < blocks.len() {
            let i = outputs.len();
            let read = |from: Origin| -> Result<Tensor> {
                let found = match from {
                    Origin::Frames => frames.as_ref(),
                    Origin::Block(j) => outputs.get(j).and_then(Option::as_ref),
                };
                let Some(found) = found else { bail!("activations given up too early") };
                Ok(found.clone())
            };
            let done = match self.graph().range_of(i) {
                Some(range) => self.stepwise(range, &read, &counts, observer)?,
                None => vec![self.block(i, &read, &counts, observer)?],
            };
            for (state, output) in done {
                last = Some(output.clone());
                outputs.push(Some(output));
                if train {
                    kept.push(state);
                }
            }
            let run = outputs.len();
            if last_of_frames < run {
                frames = None;
            }
            for (output, layout) in outputs.iter_mut().zip(&self.layouts) {
                if layout.readers.last.is_none_or(|last| last < run) {
                    *output = None;
                }
            }
        }
        let Some(last) = last else { bail!("a network without layers") };
        let scores = self.vote(last)?;
        let rates = self.tell(&counts, observer)?;
        Ok(State { kept, scores, rates })
    }

    /// One block: what it leaves, and its activations.
    fn block(
        &self,
        i: usize,
        read: &impl Fn(Origin) -> Result<Tensor>,
        counts: &Tensor,
        observer: &mut dyn Observer,
    ) -> Result<(Kept, Tensor)> {
        let (block, layout) = (&self.graph().blocks[i], &self.layouts[i]);
        let steps = self.frames.steps;
        let mut kept = self.begin(i)?;
        for source in &block.sources {
            kept.inputs.push(self.input(source, read)?);
        }
        let maps = if layout.still { layout.currents[0] } else { layout.currents[0] * steps };
        let Some((z, _)) = self.currents(i, &kept.inputs, read, None)? else {
            bail!("the block {} reads nothing", block.name)
        };
        kept.norm = match &block.affine {
            Some((name, norm)) => {
                let shown = (steps, layout.still);
                let (norm, statistics) = self.norm(norm, &z, kept.bias.as_ref(), shown)?;
                if let Some(statistics) = statistics {
                    observer.statistics(name, &statistics)?;
                }
                Some(norm)
            }
            None => None,
        };
        let output = match &self.engine.neurons[i] {
            Some(neuron) => {
                let stage = kept.stage(block, neuron, (steps, layout));
                fire(&stage, &z, self.dtype, (counts, i))?
            }
            None if block.is_sum() && kept.bias.is_none() => z.clone(),
            None => {
                let plain = kept.plain(block, maps, layout);
                let currents = plain.currents(&z)?;
                let output = plain.activations(&currents.masked)?;
                kept.currents = Some(currents);
                output
            }
        };
        kept.z = Some(z);
        Ok((kept, output))
    }

    /// What a block keeps that needs no activations: masks, biases, parameters of its neurons.
    pub fn begin(&self, i: usize) -> Result<Kept> {
        let (block, layout) = (&self.graph().blocks[i], &self.layouts[i]);
        let mut bias: Option<Tensor> = None;
        for more in block.sources.iter().filter_map(|source| source.weight.as_ref()?.bias()) {
            bias = Some(match bias {
                None => more.detach(),
                Some(sum) => add(&sum, Some(more), more.shape())?,
            });
        }
        let parameters = block.neuron.as_ref().map(|n| n.parameters()).unwrap_or_default();
        let learned = match &parameters[..] {
            [] => None,
            [(_, one)] => Some(one.detach().reshape(1)?),
            all => {
                Some(Tensor::stack(&all.iter().map(|(_, p)| p.detach()).collect::<Vec<_>>(), 0)?)
            }
        };
        Ok(Kept {
            bias,
            learned,
            mask: self.mask(block, block.drop_currents.as_deref(), layout.currents)?,
            drop: self.mask(block, block.drop_activations.as_deref(), layout.activations)?,
            ..Kept::default()
        })
    }

    /// What a source multiplies, and what by; `None` if it adds activations as they are.
    pub fn input(
        &self,
        source: &Source,
        read: &impl Fn(Origin) -> Result<Tensor>,
    ) -> Result<Option<(Tensor, Multiplier)>> {
        let Some(weight) = &source.weight else { return Ok(None) };
        let x = read(source.from)?;
        let [_, h, w, c] = match source.from {
            // as they were sent, perhaps with more channels
            Origin::Frames => x.dims4()?.into(),
            Origin::Block(j) => self.layouts[j].activations,
        };
        let maps = [x.elem_count() / (h * w * c), h, w, c];
        let multiplier = Multiplier::new(weight, maps, self.dtype)?;
        Ok(Some((x, multiplier)))
    }

    /// The sum of a block's sources outside the range `without`, and without their biases:
    /// `[T·B, …]`, or `[B, …]` where it is still; and whether it is ours to write.
    pub fn currents(
        &self,
        i: usize,
        inputs: &[Option<(Tensor, Multiplier)>],
        read: &impl Fn(Origin) -> Result<Tensor>,
        without: Option<Range>,
    ) -> Result<Option<(Tensor, bool)>> {
        let (block, layout) = (&self.graph().blocks[i], &self.layouts[i]);
        let size = layout.size(self.frames.steps);
        let [_, h, w, c] = layout.currents;
        let shape = (size / (h * w * c), h, w, c);
        let mut sum: Option<(Tensor, bool)> = None;
        let sources = block.sources.iter().zip(inputs);
        for (source, input) in sources.filter(|(source, _)| within(source, without).is_none()) {
            let (y, own) = match input {
                Some((x, multiplier)) => (multiplier.forward(x, self.math)?, true),
                None => (read(source.from)?, false),
            };
            sum = Some(match sum {
                None if y.elem_count() == size => (y, own),
                None => (add(&y, None, shape)?, true),
                Some((sum, true)) => {
                    sum_into(&sum, &sum, Some(&y))?;
                    (sum, true)
                }
                Some((sum, false)) => (add(&sum, Some(&y), shape)?, true),
            });
        }
        sum.map(|(sum, own)| Ok((sum.reshape(shape)?, own))).transpose()
    }

    /// What a batch norm normalises currents `z` with, of so many steps or still: in training their
    /// moments, which the running statistics are to be told of, else the running ones.
    pub fn norm(
        &self,
        norm: &BatchNorm,
        z: &Tensor,
        bias: Option<&Tensor>,
        (steps, still): (usize, bool),
    ) -> Result<(Norm, Option<BatchStatistics>)> {
        let (moments, statistics) = match self.mode {
            Mode::Eval => {
                let sets = if norm.by_step() { steps } else { 1 };
                (running_moments(&norm.running_mean, &norm.running_var, bias, sets)?, None)
            }
            Mode::Train { .. } => {
                let per_step = norm.over == StatisticsOver::Step;
                let sets = if per_step && !still { steps } else { 1 };
                let equal = if still { steps } else { 1 };
                let (moments, found) = batch_moments(z, sets, bias, equal, per_step)?;
                let statistics = BatchStatistics { momentum: norm.momentum, ..found };
                (moments, Some(statistics))
            }
        };
        let affine = Affine {
            gamma: &norm.weight,
            constant: norm.scale,
            beta: norm.bias.as_ref(),
            eps: norm.eps,
        };
        Ok((Norm::new(moments, affine)?, statistics))
    }

    /// Scores on the CPU, of the activations of the last block.
    fn vote(&self, last: Tensor) -> Result<Tensor> {
        let (steps, voters) = (self.frames.steps, self.graph().voters);
        let Some(layout) = self.layouts.last() else { bail!("a network without layers") };
        let [batch, h, w, c] = layout.activations;
        let units = h * w * c;
        // a still map stands for all its steps
        let shown = if layout.still_activations { 1 } else { steps };
        let device = &Device::Cpu;
        match self.count {
            Count::All => vote(&last.reshape((shown, batch, units))?, voters)?.to_device(device),
            Count::Steps => {
                let votes = vote(&last.reshape((1, shown * batch, units))?, voters)?;
                let votes = votes.to_device(device)?.reshape((shown, batch, ()))?;
                let classes = votes.dim(2)?;
                votes.broadcast_as((steps, batch, classes))?.contiguous()
            }
        }
    }

    /// Tells `observer` how many neurons fired, which is read from the device; the rate of each
    /// block.
    fn tell(&self, counts: &Tensor, observer: &mut dyn Observer) -> Result<Vec<f64>> {
        let counts: Vec<Vec<u32>> = counts.to_vec2()?;
        let mut rates = Vec::with_capacity(counts.len());
        let blocks = self.graph().blocks.iter().zip(&self.layouts);
        for ((block, layout), counts) in blocks.zip(counts) {
            let chances = layout.currents.iter().product::<usize>() as u64;
            let counts: Vec<u64> = counts.into_iter().map(u64::from).collect();
            let all = (chances * counts.len() as u64).max(1) as f64;
            rates.push(counts.iter().sum::<u64>() as f64 / all);
            if block.neuron.is_some() {
                observer.count(&block.name, &counts, chances)?;
            }
        }
        Ok(rates)
    }

    /// Channels of the frames on the device: tensor cores read 16 bytes at a time, and what is
    /// missing is filled with zeros, where convolutions alone read them.
    fn channels(&self) -> usize {
        let c = self.frames.shape[3];
        let mut readers = self.graph().blocks.iter().flat_map(|block| &block.sources);
        let convolved = readers.all(|source| {
            source.from != Origin::Frames || matches!(source.weight, Some(Weight::Conv(_)))
        });
        match self.math.precision {
            Precision::Tf32 if convolved => c.next_multiple_of(4),
            Precision::Bf16 if convolved => c.next_multiple_of(8),
            _ => c,
        }
    }

    /// The frames as activations `[T·B, H, W, C]`; of still images one step.
    fn sent(&self) -> Result<Tensor> {
        let (frames, channels) = (self.frames, self.channels());
        let [b, h, w, c] = frames.shape;
        let maps = if frames.still { b } else { frames.steps * b };
        let len = frames.bytes.map_or(frames.values.len(), <[u8]>::len);
        if frames.steps == 0 || len == 0 || len != maps * h * w * c {
            let (steps, shape) = (frames.steps, frames.shape);
            bail!(
                "frames of {steps} steps and {shape:?} take {} values, at least one, found {len}",
                maps * h * w * c
            );
        }
        let values = match frames.bytes {
            Some(bytes) => self.gpu.bytes(bytes, (maps, h, w, c))?,
            None => self.gpu.floats(frames.values, (maps, h, w, c))?,
        };
        if values.dtype() == self.dtype && channels == c {
            Ok(values)
        } else {
            expand(&values, channels, self.dtype)
        }
    }

    /// The factors of a block's dropout of that name, as [`layers::Masks::drop`] has them.
    fn mask(&self, block: &Block, name: Option<&str>, shape: [usize; 4]) -> Result<Option<Tensor>> {
        let (Some(name), Mode::Train { seed }) = (name, self.mode) else { return Ok(None) };
        let values = block.masks.factors(self.frames.steps, &shape, DROPOUT, name, seed)?;
        Ok(Some(self.gpu.floats(&values, values.len())?))
    }
}

/// Which block of the range a source reads, counted from its first.
pub fn within(source: &Source, range: Option<Range>) -> Option<usize> {
    match (source.from, range) {
        (Origin::Block(j), Some((first, last))) if (first..=last).contains(&j) => Some(j - first),
        _ => None,
    }
}
