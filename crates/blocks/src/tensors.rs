//! The definition: a graph in tensor operations, differentiable by the tensor library.

use crate::{Block, DROPOUT, Delay, Graph, Observer, Origin};
use candle_core::{Result, Tensor, bail};
use layers::{BatchStatistics, Mode, StatisticsOver};
use neuron::{Neuron, Pooling};
use std::collections::BTreeMap;

/// Class scores `[B, K]` of frames `[T, B, H, W, C]`: the mean over time of the votes.
///
/// Blocks that nothing one step later binds together take all steps at once; those between a
/// reader of the step before and its origin run step by step, with [`Neuron::step`].
///
/// # Errors
/// If the frames do not fit the graph, or a norm takes its statistics over time in training where
/// steps run one by one.
pub fn scores(
    graph: &Graph,
    frames: &Tensor,
    mode: Mode,
    observer: &mut dyn Observer,
) -> Result<Tensor> {
    let steps = frames.dim(0)?;
    let mut outputs: Vec<Tensor> = Vec::new();
    let mut i = 0;
    while i < graph.blocks.len() {
        match graph.range_of(i) {
            Some((first, last)) => {
                let range = Range { graph, first, last, mode };
                range.run(frames, &mut outputs, steps, observer)?;
                i = last + 1;
            }
            None => {
                let block = &graph.blocks[i];
                let x = sum(block, |source| Ok(Some(read(source.from, frames, &outputs)?)))?;
                let x = currents(block, &x, None, mode, observer)?;
                let o = match &block.neuron {
                    Some(neuron) => {
                        let spikes = neuron.scan(&x)?;
                        observer.spikes(&block.name, &spikes)?;
                        spikes
                    }
                    None => x,
                };
                outputs.push(activations(block, &o, 0, mode)?);
                i += 1;
            }
        }
    }
    let Some(last) = outputs.last() else { bail!("a network without layers") };
    layers::vote(&last.flatten_from(2)?, graph.voters)?.mean(0)
}

/// Blocks that run step by step.
struct Range<'a> {
    graph: &'a Graph,
    first: usize,
    last: usize,
    mode: Mode,
}

/// What the norms of single steps say.
#[derive(Default)]
pub(crate) struct Steps(BTreeMap<String, Vec<BatchStatistics>>);

impl Steps {
    /// Tells `observer` what the norm of a block said at all steps, if it has one and said it.
    pub(crate) fn tell(&self, block: &Block, observer: &mut dyn Observer) -> Result<()> {
        let Some((name, _)) = &block.affine else { return Ok(()) };
        match self.0.get(name) {
            Some(all) => observer.statistics(name, &joined(all)?),
            None => Ok(()),
        }
    }
}

impl Observer for Steps {
    fn statistics(&mut self, layer: &str, statistics: &BatchStatistics) -> Result<()> {
        self.0.entry(layer.to_owned()).or_default().push(statistics.clone());
        Ok(())
    }
}

/// What blocks gave at each step, and what their norms said.
struct Passed {
    spikes: Vec<Vec<Tensor>>,
    given: Vec<Vec<Tensor>>,
    statistics: Steps,
}

impl Range<'_> {
    fn run(
        &self,
        frames: &Tensor,
        outputs: &mut Vec<Tensor>,
        steps: usize,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let Some(blocks) = self.graph.blocks.get(self.first..=self.last) else {
            bail!("the block {} is read one step later, but is not there", self.last)
        };
        let usual: Vec<Option<&dyn Neuron>> =
            blocks.iter().map(|block| block.neuron.as_deref()).collect();
        let mut done = self.pass(blocks, &usual, frames, outputs, steps)?;
        if usual.iter().flatten().any(|neuron| neuron.at_rate(0.0).is_some()) {
            // the same spikes, with the slopes that a batch of these rates takes
            let mut others = usual.clone();
            for (other, spikes) in others.iter_mut().zip(&done.spikes) {
                if let Some(neuron) = other.filter(|_| !spikes.is_empty()) {
                    let rate = neuron::firing_rate(&Tensor::cat(spikes, 0)?)?;
                    *other = neuron.at_rate(rate).or(Some(neuron));
                }
            }
            done = self.pass(blocks, &others, frames, outputs, steps)?;
        }
        for (at, block) in blocks.iter().enumerate() {
            done.statistics.tell(block, observer)?;
            if block.neuron.is_some() {
                observer.spikes(&block.name, &Tensor::cat(&done.spikes[at], 0)?)?;
            }
            outputs.push(Tensor::cat(&done.given[at], 0)?);
        }
        Ok(())
    }

    /// All steps, with those neurons.
    fn pass(
        &self,
        blocks: &[Block],
        neurons: &[Option<&dyn Neuron>],
        frames: &Tensor,
        outputs: &[Tensor],
        steps: usize,
    ) -> Result<Passed> {
        let count = blocks.len();
        let mut membranes: Vec<Option<Tensor>> = vec![None; count];
        let mut spikes: Vec<Vec<Tensor>> = vec![Vec::new(); count];
        let mut given: Vec<Vec<Tensor>> = vec![Vec::new(); count];
        let mut statistics = Steps::default();
        for t in 0..steps {
            for (at, block) in blocks.iter().enumerate() {
                one_by_one(block, self.mode)?;
                let x = sum(block, |source| match (source.from, source.delay) {
                    (Origin::Block(j), delay) if j >= self.first && j <= self.last => {
                        let given = &given[j - self.first];
                        match delay {
                            Delay::Now => Ok(given.get(t).cloned()),
                            // an origin behind has not given this step yet
                            Delay::Next => {
                                Ok(t.checked_sub(1).and_then(|before| given.get(before).cloned()))
                            }
                        }
                    }
                    (from, _) => Ok(Some(read(from, frames, outputs)?.narrow(0, t, 1)?)),
                })?;
                let x = currents(block, &x, Some(t), self.mode, &mut statistics)?;
                let o = match neurons[at] {
                    Some(neuron) => {
                        let o = step(neuron, &x, &mut membranes[at])?;
                        spikes[at].push(o.clone());
                        o
                    }
                    None => x,
                };
                given[at].push(activations(block, &o, t, self.mode)?);
            }
        }
        Ok(Passed { spikes, given, statistics })
    }
}

/// One step of neurons, `[1, B, …]`.
fn step(neuron: &dyn Neuron, x: &Tensor, membrane: &mut Option<Tensor>) -> Result<Tensor> {
    let x = x.squeeze(0)?;
    let v = match membrane.take() {
        Some(v) => v,
        None => neuron.start(&x)?,
    };
    let (o, v) = neuron.step(&x, &v)?;
    *membrane = Some(v);
    o.unsqueeze(0)
}

/// Refuses a norm that needs all steps at once.
///
/// # Errors
/// In training, statistics over time.
pub(crate) fn one_by_one(block: &Block, mode: Mode) -> Result<()> {
    match (&block.affine, mode) {
        (Some((name, norm)), Mode::Train { .. }) if norm.over == StatisticsOver::Time => bail!(
            "the norm {name} takes its statistics over time, but its block runs step by step, \
             since spikes return to it; take statistics over single steps"
        ),
        _ => Ok(()),
    }
}

fn joined(all: &[BatchStatistics]) -> Result<BatchStatistics> {
    let cat = |of: fn(&BatchStatistics) -> &Tensor| {
        Tensor::cat(&all.iter().map(of).collect::<Vec<_>>(), 0)
    };
    let (mean, unbiased_var) = (cat(|s| &s.mean)?, cat(|s| &s.unbiased_var)?);
    let momentum = all.first().map_or(0.0, |s| s.momentum);
    Ok(BatchStatistics { mean, unbiased_var, momentum })
}

fn read(from: Origin, frames: &Tensor, outputs: &[Tensor]) -> Result<Tensor> {
    match from {
        Origin::Frames => Ok(frames.clone()),
        Origin::Block(j) => match outputs.get(j) {
            Some(output) => Ok(output.clone()),
            None => bail!("the block {j} is read before it has run"),
        },
    }
}

/// The sum of a block's sources; one that has nothing yet gives what zeros would give.
fn sum(block: &Block, read: impl Fn(&crate::Source) -> Result<Option<Tensor>>) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    let mut late = Vec::new();
    for source in &block.sources {
        let Some(x) = read(source)? else {
            late.push(source);
            continue;
        };
        let y = match &source.weight {
            None => x,
            Some(weight) => weight.forward(&x)?,
        };
        sum = Some(match sum {
            None => y,
            Some(sum) => (sum + y)?,
        });
    }
    let Some(mut sum) = sum else { bail!("the block {} reads nothing", block.name) };
    for bias in late.iter().filter_map(|source| source.weight.as_ref()?.bias()) {
        sum = sum.broadcast_add(bias)?;
    }
    Ok(sum)
}

/// Norm, ReLU and dropout of currents, of all steps or `only` one.
fn currents(
    block: &Block,
    x: &Tensor,
    only: Option<usize>,
    mode: Mode,
    observer: &mut dyn Observer,
) -> Result<Tensor> {
    let mut x = x.clone();
    if let Some((name, norm)) = &block.affine {
        let (y, statistics) = match only {
            Some(t) => norm.at(t)?.forward(&x, mode)?,
            None => norm.forward(&x, mode)?,
        };
        if let Some(statistics) = statistics {
            observer.statistics(name, &statistics)?;
        }
        x = y;
    }
    if block.rectify {
        x = layers::rectify(&x)?;
    }
    match &block.drop_currents {
        Some(name) => block.masks.drop_from(only.unwrap_or(0), &x, DROPOUT, name, mode),
        None => Ok(x),
    }
}

/// Pooling and dropout of activations, of steps from `first` on.
fn activations(block: &Block, o: &Tensor, first: usize, mode: Mode) -> Result<Tensor> {
    let o = match (block.windows, block.pool) {
        (Some(windows), _) => windows.average(o)?,
        (None, Pooling::None) => o.clone(),
        (None, Pooling::Max(k)) => layers::max_pool2d(o, k)?,
        (None, Pooling::Average(k)) => layers::avg_pool2d(o, k)?,
    };
    match &block.drop_activations {
        Some(name) => block.masks.drop_from(first, &o, DROPOUT, name, mode),
        None => Ok(o),
    }
}
