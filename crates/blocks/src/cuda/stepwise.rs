//! Blocks that run step by step, since activations return to them one step later.
//!
//! What comes from outside is multiplied for all steps at once, and so are the gradients of all
//! weights. Only what comes from within the range, and the neurons, go one step at a time.

use super::found::{Found, Sum};
use super::pass::{Kept, Pass, within};
use super::plain::{Gradient, Plain};
use super::products::Multiplier;
use super::steps::Steps;
use crate::graph::Range;
use crate::layout::Layout;
use crate::tensors::{Steps as Statistics, one_by_one};
use crate::{Block, Delay, Observer, Origin};
use candle_core::{Result, Tensor, bail};
use layers::cuda::{add, channel_sums, sum_into};
use neuron::cuda::{Norm, Stepping};

/// A block under way.
struct Running {
    /// What it will leave; inputs of sources within the range come at the end.
    kept: Kept,
    steps: Steps,
    /// Of each source within the range what multiplies it, of one step.
    within: Vec<Option<Multiplier>>,
    /// Currents `[T, B, H, W, C]`: what came from outside, and of each step that has run the sum.
    z: Tensor,
    /// Activations `[1 + T, B, H, W, C]`: zeros, then those of each step.
    given: Tensor,
}

/// Step `t` of `[T, …]`.
fn at(all: &Tensor, t: usize) -> Result<Tensor> {
    all.narrow(0, t, 1)
}

/// The part of factors, `[B, …]` or `[T, B, …]`, that is step t's; `size` numbers.
fn of_step(mask: Option<&Tensor>, t: usize, size: usize) -> Result<Option<Tensor>> {
    let part = |mask: &Tensor| match mask.elem_count() > size {
        true => mask.narrow(0, t * size, size),
        false => Ok(mask.clone()),
    };
    mask.map(part).transpose()
}

/// Both masks of a step.
fn masks(kept: &Kept, layout: &Layout, t: usize) -> Result<[Option<Tensor>; 2]> {
    let [currents, activations] =
        [layout.currents, layout.activations].map(|shape| shape.iter().product());
    Ok([of_step(kept.mask.as_ref(), t, currents)?, of_step(kept.drop.as_ref(), t, activations)?])
}

impl Kept {
    /// A block's plain form for a step; norm and masks are those of the step.
    fn step<'a>(
        &'a self,
        block: &'a Block,
        norm: Option<&'a Norm>,
        [mask, drop]: &'a [Option<Tensor>; 2],
        shape: [usize; 4],
    ) -> Plain<'a> {
        let bias = if block.affine.is_none() { self.bias.as_ref() } else { None };
        Plain { block, shape, norm, bias, mask: mask.as_ref(), drop: drop.as_ref() }
    }
}

impl Pass<'_> {
    /// Forward of all blocks of a range.
    pub fn stepwise(
        &self,
        range: Range,
        read: &impl Fn(Origin) -> Result<Tensor>,
        counts: &Tensor,
        observer: &mut dyn Observer,
    ) -> Result<Vec<(Kept, Tensor)>> {
        let (first, last) = range;
        let steps = self.frames.steps;
        let mut running: Vec<Running> = Vec::new();
        for i in first..=last {
            running.push(self.begin_steps(i, range, read)?);
        }
        let mut statistics = Statistics::default();
        for t in 0..steps {
            for i in first..=last {
                self.step_currents(i, range, &running, t)?;
                self.step(i, &mut running[i - first], t, counts, &mut statistics)?;
            }
        }
        let all: Vec<Tensor> = running.iter().map(|block| block.given.clone()).collect();
        let mut done = Vec::new();
        for (i, block) in (first..=last).zip(running) {
            let Running { mut kept, steps: left, within: multipliers, z, given } = block;
            statistics.tell(&self.graph().blocks[i], observer)?;
            let sources = self.graph().blocks[i].sources.iter().zip(multipliers);
            for (input, (source, multiplier)) in kept.inputs.iter_mut().zip(sources) {
                let (Some(j), Some(one)) = (within(source, Some(range)), multiplier) else {
                    continue;
                };
                let [b, h, w, c] = self.layouts[first + j].activations;
                // the step before is one place further to the front
                let from = if source.delay == Delay::Now { 1 } else { 0 };
                let x = all[j].narrow(0, from, steps)?.reshape((steps * b, h, w, c))?;
                *input = Some((x, one.over(steps * b)));
            }
            let [b, h, w, c] = self.layouts[i].activations;
            kept.z = Some(z);
            kept.steps = Some(left);
            done.push((kept, given.narrow(0, 1, steps)?.reshape((steps * b, h, w, c))?));
        }
        Ok(done)
    }

    /// A block before its first step, with all that comes to it from outside.
    fn begin_steps(
        &self,
        i: usize,
        range: Range,
        read: &impl Fn(Origin) -> Result<Tensor>,
    ) -> Result<Running> {
        let (block, layout) = (&self.graph().blocks[i], &self.layouts[i]);
        one_by_one(block, self.mode)?;
        let (steps, [b, h, w, c]) = (self.frames.steps, layout.currents);
        let mut kept = self.begin(i)?;
        let mut multipliers = Vec::new();
        for source in &block.sources {
            let inside = within(source, Some(range));
            multipliers.push(match (inside, &source.weight) {
                (Some(j), Some(weight)) => {
                    let maps = self.layouts[range.0 + j].activations;
                    Some(Multiplier::new(weight, maps, self.dtype)?)
                }
                _ => None,
            });
            kept.inputs.push(if inside.is_none() { self.input(source, read)? } else { None });
        }
        let shape = (steps, b, h, w, c);
        let z = match self.currents(i, &kept.inputs, read, Some(range))? {
            Some((z, true)) => z.reshape(shape)?,
            Some((z, false)) => add(&z, None, shape)?,
            None => Tensor::zeros(shape, self.dtype, &self.gpu.device())?,
        };
        let neurons = match &self.engine.neurons[i] {
            Some(neuron) => {
                let neuron = (neuron.clone(), kept.learned.clone());
                let sizes = [steps, b * h * w * c];
                Some(Stepping::new(&self.gpu, neuron, sizes, [self.dtype; 2])?)
            }
            None => None,
        };
        let [_, h, w, c] = layout.activations;
        let given = Tensor::zeros((1 + steps, b, h, w, c), self.dtype, &self.gpu.device())?;
        let (norms, currents, pooled) = (Vec::new(), Vec::new(), Vec::new());
        let steps = Steps { neurons, norms, currents, pooled };
        Ok(Running { kept, steps, within: multipliers, z, given })
    }

    /// Adds to the currents of step `t` of a block what comes from within its range.
    fn step_currents(&self, i: usize, range: Range, running: &[Running], t: usize) -> Result<()> {
        let block = &running[i - range.0];
        let z = at(&block.z, t)?;
        for (source, multiplier) in self.graph().blocks[i].sources.iter().zip(&block.within) {
            let Some(j) = within(source, Some(range)) else { continue };
            let slot = match source.delay {
                Delay::Now => t + 1,
                // before the first step all were silent
                Delay::Next if t == 0 => continue,
                Delay::Next => t,
            };
            let x = at(&running[j].given, slot)?;
            let y = multiplier.as_ref().map_or(Ok(x.clone()), |by| by.forward(&x, self.math))?;
            sum_into(&z, &z, Some(&y))?;
        }
        Ok(())
    }

    /// Norm, ReLU, dropout, neurons and pooling of step `t`.
    fn step(
        &self,
        i: usize,
        running: &mut Running,
        t: usize,
        counts: &Tensor,
        statistics: &mut Statistics,
    ) -> Result<()> {
        let (block, layout) = (&self.graph().blocks[i], &self.layouts[i]);
        let Running { kept, steps, z, given, .. } = running;
        let z = at(z, t)?;
        let norm = match &block.affine {
            Some((name, norm)) => {
                let (norm, found) = self.norm(&norm.at(t)?, &z, kept.bias.as_ref(), (1, false))?;
                if let Some(found) = found {
                    statistics.statistics(name, &found)?;
                }
                Some(norm)
            }
            None => None,
        };
        let masks = masks(kept, layout, t)?;
        let plain = kept.step(block, norm.as_ref(), &masks, layout.currents);
        let currents = plain.currents(&z)?;
        let slot = at(given, t + 1)?;
        let as_they_are = plain.leaves_activations();
        let o = match &steps.neurons {
            Some(neurons) => {
                let o = match as_they_are {
                    true => slot.clone(),
                    false => self.gpu.empty(z.shape(), self.dtype)?,
                };
                neurons.forward(&currents.masked, t, &o, (counts, i * self.frames.steps + t))?;
                o
            }
            None => currents.masked.clone(),
        };
        if steps.neurons.is_none() || !as_they_are {
            sum_into(&slot, &plain.activations(&o)?, None)?;
        }
        steps.norms.push(norm);
        steps.currents.push(currents);
        steps.pooled.push(o);
        Ok(())
    }

    /// Backward of all blocks of a range, from the gradients of their activations that came from
    /// outside.
    pub fn stepwise_backward(
        &self,
        range: Range,
        mut kept: Vec<Kept>,
        above: Vec<Option<Tensor>>,
        rates: &[f64],
        upstream: &mut [Sum],
        found: &mut Found,
    ) -> Result<()> {
        let (first, last) = range;
        let (steps, device) = (self.frames.steps, self.gpu.device());
        let (mut activations, mut currents) = (Vec::new(), Vec::new());
        for (i, above) in (first..=last).zip(above) {
            let [b, h, w, c] = self.layouts[i].activations;
            let shape = (steps, b, h, w, c);
            activations.push(match above {
                Some(g) => add(&g, None, shape)?,
                None => Tensor::zeros(shape, self.dtype, &device)?,
            });
            let [b, h, w, c] = self.layouts[i].currents;
            currents.push(self.gpu.empty((steps, b, h, w, c), self.dtype)?);
            let neuron = self.graph().blocks[i].neuron.as_ref();
            let other = neuron.and_then(|neuron| neuron.source_at(rates[i]));
            let neurons = kept[i - first].steps.as_mut().and_then(|steps| steps.neurons.as_mut());
            if let (Some(other), Some(neurons)) = (other, neurons) {
                neurons.backward_of(other)?;
            }
        }
        // of each block the gradients of its norm's γ, from the last step
        let mut gammas: Vec<Vec<Tensor>> = vec![Vec::new(); 1 + last - first];
        for t in (0..steps).rev() {
            for i in (first..=last).rev() {
                let block = i - first;
                let g = at(&activations[block], t)?;
                let of = self.step_gradient(i, &mut kept[block], t, &g)?;
                if let (Some((_, norm)), Some([gamma, beta])) =
                    (&self.graph().blocks[i].affine, of.norm)
                {
                    gammas[block].push(gamma);
                    norm.bias.as_ref().map_or(Ok(()), |bias| found.add(bias, beta))?;
                }
                self.give_back(i, range, t, (&of.z, &kept[block]), &activations)?;
                sum_into(&at(&currents[block], t)?, &of.z, None)?;
            }
        }
        for i in (first..=last).rev() {
            let (Some(kept), Some(g), Some(gammas)) = (kept.pop(), currents.pop(), gammas.pop())
            else {
                continue;
            };
            let (block, c) = (&self.graph().blocks[i], self.layouts[i].currents[3]);
            of_steps(block, gammas, found)?;
            let neurons = kept.steps.as_ref().and_then(|steps| steps.neurons.as_ref());
            found.parameters(block, neurons.map_or(Ok(None), Stepping::parameters)?)?;
            let biased = kept.bias.is_some() && block.affine.is_none();
            let of_bias = biased.then(|| channel_sums(&g, c)).transpose()?;
            self.sources(i, kept.inputs, (g, of_bias), Some(range), upstream, found)?;
        }
        Ok(())
    }

    /// From the gradient of a block's activations at step `t` to that of its currents.
    fn step_gradient(&self, i: usize, kept: &mut Kept, t: usize, g: &Tensor) -> Result<Gradient> {
        let (block, layout) = (&self.graph().blocks[i], &self.layouts[i]);
        let (Some(mut steps), Some(z)) = (kept.steps.take(), kept.z.clone()) else {
            bail!("a backward pass without its forward pass")
        };
        let (currents, o) = (&steps.currents[t], &steps.pooled[t]);
        // biases are summed over all steps at once
        let masks = masks(kept, layout, t)?;
        let norm = steps.norms[t].as_ref();
        let plain = Plain { bias: None, ..kept.step(block, norm, &masks, layout.currents) };
        let mut g = plain.of_activations(o, g)?;
        if let Some(neurons) = &mut steps.neurons {
            g = neurons.backward(&currents.masked, t, &g)?;
        }
        let of = plain.of_currents(&at(&z, t)?, currents, &g)?;
        kept.steps = Some(steps);
        Ok(of)
    }

    /// Adds to the gradients of the activations within that block `i` read at step `t`, from `g`,
    /// that of its currents, and what it has kept.
    fn give_back(
        &self,
        i: usize,
        range: Range,
        t: usize,
        (g, kept): (&Tensor, &Kept),
        activations: &[Tensor],
    ) -> Result<()> {
        let batch = self.frames.shape[0];
        for (source, input) in self.graph().blocks[i].sources.iter().zip(&kept.inputs) {
            let Some(j) = within(source, Some(range)) else { continue };
            let read = match source.delay {
                Delay::Now => Some(t),
                Delay::Next => t.checked_sub(1),
            };
            let Some(read) = read else { continue };
            let sum = at(&activations[j], read)?;
            let dx = match input {
                Some((_, multiplier)) => multiplier.over(batch).input_gradient(g, self.math)?,
                None => g.clone(),
            };
            sum_into(&sum, &sum, Some(&dx))?;
        }
        Ok(())
    }
}

/// Puts the gradients of a norm's γ at each step, from the last, to what was found.
fn of_steps(block: &Block, mut gammas: Vec<Tensor>, found: &mut Found) -> Result<()> {
    let Some((_, norm)) = &block.affine else { return Ok(()) };
    if norm.weight.rank() == 1 {
        return gammas.into_iter().try_for_each(|gamma| found.add(&norm.weight, gamma));
    }
    gammas.reverse();
    // steps that the pass did not have get no gradient
    let (has, c) = norm.weight.dims2()?;
    let missing = Tensor::zeros(c, norm.weight.dtype(), norm.weight.device())?;
    gammas.resize(has, missing);
    found.add(&norm.weight, Tensor::stack(&gammas, 0)?)
}
