use crate::batches::{Batch, Gathering, each_batch, order};
use crate::clip::clamp_weights;
use crate::evaluation::{count_correct, evaluate_while};
use crate::firing_monitor::{FiringMonitor, StepFiring};
use crate::state::{Snapshot, State, TrainingState};
use crate::{
    BatchSizes, Checkpoint, Compute, Engine, Epoch, Error, Evaluation, GradientsOf, History,
    Objective, Optimiser, Progress, Rule, Rules, SeededVars, Set, Setback, Setup, stream,
};
use candle_core::{Device, Tensor};
use models::{Mode, Network};
use rand_chacha::rand_core::RngCore;
use std::time::Instant;

/// What to train, on what, and how it is computed.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The network; its variables are the `vars` that training changes.
    pub network: &'a Network,
    /// Training and test set.
    pub sets: (Set<'a>, Set<'a>),
    /// What was held out of the training set: evaluated after every epoch too, and not trained on.
    pub held_out: Option<Set<'a>>,
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
    let rules = Rules::default();
    let job = Job { network, sets, held_out: None, setup, rules, compute, seed, device };
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
    // only where it matters: a sample may take long to read
    if sizes.smallest() == 1 || matches!(job.setup.objective, Objective::Traces { .. }) {
        let shape = train.samples.values(0)?.shape();
        let frame = [shape.height, shape.width, shape.channels];
        let steps = train.encoding.still.unwrap_or(shape.steps);
        sizes.prove(job.network, frame, steps, train.encoding.repeats())?;
    }
    let used = sizes.used;
    let mut optimiser = Optimiser::new(vars.trainable(), job.setup.optimiser, job.setup.adamw)?;
    let learned: Vec<String> =
        job.network.neuron_parameters().into_iter().map(|(name, _)| name).collect();
    optimiser.decay(&learned, job.setup.neuron_weight_decay);
    let analogue = job.network.analogue();
    let mut run = Loop {
        job,
        used,
        analogue,
        vars,
        optimiser,
        at: TrainingState::default(),
        epoch_start: None,
    };
    match from {
        Some(Checkpoint { training, now, epoch_start, .. }) => {
            now.restore(run.vars, &mut run.optimiser)?;
            (run.at, run.epoch_start) = (training, epoch_start);
        }
        None => run.at.history.initial_neurons = job.network.neuron_readings()?,
    }
    while run.at.epoch < job.setup.epochs {
        if job.rules.go_back() && (run.at.step == 0 || run.epoch_start.is_none()) {
            run.epoch_start = Some(Snapshot::of(run.vars, &run.optimiser)?);
        }
        match run.epoch(progress) {
            Err(error) => run.go_back(error, progress)?,
            Ok(epoch) => {
                progress.epoch(run.at.epoch, &epoch);
                if let Some(before) = run.at.history.epochs.last_mut() {
                    before.test.outcome.clear();
                }
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
    optimiser: Optimiser,
    at: TrainingState,
    epoch_start: Option<Snapshot>,
}

impl Loop<'_> {
    /// The rest of the epoch under way, and the test set after it.
    fn epoch(&mut self, progress: &mut dyn Progress) -> Result<Epoch, Error> {
        let start = Instant::now();
        let before = self.at.seconds;
        let Job { sets: (train, test), held_out, setup, compute, seed, device, .. } = *self.job;
        let index = self.at.epoch;
        let analogue = setup.warm_up.analogue(index);
        let network = if analogue { self.analogue.clone() } else { self.job.network.clone() };
        // an analogue network has no kernels, and a still image needs to be shown to it once only
        let (once, plain) = (train.encoding.once(), compute.in_tensors());
        let seen = |set| if analogue { Set { encoding: &once, ..set } } else { set };
        let (train, test, compute) =
            (seen(train), seen(test), if analogue { &plain } else { compute });
        let engine = compute.engine(&network, device)?;
        let rate = self.at.scale() * setup.rate(index);
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
        let evaluated = |set| {
            let go_on = &mut || !progress.interrupted();
            evaluate_while(&network, set, setup, compute, device, go_on)
        };
        // both are looked at again if one is interrupted: the step before them is kept
        let both = evaluated(test).and_then(|test| {
            let held_out = held_out.map(|set| evaluated(seen(set))).transpose()?;
            Ok((test, held_out.map(Evaluation::alone)))
        });
        self.at.seconds = before + start.elapsed().as_secs_f64();
        if matches!(both, Err(Error::Interrupted)) {
            self.keep(progress)?;
        }
        let (test, held_out) = both?;
        let of_steps = |(layer, warm): &(String, u64)| {
            (layer.clone(), *warm as f64 / self.at.step.max(1) as f64)
        };
        Ok(Epoch {
            learning_rate: rate,
            train_loss: self.at.loss / self.at.seen as f64,
            train_accuracy_percent: 100.0 * self.at.correct as f64 / self.at.seen as f64,
            test,
            held_out,
            warmed_up: self.at.warmed_up.iter().map(of_steps).collect(),
            neurons: self.job.network.neuron_readings()?,
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
        let (criterion, frames) = (setup.criterion(), batch.frames());
        let of_all = frames.steps;
        let mut error = 0.0;
        let loss_of = |votes: &Tensor| {
            let (gradient, value) = criterion.gradient(votes, of_all, &labels)?;
            error = value;
            Ok(gradient)
        };
        let mut monitor = FiringMonitor::new(self.vars, network);
        let (scores, value, lost);
        if let Some(gradients) =
            engine.gradients(frames, dropout, &criterion, compute, &mut monitor, loss_of)?
        {
            lost = self.update(&gradients, rate)?;
            (scores, value) = (criterion.scores(&gradients.scores, of_all)?, error);
            if step + 1 == steps {
                progress.layers(&gradients.layers);
            }
        } else {
            let frames = batch.into_tensor(device)?;
            let votes = network.votes(&frames, Mode::Train { seed: dropout }, &mut monitor)?;
            let error;
            (scores, error) = criterion.define(&votes, &labels)?;
            value = f64::from(error.to_scalar::<f32>()?);
            lost = self.update(&error.backward()?, rate)?;
        }
        let StepFiring { rates, classes } = monitor.done()?;
        let (epoch, of) = (index + 1, step + 1);
        if let Some(what) = lost.or((!value.is_finite()).then(|| "the loss".into())) {
            return Err(Error::Diverged { epoch, step: of, what });
        }
        self.at.note_warm_up(&rates, setup.warm_up);
        let silent = self.at.note(fired(network, rates, &classes), steps);
        silent.iter().for_each(|layer| progress.silent(layer, epoch, of));
        if let Some(layer) = silent.into_iter().next().filter(|_| rules.silence != Rule::Report) {
            return Err(Error::Silent { epoch, step: of, layer });
        }
        self.at.loss += value * labels.len() as f64;
        self.at.correct += count_correct(&scores.detach(), &labels)?;
        self.at.seen += labels.len();
        self.at.step = of;
        let TrainingState { loss, correct, seen, .. } = self.at;
        progress.step(index, step, steps, loss / seen as f64, 100.0 * correct as f64 / seen as f64);
        Ok(())
    }

    /// One step of the optimiser on gradients, bounded before and weights bounded behind where the
    /// setup has it so; the first variable that is not finite any more.
    fn update(&mut self, gradients: &impl GradientsOf, rate: f64) -> Result<Option<String>, Error> {
        let Setup { clip, clamp, .. } = *self.job.setup;
        let lost = match clip {
            None => self.optimiser.step(gradients, rate)?,
            Some(clip) => {
                let vars = self.optimiser.state.iter().map(|s| &s.var);
                let clipped = clip.clipped(vars, gradients)?;
                self.optimiser.step(&clipped, rate)?
            }
        };
        if let Some(limit) = clamp {
            let vars = self.optimiser.state.iter().map(|s| (s.name.as_str(), &s.var));
            clamp_weights(vars, limit)?;
        }
        Ok(lost)
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
            training: &self.at,
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

/// What may be silent: each layer, and of the one that is voted on the voters of each class, since
/// a class without a vote is never the answer and learns nothing. Whether it fired.
fn fired(network: &Network, rates: Vec<(String, f64)>, classes: &[bool]) -> Vec<(String, bool)> {
    let head = network.voters().map_or("", |(head, _)| head);
    // where the whole layer is silent, that is said once
    let some = classes.contains(&true);
    let class = |(class, &fired): (usize, &bool)| {
        (format!("{head} (every voter of class {class})"), fired || !some)
    };
    let layers = rates.into_iter().map(|(layer, rate)| (layer, rate > 0.0));
    layers.chain(classes.iter().enumerate().map(class)).collect()
}

/// After so many setbacks a lower learning rate is not what is missing.
const SETBACKS: usize = 8;
