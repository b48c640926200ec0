//! What the batch norms of an event-driven pass normalise with.

use super::Frames;
use super::values::Values;
use crate::blocks::Block;
use crate::{Mode, Observer};
use candle_core::{Device, Result, Tensor};
use layers::{BatchNorm, BatchStatistics, StatisticsOver, batch_moments};

/// Moments of a batch norm with 1/√(σ² + ε).
pub struct Moments {
    pub mean: Vec<f32>,
    pub lost: Vec<f32>,
    pub inverse: Vec<f32>,
}

/// What the norm of a block, if it has one, normalises with: in training the moments of `z`, which
/// the observer hears of, else the running ones.
pub fn moments(
    block: &Block,
    z: &[f32],
    frames: Frames,
    still: bool,
    mode: Mode,
    observer: &mut dyn Observer,
) -> Result<Option<Moments>> {
    let Some((name, norm)) = block.norm else { return Ok(None) };
    let c = norm.weight.elem_count();
    let Mode::Train { .. } = mode else { return running(norm).map(Some) };
    let sets = match norm.over {
        StatisticsOver::Step if !still => frames.steps,
        _ => 1,
    };
    let equal = if still && norm.over == StatisticsOver::Time { frames.steps } else { 1 };
    let all = batch_moments(z, sets, c, equal)?;
    let (mean, others) = all.split_at(sets * c);
    let (var, lost) = others.split_at(sets * c);
    observer
        .statistics(name, &statistics(norm, mean, var, z.len() / (sets * c), frames, still)?)?;
    Ok(Some(Moments { mean: mean.to_vec(), lost: lost.to_vec(), inverse: inverse(var, norm.eps) }))
}

fn inverse(var: &[f32], eps: f64) -> Vec<f32> {
    var.iter().map(|&v| (1.0 / (f64::from(v) + eps).sqrt()) as f32).collect()
}

/// Running statistics; the mean goes into the shift, as the definition has it in evaluation.
fn running(norm: &BatchNorm) -> Result<Moments> {
    let (mean, var) = (Values::of(&norm.running_mean)?, Values::of(&norm.running_var)?);
    Ok(Moments {
        mean: vec![0.0; mean.len()],
        lost: mean.to_vec(),
        inverse: inverse(&var, norm.eps),
    })
}

/// What the running statistics are told: of a still image each step has the same, and over time n
/// counts all steps.
fn statistics(
    norm: &BatchNorm,
    mean: &[f32],
    var: &[f32],
    n: usize,
    frames: Frames,
    still: bool,
) -> Result<BatchStatistics> {
    let c = norm.weight.elem_count();
    let per_step = norm.over == StatisticsOver::Step;
    let n = if still && !per_step { n * frames.steps } else { n } as f64;
    let rows = if still && per_step { frames.steps } else { 1 };
    let unbiased: Vec<f32> = var.iter().map(|&v| (f64::from(v) * (n / (n - 1.0))) as f32).collect();
    let tensor =
        |v: &[f32]| Tensor::from_vec(v.repeat(rows), (v.len() / c * rows, c), &Device::Cpu);
    Ok(BatchStatistics { mean: tensor(mean)?, unbiased_var: tensor(&unbiased)? })
}
