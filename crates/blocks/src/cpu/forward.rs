//! Forward: block by block, each keeping what its gradients will need.

use super::activations::{Activations, Input, add};
use super::norms::scales;
use super::plain::Plain;
use super::stepwise::{Done, Membranes};
use super::values::Values;
use super::{LayerTrace, Options, kernel};
use crate::layout::Layout;
use crate::{Block, DROPOUT, Frames, Graph, Observer, Origin, Source};
use candle_core::{DType, Device, Result, Tensor, bail};
use layers::{Consumer, Mode, Product, Scales, Sparse, dropout_mask};
use neuron::{Norm, Pooling, Stage};
use std::sync::Arc;
use std::time::Instant;

/// A graph on the frames of one pass.
pub struct Pass<'a> {
    pub graph: &'a Graph,
    pub layouts: Vec<Layout>,
    pub frames: Frames<'a>,
    pub mode: Mode,
    pub options: Options,
    pub count: Count,
}

/// γ and β of a batch norm.
pub struct Affine<'n> {
    pub gamma: Values<'n>,
    pub beta: Values<'n>,
}

/// What a block leaves for its backward pass.
#[derive(Default)]
pub struct Kept<'a> {
    /// Of each source.
    pub inputs: Vec<Input<'a>>,
    /// Lists of its own activations, by which a gradient at their entries is counted.
    pub lists: Option<Arc<Sparse>>,
    /// Factors of the activations, `[B, H, W, C]` behind the pool.
    pub activation_mask: Option<Vec<f32>>,
    pub current_mask: Option<Vec<f32>>,
    pub currents: Option<Arc<Vec<f32>>>,
    pub scales: Option<Scales<f32>>,
    /// Spikes ÷ (neurons · samples · steps).
    pub rate: f64,
    /// Of neurons that ran step by step.
    pub membranes: Option<Membranes>,
    /// Of each product its place among the traces.
    pub traces: Vec<usize>,
}

/// All that a forward pass leaves.
pub struct State<'a> {
    pub kept: Vec<Kept<'a>>,
    pub layers: Vec<LayerTrace>,
    pub scores: Tensor,
}

/// Of how many steps the votes are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// All: scores `[B, K]`, the mean over steps and voters.
    All,
    /// Each apart: `[T, B, K]`, the mean over voters.
    Steps,
}

/// What is voted on, `[T, B, K·voters]`.
pub enum Votes {
    Spikes(Vec<u8>),
    Values(Arc<Vec<f32>>),
}

impl Kept<'_> {
    /// Factors of the activations.
    pub fn mask(&self) -> Option<&[f32]> {
        self.activation_mask.as_deref()
    }

    /// The stage of a block with neurons.
    pub fn stage<'s>(
        &'s self,
        block: &Block,
        layout: &Layout,
        steps: usize,
        affine: Option<&'s Affine>,
    ) -> Stage<'s> {
        let norm = self.scales.as_ref().zip(affine).map(|(scales, affine)| Norm {
            mean: &scales.mean,
            lost: &scales.lost,
            inverse: &scales.inverse,
            gamma: &affine.gamma,
            beta: &affine.beta,
        });
        Stage {
            steps,
            shape: layout.currents,
            still: layout.still,
            norm,
            rectify: block.rectify,
            mask: self.current_mask.as_deref(),
            pool: block.pool,
        }
    }

    /// The same of a block without.
    pub fn plain<'s>(
        &'s self,
        block: &'s Block,
        layout: &Layout,
        steps: usize,
        affine: Option<&'s Affine<'s>>,
    ) -> Plain<'s> {
        let [b, h, w, c] = layout.currents;
        Plain {
            block,
            shape: [if layout.still { b } else { b * steps }, h, w, c],
            norm: self.scales.as_ref().zip(affine),
            current_mask: self.current_mask.as_deref(),
            activation_mask: self.activation_mask.as_deref(),
        }
    }
}

/// γ and β of a block's batch norm.
pub fn affine(block: &Block) -> Result<Option<Affine<'_>>> {
    match &block.affine {
        None => Ok(None),
        Some((_, norm)) => {
            Ok(Some(Affine { gamma: Values::of(&norm.weight)?, beta: Values::of(&norm.bias)? }))
        }
    }
}

impl<'a> Pass<'a> {
    /// Scores, and with `keep` (for each block whether its currents are kept) what the backward
    /// pass needs.
    pub fn forward(&self, observer: &mut dyn Observer, keep: Option<&[bool]>) -> Result<State<'a>> {
        self.frames.check()?;
        let mut outputs: Vec<Option<Activations>> = Vec::new();
        let (mut kept, mut layers, mut votes) = (Vec::new(), Vec::new(), None);
        while outputs.len() < self.graph.blocks.len() {
            let i = outputs.len();
            let done = match self.graph.range_of(i) {
                Some(range) => self.stepwise(range, &outputs, &mut layers, observer)?,
                None => vec![self.block(i, &outputs, keep, &mut layers, observer)?],
            };
            for (state, output, found) in done {
                outputs.push(output);
                votes = Some(found);
                if keep.is_some() {
                    kept.push(state);
                }
            }
            let run = outputs.len();
            for (output, layout) in outputs.iter_mut().zip(&self.layouts) {
                if layout.readers.last.is_none_or(|last| last < run) {
                    *output = None;
                }
            }
        }
        let Some(votes) = votes else { bail!("a network without layers") };
        Ok(State { kept, layers, scores: self.vote(&votes)? })
    }

    /// What a source of block `i` reads, and how dense it is.
    pub fn input(
        &self,
        i: usize,
        source: &Source,
        product: Option<Product>,
        outputs: &[Option<Activations>],
    ) -> Result<(Input<'a>, f64)> {
        let (input, still, shape) = match source.from {
            Origin::Frames => {
                let Frames { values, still, shape, .. } = self.frames;
                (Input::Frames(values), still, shape)
            }
            Origin::Block(j) => {
                let Some(output) = &outputs[j] else { bail!("activations given up too early") };
                let layout = &self.layouts[j];
                (output.input(product), layout.still_activations, layout.activations)
            }
        };
        let [b, h, w, c] = shape;
        let shape = [if still { b } else { b * self.frames.steps }, h, w, c];
        if shape.iter().product::<usize>() >= u32::MAX as usize {
            bail!(
                "activations {shape:?} below {} are more than 2³² numbers; take a smaller batch",
                self.graph.blocks[i].name
            );
        }
        Ok(match product {
            Some(product) => input.listed(shape, product, self.options.crossover),
            None => (input, 1.0),
        })
    }

    /// One block: what it leaves, what it gives to its readers, and what may be voted on.
    fn block(
        &self,
        i: usize,
        outputs: &[Option<Activations>],
        keep: Option<&[bool]>,
        traces: &mut Vec<LayerTrace>,
        observer: &mut dyn Observer,
    ) -> Result<Done<'a>> {
        let (block, layout) = (&self.graph.blocks[i], &self.layouts[i]);
        let steps = self.frames.steps;
        let (mut inputs, mut densities) = (Vec::new(), Vec::new());
        for (source, product) in block.sources.iter().zip(&layout.products) {
            let (input, density) = self.input(i, source, *product, outputs)?;
            inputs.push(input);
            densities.push(density);
        }
        let kept_currents = keep.is_some_and(|keep| keep[i]);
        // a sum's are not needed again
        let recomputed = keep.is_some() && !kept_currents && !block.is_sum();
        let first = traces.len();
        let z = self.currents(i, &inputs, |source, path, seconds| {
            let trace = LayerTrace::new(&block.name, densities[source], path, seconds);
            traces.push(LayerTrace { recomputed, ..trace });
        })?;
        let start = Instant::now();
        let mut kept = Kept {
            inputs,
            activation_mask: self.mask(&block.drop_activations, layout.activations)?,
            current_mask: self.mask(&block.drop_currents, layout.currents)?,
            scales: scales(block, &z, (steps, layout.still), self.mode, observer)?,
            traces: (first..traces.len()).collect(),
            ..Kept::default()
        };
        let (output, votes) = self.activate(i, &mut kept, &z, observer)?;
        let seconds = start.elapsed().as_secs_f64();
        for trace in &mut traces[first..] {
            trace.firing_rate = kept.rate;
        }
        if let Some(trace) = traces.get_mut(first) {
            trace.seconds[1] = seconds;
        }
        kept.currents = kept_currents.then_some(z);
        Ok((kept, output, votes))
    }

    /// Neurons and pooling, or a block without: activations for the readers, and for the votes.
    fn activate(
        &self,
        i: usize,
        kept: &mut Kept,
        z: &Arc<Vec<f32>>,
        observer: &mut dyn Observer,
    ) -> Result<(Option<Activations>, Votes)> {
        let (block, layout) = (&self.graph.blocks[i], &self.layouts[i]);
        let (steps, affine) = (self.frames.steps, affine(block)?);
        let Some(kernel) = kernel(block) else {
            let values = match block.is_sum() {
                true => z.clone(),
                false => Arc::new(kept.plain(block, layout, steps, affine.as_ref()).forward(z)),
            };
            return Ok((Some(Activations::Values(values.clone())), Votes::Values(values)));
        };
        let fired = kernel.fire(&kept.stage(block, layout, steps, affine.as_ref()), z);
        let chances = layout.currents.iter().product::<usize>() as u64;
        observer.count(&block.name, &fired.spikes, chances)?;
        let all = (chances * steps as u64).max(1) as f64;
        kept.rate = fired.spikes.iter().sum::<u64>() as f64 / all;
        let output = self.lists(i, &fired.counts, steps, kept.mask());
        kept.lists = output.as_ref().and_then(Activations::lists);
        Ok((output, Votes::Spikes(fired.counts)))
    }

    /// The lists of a block's spikes of so many steps for its readers, if it has any.
    pub fn lists(
        &self,
        i: usize,
        counts: &[u8],
        steps: usize,
        mask: Option<&[f32]>,
    ) -> Option<Activations> {
        let (layout, pool) = (&self.layouts[i], self.graph.blocks[i].pool);
        let [b, h, w, c] = layout.activations;
        let shape = [b * steps, h, w, c];
        let scale = if let Pooling::Average(k) = pool { 1.0 / (k * k) as f32 } else { 1.0 };
        let of = |consumer, read: bool| {
            read.then(|| Arc::new(Sparse::of_counts(counts, shape, consumer, scale, mask)))
        };
        let convolution = of(Consumer::Convolution, layout.readers.convolution);
        let linear = of(Consumer::Linear, layout.readers.linear);
        (convolution.is_some() || linear.is_some())
            .then_some(Activations::Lists { convolution, linear })
    }

    /// The sum of a block's sources; `took` is told of each product its source, path and seconds.
    pub fn currents(
        &self,
        i: usize,
        inputs: &[Input],
        mut took: impl FnMut(usize, layers::Path, f64),
    ) -> Result<Arc<Vec<f32>>> {
        let (sources, layout) = (&self.graph.blocks[i].sources, &self.layouts[i]);
        if let ([Source { weight: None, .. }], [Input::Values(values)]) = (&sources[..], inputs) {
            return Ok(values.clone());
        }
        let size = layout.size(self.frames.steps);
        let mut sum: Option<Vec<f32>> = None;
        for (at, source) in sources.iter().enumerate() {
            let (Some(weight), Some(product)) = (&source.weight, layout.products[at]) else {
                continue;
            };
            let start = Instant::now();
            let (y, path) = inputs[at].multiplied(product, weight, self.options.crossover)?;
            sum = Some(match sum {
                None if y.len() == size => y,
                before => {
                    let mut sum = before.unwrap_or_else(|| vec![0.0; size]);
                    add(&mut sum, &y);
                    sum
                }
            });
            took(at, path, start.elapsed().as_secs_f64());
        }
        let mut sum = sum.unwrap_or_else(|| vec![0.0; size]);
        let added = sources.iter().zip(inputs).filter(|(source, _)| source.weight.is_none());
        added.for_each(|(_, input)| input.add_to(&mut sum));
        Ok(Arc::new(sum))
    }

    /// The dropout mask of that name, as [`layers::dropout`] draws it.
    pub fn mask(&self, name: &Option<String>, shape: [usize; 4]) -> Result<Option<Vec<f32>>> {
        let (Some(name), Mode::Train { seed }) = (name, self.mode) else { return Ok(None) };
        let shape = shape.to_vec().into();
        let mask = dropout_mask(&shape, DROPOUT, name, seed, DType::F32, &Device::Cpu)?;
        Ok(Some(mask.flatten_all()?.to_vec1()?))
    }

    /// Scores `[B, K]`: the mean over steps and voters; or of each step apart, `[T, B, K]`.
    fn vote(&self, votes: &Votes) -> Result<Tensor> {
        let (steps, voters) = (self.frames.steps, self.graph.voters);
        let Some(last) = self.layouts.last() else { bail!("a network without layers") };
        let [batch, h, w, c] = last.activations;
        let units = h * w * c;
        if voters == 0 || !units.is_multiple_of(voters) {
            bail!("voting takes a multiple of {voters} units, found {units}");
        }
        let (size, classes) = (batch * units / voters, units / voters);
        // a group is what is counted together
        let (groups, together) = match self.count {
            Count::All => (1, steps),
            Count::Steps => (steps, 1),
        };
        let share = (voters * together) as f32;
        let scores: Vec<f32> = match votes {
            Votes::Spikes(counts) => {
                let mut sums = vec![0u32; groups * size];
                for (t, step) in counts.chunks_exact(batch * units).enumerate() {
                    let group = &mut sums[t / together * size..][..size];
                    for (sum, votes) in group.iter_mut().zip(step.chunks_exact(voters)) {
                        *sum += votes.iter().map(|&v| u32::from(v)).sum::<u32>();
                    }
                }
                let scale = match self.graph.blocks.last().map(|block| block.pool) {
                    Some(Pooling::Average(k)) => (k * k) as f32,
                    _ => 1.0,
                };
                sums.iter().map(|&s| s as f32 / (share * scale)).collect()
            }
            Votes::Values(values) => {
                let still = last.still_activations;
                let repeats = if still { together } else { 1 } as f32;
                let mut sums = vec![0f32; if still { size } else { groups * size }];
                for (t, step) in values.chunks_exact(batch * units).enumerate() {
                    let group = &mut sums[t / together * size..][..size];
                    for (sum, votes) in group.iter_mut().zip(step.chunks_exact(voters)) {
                        *sum += votes.iter().sum::<f32>();
                    }
                }
                let scores: Vec<f32> = sums.iter().map(|&s| s * repeats / share).collect();
                if still { scores.repeat(groups) } else { scores }
            }
        };
        match self.count {
            Count::All => Tensor::from_vec(scores, (batch, classes), &Device::Cpu),
            Count::Steps => Tensor::from_vec(scores, (steps, batch, classes), &Device::Cpu),
        }
    }
}
