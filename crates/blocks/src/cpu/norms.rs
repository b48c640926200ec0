//! What the batch norms of an event-driven pass normalise with.

use super::values::Values;
use crate::{Block, Observer};
use candle_core::{Device, Result, Tensor};
use layers::{BatchNorm, BatchStatistics, Mode, Scales, StatisticsOver, batch_moments};

/// What the norm of a block, if it has one, normalises with: in training the moments of `z`, which
/// the observer hears of, else the running ones. A `still` z stands for all `steps`.
pub fn scales(
    block: &Block,
    z: &[f32],
    (steps, still): (usize, bool),
    mode: Mode,
    observer: &mut dyn Observer,
) -> Result<Option<Scales<f32>>> {
    let Some((name, norm)) = &block.affine else { return Ok(None) };
    let c = norm.weight.elem_count();
    let Mode::Train { .. } = mode else { return running(norm).map(Some) };
    let sets = match norm.over {
        StatisticsOver::Step if !still => steps,
        _ => 1,
    };
    let equal = if still && norm.over == StatisticsOver::Time { steps } else { 1 };
    let all = batch_moments(z, sets, c, equal)?;
    let (mean, var) = (&all[..sets * c], &all[sets * c..2 * sets * c]);
    let n = z.len() / (sets * c);
    observer.statistics(name, &statistics(norm, mean, var, n, (steps, still))?)?;
    Ok(Some(Scales::of(&all, sets * c, c, norm.eps)))
}

/// Running statistics; the mean goes into the shift, as the definition has it in evaluation.
fn running(norm: &BatchNorm) -> Result<Scales<f32>> {
    let (mean, var) = (Values::of(&norm.running_mean)?, Values::of(&norm.running_var)?);
    let zero = vec![0.0; mean.len()];
    let all = [&zero[..], &var, &mean].concat();
    Ok(Scales::of(&all, mean.len(), mean.len(), norm.eps))
}

/// What the running statistics are told: of a still image each step has the same, and over time n
/// counts all steps.
fn statistics(
    norm: &BatchNorm,
    mean: &[f32],
    var: &[f32],
    n: usize,
    (steps, still): (usize, bool),
) -> Result<BatchStatistics> {
    let c = norm.weight.elem_count();
    let per_step = norm.over == StatisticsOver::Step;
    let n = if still && !per_step { n * steps } else { n } as f64;
    let rows = if still && per_step { steps } else { 1 };
    let unbiased: Vec<f32> = var.iter().map(|&v| (f64::from(v) * (n / (n - 1.0))) as f32).collect();
    let tensor =
        |v: &[f32]| Tensor::from_vec(v.repeat(rows), (v.len() / c * rows, c), &Device::Cpu);
    Ok(BatchStatistics { mean: tensor(mean)?, unbiased_var: tensor(&unbiased)? })
}
