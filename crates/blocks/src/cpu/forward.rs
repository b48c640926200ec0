//! Forward: block by block, each keeping what its gradients will need.

use super::activations::Activations;
use super::norms::{affine, scales};
use super::pass::{Count, Done, Kept, Pass, State, Votes};
use super::{LayerTrace, kernel};
use crate::Observer;
use candle_core::{Device, Result, Tensor, bail};
use neuron::Pooling;
use std::sync::Arc;
use std::time::Instant;

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
            activation_mask: self.mask(&block.drop_activations, block.masks, layout.activations)?,
            current_mask: self.mask(&block.drop_currents, block.masks, layout.currents)?,
            scales: match &block.affine {
                Some((name, norm)) => {
                    let (shown, norm) = ((steps, layout.still), (name.as_str(), norm));
                    Some(scales(norm, &z, shown, self.mode, observer)?)
                }
                None => None,
            },
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
        let steps = self.frames.steps;
        let affine = affine(block, steps)?;
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
        observer.outputs(&block.name, &fired.counts, layout.activations[3])?;
        let all = (chances * steps as u64).max(1) as f64;
        kept.rate = fired.spikes.iter().sum::<u64>() as f64 / all;
        let output = self.lists(i, &fired.counts, steps, kept.mask());
        kept.lists = output.as_ref().and_then(Activations::lists);
        Ok((output, Votes::Spikes(fired.counts)))
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
