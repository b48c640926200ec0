//! A run between two steps as a file, in safetensors with names that explain themselves: a variable
//! has its own name (`128C3-1.weight`), what the optimiser keeps of it stands under `adamw.first.`,
//! `adamw.second.`, `amsgrad.largest.` or `sgd.velocity.`,
//! what a setback returns to under `epoch-start.`, and the rest as lines of text in the header.

use crate::state::{Snapshot, State, TrainingState};
use crate::stored::{Named, Stored, line_of_run, partial, previous, put, tensor, unsound, write};
use crate::vars::values;
use crate::{Epoch, Evaluation, SeededVars, Setback, Silence};
use candle_core::Tensor;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

const FIRST_LINE: &str = "spikegrad checkpoint 1";
const WEIGHTS: &str = "";
const START: &str = "epoch-start.";
/// Names of what optimisers keep, and the place of each.
const SLOTS: [(&str, usize); 4] =
    [("adamw.first.", 0), ("adamw.second.", 1), ("amsgrad.largest.", 2), ("sgd.velocity.", 0)];

/// A checkpoint that was read; [`crate::train_from`] goes on from it.
pub struct Checkpoint {
    /// Names the run: a run goes on only from its own checkpoint.
    pub identity: String,
    pub(crate) training: TrainingState,
    pub(crate) now: Snapshot,
    pub(crate) epoch_start: Option<Snapshot>,
}

impl Checkpoint {
    /// Epochs that were finished when it was made.
    pub fn epochs_done(&self) -> usize {
        self.training.epoch
    }
}

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It could not be written; the one before it is untouched.
    #[error("cannot write the checkpoint {}: {}; the one before it is kept, so free space or choose another folder and run the same command again", path.display(), sentence::cause(cause))]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        cause: io::Error,
    },
    /// It could not be read.
    #[error("cannot read the checkpoint {}: {}; check that you may read it, or delete it to begin again", path.display(), sentence::cause(cause))]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        cause: io::Error,
    },
    /// It is not what was written.
    #[error("the checkpoint {} is damaged: expected a checkpoint that was written whole, found {found}; delete it to begin again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        found: String,
    },
    /// A variable is no weight any more; nothing was written.
    #[error("cannot write {}: {name} {fault}; the file before it is kept: try a lower learning rate", path.display())]
    Unsound {
        /// The file.
        path: PathBuf,
        /// The variable.
        name: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A variable could not be read from its device.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl State<'_> {
    /// Writes the state to `path`, whole or not at all; the checkpoint that was there becomes
    /// `<path>.previous`. `identity` names the run; `run` is what [`crate::Weights::run`] says of
    /// it.
    ///
    /// # Errors
    /// A file that cannot be written, a variable that cannot be read, or one that is not finite.
    pub fn save(&self, path: &Path, identity: &str, run: &str) -> Result<(), CheckpointError> {
        let mut all = variables(path, self.vars)?;
        let slots = self.optimiser.kind.slots();
        let state = &self.optimiser.state;
        let put_slots = |all: &mut Named, above: &str, name: &str, kept: &[Tensor]| {
            let mut each = slots.iter().zip(kept);
            each.try_for_each(|(slot, tensor)| put(all, &format!("{above}{slot}"), name, tensor))
        };
        for s in state {
            put_slots(&mut all, "", &s.name, &s.slots)?;
        }
        if let Some(start) = self.epoch_start {
            start.vars.iter().try_for_each(|(name, tensor)| put(&mut all, START, name, tensor))?;
            for (s, kept) in state.iter().zip(&start.slots) {
                put_slots(&mut all, START, &s.name, kept)?;
            }
        }
        let start = self.epoch_start.map(|start| start.steps);
        let text = text(identity, run, self.training, self.optimiser.steps, start);
        write(path, &all, &text, true)
            .map_err(|cause| CheckpointError::Write { path: path.into(), cause })
    }
}

/// Writes variables to `path` as they are named, whole or not at all: weights for other programs.
/// `run` says in one line which run they are of; [`crate::Weights::run`] gives it back.
///
/// # Errors
/// A file that cannot be written, a variable that cannot be read, or one that is not finite.
pub fn save_weights(path: &Path, vars: &SeededVars, run: &str) -> Result<(), CheckpointError> {
    let all = variables(path, vars)?;
    write(path, &all, &format!("spikegrad weights 2\n{}", line_of_run(run)), false)
        .map_err(|cause| CheckpointError::Write { path: path.into(), cause })
}

/// The values of all variables, each of which is a weight that a network computes with.
fn variables(path: &Path, vars: &SeededVars) -> Result<Named, CheckpointError> {
    let mut all = Named::new();
    for (name, var) in vars.all() {
        put(&mut all, WEIGHTS, &name, &var)?;
    }
    let unsound = all.iter().find_map(|(name, (_, values))| Some((name, unsound(name, values)?)));
    match unsound {
        Some((name, fault)) => {
            Err(CheckpointError::Unsound { path: path.into(), name: name.clone(), fault })
        }
        None => Ok(all),
    }
}

impl Checkpoint {
    /// The newest whole checkpoint at `path`: the file itself or, where that is absent or damaged,
    /// the one before it. `None` where neither was ever written.
    ///
    /// # Errors
    /// If what there is cannot be read or is damaged.
    pub fn read(path: &Path) -> Result<Option<Self>, CheckpointError> {
        match (Self::read_one(path), Self::read_one(&previous(path))) {
            (Ok(Some(newest)), _) => Ok(Some(newest)),
            (_, Ok(Some(before))) => Ok(Some(before)),
            (newest, _) => newest,
        }
    }

    fn read_one(path: &Path) -> Result<Option<Self>, CheckpointError> {
        let bytes = match bytes_of(path) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(CheckpointError::Read { path: path.into(), cause }),
        };
        parse(&bytes)
            .map(Some)
            .map_err(|found| CheckpointError::Damaged { path: path.into(), found })
    }

    /// Removes the checkpoint and the one before it, where they are.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn remove(path: &Path) -> io::Result<()> {
        for path in [path.to_owned(), previous(path), partial(path)] {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => (),
            }
        }
        Ok(())
    }
}

/// The bytes of a regular file: a pipe or a device would have no end.
fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    std::fs::read(path)
}

/// One fact a line, its parts apart by tabs. Rust writes an f64 with as many digits as bring back
/// its very bits.
fn text(identity: &str, run: &str, at: &TrainingState, steps: u64, start: Option<u64>) -> String {
    let TrainingState { epoch, step, loss, correct, seen, seconds, quiet, warmed_up, history } = at;
    let mut text = format!("{FIRST_LINE}\nidentity\t{identity}\n{}", line_of_run(run));
    text += &format!("at\t{epoch}\t{step}\t{loss:?}\t{correct}\t{seen}\t{seconds:?}\t{steps}\n");
    if let Some(steps) = start {
        text += &format!("epoch-start\t{steps}\n");
    }
    quiet.iter().for_each(|(layer, steps)| text += &format!("quiet\t{layer}\t{steps}\n"));
    warmed_up.iter().for_each(|(layer, steps)| text += &format!("warm\t{layer}\t{steps}\n"));
    let readings = |all: &[(String, f64)]| -> String {
        all.iter().map(|(name, value)| format!("neurons\t{name}\t{value:?}\n")).collect()
    };
    // before the first epoch they are those before the first step
    text += &readings(&history.initial_neurons);
    for Setback { epoch, step, what } in &history.setbacks {
        text += &format!("setback\t{epoch}\t{step}\t{}\n", what.replace(['\t', '\n'], " "));
    }
    for epoch in &history.epochs {
        text += &of_epoch(epoch);
        text += &readings(&epoch.neurons);
    }
    text
}

/// The lines of a finished epoch, but for its neurons.
fn of_epoch(epoch: &Epoch) -> String {
    let Epoch { learning_rate: rate, train_loss, train_accuracy_percent: accuracy, .. } = epoch;
    let Evaluation { correct, samples, loss, firing_rates, silence, silent_voters, outcome } =
        &epoch.test;
    let seconds = epoch.seconds;
    let mut text = format!(
        "epoch\t{rate:?}\t{train_loss:?}\t{accuracy:?}\t{correct}\t{samples}\t{loss:?}\t{seconds:?}\n"
    );
    if let Some(Evaluation { correct, samples, loss, .. }) = &epoch.held_out {
        text += &format!("held-out\t{correct}\t{samples}\t{loss:?}\n");
    }
    firing_rates.iter().for_each(|(layer, rate)| text += &format!("rate\t{layer}\t{rate:?}\n"));
    for Silence { layer, neurons, silent } in silence {
        text += &format!("silent\t{layer}\t{neurons}\t{silent}\n");
    }
    silent_voters.iter().for_each(|silent| text += &format!("silent-voters\t{silent}\n"));
    for (layer, part) in &epoch.warmed_up {
        text += &format!("warmed-up\t{layer}\t{part:?}\n");
    }
    if !outcome.is_empty() {
        let bits: String = outcome.iter().map(|&right| if right { '1' } else { '0' }).collect();
        text += &format!("outcome\t{bits}\n");
    }
    text
}

/// The first line of [`of_epoch`] behind its first word.
fn begun(parts: &[&str]) -> Result<Epoch, String> {
    let [rate, train_loss, accuracy, correct, samples, loss, seconds] = *parts else {
        return Err(format!("an epoch of {} numbers", parts.len()));
    };
    let (correct, samples, loss) = (number(correct)?, number(samples)?, number(loss)?);
    Ok(Epoch {
        learning_rate: number(rate)?,
        train_loss: number(train_loss)?,
        train_accuracy_percent: number(accuracy)?,
        test: Evaluation { correct, samples, loss, ..Evaluation::default() },
        held_out: None,
        warmed_up: Vec::new(),
        neurons: Vec::new(),
        seconds: number(seconds)?,
    })
}

/// Reads a line of [`of_epoch`] behind its first; whether it is one.
fn more_of_epoch(epoch: &mut Epoch, parts: &[&str]) -> Result<bool, String> {
    match *parts {
        ["held-out", correct, samples, loss] => {
            let (correct, samples, loss) = (number(correct)?, number(samples)?, number(loss)?);
            epoch.held_out = Some(Evaluation { correct, samples, loss, ..Evaluation::default() });
        }
        ["rate", layer, rate] => epoch.test.firing_rates.push((layer.into(), number(rate)?)),
        ["silent", layer, neurons, silent] => epoch.test.silence.push(Silence {
            layer: layer.into(),
            neurons: number(neurons)?,
            silent: number(silent)?,
        }),
        ["silent-voters", silent] => epoch.test.silent_voters.push(number(silent)?),
        ["warmed-up", layer, part] => epoch.warmed_up.push((layer.into(), number(part)?)),
        ["outcome", bits] => epoch.test.outcome = bits.bytes().map(|bit| bit == b'1').collect(),
        _ => return Ok(false),
    }
    Ok(true)
}

/// A checkpoint from its bytes, or what is wrong with them.
fn parse(bytes: &[u8]) -> Result<Checkpoint, String> {
    let Stored { text, tensors } = Stored::parse(bytes)?;
    let text = text.ok_or("no header of ours")?;
    let (identity, training, steps, start) = lines(&text)?;
    let mut now = Snapshot { vars: Vec::new(), slots: Vec::new(), steps };
    let mut then =
        Snapshot { vars: Vec::new(), slots: Vec::new(), steps: start.unwrap_or_default() };
    // of each variable what the optimiser keeps, by its name
    let mut kept: [BTreeMap<String, Vec<(usize, Tensor)>>; 2] = Default::default();
    for (name, view) in &tensors {
        let tensor = tensor(name, view)?;
        let (snapshot, kept, rest) = match name.strip_prefix(START) {
            Some(rest) => (&mut then, &mut kept[1], rest),
            None => (&mut now, &mut kept[0], name.as_str()),
        };
        if let Some((place, of)) = slot_of(rest) {
            kept.entry(of.to_owned()).or_default().push((place, tensor));
            continue;
        }
        let values = values(&tensor).map_err(|_| format!("{name} cannot be read"))?;
        if let Some(fault) = unsound(rest, &values) {
            return Err(format!("{name} {fault}"));
        }
        snapshot.vars.push((rest.to_owned(), tensor));
    }
    for (snapshot, kept) in [&mut now, &mut then].into_iter().zip(kept) {
        snapshot.slots = slots(kept)?;
    }
    Ok(Checkpoint { identity, training, now, epoch_start: start.map(|_| then) })
}

/// The place of a tensor among what is kept of a variable, and the variable's name.
fn slot_of(name: &str) -> Option<(usize, &str)> {
    SLOTS.iter().find_map(|(slot, place)| Some((*place, name.strip_prefix(slot)?)))
}

/// What is kept of all variables, in the order of their names, which is the optimiser's.
fn slots(kept: BTreeMap<String, Vec<(usize, Tensor)>>) -> Result<Vec<Vec<Tensor>>, String> {
    let most = kept.values().map(Vec::len).max().unwrap_or(0);
    let mut all = Vec::new();
    for (name, mut of) in kept {
        of.sort_by_key(|(place, _)| *place);
        let whole = of.iter().enumerate().all(|(i, (place, _))| i == *place);
        if !whole || of.len() != most {
            return Err(format!("an optimiser's state of {name} with a part missing"));
        }
        all.push(of.into_iter().map(|(_, tensor)| tensor).collect());
    }
    Ok(all)
}

/// Identity, where training is, the optimiser's steps, and those at the beginning of the epoch
/// where that is kept.
fn lines(text: &str) -> Result<(String, TrainingState, u64, Option<u64>), String> {
    let mut lines = text.lines();
    match lines.next() {
        Some(FIRST_LINE) => (),
        other => {
            return Err(format!("\"{}\" instead of \"{FIRST_LINE}\"", other.unwrap_or_default()));
        }
    }
    let (mut identity, mut at, mut steps, mut start) =
        (String::new(), TrainingState::default(), 0, None);
    for line in lines {
        let parts: Vec<&str> = line.split('\t').collect();
        match parts[..] {
            ["identity", name] => identity = name.into(),
            ["run", ..] => {}
            ["at", epoch, step, loss, correct, seen, seconds, moments] => {
                (at.epoch, at.step, at.correct) = (number(epoch)?, number(step)?, number(correct)?);
                (at.loss, at.seen, at.seconds) = (number(loss)?, number(seen)?, number(seconds)?);
                steps = number(moments)?;
            }
            ["epoch-start", steps] => start = Some(number(steps)?),
            ["quiet", layer, steps] => at.quiet.push((layer.into(), number(steps)?)),
            ["warm", layer, steps] => at.warmed_up.push((layer.into(), number(steps)?)),
            ["setback", epoch, step, what] => {
                let (epoch, step) = (number(epoch)?, number(step)?);
                at.history.setbacks.push(Setback { epoch, step, what: what.into() });
            }
            ["epoch", ref rest @ ..] => at.history.epochs.push(begun(rest)?),
            ["neurons", name, value] => {
                let reading = (name.to_owned(), number(value)?);
                match at.history.epochs.last_mut() {
                    Some(epoch) => epoch.neurons.push(reading),
                    None => at.history.initial_neurons.push(reading),
                }
            }
            _ => {
                let known = match at.history.epochs.last_mut() {
                    Some(epoch) => more_of_epoch(epoch, &parts)?,
                    None => false,
                };
                if !known {
                    return Err(format!("the line \"{line}\""));
                }
            }
        }
    }
    Ok((identity, at, steps, start))
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("\"{text}\" where a number should be"))
}
