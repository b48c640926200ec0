use crate::batches::{Gathering, each_batch, order};
use crate::evaluation::count_correct;
use crate::{
    AdamW, AdamWConfig, Augment, Compute, Epoch, History, Reduction, Refusal, SeededVars, Set, evaluate, learning_rate,
    mse, stream,
};
use candle_core::{Device, Tensor, Var};
use models::{LayerTrace, Mode, Network};
use rand_chacha::rand_core::RngCore;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// How to train, as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Passes over the training set.
    pub epochs: usize,
    /// Samples of a step.
    pub batch: usize,
    /// Whether the training samples that fill no batch are left out of the epoch.
    pub drop_last: bool,
    /// Learning rate before the schedule.
    pub learning_rate: f64,
    /// Epochs of the schedule's ramp, see [`learning_rate`].
    pub ramp_epochs: usize,
    /// Constants of AdamW.
    pub adamw: AdamWConfig,
    /// Reduction of the loss.
    pub reduction: Reduction,
    /// Random changes of each training sample.
    pub augment: Option<Augment>,
    /// Side in pixels to which frames are resized (nearest neighbour) after augmentation.
    pub side: Option<usize>,
}

/// Hears what happens while it happens; `()` ignores it.
pub trait Progress {
    /// Step `step` of `steps` of epoch `epoch` (all from 0) is done; the loss and accuracy are those of the
    /// epoch so far.
    fn step(&mut self, epoch: usize, step: usize, steps: usize, loss: f64, accuracy_percent: f64) {
        let _ = (epoch, step, steps, loss, accuracy_percent);
    }

    /// What the layers did in an epoch's last step, where that was event-driven.
    fn layers(&mut self, layers: &[LayerTrace]) {
        let _ = layers;
    }

    /// Epoch `index` is done.
    fn epoch(&mut self, index: usize, epoch: &Epoch) {
        let _ = (index, epoch);
    }
}

impl Progress for () {}

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A set without samples.
    #[error("the {0} set has no samples; nothing was trained")]
    Empty(&'static str),
    /// Fewer samples than one batch, and the rest is dropped.
    #[error(
        "the training set has {samples} samples, which do not fill one batch of {batch}, and what fills no batch is dropped; \
         take more samples, or a smaller batch"
    )]
    NoBatch {
        /// Training samples.
        samples: usize,
        /// Batch size.
        batch: usize,
    },
    /// A count that must be at least one.
    #[error("the setup has 0 as its number of {0}; give at least 1")]
    Setup(&'static str),
    /// The loss or a weight is not a finite number any more.
    #[error(
        "training diverged at epoch {epoch}, step {step} (both from 1): {what} is not finite; try a lower learning rate"
    )]
    Diverged {
        /// From 1.
        epoch: usize,
        /// From 1.
        step: usize,
        /// "the loss", or the name of the first variable concerned.
        what: String,
    },
    /// A sample that cannot be read.
    #[error("{0}")]
    Sample(Refusal),
    /// Tensors that do not fit, or a failing device.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Sample(refusal)
    }
}

/// Trains `network`, whose variables are `vars`, and evaluates it on `test` after every epoch. `compute` says how, and
/// changes nothing but rounding.
///
/// # Errors
/// See [`Error`].
pub fn train(
    network: &Network,
    vars: &mut SeededVars,
    (train, test): (Set, Set),
    setup: &Setup,
    compute: &Compute,
    seed: u64,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<History, Error> {
    let used = used(train.samples.len(), test.samples.len(), setup)?;
    let mut optimiser = AdamW::new(vars.trainable(), setup.adamw)?;
    let mut history = History::default();
    let engine = compute.engine(network, device)?;
    for index in 0..setup.epochs {
        let start = Instant::now();
        let lr = learning_rate(index, setup.epochs, setup.ramp_epochs, setup.learning_rate);
        let order = order(train.samples.len(), seed, index);
        let steps: Vec<&[usize]> = order[..used].chunks(setup.batch).collect();
        let (mut loss, mut correct, mut seen) = (0.0, 0, 0);
        let work = Gathering { set: train, setup, epoch: Some((seed, index)), bytes: engine.takes_bytes() };
        each_batch(work, &steps, |step, mut batch| -> Result<(), Error> {
            let dropout = stream(seed, &format!("dropout of epoch {index} step {step}")).next_u64();
            let labels = std::mem::take(&mut batch.labels);
            let mut error = 0.0;
            let loss_of = |scores: &Tensor| {
                let (gradient, value) = loss_gradient(scores, &labels, setup.reduction)?;
                error = value;
                Ok(gradient)
            };
            let (scores, value, lost);
            if let Some(gradients) = engine.gradients(batch.frames(), dropout, compute, vars, loss_of)? {
                lost = optimiser.step(&gradients, lr)?;
                (scores, value) = (gradients.scores.clone(), error);
                if step + 1 == steps.len() {
                    progress.layers(&gradients.layers);
                }
            } else {
                scores = network.forward(&batch.into_tensor(device)?, Mode::Train { seed: dropout }, vars)?;
                let error = mse(&scores, &labels, setup.reduction)?;
                value = f64::from(error.to_scalar::<f32>()?);
                lost = optimiser.step(&error.backward()?, lr)?;
            }
            if let Some(what) = lost.or((!value.is_finite()).then(|| "the loss".into())) {
                return Err(Error::Diverged { epoch: index + 1, step: step + 1, what });
            }
            loss += value * labels.len() as f64;
            correct += count_correct(&scores.detach(), &labels)?;
            seen += labels.len();
            progress.step(index, step, steps.len(), loss / seen as f64, 100.0 * correct as f64 / seen as f64);
            Ok(())
        })?;
        let epoch = Epoch {
            learning_rate: lr,
            train_loss: loss / seen as f64,
            train_accuracy_percent: 100.0 * correct as f64 / seen as f64,
            test: evaluate(network, test, setup, compute, device)?,
            seconds: start.elapsed().as_secs_f64(),
        };
        progress.epoch(index, &epoch);
        history.epochs.push(epoch);
    }
    Ok(history)
}

/// ∂L/∂scores and the loss L of scores `[B, K]`.
///
/// # Errors
/// As [`mse`].
pub fn loss_gradient(scores: &Tensor, labels: &[u32], reduction: Reduction) -> candle_core::Result<(Tensor, f64)> {
    let scores = Var::from_tensor(scores)?;
    let loss = mse(&scores, labels, reduction)?;
    let gradients = loss.backward()?;
    match gradients.get(&scores) {
        Some(gradient) => Ok((gradient.clone(), f64::from(loss.to_scalar::<f32>()?))),
        None => candle_core::bail!("a loss that does not depend on its scores"),
    }
}

/// How many training samples an epoch uses.
fn used(train: usize, test: usize, setup: &Setup) -> Result<usize, Error> {
    let used = if setup.drop_last { train / setup.batch.max(1) * setup.batch } else { train };
    match (train, test, used) {
        _ if setup.batch == 0 => Err(Error::Setup("batch")),
        _ if setup.epochs == 0 => Err(Error::Setup("epochs")),
        (0, ..) => Err(Error::Empty("training")),
        (_, 0, _) => Err(Error::Empty("test")),
        (samples, _, 0) => Err(Error::NoBatch { samples, batch: setup.batch }),
        _ => Ok(used),
    }
}
