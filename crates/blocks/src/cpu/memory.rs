use super::pass::Pass;
use crate::{Block, Graph, Origin};
use candle_core::{Result, bail};

/// What a training step keeps between forward and backward, beside the lists of spikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// For each block whether its currents are kept; if not, they are computed again from the
    /// spikes below, or not needed.
    pub keep: Vec<bool>,
    /// Bytes that activations and gradients are expected to take at their largest.
    pub bytes: usize,
}

/// Entries that lists are expected to hold, of all that could be: a third, which is what max
/// pooling makes of 10 %.
const DENSITY: f64 = 1.0 / 3.0;

/// Bytes that one task or pass lays out for itself.
const LAID_OUT: usize = 4 << 20;

/// Bytes of a training step.
struct Needs {
    /// Held all the time.
    always: usize,
    /// At most for a while.
    passing: usize,
    /// Of each block's own currents.
    currents: Vec<usize>,
}

fn needs(pass: &Pass) -> Needs {
    let (graph, frames) = (pass.graph, pass.frames);
    let shown = if frames.still { 1 } else { frames.steps };
    let list = |numbers: usize| (8.0 * DENSITY * numbers as f64) as usize;
    let mut always = list(shown * frames.shape.iter().product::<usize>());
    let (mut currents, mut passing) = (Vec::new(), 0);
    for (i, (block, layout)) in graph.blocks.iter().zip(&pass.layouts).enumerate() {
        let z = 4 * layout.size(frames.steps);
        let pooled = layout.activations_size(frames.steps);
        let weights = block.sources.iter().filter_map(|source| source.weight.as_ref());
        let weights: usize = weights.map(|w| 4 * w.weight().elem_count()).sum();
        always += weights;
        let alone = matches!(&block.sources[..], [source] if source.weight.is_none());
        let shared = alone && !block.by_step();
        if i + 1 < graph.blocks.len() {
            always += match (&block.neuron, block.is_sum()) {
                (Some(_), _) => list(pooled),
                // the currents themselves go on
                (None, true) => 0,
                (None, false) => 4 * pooled,
            };
        }
        // tasks lay out what every step leaves of their neurons for the way back
        let kept = super::kernel(block).map_or(1, |kernel| kernel.kept()) * z.min(LAID_OUT);
        // backward: currents, their gradient, and what the products lay out; forward: counts of
        // spikes; a gradient from above may be dense: four bytes for each of the activations
        let whole = super::kernel(block).map_or(0, |kernel| kernel.laid_out(frames.steps));
        let whole = whole * layout.currents.iter().product::<usize>();
        let backward = 2 * z + 4 * pooled + kept + whole + weights.min(LAID_OUT);
        passing = passing.max(backward).max(z + 2 * pooled);
        if block.drops_by_step() {
            let drops = [(&block.drop_currents, z), (&block.drop_activations, 4 * pooled)];
            always +=
                drops.iter().filter(|(name, _)| name.is_some()).map(|(_, of)| of).sum::<usize>();
        }
        if graph.range_of(i).is_some() {
            // membranes, and gradients of activations and currents, of all steps; neurons that run
            // step by step have one membrane each
            always += 3 * z + 4 * pooled;
        }
        currents.push(if shared { 0 } else { z });
    }
    Needs { always, passing, currents }
}

/// Keeps all currents, or under a budget as many as fit: those of the largest blocks are given up
/// first, since that gives up the fewest. Currents that are sums of other blocks' currents are
/// always kept: to compute them again would mean to compute all of those again.
pub fn plan(pass: &Pass, budget: Option<usize>) -> Result<Plan> {
    let (graph, frames) = (pass.graph, pass.frames);
    let Needs { mut always, passing, currents } = needs(pass);
    let mut keep: Vec<bool> = graph.blocks.iter().map(needs_currents).collect();
    let sums = graph.blocks.iter().zip(&currents).filter(|(block, _)| !needs_currents(block));
    always += sums.map(|(_, z)| z).sum::<usize>();
    let total = |keep: &[bool]| {
        always
            + passing
            + currents.iter().zip(keep).map(|(z, keep)| if *keep { *z } else { 0 }).sum::<usize>()
    };
    let mut order: Vec<usize> = (0..keep.len()).filter(|&i| can_repeat(graph, i)).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(currents[i]));
    for i in order {
        if budget.is_some_and(|budget| total(&keep) > budget) {
            keep[i] = false;
        }
    }
    let bytes = total(&keep);
    match budget {
        Some(budget) if bytes > budget => bail!(
            "a training step of {} samples and {} steps takes about {} for activations and \
             gradients even if all currents are computed again that can be, the memory budget is \
             {}; give it more, or a smaller batch",
            frames.shape[0],
            frames.steps,
            sentence::size(bytes as u128),
            sentence::size(budget as u128)
        ),
        _ => Ok(Plan { keep, bytes }),
    }
}

/// Whether the backward pass of a block reads its currents.
fn needs_currents(block: &Block) -> bool {
    !block.is_sum()
}

/// Whether a block's currents can be computed again from frames and spikes alone.
fn can_repeat(graph: &Graph, i: usize) -> bool {
    graph.range_of(i).is_none()
        && graph.blocks[i].sources.iter().all(|source| {
            let spikes = match source.from {
                Origin::Frames => true,
                Origin::Block(j) => graph.blocks[j].neuron.is_some(),
            };
            spikes && source.weight.is_some()
        })
}
