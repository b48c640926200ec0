use super::{Settings, Step};
use anyhow::{Context, Result, bail};
use datasets::{Found, Name, Recording};
use models::Options;
use std::path::Path;

/// Trains the small network on MNIST for so many steps, so that it fires as a trained network does, and leaves it with
/// the batch after the last one. Returns the accuracy on the training samples of the last tenth of the steps, in
/// percent.
///
/// # Errors
/// If MNIST is not below `root`, or has too few images.
pub fn train_on_mnist(settings: Settings, root: &Path, steps: usize, lr: f64, options: Options) -> Result<(Step, f64)> {
    let found = datasets::find(Name::Mnist, root)?;
    let Found::Recordings(recordings) = found else { bail!("MNIST is not below {}", root.display()) };
    let batch = settings.batch;
    if recordings.train.len() < batch {
        bail!("MNIST below {} has {} training images, fewer than a batch", root.display(), recordings.train.len());
    }
    let batches = recordings.train.len() / batch;
    let mut step = Step::of(settings, vec![], vec![])?;
    let (mut correct, mut seen) = (0, 0);
    for i in 0..=steps {
        let these = &recordings.train[i % batches * batch..][..batch];
        (step.values, step.labels) = images(these)?;
        if i == steps {
            break;
        }
        let mut vars = step.vars.clone();
        let (gradients, _, loss) = step.gradients(options, &mut vars)?;
        step.optimiser.step(&gradients, lr)?;
        let scores: Vec<Vec<f32>> = gradients.scores.to_vec2()?;
        let best = |row: &[f32]| row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(i, _)| i as u32);
        if 10 * i >= 9 * steps {
            seen += batch;
            correct += scores.iter().zip(&step.labels).filter(|(row, label)| best(row) == Some(**label)).count();
        }
        if i % 50 == 0 {
            let rates: Vec<String> = gradients.layers.iter().map(|l| format!("{:.1}", 100.0 * l.firing_rate)).collect();
            eprintln!("step {i} of {steps}, loss {loss:.4}, firing rates {} %", rates.join(" "));
        }
    }
    Ok((step, 100.0 * correct as f64 / seen.max(1) as f64))
}

/// Images as values in [0, 1], and their labels.
fn images(recordings: &[Recording]) -> Result<(Vec<f32>, Vec<u32>)> {
    let mut values = Vec::new();
    for recording in recordings {
        let image = recording.image().context("an image cannot be read")?;
        values.extend(image.values().iter().map(|&v| f32::from(v) / 255.0));
    }
    Ok((values, recordings.iter().map(|r| r.label as u32).collect()))
}
