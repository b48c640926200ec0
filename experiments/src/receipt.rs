//! A finished run as the record that reporting reads, and the question whether it is there already.

mod rules;

pub use rules::recordings as prove_recordings;

use crate::{Run, machine, names};
use anyhow::{Result, anyhow, bail};
use datasets::{Origin, Recordings};
use report::{Curve, DataIdentity, Fold, Metric, Record, RunIdentity};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use training::{Epoch, Evaluation, History, Silence, WarmUp};

/// What names a receipt.
#[derive(Clone, Debug)]
pub struct Label {
    /// The table or figure.
    pub experiment: String,
    /// Id of the row; where it is long, a file's name has [`names::of_row`] of it.
    pub row: String,
    /// For people.
    pub title: String,
    /// The profile, with its overrides.
    pub profile: String,
}

/// The receipt of the same run, seed, recordings and (unless `any_build`) program, if there is one:
/// in `dir`, or in the folder of another experiment beside it, since equal runs are one run.
///
/// # Errors
/// If a file of that name is in `dir` and is no receipt: the run would replace it. One in another
/// folder is only passed over.
pub fn existing(
    dir: &Path,
    row: &str,
    wanted: RunIdentity<'_>,
    any_build: bool,
) -> Result<Option<Record>> {
    let others = dir.parent().map(|runs| experiments(runs).unwrap_or_default());
    let folders = std::iter::once(dir.to_owned()).chain(others.unwrap_or_default());
    // older receipts have long rows as they are
    let rows = [names::of_row(row), row.to_owned()];
    let places = folders.flat_map(|folder| rows.iter().map(move |row| (folder.clone(), row)));
    for (folder, row) in places {
        let path = Record::path(&folder, row, wanted.seed);
        // a name that no file system takes names no file
        if path.symlink_metadata().is_err() {
            continue;
        }
        let record = match read(&folder, &path) {
            Ok(record) => record,
            Err(_) if folder != dir => continue,
            Err(error) => return Err(error),
        };
        let run = Run::canonical(&record.run);
        let found = RunIdentity { run: &run, ..record.identity() };
        let program_sha256 = if any_build { found.program_sha256 } else { wanted.program_sha256 };
        if found == (RunIdentity { program_sha256, ..wanted }) {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// The receipt at `path` in the folder of an experiment.
///
/// # Errors
/// What is no record, and a record that no table could believe: of another experiment, of a run
/// that could not be run, of more recordings than there are, or under another row's name.
pub fn read(folder: &Path, path: &Path) -> Result<Record> {
    let record = Record::read(path)?;
    rules::check(folder, &record).map_err(|wrong| anyhow!("{}", fault(path, &wrong)))?;
    Ok(record)
}

/// The place of a receipt below the results folder.
pub fn place(record: &Record) -> String {
    format!("runs/{}/{}-s{}.json", record.experiment, record.row, record.seed)
}

fn fault(path: &Path, wrong: &str) -> String {
    let advice = "restore the file, or delete it so that the row runs again";
    format!("{}: {wrong}; {advice}", path.display())
}

/// The folders below `runs`, in order of name; none where `runs` is absent.
fn experiments(runs: &Path) -> Result<Vec<PathBuf>, report::Error> {
    let fail = |cause| report::Error::Read { path: runs.to_owned(), cause };
    let entries = match std::fs::read_dir(runs) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(fail)?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry.map_err(fail)?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// What is in folders of receipts.
#[derive(Debug, Default)]
pub struct Found {
    /// The receipts.
    pub records: Vec<Record>,
    /// Why each other file that has the name of a receipt is none, one sentence each.
    pub faults: Vec<String>,
}

impl Found {
    fn read(&mut self, folder: &Path) {
        match Record::read_each(folder) {
            Err(fault) => self.faults.push(fault.to_string()),
            Ok(all) => all.into_iter().for_each(|record| self.take(folder, record)),
        }
    }

    fn take(&mut self, folder: &Path, record: Result<Record, report::Error>) {
        let believed = |record: Record| match rules::check(folder, &record) {
            Ok(()) => Ok(record),
            Err(wrong) => Err(fault(&Record::path(folder, &record.row, record.seed), &wrong)),
        };
        match record.map_err(|fault| fault.to_string()).and_then(believed) {
            Ok(record) => self.records.push(record),
            Err(fault) => self.faults.push(fault),
        }
    }
}

/// The receipts of one folder.
pub fn of_folder(folder: &Path) -> Found {
    let mut found = Found::default();
    found.read(folder);
    found
}

/// The receipts below `<results>/runs`, of all experiments.
pub fn of_all_experiments(results: &Path) -> Found {
    let mut found = Found::default();
    match experiments(&results.join("runs")) {
        Err(fault) => found.faults.push(fault.to_string()),
        Ok(folders) => folders.iter().for_each(|folder| found.read(folder)),
    }
    found
}

/// Names what is no receipt, one line each.
pub fn say(faults: &[String]) {
    faults.iter().for_each(|fault| terminal::say!("no receipt, left out: {fault}"));
}

/// Ends a program that has written everything else.
///
/// # Errors
/// If anything was no receipt.
pub fn refuse(faults: &[String]) -> Result<()> {
    match faults {
        [] => Ok(()),
        [fault] => {
            bail!("one file is no receipt and its cell is empty, all else is written: {fault}")
        }
        faults => bail!(
            "{} files are no receipts, named above, and their cells are empty; all else is written",
            faults.len()
        ),
    }
}

/// The data identity of recordings.
pub fn identity(r: &Recordings) -> DataIdentity {
    let info = r.name.info();
    DataIdentity {
        name: info.id.into(),
        origin: match r.origin {
            Origin::Complete => report::Origin::Complete,
            Origin::Sample => report::Origin::Sample,
            Origin::Synthetic => report::Origin::Synthetic,
        },
        manifest_sha256: r.manifest_sha256.clone(),
        split: r.split.clone(),
        train: r.train.len() as u64,
        train_published: info.train as u64,
        test: r.test.len() as u64,
        test_published: info.test as u64,
        held_out: r.held_out.len() as u64,
        fold: r.fold.map(|fold| Fold { number: fold.number as u64, of: fold.of as u64 }),
    }
}

/// When a run started, and how long it took.
pub struct Clock {
    started: std::time::SystemTime,
    since: std::time::Instant,
}

impl Clock {
    /// Starts it, and the measurement of peak memory with it.
    pub fn start() -> Self {
        machine::reset_peak_memory();
        Self { started: std::time::SystemTime::now(), since: std::time::Instant::now() }
    }
}

/// The record of a finished run.
///
/// # Errors
/// If the program cannot be identified.
pub fn record(
    label: &Label,
    run: &Run,
    data: DataIdentity,
    seed: u64,
    history: &History,
    clock: &Clock,
    program_sha256: &str,
) -> Result<Record> {
    let (commit, dirty) = machine::commit();
    Ok(Record {
        schema: report::SCHEMA,
        experiment: label.experiment.clone(),
        row: names::of_row(&label.row),
        title: label.title.clone(),
        run: serde_json::to_value(run)?,
        metrics: metrics(history),
        curves: curves(run, history),
        data,
        profile: label.profile.clone(),
        seed,
        device: "cpu".into(),
        threads: rayon::current_num_threads(),
        host: machine::host(),
        program_sha256: program_sha256.into(),
        commit,
        dirty,
        started_utc: machine::utc(clock.started),
        // of all its parts, where the run was interrupted
        seconds: clock
            .since
            .elapsed()
            .as_secs_f64()
            .max(history.epochs.iter().map(|e| e.seconds).sum()),
        peak_memory_bytes: machine::peak_memory_bytes(),
        compute: serde_json::Value::Null,
        weights_sha256: None,
        outcome: history.epochs.last().map(|last| report::outcome_text(&last.test.outcome)),
        analysis: None,
        versions: BTreeMap::from([("spikegrad".into(), env!("CARGO_PKG_VERSION").into())]),
    })
}

/// Name of the metric that the paper's code reports: the best epoch's test accuracy.
pub const BEST: &str = "test accuracy, best epoch";
/// Name of the metric of the last epoch's test accuracy.
pub const LAST: &str = "test accuracy, last epoch";
/// Name of the metric of the mean over layers of the firing rate on the whole test set after the
/// last epoch.
pub const RATE: &str = "firing rate, mean over layers";
/// What the names of the firing rates of single layers begin with.
pub const RATE_OF: &str = "firing rate, ";
/// Name of the curve of test accuracies.
pub const CURVE: &str = "test accuracy";
/// Name of the curve of accuracies on recordings held out of training.
pub const HELD_OUT: &str = "held-out accuracy";
/// What the names of the curves of layers' silent neurons begin with, see [`training::Silence`].
pub const SILENT: &str = "silent neurons, ";
/// What the names of the metrics of how many neurons those are of begin with.
pub const NEURONS: &str = "neurons, ";
/// What the names of the curves of classes' silent voters begin with.
pub const SILENT_VOTERS: &str = "silent voters, ";
/// Name of the metric of how many voters those are of.
pub const VOTERS: &str = "voters of a class";
/// What the names of the curves begin with that tell in which part of an epoch's steps a layer took
/// the slope of the warm-up.
pub const WARM_UP: &str = "warm-up, ";
/// Name of the curve that is 1 in epochs without neurons.
pub const ANALOGUE: &str = "warm-up, all layers";

fn metrics(history: &History) -> Vec<Metric> {
    let metric =
        |name: &str, value: f64, unit: &str| Metric { name: name.into(), value, unit: unit.into() };
    let mut all = Vec::new();
    if let (Some((index, best)), Some(last)) = (history.best(), history.epochs.last()) {
        let rates = &last.test.firing_rates;
        let mean = rates.iter().map(|(_, r)| r).sum::<f64>() / rates.len().max(1) as f64;
        all.push(metric(BEST, best, "%"));
        all.push(metric("best epoch", (index + 1) as f64, "epoch"));
        all.push(metric(LAST, last.test.accuracy_percent(), "%"));
        all.push(metric("test loss, last epoch", last.test.loss, "1"));
        all.push(metric("train accuracy, last epoch", last.train_accuracy_percent, "%"));
        all.push(metric("train loss, last epoch", last.train_loss, "1"));
        all.push(metric("setbacks", history.setbacks.len() as f64, "1"));
        if !rates.is_empty() {
            all.push(metric(RATE, mean, "spikes per neuron and step"));
        }
        for (layer, rate) in rates {
            all.push(metric(&format!("{RATE_OF}{layer}"), *rate, "spikes per neuron and step"));
        }
        for silence in &last.test.silence {
            all.push(metric(&format!("{NEURONS}{}", silence.layer), silence.neurons as f64, "1"));
        }
        if let (Some(head), classes @ 1..) =
            (last.test.silence.last(), last.test.silent_voters.len())
        {
            all.push(metric(VOTERS, (head.neurons / classes) as f64, "1"));
        }
        for (name, value) in &history.initial_neurons {
            all.push(metric(&format!("{name}, before training"), *value, "1"));
        }
        for (name, value) in &last.neurons {
            all.push(metric(&format!("{name}, last epoch"), *value, "1"));
        }
    }
    all
}

fn curves(run: &Run, history: &History) -> Vec<Curve> {
    let curve = |name: &str, unit: &str, value: fn(&Epoch) -> f64| each(history, name, unit, value);
    let mut all = vec![
        curve(CURVE, "%", |e| e.test.accuracy_percent()),
        curve("train accuracy", "%", |e| e.train_accuracy_percent),
        curve("train loss", "1", |e| e.train_loss),
        curve("test loss", "1", |e| e.test.loss),
        curve("learning rate", "1", |e| e.learning_rate),
        curve("seconds", "s", |e| e.seconds),
    ];
    let Some(last) = history.epochs.last() else { return all };
    if last.held_out.is_some() {
        let held_out =
            |of: fn(&Evaluation) -> f64| move |e: &Epoch| e.held_out.as_ref().map_or(f64::NAN, of);
        all.push(each(history, HELD_OUT, "%", held_out(Evaluation::accuracy_percent)));
        all.push(each(history, "held-out loss", "1", held_out(|e| e.loss)));
    }
    for (i, (name, _)) in last.neurons.iter().enumerate() {
        let value = |e: &Epoch| e.neurons.get(i).map_or(f64::NAN, |n| n.1);
        all.push(each(history, name, "1", value));
    }
    // an analogue epoch has no neurons that could be silent
    for (i, Silence { layer, .. }) in last.test.silence.iter().enumerate() {
        let value = |e: &Epoch| e.test.silence.get(i).map_or(f64::NAN, |s| s.silent as f64);
        all.push(each(history, &format!("{SILENT}{layer}"), "1", value));
    }
    let classes = run.data.info().classes;
    for (i, class) in classes.iter().enumerate().take(last.test.silent_voters.len()) {
        let value = |e: &Epoch| e.test.silent_voters.get(i).map_or(f64::NAN, |n| *n as f64);
        all.push(each(history, &format!("{SILENT_VOTERS}{class}"), "1", value));
    }
    for (i, (layer, _)) in last.warmed_up.iter().enumerate() {
        let value = |e: &Epoch| e.warmed_up.get(i).map_or(f64::NAN, |part| part.1);
        all.push(each(history, &format!("{WARM_UP}{layer}"), "1", value));
    }
    if let WarmUp::Ann { epochs } = run.setup.warm_up {
        let mut analogue = each(history, ANALOGUE, "1", |_| 0.0);
        analogue.values.iter_mut().take(epochs).for_each(|part| *part = 1.0);
        all.push(analogue);
    }
    all
}

fn each(history: &History, name: &str, unit: &str, value: impl Fn(&Epoch) -> f64) -> Curve {
    let values = history.epochs.iter().map(value).collect();
    Curve { name: name.into(), unit: unit.into(), values }
}
