//! A pass: what it runs, what it leaves, and what its blocks read and add up.

use super::activations::{Activations, Input, add};
use super::norms::Affine;
use super::plain::Plain;
use super::{LayerTrace, Options};
use crate::layout::Layout;
use crate::{Block, DROPOUT, Frames, Graph, Origin, Source};
use candle_core::{Result, Tensor, bail};
use layers::{Consumer, Masks, Mode, Product, Scales, Sparse};
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

/// What a block leaves for its backward pass.
#[derive(Default)]
pub struct Kept<'a> {
    /// Of each source.
    pub inputs: Vec<Input<'a>>,
    /// Lists of its own activations, by which a gradient at their entries is counted.
    pub lists: Option<Arc<Sparse>>,
    /// Factors of the activations, `[B, H, W, C]` behind the pool, or of each step.
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

/// What the neurons of a block did at every step.
pub struct Membranes {
    /// Before reset.
    pub u: Vec<f32>,
    pub fired: Vec<u8>,
}

/// What a block leaves, gives to its readers, and what of it may be voted on.
pub type Done<'a> = (Kept<'a>, Option<Activations>, Votes);

/// The part of factors, `[B, …]` or `[T, B, …]`, that is step t's; `size` numbers.
pub fn of_step(mask: Option<&[f32]>, t: usize, size: usize) -> Option<&[f32]> {
    mask.map(|mask| &mask[t * size % mask.len().max(1)..][..size])
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
        affine: Option<&'s Affine>,
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

impl<'a> Pass<'a> {
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
        let size = layout.size(self.frames.steps);
        if let ([Source { weight: None, .. }], [Input::Values(values)]) = (&sources[..], inputs)
            && values.len() == size
        {
            return Ok(values.clone());
        }
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

    /// The factors of a block's dropout of that name, as [`Masks::drop`] has them.
    pub fn mask(
        &self,
        name: &Option<String>,
        masks: Masks,
        shape: [usize; 4],
    ) -> Result<Option<Vec<f32>>> {
        let (Some(name), Mode::Train { seed }) = (name, self.mode) else { return Ok(None) };
        masks.factors(self.frames.steps, &shape, DROPOUT, name, seed).map(Some)
    }
}
