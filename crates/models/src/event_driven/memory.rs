use super::{EventDriven, Frames};
use candle_core::{Result, bail};

/// What a training step keeps between forward and backward, beside the lists of spikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// For each block whether its currents are kept; if not, they are computed again from the
    /// spikes below.
    pub keep: Vec<bool>,
    /// Bytes that activations and gradients are expected to take at their largest.
    pub bytes: usize,
}

/// Entries that lists are expected to hold, of all that could be: a third, which is what max
/// pooling makes of 10 %.
const DENSITY: f64 = 1.0 / 3.0;

/// Bytes that one task or pass lays out for itself.
const LAID_OUT: usize = 4 << 20;

/// Keeps all currents, or under a budget as many as fit: those of the largest blocks are given up
/// first, since that gives up the fewest.
pub fn plan(network: &EventDriven, frames: Frames, budget: Option<usize>) -> Result<Plan> {
    let mut shape = frames.shape;
    let (mut currents, mut always, mut passing) = (Vec::new(), 0, 0);
    for (i, block) in network.blocks.iter().enumerate() {
        let still = i == 0 && frames.still;
        shape[0] = if still { frames.shape[0] } else { frames.shape[0] * frames.steps };
        let (product, [h, w, c]) = block.weight.product(shape)?;
        let inputs = shape.iter().product::<usize>();
        let z = 4 * product.outputs();
        let k = block.pool.side();
        shape = [frames.shape[0] * frames.steps, h / k, w / k, c];
        let weights = 4 * block.weight.tensors().0.elem_count();
        always += weights + (8.0 * DENSITY * inputs as f64) as usize;
        // backward: currents, their gradient, and what the products lay out; forward: counts of
        // spikes
        let pooled = shape.iter().product::<usize>();
        // a gradient from above may be dense: four bytes for each of the pooled activations
        let backward = 2 * z + 4 * pooled + z.min(LAID_OUT) + weights.min(LAID_OUT);
        passing = passing.max(backward).max(z + 2 * pooled);
        currents.push(z);
    }
    let mut keep = vec![true; currents.len()];
    let total = |keep: &[bool]| {
        always
            + passing
            + currents.iter().zip(keep).map(|(z, keep)| if *keep { *z } else { 0 }).sum::<usize>()
    };
    let mut order: Vec<usize> = (0..keep.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(currents[i]));
    for i in order {
        if budget.is_some_and(|budget| total(&keep) > budget) {
            keep[i] = false;
        }
    }
    let bytes = total(&keep);
    match budget {
        Some(budget) if bytes > budget => bail!(
            "a training step of {} samples and {} steps takes about {} for activations and gradients even if all \
             currents are computed again, the memory budget is {}; give it more, or a smaller batch",
            frames.shape[0],
            frames.steps,
            size(bytes),
            size(budget)
        ),
        _ => Ok(Plan { keep, bytes }),
    }
}

/// Bytes in words, never "0 MiB" of what is there.
fn size(bytes: usize) -> String {
    match bytes {
        0..=1023 => format!("{bytes} bytes"),
        _ if bytes < 1 << 20 => format!("{} KiB", bytes.div_ceil(1 << 10)),
        _ => format!("{} MiB", bytes.div_ceil(1 << 20)),
    }
}
