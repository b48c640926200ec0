use super::{affine_at, within};
use crate::Delay;
use crate::cpu::activations::add;
use crate::cpu::backward::{Found, Upstream};
use crate::cpu::pass::{Kept, Pass, of_step};
use crate::cpu::plain::Plain;
use crate::cpu::stepwise_at;
use crate::cpu::values::Values;
use crate::graph::Range;
use candle_core::Result;
use layers::pooled_gradient;
use neuron::StageGradient;

impl<'a> Pass<'a> {
    /// Backward of all blocks of a range, whose activations' gradients from outside are the last of
    /// `upstream`.
    pub fn stepwise_backward(
        &self,
        range: Range,
        mut kept: Vec<Kept<'a>>,
        upstream: &mut Vec<Upstream>,
        of_scores: &[f32],
        rates: &[f64],
        found: &mut Found,
    ) -> Result<()> {
        let (first, last) = range;
        let mut activations = Vec::new();
        for (i, above) in (first..=last).zip(upstream.split_off(first)) {
            activations.push(match i + 1 == self.graph.blocks.len() {
                true => self.of_votes(i, of_scores),
                false => {
                    let size = self.layouts[i].activations_size(self.frames.steps);
                    above.dense(size, kept[i - first].lists.as_deref())
                }
            });
        }
        let sizes = |i: usize| -> usize { self.layouts[i].currents.iter().product() };
        let mut m: Vec<Vec<f32>> = (first..=last).map(|i| vec![0.0; sizes(i)]).collect();
        let steps = self.frames.steps;
        let mut currents: Vec<Vec<f32>> =
            (first..=last).map(|i| vec![0.0; steps * sizes(i)]).collect();
        for t in (0..steps).rev() {
            for i in (first..=last).rev() {
                let at = i - first;
                let size: usize = self.layouts[i].activations.iter().product();
                let g = activations[at][t * size..][..size].to_vec();
                let of = self.step_gradient(i, &kept[at], t, g, &mut m[at], rates[i])?;
                found.norm(&self.graph.blocks[i], of.norm, t)?;
                self.give_back(i, range, t, &of.z, &mut activations)?;
                currents[at][t * of.z.len()..][..of.z.len()].copy_from_slice(&of.z);
            }
        }
        for i in (first..=last).rev() {
            let (Some(kept), Some(g)) = (kept.pop(), currents.pop()) else { continue };
            self.sources(i, kept, g, Some(range), rates, upstream, found)?;
        }
        Ok(())
    }

    /// From the gradient of a block's activations at step `t` to that of its currents; `m` is that
    /// of the membranes that the step carried on, and becomes that of those it began with.
    fn step_gradient(
        &self,
        i: usize,
        kept: &Kept,
        t: usize,
        g: Vec<f32>,
        m: &mut [f32],
        rate: f64,
    ) -> Result<StageGradient> {
        let (block, layout) = (&self.graph.blocks[i], &self.layouts[i]);
        let size: usize = layout.currents.iter().product();
        let pooled: usize = layout.activations.iter().product();
        let affine = affine_at(block, t)?;
        let now = kept.scales.as_ref().map(|scales| scales.set(t));
        let plain = Plain {
            block,
            shape: layout.currents,
            norm: now.as_ref().zip(affine.as_ref()),
            current_mask: of_step(kept.current_mask.as_deref(), t, size),
            activation_mask: of_step(kept.activation_mask.as_deref(), t, pooled),
        };
        let z = kept.currents.as_ref().map_or(&[][..], |z| &z[t * size..][..size]);
        match (stepwise_at(block, rate), &kept.membranes) {
            (Some(kernel), Some(membranes)) => {
                let fired = &membranes.fired[t * size..][..size];
                let spikes: Vec<f32> = fired.iter().map(|&n| f32::from(n)).collect();
                let g = plain.unmasked(g);
                let g = pooled_gradient(&spikes, &g, layout.currents, block.pool);
                kernel.backward(&membranes.u[t * size..][..size], &g, m);
                Ok(plain.of_currents(z, m.to_vec()))
            }
            _ => Ok(plain.backward(z, g)),
        }
    }

    /// Adds to the gradients of the activations within that block `i` read at step `t`, from `g`,
    /// that of its currents.
    fn give_back(
        &self,
        i: usize,
        range: Range,
        t: usize,
        g: &[f32],
        activations: &mut [Vec<f32>],
    ) -> Result<()> {
        let (block, layout) = (&self.graph.blocks[i], &self.layouts[i]);
        for (source, product) in block.sources.iter().zip(&layout.products) {
            let Some(j) = within(source, range) else { continue };
            let read = match source.delay {
                Delay::Now => Some(t),
                Delay::Next => t.checked_sub(1),
            };
            let Some(read) = read else { continue };
            let size: usize = self.layouts[range.0 + j].activations.iter().product();
            let sum = &mut activations[j][read * size..][..size];
            match (&source.weight, product) {
                (Some(weight), Some(product)) => {
                    let weight = Values::of(weight.weight())?;
                    let product = product.over(layout.currents[0]);
                    add(sum, &product.dense_input_gradient(&weight, g));
                }
                _ => add(sum, g),
            }
        }
        Ok(())
    }
}
