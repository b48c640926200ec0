//! What the batch norms of an event-driven pass normalise with.

use super::values::Values;
use crate::{Block, Observer};
use candle_core::{Device, Result, Tensor, bail};
use layers::{BatchNorm, BatchStatistics, Mode, Scales, StatisticsOver, batch_moments};

/// What a norm, given by its name, normalises with: in training the moments of `z`, which the
/// observer hears of, else the running ones. A `still` z stands for all `steps`.
pub fn scales(
    (name, norm): (&str, &BatchNorm),
    z: &[f32],
    (steps, still): (usize, bool),
    mode: Mode,
    observer: &mut dyn Observer,
) -> Result<Scales<f32>> {
    let c = norm.channels();
    let Mode::Train { .. } = mode else { return running(norm, steps) };
    let sets = match norm.over {
        StatisticsOver::Step if !still => steps,
        _ => 1,
    };
    let equal = if still && norm.over == StatisticsOver::Time { steps } else { 1 };
    let all = batch_moments(z, sets, c, equal)?;
    let (mean, var) = (&all[..sets * c], &all[sets * c..2 * sets * c]);
    let n = z.len() / (sets * c);
    observer.statistics(name, &statistics(norm, mean, var, n, (steps, still))?)?;
    Ok(Scales::of(&all, sets * c, c, norm.eps))
}

/// Running statistics; the mean goes into the shift, as the definition has it in evaluation.
fn running(norm: &BatchNorm, steps: usize) -> Result<Scales<f32>> {
    let (mean, var) = (of_steps(&norm.running_mean, steps)?, of_steps(&norm.running_var, steps)?);
    let zero = vec![0.0; mean.len()];
    let all = [&zero[..], &var, &mean].concat();
    Ok(Scales::of(&all, mean.len(), norm.channels(), norm.eps))
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
    let c = norm.channels();
    let per_step = norm.over == StatisticsOver::Step;
    let n = if still && !per_step { n * steps } else { n } as f64;
    let rows = if still && per_step { steps } else { 1 };
    let unbiased: Vec<f32> = var.iter().map(|&v| (f64::from(v) * (n / (n - 1.0))) as f32).collect();
    let tensor =
        |v: &[f32]| Tensor::from_vec(v.repeat(rows), (v.len() / c * rows, c), &Device::Cpu);
    let (mean, unbiased_var) = (tensor(mean)?, tensor(&unbiased)?);
    Ok(BatchStatistics { mean, unbiased_var, momentum: norm.momentum })
}

/// γ and β of a batch norm.
pub struct Affine {
    /// With the constant factor: `[C]`, or of each step, `[T, C]`.
    pub gamma: Vec<f32>,
    /// Zeros where there is none.
    pub beta: Vec<f32>,
}

impl Affine {
    /// Of a batch norm in a pass of so many steps.
    ///
    /// # Errors
    /// If it has fewer.
    pub fn of(norm: &BatchNorm, steps: usize) -> Result<Affine> {
        let gamma = of_steps(&norm.weight, steps)?;
        // ×1 changes no bit
        let gamma = gamma.into_iter().map(|gamma| gamma * norm.scale as f32).collect();
        let beta = match &norm.bias {
            Some(bias) => Values::of(bias)?.to_vec(),
            None => vec![0.0; norm.channels()],
        };
        Ok(Affine { gamma, beta })
    }
}

/// γ and β of a block's batch norm in a pass of so many steps.
pub fn affine(block: &Block, steps: usize) -> Result<Option<Affine>> {
    block.affine.as_ref().map(|(_, norm)| Affine::of(norm, steps)).transpose()
}

/// What a norm has of each channel, or of each channel and step the first `steps` steps of.
pub fn of_steps(tensor: &Tensor, steps: usize) -> Result<Vec<f32>> {
    let values = Values::of(tensor)?;
    let Ok((has, c)) = tensor.dims2() else { return Ok(values.to_vec()) };
    match values.get(..steps * c) {
        Some(first) => Ok(first.to_vec()),
        None => {
            bail!("a batch norm of {has} steps was shown {steps}; make the network for as many")
        }
    }
}
