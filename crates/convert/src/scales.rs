//! How large activations are: what a firing rate of 1 stands for.

use crate::Analogue;
use crate::analogue::pooled;
use candle_core::{DType, Result, Tensor, bail};

/// Percentile `q` (0 to 100) of the values that are not zero, linear between neighbours as NumPy
/// has it; `None` where there is none.
pub fn percentile(values: &mut Vec<f64>, q: f64) -> Option<f64> {
    values.retain(|value| *value != 0.0);
    let last = values.len().checked_sub(1)?;
    let place = (q / 100.0).clamp(0.0, 1.0) * last as f64;
    let (below, part) = (place.floor() as usize, place.fract());
    let (_, low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let low = *low;
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    Some(low + (high - low) * part)
}

/// λ of each stage: percentile `q` of the activations that are not zero over all `samples`, batches
/// `[B, H, W, C]`; of the head those of a ReLU behind it (ContinueSNN).
///
/// Only one stage's activations are in memory at a time.
///
/// # Errors
/// If the samples do not fit, or a stage is silent on all of them.
pub fn percentiles(analogue: &Analogue, samples: &[Tensor], q: f64) -> Result<Vec<f64>> {
    first_percentiles(analogue, samples, q, analogue.stages.len())
}

/// [`percentiles`] of the first `stages` stages.
pub(crate) fn first_percentiles(
    analogue: &Analogue,
    samples: &[Tensor],
    q: f64,
    stages: usize,
) -> Result<Vec<f64>> {
    let mut inputs: Vec<Tensor> =
        samples.iter().map(|x| pooled(x, &analogue.first)).collect::<Result<_>>()?;
    let mut scales = Vec::new();
    for (i, stage) in analogue.stages.iter().enumerate().take(stages) {
        let mut values = Vec::new();
        for x in &mut inputs {
            let y = analogue.activations(i, x)?;
            let positive = layers::rectify(&y)?.to_dtype(DType::F64)?.flatten_all()?;
            values.extend(positive.to_vec1::<f64>()?.into_iter().filter(|v| *v != 0.0));
            *x = pooled(&y, &stage.pools)?;
        }
        match percentile(&mut values, q) {
            Some(scale) => scales.push(scale),
            None => bail!(
                "convert: stage {} is silent on all {} samples, so its activations have no scale; give other samples",
                stage.name,
                samples.iter().map(|x| x.dim(0)).sum::<Result<usize>>()?
            ),
        }
    }
    Ok(scales)
}

/// Running maxima r of the activations of each stage but the head, as rate-norm layers follow them:
/// r is the first batch's maximum, then (1 − momentum)·r + momentum·max of each further batch.
///
/// # Errors
/// If the samples do not fit, or a stage is silent on the first batch.
pub fn running_maxima(analogue: &Analogue, samples: &[Tensor], momentum: f64) -> Result<Vec<f64>> {
    let hidden = analogue.stages.len().saturating_sub(1);
    let mut maxima: Vec<Option<f64>> = vec![None; hidden];
    for x in samples {
        analogue.forward(x, &mut |i, y| {
            if i == hidden {
                return Ok(());
            }
            let largest: f64 = y.flatten_all()?.max(0)?.to_dtype(DType::F64)?.to_scalar()?;
            let before = maxima[i].unwrap_or(largest);
            maxima[i] = Some((1.0 - momentum) * before + momentum * largest);
            Ok(())
        })?;
    }
    let found = maxima.iter().zip(&analogue.stages).map(|(maximum, stage)| match maximum {
        Some(maximum) if *maximum > 0.0 => Ok(*maximum),
        _ => bail!("convert: stage {} is silent on the samples; give others", stage.name),
    });
    found.collect()
}
