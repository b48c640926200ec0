//! Blocks that run step by step, since activations return to them one step later: lateral,
//! recurrent and feedback connections.
//!
//! What comes from outside is multiplied for all steps at once, and so are the gradients of all
//! weights. Only what comes from within the range, and the neurons, go one step at a time.

mod backward;

use super::activations::{Activations, Input, add};
use super::norms::{Affine, scales};
use super::pass::{Done, Kept, Membranes, Pass, Votes, of_step};
use super::plain::Plain;
use super::spikes::pool_spikes;
use super::values::Values;
use super::{LayerTrace, stepwise_at};
use crate::graph::Range;
use crate::layout::Layout;
use crate::tensors::{Steps, one_by_one};
use crate::{Block, Delay, Observer, Origin, Source};
use candle_core::Result;
use layers::Path;
use std::sync::Arc;
use std::time::Instant;

/// A block under way.
struct Running<'a> {
    /// What it will leave; inputs of sources within the range come at the end.
    kept: Kept<'a>,
    /// Currents from outside, of all steps.
    outside: Vec<f32>,
    /// Carried membranes.
    v: Vec<f32>,
    /// Currents of all steps so far.
    z: Vec<f32>,
    /// Spikes of each step.
    spikes: Vec<u64>,
    given: Given,
    traces: Vec<LayerTrace>,
}

/// Activations of all steps so far.
#[derive(Clone)]
enum Given {
    /// Spikes of each window.
    Counts(Vec<u8>),
    Values(Vec<f32>),
}

/// What a source reads within its range, at all steps.
struct Within<'a> {
    /// Its place among the block's sources.
    source: usize,
    /// That of its product among the block's traces.
    trace: Option<usize>,
    input: Input<'a>,
    density: f64,
}

/// Zeros in the first of so large steps, then each as it was one step before.
fn delayed<X: Copy + Default>(all: &[X], step: usize) -> Vec<X> {
    let mut delayed = vec![X::default(); step];
    delayed.extend_from_slice(&all[..all.len() - step]);
    delayed
}

impl Given {
    /// See [`delayed`].
    fn delayed(&self, step: usize) -> Given {
        match self {
            Given::Counts(counts) => Given::Counts(delayed(counts, step)),
            Given::Values(values) => Given::Values(delayed(values, step)),
        }
    }
}

/// Which block of the range a source reads, counted from its first.
fn within(source: &Source, (first, last): Range) -> Option<usize> {
    match source.from {
        Origin::Block(j) if (first..=last).contains(&j) => Some(j - first),
        _ => None,
    }
}

/// γ and β of a block's batch norm at step `t`.
fn affine_at(block: &Block, t: usize) -> Result<Option<Affine>> {
    block.affine.as_ref().map(|(_, norm)| Affine::of(&norm.at(t)?, 1)).transpose()
}

impl Running<'_> {
    /// Tells what the neurons did at all steps, and keeps at what rate they fired.
    fn tell(&mut self, name: &str, layout: &Layout, observer: &mut dyn Observer) -> Result<()> {
        let chances = layout.currents.iter().product::<usize>() as u64;
        observer.count(name, &self.spikes, chances)?;
        if let Given::Counts(counts) = &self.given {
            observer.outputs(name, counts, layout.activations[3])?;
        }
        let all = (chances * self.spikes.len() as u64).max(1) as f64;
        self.kept.rate = self.spikes.iter().sum::<u64>() as f64 / all;
        Ok(())
    }
}

impl<'a> Pass<'a> {
    /// Forward of all blocks of a range.
    pub fn stepwise(
        &self,
        range: Range,
        outputs: &[Option<Activations>],
        traces: &mut Vec<LayerTrace>,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Done<'a>>> {
        let (first, last) = range;
        let mut running = Vec::new();
        for i in first..=last {
            running.push(self.begin(i, range, outputs)?);
        }
        let mut statistics = Steps::default();
        let mut before: Vec<Option<Activations>> = Vec::new();
        for t in 0..self.frames.steps {
            let mut now: Vec<Option<Activations>> = Vec::new();
            for (at, running) in running.iter_mut().enumerate() {
                let i = first + at;
                self.step_currents(i, range, running, t, &now, &before)?;
                self.step(i, running, t, &mut statistics)?;
                let size = self.layouts[i].activations.iter().product();
                let mask = of_step(running.kept.mask(), t, size);
                now.push(self.activations(i, &running.given, t..t + 1, mask));
            }
            before = now;
        }
        let steps = self.frames.steps;
        let inputs = self.inputs_within(range, &running)?;
        for (running, inputs) in running.iter_mut().zip(inputs) {
            for Within { source, trace, input, density } in inputs {
                running.kept.inputs[source] = input;
                if let Some(trace) = trace {
                    running.traces[trace].input_density = density;
                }
            }
        }
        let mut done = Vec::new();
        for (at, mut running) in running.into_iter().enumerate() {
            let (block, layout) = (&self.graph.blocks[first + at], &self.layouts[first + at]);
            statistics.tell(block, observer)?;
            if block.neuron.is_some() {
                running.tell(&block.name, layout, observer)?;
            }
            running.traces.iter_mut().for_each(|trace| trace.firing_rate = running.kept.rate);
            running.kept.traces = (traces.len()..traces.len() + running.traces.len()).collect();
            traces.append(&mut running.traces);
            let mask = running.kept.mask();
            let output = self.activations(first + at, &running.given, 0..steps, mask);
            running.kept.lists = output.as_ref().and_then(Activations::lists);
            running.kept.currents = Some(Arc::new(running.z));
            let votes = match running.given {
                Given::Counts(counts) => Votes::Spikes(counts),
                Given::Values(values) => Votes::Values(Arc::new(values)),
            };
            done.push((running.kept, output, votes));
        }
        Ok(done)
    }

    /// A block before its first step, with all that comes to it from outside.
    fn begin(
        &self,
        i: usize,
        range: Range,
        outputs: &[Option<Activations>],
    ) -> Result<Running<'a>> {
        let (block, layout) = (&self.graph.blocks[i], &self.layouts[i]);
        one_by_one(block, self.mode)?;
        let steps = self.frames.steps;
        let size: usize = layout.currents.iter().product();
        let mut outside = vec![0.0; steps * size];
        let (mut inputs, mut traces) = (Vec::new(), Vec::new());
        for (source, product) in block.sources.iter().zip(&layout.products) {
            let (mut input, mut density) = (Input::Frames(&[]), 0.0);
            let start = Instant::now();
            let mut path = Path::Event;
            if within(source, range).is_none() {
                (input, density) = self.input(i, source, *product, outputs)?;
                match (&source.weight, *product) {
                    (Some(weight), Some(product)) => {
                        let crossover = self.options.crossover;
                        let (y, taken) = input.multiplied(product, weight, crossover)?;
                        add(&mut outside, &y);
                        path = taken;
                    }
                    _ => input.add_to(&mut outside),
                }
            }
            if product.is_some() {
                let seconds = start.elapsed().as_secs_f64();
                traces.push(LayerTrace::new(&block.name, density, path, seconds));
            }
            inputs.push(input);
        }
        let neurons = block.neuron.is_some();
        let kept = Kept {
            inputs,
            activation_mask: self.mask(&block.drop_activations, block.masks, layout.activations)?,
            current_mask: self.mask(&block.drop_currents, block.masks, layout.currents)?,
            membranes: neurons
                .then(|| Membranes { u: vec![0.0; steps * size], fired: vec![0; steps * size] }),
            ..Kept::default()
        };
        Ok(Running {
            kept,
            outside,
            v: vec![0.0; if neurons { size } else { 0 }],
            z: Vec::with_capacity(steps * size),
            spikes: Vec::new(),
            given: if neurons { Given::Counts(Vec::new()) } else { Given::Values(Vec::new()) },
            traces,
        })
    }

    /// Adds the currents of step `t` to those of a block: of what came from outside, and of
    /// activations within, of this step (`now`) and the one `before`.
    fn step_currents(
        &self,
        i: usize,
        range: Range,
        running: &mut Running<'a>,
        t: usize,
        now: &[Option<Activations>],
        before: &[Option<Activations>],
    ) -> Result<()> {
        let (block, layout) = (&self.graph.blocks[i], &self.layouts[i]);
        let size: usize = layout.currents.iter().product();
        let mut z = running.outside[t * size..][..size].to_vec();
        let mut traces = running.traces.iter_mut();
        for (source, product) in block.sources.iter().zip(&layout.products) {
            let trace = product.and_then(|_| traces.next());
            let Some(j) = within(source, range) else { continue };
            let given = match source.delay {
                Delay::Now => now.get(j),
                Delay::Next => before.get(j),
            };
            let start = Instant::now();
            match (given, &source.weight, *product) {
                (Some(Some(given)), Some(weight), Some(product)) => {
                    let product = product.over(layout.currents[0]);
                    let shape = self.layouts[range.0 + j].activations;
                    let crossover = self.options.crossover;
                    let input = given.input(Some(product)).listed(shape, product, crossover).0;
                    let (y, path) = input.multiplied(product, weight, crossover)?;
                    add(&mut z, &y);
                    if let Some(trace) = trace {
                        trace.forward = path;
                        trace.seconds[0] += start.elapsed().as_secs_f64();
                    }
                }
                (Some(Some(given)), _, _) => given.input(None).add_to(&mut z),
                // before the first step all were silent: what is left is the bias
                (_, weight, _) => {
                    if let Some(bias) = weight.as_ref().and_then(|weight| weight.bias()) {
                        let bias = Values::of(bias)?;
                        z.chunks_exact_mut(bias.len()).for_each(|z| add(z, &bias));
                    }
                }
            }
        }
        running.z.extend_from_slice(&z);
        Ok(())
    }

    /// Norm, ReLU, dropout, neurons and pooling of step `t`.
    fn step(
        &self,
        i: usize,
        running: &mut Running<'a>,
        t: usize,
        statistics: &mut Steps,
    ) -> Result<()> {
        let (block, layout) = (&self.graph.blocks[i], &self.layouts[i]);
        let Running { kept, v, z, spikes, given, .. } = running;
        let size: usize = layout.currents.iter().product();
        let pooled: usize = layout.activations.iter().product();
        let z = &z[t * size..];
        let affine = affine_at(block, t)?;
        let now = match &block.affine {
            Some((name, norm)) => {
                let norm = (name.as_str(), &norm.at(t)?);
                Some(scales(norm, z, (1, false), self.mode, statistics)?)
            }
            None => None,
        };
        let plain = Plain {
            block,
            shape: layout.currents,
            norm: now.as_ref().zip(affine.as_ref()),
            current_mask: of_step(kept.current_mask.as_deref(), t, size),
            activation_mask: of_step(kept.activation_mask.as_deref(), t, pooled),
        };
        match (given, &mut kept.membranes, stepwise_at(block, 0.0)) {
            (Given::Counts(counts), Some(membranes), Some(kernel)) => {
                let u = &mut membranes.u[t * size..][..size];
                let fired = &mut membranes.fired[t * size..][..size];
                kernel.forward(&plain.currents(z), v, u, fired);
                spikes.push(fired.iter().map(|&n| u64::from(n)).sum());
                let start = counts.len();
                counts.resize(start + pooled, 0);
                pool_spikes(fired, layout.currents, block.pool, &mut counts[start..]);
            }
            (Given::Values(values), ..) => values.extend_from_slice(&plain.forward(z)),
            _ => candle_core::bail!("the neurons {} cannot run step by step", block.name),
        }
        if let Some(now) = now {
            kept.scales = Some(match kept.scales.take() {
                None => now,
                Some(before) => before.followed_by(now),
            });
        }
        Ok(())
    }

    /// Activations of some steps for the readers of block `i`, if it has any.
    fn activations(
        &self,
        i: usize,
        given: &Given,
        steps: std::ops::Range<usize>,
        mask: Option<&[f32]>,
    ) -> Option<Activations> {
        let size: usize = self.layouts[i].activations.iter().product();
        let part = steps.start * size..steps.end * size;
        match given {
            Given::Counts(counts) => self.lists(i, &counts[part], steps.len(), mask),
            Given::Values(values) => Some(Activations::Values(Arc::new(values[part].to_vec()))),
        }
    }

    /// For each block of a range what its sources within read.
    fn inputs_within(&self, range: Range, running: &[Running<'a>]) -> Result<Vec<Vec<Within<'a>>>> {
        let steps = self.frames.steps;
        let mut all = Vec::new();
        for i in range.0..=range.1 {
            let (mut inputs, mut products) = (Vec::new(), 0);
            let sources = self.graph.blocks[i].sources.iter().zip(&self.layouts[i].products);
            for (at, (source, product)) in sources.enumerate() {
                let trace = product.map(|_| products);
                products += usize::from(product.is_some());
                let Some(j) = within(source, range) else { continue };
                let [b, h, w, c] = self.layouts[range.0 + j].activations;
                let size = b * h * w * c;
                let (given, mask) = (&running[j].given, running[j].kept.mask());
                let i = range.0 + j;
                let whole = match source.delay {
                    Delay::Now => self.activations(i, given, 0..steps, mask),
                    Delay::Next => {
                        // masks of each step come as late as what they dropped
                        let late = mask.filter(|mask| mask.len() > size);
                        let late = late.map(|mask| delayed(mask, size));
                        let mask = late.as_deref().or(mask);
                        self.activations(i, &given.delayed(size), 0..steps, mask)
                    }
                };
                let Some(whole) = whole else { continue };
                let (input, density) = match product {
                    Some(product) => {
                        let shape = [b * steps, h, w, c];
                        let input = whole.input(Some(*product));
                        input.listed(shape, *product, self.options.crossover)
                    }
                    None => (whole.input(None), 1.0),
                };
                inputs.push(Within { source: at, trace, input, density });
            }
            all.push(inputs);
        }
        Ok(all)
    }
}
