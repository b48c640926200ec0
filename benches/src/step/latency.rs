use super::trained::images;
use super::{Settings, Step};
use anyhow::{Context, Result, bail};
use datasets::{Found, Name};
use models::{Frames, Options};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// How long single samples take.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// Samples.
    pub samples: usize,
    /// Whether each stopped when its class was decided.
    pub early_exit: bool,
    /// Correct, in percent.
    pub accuracy_percent: f64,
    /// Mean of the steps run.
    pub mean_steps: f64,
    /// Half of the samples take at most this, s.
    pub p50_s: f64,
    /// Nine of ten.
    pub p90_s: f64,
    /// 99 of 100.
    pub p99_s: f64,
}

/// Passes over training images that the running statistics are taken from.
const PASSES: usize = 8;

/// Classifies MNIST's first test images one at a time, with and without early exit, on one thread.
///
/// # Errors
/// If MNIST is not below `root`, or the network is not one of MNIST's.
pub fn latency(
    step: &mut Step,
    root: &Path,
    samples: usize,
    options: Options,
) -> Result<[Latency; 2]> {
    let Found::Recordings(recordings) = datasets::find(Name::Mnist, root)? else {
        bail!("MNIST is not below {}", root.display())
    };
    let Settings { batch, steps, .. } = step.settings;
    for these in recordings.train.chunks_exact(batch).take(PASSES) {
        (step.values, step.labels) = images(these)?;
        step.run(options, 0.0)?;
    }
    let tested = &recordings.test[..samples.min(recordings.test.len())];
    let (values, labels) = images(tested)?;
    let blocks = step.network.event_driven().context("this network has no event-driven form")?;
    let mut one = blocks.inference([28, 28, 1])?;
    let mut measure = |early_exit: bool| -> Result<Latency> {
        let (mut seconds, mut correct, mut run) = (Vec::new(), 0, 0);
        for (image, label) in values.chunks_exact(28 * 28).zip(&labels) {
            let start = Instant::now();
            let frames =
                Frames { values: image, bytes: None, steps, shape: [1, 28, 28, 1], still: true };
            let decision = one.classify(frames, early_exit)?;
            seconds.push(start.elapsed().as_secs_f64());
            correct += usize::from(decision.class == *label as usize);
            run += decision.steps;
        }
        seconds.sort_by(f64::total_cmp);
        let n = seconds.len().max(1);
        let at = |part: f64| {
            seconds.get(((n as f64 * part).ceil() as usize).clamp(1, n) - 1).copied().unwrap_or(0.0)
        };
        Ok(Latency {
            samples: seconds.len(),
            early_exit,
            accuracy_percent: 100.0 * correct as f64 / n as f64,
            mean_steps: run as f64 / n as f64,
            p50_s: at(0.5),
            p90_s: at(0.9),
            p99_s: at(0.99),
        })
    };
    measure(false)?; // warms up
    Ok([measure(false)?, measure(true)?])
}
