use crate::batches::{Batch, Gathering, each_batch, order};
use crate::evaluation::{count_correct, evaluate_while};
use crate::heard::Heard;
use crate::standing::{Snapshot, Standing, State};
use crate::{
    AdamW, BadField, BatchSizes, Checkpoint, Compute, Engine, Epoch, History, Reduction, Refusal,
    Rule, Rules, SeededVars, Set, Setback, Setup, Shown, learning_rate, mse, stream,
};
use candle_core::{Device, Tensor, Var};
use models::{LayerTrace, Mode, Network};
use rand_chacha::rand_core::RngCore;
use std::time::Instant;

/// Hears what happens while it happens; `()` ignores it.
pub trait Progress {
    /// Step `step` of `steps` of epoch `epoch` (all from 0) is done; the loss and accuracy are
    /// those of the epoch so far.
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

    /// The layer has been silent for as many steps as an epoch has, up to step `step` of epoch
    /// `epoch` (both from 1).
    fn silent(&mut self, layer: &str, epoch: usize, step: usize) {
        let _ = (layer, epoch, step);
    }

    /// Training went back to the beginning of the epoch.
    fn setback(&mut self, setback: &Setback) {
        let _ = setback;
    }

    /// After every step and after every epoch: the state may be saved here.
    ///
    /// # Errors
    /// If it could not be, which ends the run.
    fn keep(&mut self, state: &State) -> Result<(), Refusal> {
        let _ = state;
        Ok(())
    }

    /// Whether the run is to end with [`Error::Interrupted`], after [`Progress::keep`].
    fn interrupted(&self) -> bool {
        false
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
    /// A field of the setup outside its range.
    #[error("{0}")]
    Setup(#[from] BadField),
    /// A batch in which a batch norm would have less than two values to normalise.
    #[error(
        "the batch norm of {layer} needs at least two values a channel, and {samples} training samples in batches of {batch} \
         leave it one of a single sample with maps of {height}×{width}; take {advice}"
    )]
    BatchOfOne {
        /// The stage that the batch norm belongs to.
        layer: String,
        /// Training samples of an epoch.
        samples: usize,
        /// Batch size.
        batch: usize,
        /// Height of the norm's maps.
        height: usize,
        /// Width of the norm's maps.
        width: usize,
        /// What helps.
        advice: &'static str,
    },
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
    /// A layer fires no more, and the rule is not to go on then.
    #[error(
        "training diverged at epoch {epoch}, step {step} (both from 1): the layer {layer} has not fired for an epoch; \
         try a lower learning rate, a warm-up, or --on-silence report"
    )]
    Silent {
        /// From 1.
        epoch: usize,
        /// From 1.
        step: usize,
        /// The first such layer.
        layer: String,
    },
    /// It was to end early; the state was offered to [`Progress::keep`].
    #[error("interrupted")]
    Interrupted,
    /// A sample that cannot be read, or a state that cannot be saved.
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

/// What to train, on what, and how it is computed.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The network; its variables are the `vars` that training changes.
    pub network: &'a Network,
    /// Training and test set.
    pub sets: (Set<'a>, Set<'a>),
    /// How to train.
    pub setup: &'a Setup,
    /// What to do when it goes wrong.
    pub rules: Rules,
    /// How passes are computed, which changes nothing but rounding.
    pub compute: &'a Compute,
    /// Seed of every random number.
    pub seed: u64,
    /// Where.
    pub device: &'a Device,
}

/// Trains `network`, whose variables are `vars`, and evaluates it on `test` after every epoch.
/// `compute` says how, and changes nothing but rounding. Stops where training diverges.
///
/// # Errors
/// See [`Error`].
pub fn train(
    network: &Network,
    vars: &mut SeededVars,
    sets: (Set, Set),
    setup: &Setup,
    compute: &Compute,
    seed: u64,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<History, Error> {
    let job = Job { network, sets, setup, rules: Rules::default(), compute, seed, device };
    train_from(&job, vars, None, progress)
}

/// [`train`] with rules of its own, from the beginning or from a checkpoint of the same job: the
/// same bits come out, however often it was interrupted.
///
/// # Errors
/// See [`Error`].
pub fn train_from(
    job: &Job,
    vars: &mut SeededVars,
    from: Option<Checkpoint>,
    progress: &mut dyn Progress,
) -> Result<History, Error> {
    let (train, test) = job.sets;
    let sizes = BatchSizes::new(train.samples.len(), test.samples.len(), job.setup)?;
    if sizes.smallest() == 1 {
        let shape = train.samples.values(0)?.shape();
        let frame = [shape.height, shape.width, shape.channels];
        let still = train.shown.still;
        sizes.prove(job.network, frame, still.unwrap_or(shape.steps), still.is_some())?;
    }
    let used = sizes.used;
    let optimiser = AdamW::new(vars.trainable(), job.setup.adamw)?;
    let analogue = job.network.analogue();
    let mut run =
        Loop { job, used, analogue, vars, optimiser, at: Standing::default(), epoch_start: None };
    if let Some(Checkpoint { standing, now, epoch_start, .. }) = from {
        now.restore(run.vars, &mut run.optimiser)?;
        (run.at, run.epoch_start) = (standing, epoch_start);
    }
    while run.at.epoch < job.setup.epochs {
        if job.rules.go_back() && (run.at.step == 0 || run.epoch_start.is_none()) {
            run.epoch_start = Some(Snapshot::of(run.vars, &run.optimiser)?);
        }
        match run.epoch(progress) {
            Err(error) => run.go_back(error, progress)?,
            Ok(epoch) => {
                progress.epoch(run.at.epoch, &epoch);
                run.at.history.epochs.push(epoch);
                run.at.begin(run.at.epoch + 1);
                run.keep(progress)?;
            }
        }
    }
    Ok(run.at.history)
}

/// A run under way.
struct Loop<'a> {
    job: &'a Job<'a>,
    /// Training samples of an epoch.
    used: usize,
    analogue: Network,
    vars: &'a mut SeededVars,
    optimiser: AdamW,
    at: Standing,
    epoch_start: Option<Snapshot>,
}

impl Loop<'_> {
    /// The rest of the epoch under way, and the test set after it.
    fn epoch(&mut self, progress: &mut dyn Progress) -> Result<Epoch, Error> {
        let start = Instant::now();
        let before = self.at.seconds;
        let Job { sets: (train, test), setup, compute, seed, device, .. } = *self.job;
        let index = self.at.epoch;
        let analogue = setup.warm_up.analogue(index);
        let network = if analogue { self.analogue.clone() } else { self.job.network.clone() };
        // an analogue network has no kernels, and a still image needs to be shown to it once only
        let (once, plain) = (
            Shown { still: train.shown.still.map(|_| 1), ..train.shown.clone() },
            compute.in_tensors(),
        );
        let shown = |set| if analogue { Set { shown: &once, ..set } } else { set };
        let (train, test, compute) =
            (shown(train), shown(test), if analogue { &plain } else { compute });
        let engine = compute.engine(&network, device)?;
        let rate = self.at.scale()
            * learning_rate(index, setup.epochs, setup.ramp_epochs, setup.learning_rate);
        let order = order(train.samples.len(), seed, index);
        let steps: Vec<&[usize]> = order[..self.used].chunks(setup.batch).collect();
        let done = self.at.step;
        let work = Gathering {
            set: train,
            setup,
            epoch: Some((seed, index)),
            bytes: engine.takes_bytes(),
        };
        each_batch(work, &steps[done..], |i, batch| -> Result<(), Error> {
            self.step(&network, &engine, compute, batch, rate, (done + i, steps.len()), progress)?;
            self.at.seconds = before + start.elapsed().as_secs_f64();
            self.keep(progress)
        })?;
        let test =
            evaluate_while(&network, test, setup, compute, device, &mut || !progress.interrupted());
        self.at.seconds = before + start.elapsed().as_secs_f64();
        if matches!(test, Err(Error::Interrupted)) {
            self.keep(progress)?;
        }
        Ok(Epoch {
            learning_rate: rate,
            train_loss: self.at.loss / self.at.seen as f64,
            train_accuracy_percent: 100.0 * self.at.correct as f64 / self.at.seen as f64,
            test: test?,
            seconds: self.at.seconds,
        })
    }

    /// Step `step` of `steps`.
    fn step(
        &mut self,
        network: &Network,
        engine: &Engine,
        compute: &Compute,
        mut batch: Batch,
        rate: f64,
        (step, steps): (usize, usize),
        progress: &mut dyn Progress,
    ) -> Result<(), Error> {
        let Job { setup, rules, seed, device, .. } = *self.job;
        let index = self.at.epoch;
        let dropout = stream(seed, &format!("dropout of epoch {index} step {step}")).next_u64();
        let labels = std::mem::take(&mut batch.labels);
        let mut error = 0.0;
        let loss_of = |scores: &Tensor| {
            let (gradient, value) = loss_gradient(scores, &labels, setup.reduction)?;
            error = value;
            Ok(gradient)
        };
        let mut heard = Heard::new(self.vars);
        let (scores, value, lost);
        if let Some(gradients) =
            engine.gradients(batch.frames(), dropout, compute, &mut heard, loss_of)?
        {
            lost = self.optimiser.step(&gradients, rate)?;
            (scores, value) = (gradients.scores.clone(), error);
            if step + 1 == steps {
                progress.layers(&gradients.layers);
            }
        } else {
            scores = network.forward(
                &batch.into_tensor(device)?,
                Mode::Train { seed: dropout },
                &mut heard,
            )?;
            let error = mse(&scores, &labels, setup.reduction)?;
            value = f64::from(error.to_scalar::<f32>()?);
            lost = self.optimiser.step(&error.backward()?, rate)?;
        }
        let fired = heard.fired()?;
        let (epoch, of) = (index + 1, step + 1);
        if let Some(what) = lost.or((!value.is_finite()).then(|| "the loss".into())) {
            return Err(Error::Diverged { epoch, step: of, what });
        }
        let silent = self.at.hear(fired, steps);
        silent.iter().for_each(|layer| progress.silent(layer, epoch, of));
        if let Some(layer) = silent.into_iter().next().filter(|_| rules.silence != Rule::Report) {
            return Err(Error::Silent { epoch, step: of, layer });
        }
        self.at.loss += value * labels.len() as f64;
        self.at.correct += count_correct(&scores.detach(), &labels)?;
        self.at.seen += labels.len();
        self.at.step = of;
        let Standing { loss, correct, seen, .. } = self.at;
        progress.step(index, step, steps, loss / seen as f64, 100.0 * correct as f64 / seen as f64);
        Ok(())
    }

    /// Lets the state be saved, and ends here if that was asked for.
    fn keep(&self, progress: &mut dyn Progress) -> Result<(), Error> {
        let epoch_start = self.epoch_start.as_ref();
        // asked before it is kept: whoever asks in between is heard after the next step, when the
        // state is kept for them
        let stop = progress.interrupted();
        progress.keep(&State {
            vars: self.vars,
            optimiser: &self.optimiser,
            standing: &self.at,
            epoch_start,
        })?;
        if stop { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Goes back to the beginning of the epoch, with half the learning rate, if that is the rule
    /// for this error.
    fn go_back(&mut self, error: Error, progress: &mut dyn Progress) -> Result<(), Error> {
        let Rules { not_finite, silence } = self.job.rules;
        let (rule, epoch, step) = match error {
            Error::Diverged { epoch, step, .. } => (not_finite, epoch, step),
            Error::Silent { epoch, step, .. } => (silence, epoch, step),
            other => return Err(other),
        };
        let start = match &self.epoch_start {
            Some(start) if rule == Rule::GoBack && self.at.history.setbacks.len() < SETBACKS => {
                start
            }
            _ => return Err(error),
        };
        start.restore(self.vars, &mut self.optimiser)?;
        let setback = Setback { epoch, step, what: error.to_string() };
        progress.setback(&setback);
        self.at.history.setbacks.push(setback);
        self.at.quiet.clear();
        self.at.begin(self.at.epoch);
        self.keep(progress)
    }
}

/// After so many setbacks a lower learning rate is not what is missing.
const SETBACKS: usize = 8;

/// ∂L/∂scores and the loss L of scores `[B, K]`.
///
/// # Errors
/// As [`mse`].
pub fn loss_gradient(
    scores: &Tensor,
    labels: &[u32],
    reduction: Reduction,
) -> candle_core::Result<(Tensor, f64)> {
    let scores = Var::from_tensor(scores)?;
    let loss = mse(&scores, labels, reduction)?;
    let gradients = loss.backward()?;
    match gradients.get(&scores) {
        Some(gradient) => Ok((gradient.clone(), f64::from(loss.to_scalar::<f32>()?))),
        None => candle_core::bail!("a loss that does not depend on its scores"),
    }
}
