//! A finished run as the record that reporting reads, and the question whether it is there already.

use crate::{Run, machine, names};
use anyhow::Result;
use datasets::{Origin, Recordings};
use report::{Curve, DataIdentity, Metric, Record, RunIdentity};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use training::History;

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
/// If a file of that name is there and is no receipt.
pub fn existing(
    dir: &Path,
    row: &str,
    wanted: RunIdentity<'_>,
    any_build: bool,
) -> Result<Option<Record>> {
    let mut folders = vec![dir.to_owned()];
    folders.extend(dir.parent().map(experiments).transpose()?.unwrap_or_default());
    // older receipts have long rows as they are
    let rows = [names::of_row(row), row.to_owned()];
    let paths = folders
        .iter()
        .flat_map(|folder| rows.iter().map(move |row| Record::path(folder, row, wanted.seed)));
    for path in paths {
        // a name that no file system takes names no file
        if !path.exists() {
            continue;
        }
        let record = Record::read(&path)?;
        let found = record.identity();
        let program_sha256 = if any_build { found.program_sha256 } else { wanted.program_sha256 };
        if found == (RunIdentity { program_sha256, ..wanted }) {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// The folders below `runs`, in order of name.
fn experiments(runs: &Path) -> Result<Vec<PathBuf>> {
    if !runs.is_dir() {
        return Ok(Vec::new());
    }
    let fail = |cause| report::Error::Read { path: runs.to_owned(), cause };
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(runs).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// Every receipt below `<results>/runs`, of all experiments.
///
/// # Errors
/// A broken receipt.
pub fn of_all_experiments(results: &Path) -> Result<Vec<Record>> {
    let mut all = Vec::new();
    for folder in experiments(&results.join("runs"))? {
        all.extend(Record::read_all(&folder)?);
    }
    Ok(all)
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
    }
}

/// When a run started, from which commit, and how long it took.
pub struct Clock {
    started: std::time::SystemTime,
    since: std::time::Instant,
    commit: (Option<String>, Option<bool>),
}

impl Clock {
    /// Starts it, and the measurement of peak memory with it.
    pub fn start() -> Self {
        machine::reset_peak_memory();
        let (started, commit) = (std::time::SystemTime::now(), machine::commit());
        Self { started, since: std::time::Instant::now(), commit }
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
    let (commit, dirty) = clock.commit.clone();
    Ok(Record {
        schema: report::SCHEMA,
        experiment: label.experiment.clone(),
        row: names::of_row(&label.row),
        title: label.title.clone(),
        run: serde_json::to_value(run)?,
        metrics: metrics(history),
        curves: curves(history),
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
    }
    all
}

fn curves(history: &History) -> Vec<Curve> {
    let curve = |name: &str, unit: &str, value: fn(&training::Epoch) -> f64| Curve {
        name: name.into(),
        unit: unit.into(),
        values: history.epochs.iter().map(value).collect(),
    };
    vec![
        curve(CURVE, "%", |e| e.test.accuracy_percent()),
        curve("train accuracy", "%", |e| e.train_accuracy_percent),
        curve("train loss", "1", |e| e.train_loss),
        curve("test loss", "1", |e| e.test.loss),
        curve("learning rate", "1", |e| e.learning_rate),
        curve("seconds", "s", |e| e.seconds),
    ]
}
