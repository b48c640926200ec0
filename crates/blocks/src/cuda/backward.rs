//! Backward: the gradients of each block's activations, added up over its readers.

use super::found::{Found, Sum};
use super::pass::{Count, Kept, Pass, State};
use super::plain::Gradient;
use crate::graph::Range;
use crate::{Gradients, Origin, Source};
use candle_core::{Result, Tensor, bail};
use layers::cuda::{of_votes, over_steps};
use neuron::cuda::{Upstream, gradient};

impl Pass<'_> {
    /// Gradients of all variables from that of the scores.
    pub fn backward(&self, state: State, of_scores: &Tensor) -> Result<Gradients> {
        let State { mut kept, scores, rates } = state;
        let values: Vec<f32> = of_scores.flatten_all()?.to_vec1()?;
        let of_scores = self.gpu.floats(&values, of_scores.shape())?;
        let mut found = Found::default();
        let mut upstream: Vec<Sum> = Vec::new();
        upstream.resize_with(kept.len(), Sum::default);
        while let Some(i) = kept.len().checked_sub(1) {
            if let Some(range) = self.graph().range_of(i) {
                let kept = kept.split_off(range.0);
                let above = upstream.split_off(range.0);
                let above = above.into_iter().map(Sum::take).collect();
                let above = self.of_last(range.1, above, &of_scores)?;
                self.stepwise_backward(range, kept, above, &rates, &mut upstream, &mut found)?;
                continue;
            }
            let (Some(mut state), Some(above)) = (kept.pop(), upstream.pop()) else {
                bail!("a backward pass without its forward pass")
            };
            let of = self.block_gradient(i, &mut state, above, &of_scores, rates[i], &mut found)?;
            found.norm(&self.graph().blocks[i], of.norm)?;
            let of_currents = (of.z, of.bias);
            self.sources(i, state.inputs, of_currents, None, &mut upstream, &mut found)?;
        }
        Ok(Gradients { scores, of: found.0, layers: Vec::new() })
    }

    /// Puts the gradient of what is voted on where the last block's is, if it is among these.
    fn of_last(
        &self,
        last: usize,
        mut above: Vec<Option<Tensor>>,
        of_scores: &Tensor,
    ) -> Result<Vec<Option<Tensor>>> {
        if let (Some(above), true) = (above.last_mut(), last + 1 == self.graph().blocks.len()) {
            *above = Some(self.of_votes(of_scores)?);
        }
        Ok(above)
    }

    /// The gradient of what is voted on: of a still map the sum over its steps.
    fn of_votes(&self, of_scores: &Tensor) -> Result<Tensor> {
        let (steps, voters) = (self.frames.steps, self.graph().voters);
        let Some(layout) = self.layouts.last() else { bail!("a network without layers") };
        let n = layout.activations_size(steps);
        let together = match self.count {
            Count::All => voters * steps,
            Count::Steps => voters,
        };
        match (self.count, layout.still_activations) {
            (Count::All, true) => {
                let share = steps as f32 / together as f32;
                of_votes(of_scores, (n, voters), share, self.dtype)
            }
            (Count::Steps, true) => {
                let sum = over_steps(of_scores, steps)?;
                of_votes(&sum, (n, voters), 1.0 / together as f32, self.dtype)
            }
            _ => of_votes(of_scores, (n, voters), 1.0 / together as f32, self.dtype),
        }
    }

    /// From the gradient of a block's activations to that of its currents; that of its neurons'
    /// parameters is put to what was found.
    fn block_gradient(
        &self,
        i: usize,
        state: &mut Kept,
        above: Sum,
        of_scores: &Tensor,
        rate: f64,
        found: &mut Found,
    ) -> Result<Gradient> {
        let (block, layout) = (&self.graph().blocks[i], &self.layouts[i]);
        let steps = self.frames.steps;
        let Some(z) = state.z.take() else { bail!("a block without its currents") };
        let last = i + 1 == self.graph().blocks.len();
        let [_, h, w, _] = layout.activations;
        let neuron = &self.engine.neurons[i];
        // a stage reads scores as they are where every unit is a pixel of its own
        let as_scores = last && neuron.is_some() && self.count == Count::All && h * w == 1;
        let above = match above.take() {
            _ if as_scores => None,
            _ if last => Some(self.of_votes(of_scores)?),
            Some(above) => Some(above),
            None => bail!("no gradient of {}", block.name),
        };
        let Some(neuron) = neuron else {
            let Some(g) = above else { bail!("no gradient of {}", block.name) };
            let Some(currents) = state.currents.take() else {
                return Ok(Gradient { z: g, norm: None, bias: None });
            };
            let plain = state.plain(block, maps(&z, layout.currents), layout);
            let g = plain.of_activations(&currents.masked, &g)?;
            return plain.of_currents(&z, &currents, &g);
        };
        let other = block.neuron.as_ref().and_then(|neuron| neuron.source_at(rate));
        let stage = state.stage(block, other.as_ref().unwrap_or(neuron), (steps, layout));
        let upstream = match &above {
            Some(above) => Upstream::Activations(above),
            None => Upstream::Scores { gradient: of_scores, voters: self.graph().voters },
        };
        let of = gradient(&stage, &z, upstream)?;
        found.parameters(block, of.parameters)?;
        let norm = of.norm.map(|(gamma, beta)| [gamma, beta]);
        Ok(Gradient { z: of.z, norm, bias: of.bias })
    }

    /// Gradients of a block's weights, and of the activations that it read, from those of its
    /// currents and of its bias; activations of blocks in `without` have theirs already.
    pub fn sources(
        &self,
        i: usize,
        inputs: Vec<Option<(Tensor, super::products::Multiplier)>>,
        (g, of_bias): (Tensor, Option<Tensor>),
        without: Option<Range>,
        upstream: &mut [Sum],
        found: &mut Found,
    ) -> Result<()> {
        let (block, layout) = (&self.graph().blocks[i], &self.layouts[i]);
        // of a source that is the same at every step: the sum over them
        let mut folded: Option<Tensor> = None;
        let mut of = |from: Origin| -> Result<Tensor> {
            if !self.still(from) || layout.still {
                return Ok(g.clone());
            }
            let sum = match folded.take() {
                Some(sum) => sum,
                None => over_steps(&g, self.frames.steps)?,
            };
            folded = Some(sum.clone());
            Ok(sum)
        };
        for (source, input) in block.sources.iter().zip(inputs) {
            let g = of(source.from)?;
            let below = outside(source, without);
            let (Some(weight), Some((x, multiplier))) = (&source.weight, input) else {
                // others may read the same gradient
                below.map_or(Ok(()), |j| upstream[j].add(g, false))?;
                continue;
            };
            let own = weight.weight();
            found.add(own, multiplier.weight_gradient(&x, &g, own, self.math)?)?;
            drop(x);
            if let Some(bias) = weight.bias() {
                let of_bias = match &of_bias {
                    Some(of_bias) => of_bias.clone(),
                    None => bias.zeros_like()?,
                };
                found.add(bias, of_bias)?;
            }
            if let Some(j) = below {
                upstream[j].add(multiplier.input_gradient(&g, self.math)?, true)?;
            }
        }
        Ok(())
    }

    /// Whether activations are held once for all steps.
    fn still(&self, from: Origin) -> bool {
        match from {
            Origin::Frames => self.frames.still,
            Origin::Block(j) => self.layouts[j].still_activations,
        }
    }
}

/// How many maps of this shape there are.
fn maps(z: &Tensor, [_, h, w, c]: [usize; 4]) -> usize {
    z.elem_count() / (h * w * c)
}

/// The block that a source reads, if it lies outside the range.
fn outside(source: &Source, without: Option<Range>) -> Option<usize> {
    let Origin::Block(j) = source.from else { return None };
    (!without.is_some_and(|(first, last)| (first..=last).contains(&j))).then_some(j)
}
