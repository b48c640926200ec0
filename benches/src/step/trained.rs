use super::{Settings, Step};
use anyhow::{Context, Result, bail};
use datasets::{Found, Name, Recording};
use models::Options;
use std::path::Path;

/// Steps T and samples B of the training: short and many, since what counts is how many images are
/// seen in a minute.
const TRAINED: (usize, usize) = (4, 16);

/// Trains the small network on MNIST for so many steps of [`TRAINED`] size, so that it fires as a
/// trained network does, and gives it the batch of `settings` that comes next. Returns the accuracy
/// on the training samples of the last tenth of the steps, in percent.
///
/// # Errors
/// If MNIST is not below `root`, or has too few images.
pub fn train_on_mnist(
    settings: Settings,
    root: &Path,
    steps: usize,
    lr: f64,
    options: Options,
) -> Result<(Step, f64)> {
    let found = datasets::find(Name::Mnist, root)?;
    let Found::Recordings(recordings) = found else {
        bail!("MNIST is not below {}", root.display())
    };
    let train = &recordings.train;
    if train.len() < 2 * settings.batch.max(TRAINED.1) {
        bail!(
            "MNIST below {} has {} training images, fewer than two batches",
            root.display(),
            train.len()
        );
    }
    let (t, batch) = TRAINED;
    let batches = train.len() / batch;
    let mut step = Step::of(Settings { steps: t, batch, ..settings.clone() }, vec![], vec![])?;
    let (mut correct, mut seen) = (0, 0);
    for i in 0..steps {
        (step.values, step.labels) = images(&train[i % batches * batch..][..batch])?;
        // another dropout mask every step
        step.settings.seed = settings.seed + i as u64;
        let mut vars = step.vars.clone();
        let (gradients, _, loss) = step.gradients(options, &mut vars)?;
        step.optimiser.step(&gradients, lr)?;
        let scores: Vec<Vec<f32>> = gradients.scores.to_vec2()?;
        let best = |row: &[f32]| {
            row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(i, _)| i as u32)
        };
        let right = scores
            .iter()
            .zip(&step.labels)
            .filter(|(row, label)| best(row) == Some(**label))
            .count();
        if 10 * i >= 9 * steps {
            (seen, correct) = (seen + batch, correct + right);
        }
        if i % 50 == 0 {
            let rates: Vec<String> =
                gradients.layers.iter().map(|l| format!("{:.1}", 100.0 * l.firing_rate)).collect();
            terminal::say!(
                "step {i} of {steps}, loss {loss:.4}, {right} of {batch}, firing rates {} %",
                rates.join(" ")
            );
        }
    }
    let next = (steps * batch).min(train.len() - settings.batch);
    let (values, labels) = images(&train[next..][..settings.batch])?;
    let trained = Step::of(settings, values, labels)?;
    for (name, var) in trained.vars.trainable() {
        let from = step.vars.get(&name).with_context(|| format!("no variable {name}"))?;
        var.set(&from)?;
    }
    Ok((trained, 100.0 * correct as f64 / seen.max(1) as f64))
}

/// Images as values in [0, 1], and their labels.
pub(super) fn images(recordings: &[Recording]) -> Result<(Vec<f32>, Vec<u32>)> {
    let mut values = Vec::new();
    for recording in recordings {
        let image = recording.image().context("an image cannot be read")?;
        values.extend(image.values().iter().map(|&v| f32::from(v) / 255.0));
    }
    Ok((values, recordings.iter().map(|r| r.label).collect()))
}
