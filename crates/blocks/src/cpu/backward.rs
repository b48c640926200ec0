//! Backward: the gradients of each block's activations, added up over its readers.

use super::activations::{Input, add, over_steps};
use super::norms::{Affine, affine};
use super::pass::{Count, Kept, Pass, State};
use super::values::Values;
use super::{Gradients, LayerTrace};
use crate::graph::Range;
use crate::{Block, Origin, Source, Weight};
use candle_core::{Device, Result, Tensor, TensorId, bail};
use layers::{InputGradient, Path, Product, Sparse};
use neuron::{Kernel, Stage, StageGradient};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

/// The gradient of a block's activations, as far as its readers have given it: the sum of both.
#[derive(Default)]
pub struct Upstream {
    /// At the entries of their lists.
    entries: Option<Vec<f32>>,
    everywhere: Option<Vec<f32>>,
}

impl Upstream {
    fn add(&mut self, found: InputGradient) {
        let (sum, more) = match found {
            InputGradient::AtEntries(more) => (&mut self.entries, more),
            InputGradient::Everywhere(more) => (&mut self.everywhere, more),
        };
        match sum {
            None => *sum = Some(more),
            Some(sum) => add(sum, &more),
        }
    }

    /// All of it, in so many numbers; zero where no reader gave any.
    pub fn dense(self, size: usize, lists: Option<&Sparse>) -> Vec<f32> {
        let mut dense = self.everywhere.unwrap_or_else(|| vec![0.0; size]);
        if let (Some(entries), Some(lists)) = (self.entries, lists) {
            add(&mut dense, &lists.spread(&entries));
        }
        dense
    }
}

/// What a backward pass has found so far.
pub struct Found {
    of: Vec<(TensorId, Tensor)>,
    layers: Vec<LayerTrace>,
}

impl Found {
    /// Adds to the gradient of a variable, which may have several uses.
    fn add(&mut self, of: &Tensor, values: Vec<f32>) -> Result<()> {
        let more = Tensor::from_vec(values, of.shape(), &Device::Cpu)?;
        match self.of.iter_mut().find(|(id, _)| *id == of.id()) {
            Some((_, sum)) => *sum = (&*sum + more)?,
            None => self.of.push((of.id(), more)),
        }
        Ok(())
    }

    /// Adds those of a block's γ and β, from step `first` on.
    pub fn norm(
        &mut self,
        block: &Block,
        found: Option<(Vec<f32>, Vec<f32>)>,
        first: usize,
    ) -> Result<()> {
        if let (Some((_, norm)), Some((mut gamma, beta))) = (&block.affine, found) {
            gamma.iter_mut().for_each(|d| *d *= norm.scale as f32);
            let (all, before) = (norm.weight.elem_count(), first * norm.channels());
            if gamma.len() < all {
                // a γ of each step, of which these are some
                gamma.splice(..0, vec![0.0; before]);
                gamma.resize(all, 0.0);
            }
            self.add(&norm.weight, gamma)?;
            norm.bias.as_ref().map_or(Ok(()), |bias| self.add(bias, beta))?;
        }
        Ok(())
    }
}

impl<'a> Pass<'a> {
    /// Gradients of all variables from that of the scores.
    pub fn backward(&self, state: State<'a>, of_scores: &Tensor) -> Result<Gradients> {
        let State { mut kept, layers, scores } = state;
        let of_scores: Vec<f32> = of_scores.flatten_all()?.to_vec1()?;
        let mut found = Found { of: Vec::new(), layers };
        // what passes a neuron may depend on how its layer fired in this batch
        let rates: Vec<f64> = kept.iter().map(|kept| kept.rate).collect();
        let mut upstream: Vec<Upstream> = Vec::new();
        upstream.resize_with(kept.len(), Upstream::default);
        while let Some(i) = kept.len().checked_sub(1) {
            if let Some(range) = self.graph.range_of(i) {
                let kept = kept.split_off(range.0);
                self.stepwise_backward(range, kept, &mut upstream, &of_scores, &rates, &mut found)?;
                continue;
            }
            let (Some(mut state), Some(above)) = (kept.pop(), upstream.pop()) else {
                bail!("a backward pass without its forward pass")
            };
            let start = Instant::now();
            let g = self.stage_gradient(i, &mut state, above, &of_scores)?;
            if let Some(&first) = state.traces.first() {
                found.layers[first].seconds[2] = start.elapsed().as_secs_f64();
            }
            let block = &self.graph.blocks[i];
            found.norm(block, g.norm, 0)?;
            let parameters = kernel_at(block, state.rate).map_or(Vec::new(), |k| k.variables());
            for (parameter, d) in parameters.iter().zip(g.parameters) {
                found.add(parameter, vec![d])?;
            }
            self.sources(i, state, g.z, None, &rates, &mut upstream, &mut found)?;
        }
        Ok(Gradients { scores, of: found.of, layers: found.layers })
    }

    /// From the gradient of a block's activations to that of its currents.
    fn stage_gradient(
        &self,
        i: usize,
        state: &mut Kept,
        above: Upstream,
        of_scores: &[f32],
    ) -> Result<StageGradient> {
        let (block, layout) = (&self.graph.blocks[i], &self.layouts[i]);
        let last = i + 1 == self.graph.blocks.len();
        let of_plain = |above| match last {
            true => Ok(self.of_votes(i, of_scores)),
            false => self.everywhere(i, above),
        };
        if block.is_sum() {
            return Ok(StageGradient { z: of_plain(above)?, norm: None, parameters: Vec::new() });
        }
        let z = match state.currents.take() {
            Some(z) => z,
            None => self.currents(i, &state.inputs, |_, _, _| {})?,
        };
        let steps = self.frames.steps;
        let affine = affine(block, steps)?;
        match kernel_at(block, state.rate) {
            None => {
                let g = of_plain(above)?;
                Ok(state.plain(block, layout, steps, affine.as_ref()).backward(&z, g))
            }
            Some(kernel) if last => {
                Ok(self.of_voters(kernel, state, &z, affine.as_ref(), of_scores))
            }
            Some(kernel) => {
                let stage = state.stage(block, layout, steps, affine.as_ref());
                let (lists, mask) = (state.lists.as_ref(), state.activation_mask.as_deref());
                through_neurons(kernel, &stage, &z, above, lists, mask)
            }
        }
    }

    /// The gradient of a block without neurons, whose readers all give it everywhere.
    fn everywhere(&self, i: usize, above: Upstream) -> Result<Vec<f32>> {
        match above {
            Upstream { everywhere: Some(g), entries: None } => Ok(g),
            _ => bail!("a gradient of {} at entries alone", self.graph.blocks[i].name),
        }
    }

    /// The gradient of neurons that are voted on.
    fn of_voters(
        &self,
        kernel: &dyn Kernel,
        state: &Kept,
        z: &[f32],
        affine: Option<&Affine>,
        of_scores: &[f32],
    ) -> StageGradient {
        let i = self.graph.blocks.len() - 1;
        let (block, layout): (&Block, _) = (&self.graph.blocks[i], &self.layouts[i]);
        let (batch, voters) = (self.frames.shape[0], self.graph.voters);
        let (share, groups) = self.share();
        let classes = of_scores.len() / (groups * batch).max(1);
        let [_, h, w, c] = layout.activations;
        let stage = state.stage(block, layout, self.frames.steps, affine);
        kernel.backward(&stage, z, &|p, row| {
            // p counts pixels, and voters lie one behind the other through all of a sample's
            let (place, pixel) = (p / (h * w), p % (h * w));
            // of scores of all steps together every step has the same part
            let sample = if groups == 1 { place % batch } else { place };
            let of_sample = &of_scores[sample * classes..][..classes];
            let mask = state.activation_mask.as_deref();
            for (i, row) in row.iter_mut().enumerate() {
                *row = of_sample[(pixel * c + i) / voters] * share;
            }
            multiply(row, mask, p % (batch * h * w));
        })
    }

    /// The part of a score that one vote is, and how many steps are counted apart.
    fn share(&self) -> (f32, usize) {
        let (steps, voters) = (self.frames.steps, self.graph.voters);
        match self.count {
            Count::All => (1.0 / (voters * steps) as f32, 1),
            Count::Steps => (1.0 / voters as f32, steps),
        }
    }

    /// The same of currents that are voted on: of a still block the sum over its steps.
    pub fn of_votes(&self, i: usize, of_scores: &[f32]) -> Vec<f32> {
        let (layout, steps) = (&self.layouts[i], self.frames.steps);
        let (share, groups) = self.share();
        let spread = |scores: &[f32], share: f32| -> Vec<f32> {
            let voters = self.graph.voters;
            scores.iter().flat_map(|g| std::iter::repeat_n(g * share, voters)).collect()
        };
        match (self.count, layout.still_activations) {
            (Count::All, false) => spread(of_scores, share).repeat(steps),
            (Count::All, true) => {
                // as written, so that its bits stay: T shares of one T-th
                let share = steps as f32 / (self.graph.voters * steps) as f32;
                spread(of_scores, share)
            }
            (Count::Steps, false) => spread(of_scores, share),
            (Count::Steps, true) => {
                spread(&over_steps(of_scores, of_scores.len() / groups.max(1)), share)
            }
        }
    }

    /// Gradients of a block's weights, and of the activations that it read, from that of its
    /// currents `g`; activations of blocks in `without` have theirs already.
    pub fn sources(
        &self,
        i: usize,
        mut state: Kept<'a>,
        g: Vec<f32>,
        without: Option<Range>,
        rates: &[f64],
        upstream: &mut [Upstream],
        found: &mut Found,
    ) -> Result<()> {
        let (block, layout) = (&self.graph.blocks[i], &self.layouts[i]);
        let size = layout.currents.iter().product::<usize>();
        // of a source that is the same at every step: the sum over them
        let folded = |still: bool| match still && !layout.still {
            true => Cow::Owned(over_steps(&g, size)),
            false => Cow::Borrowed(&g[..]),
        };
        let products = block.sources.iter().zip(&layout.products);
        let products = products.zip(std::mem::take(&mut state.inputs));
        let mut traces = state.traces.iter();
        for ((source, product), input) in products {
            let (Some(weight), Some(product)) = (&source.weight, *product) else { continue };
            let Some(&trace) = traces.next() else { bail!("a product without its trace") };
            let trace = &mut found.layers[trace];
            let g = folded(self.still(source.from));
            let start = Instant::now();
            let (dw, path) = input.weight_gradient(product, &g, self.options.crossover);
            let bias = weight.bias().map(|bias| (bias, product.bias_gradient(&g)));
            trace.weight = Some(path);
            trace.seconds[3] = start.elapsed().as_secs_f64();
            if let Some(j) = outside(source, without) {
                let start = Instant::now();
                let below = kernel_at(&self.graph.blocks[j], rates[j]);
                let (dx, path) = self.input_gradient(&input, product, weight, &g, below)?;
                upstream[j].add(dx);
                trace.input = Some(path);
                trace.seconds[4] = start.elapsed().as_secs_f64();
            }
            found.add(weight.weight(), dw)?;
            bias.map_or(Ok(()), |(bias, gradient)| found.add(bias, gradient))?;
        }
        let mut whole = Vec::new();
        for source in block.sources.iter().filter(|source| source.weight.is_none()) {
            let Some(j) = outside(source, without) else { continue };
            match folded(self.still(source.from)) {
                Cow::Owned(sum) => upstream[j].add(InputGradient::Everywhere(sum)),
                Cow::Borrowed(_) => whole.push(j),
            }
        }
        if let Some(last) = whole.pop() {
            whole.iter().for_each(|&j| upstream[j].add(InputGradient::Everywhere(g.clone())));
            upstream[last].add(InputGradient::Everywhere(g));
        }
        Ok(())
    }

    /// ∂L/∂x of a product from the gradient `g` of what it gave, where the neurons `below` need it;
    /// and the path taken.
    fn input_gradient(
        &self,
        input: &Input,
        product: Product,
        weight: &Weight,
        g: &[f32],
        below: Option<&dyn Kernel>,
    ) -> Result<(InputGradient, Path)> {
        let weight = Values::of(weight.weight())?;
        Ok(match (input, below) {
            (Input::Lists(lists), Some(below)) if below.only_where_fired() => {
                product.input_gradient(lists, &weight, g, &self.options.crossover)
            }
            _ => {
                let dense = self.options.crossover.dense;
                let (dx, path) = product.whole_input_gradient(&weight, g, dense);
                (InputGradient::Everywhere(dx), path)
            }
        })
    }

    /// Whether activations are held once for all steps.
    fn still(&self, from: Origin) -> bool {
        match from {
            Origin::Frames => self.frames.still,
            Origin::Block(j) => self.layouts[j].still_activations,
        }
    }
}

/// The block that a source reads, if it lies outside the range.
fn outside(source: &Source, without: Option<Range>) -> Option<usize> {
    let Origin::Block(j) = source.from else { return None };
    (!without.is_some_and(|(first, last)| (first..=last).contains(&j))).then_some(j)
}

/// The kernels of a block's neurons that fired at `rate`.
fn kernel_at(block: &Block, rate: f64) -> Option<&dyn Kernel> {
    block.neuron.as_ref().and_then(|neuron| neuron.stage_at(rate))
}

/// From the gradient of pooled spikes to that of the currents.
fn through_neurons(
    kernel: &dyn Kernel,
    stage: &Stage,
    z: &[f32],
    above: Upstream,
    lists: Option<&Arc<Sparse>>,
    mask: Option<&[f32]>,
) -> Result<StageGradient> {
    let c = stage.shape[3];
    let pixels = mask.map_or(1, |mask| mask.len() / c);
    let Upstream { entries, everywhere } = above;
    Ok(match (entries, everywhere, lists) {
        (None, Some(g), _) => kernel.backward(stage, z, &|p, row| {
            row.copy_from_slice(&g[p * c..][..c]);
            multiply(row, mask, p % pixels);
        }),
        (Some(g), None, Some(lists)) => kernel.backward(stage, z, &|p, row| {
            row.fill(0.0);
            let (range, channels) = lists.pixel(p);
            range.zip(channels).for_each(|(at, c)| row[c] = g[at]);
            multiply(row, mask, p % pixels);
        }),
        (Some(g), Some(all), Some(lists)) => kernel.backward(stage, z, &|p, row| {
            row.copy_from_slice(&all[p * c..][..c]);
            let (range, channels) = lists.pixel(p);
            range.zip(channels).for_each(|(at, c)| row[c] += g[at]);
            multiply(row, mask, p % pixels);
        }),
        _ => bail!("a gradient at entries that are not listed"),
    })
}

fn multiply(row: &mut [f32], mask: Option<&[f32]>, pixel: usize) {
    if let Some(mask) = mask {
        let first = pixel * row.len();
        row.iter_mut().zip(&mask[first..]).for_each(|(g, m)| *g *= m);
    }
}
