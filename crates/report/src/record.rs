use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Analysis, Curve, Metric, number};

/// The version of [`Record`]'s JSON that this crate writes and reads; it rises whenever a field
/// changes its meaning.
pub const SCHEMA: u32 = 1;

/// One run as data: what was run, on what, where, and what came out.
///
/// Its JSON refuses unknown fields. Metric and curve values (and `seconds`) that are not finite are
/// written as the words `"NaN"`, `"inf"` and `"-inf"`, because JSON has no such numbers and a run
/// that diverged is a result too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Always [`SCHEMA`].
    pub schema: u32,
    /// The experiment this row belongs to, such as `table2`.
    pub experiment: String,
    /// The row's id, such as `n-mnist-bpsa+bpta-short`; letters, digits and `-_+.` only, because it
    /// names the file.
    pub row: String,
    /// The row's title for a reader.
    pub title: String,
    /// The complete run as plain data: the same value gives the same run.
    pub run: Value,
    /// Results, each with its unit.
    pub metrics: Vec<Metric>,
    /// Results that have one value an epoch.
    pub curves: Vec<Curve>,
    /// The data the run saw.
    pub data: DataIdentity,
    /// How much of the published set-up was run, such as `short` or `full`.
    pub profile: String,
    /// The seed of every random number of the run.
    pub seed: u64,
    /// The device that computed, such as `cpu` or the name of a GPU.
    pub device: String,
    /// Number of compute threads.
    pub threads: usize,
    /// The machine.
    pub host: Host,
    /// What tells the program that ran from others, as SHA-256 in hex: of the sources that it was
    /// built from; in older records, and of a program of a user's own, of its file.
    pub program_sha256: String,
    /// The commit of the checkout that the program was built in, where known; in older records as
    /// it was when the run started.
    pub commit: Option<String>,
    /// Whether the program's sources differed from that commit, where known; in older records
    /// whether the work tree did.
    pub dirty: Option<bool>,
    /// Start of the run, RFC 3339 in UTC.
    pub started_utc: String,
    /// Wall-clock time of the run, s.
    #[serde(with = "number::one")]
    pub seconds: f64,
    /// Peak resident memory, bytes, where known.
    pub peak_memory_bytes: Option<u64>,
    /// How it was computed, which changes nothing beyond rounding: the kind of passes, the
    /// densities from which on they are dense, the memory budget, and what each layer did in the
    /// last training step. `null` in older records.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub compute: Value,
    /// SHA-256 of the trained weights, by name and in the order of their names; absent in older
    /// records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_sha256: Option<String>,
    /// Which test samples were right after the last epoch, see [`crate::outcome_of`]; absent in
    /// older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What the trained network did on its test set; absent in older records and where it was not
    /// asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Analysis>,
    /// Versions of what the numbers depend on, by name.
    pub versions: BTreeMap<String, String>,
}

/// Which data a run saw, exactly enough to tell two runs on different data apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataIdentity {
    /// Name of the data set.
    pub name: String,
    /// Whether this is the published set, a part of it or an imitation.
    pub origin: Origin,
    /// SHA-256 of the data set's manifest, in hex.
    pub manifest_sha256: String,
    /// Name of the split.
    pub split: String,
    /// Training samples used, without those held out.
    pub train: u64,
    /// Training samples of the published set.
    pub train_published: u64,
    /// Test samples used.
    pub test: u64,
    /// Test samples of the published set.
    pub test_published: u64,
    /// Training samples held out, by which the epoch is chosen; 0 in older records.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held_out: u64,
    /// Which fold of a cross-validation this is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A fold of a cross-validation: the part of all samples that is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fold {
    /// Which, from 1.
    pub number: u64,
    /// Of how many.
    pub of: u64,
}

impl DataIdentity {
    /// Whether both are the same data: equal, or folds of one cross-validation.
    pub fn same_but_fold(&self, other: &Self) -> bool {
        match (self.fold, other.fold) {
            (Some(a), Some(b)) => {
                let of = |data: &Self| {
                    let all = data.train + data.held_out + data.test;
                    (data.name.clone(), data.manifest_sha256.clone(), data.split.clone(), all)
                };
                a.of == b.of && self.origin == other.origin && of(self) == of(other)
            }
            _ => self == other,
        }
    }
}

/// Where the data comes from; a number means something else on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The published data set, complete.
    Complete,
    /// Real samples of the published data set, but not all of them.
    Sample,
    /// Made by a program: such a result says nothing about the published data set.
    Synthetic,
}

/// The machine a run was made on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Model of the processor.
    pub cpu: String,
    /// Number of logical cores.
    pub cores: usize,
    /// Operating system.
    pub os: String,
}

/// What makes two runs the same run. Built before a run from what is about to be run, it is
/// compared with [`Record::identity`] to skip a row that is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunIdentity<'a> {
    /// As [`Record::run`].
    pub run: &'a Value,
    /// As [`Record::data`].
    pub data: &'a DataIdentity,
    /// As [`Record::program_sha256`].
    pub program_sha256: &'a str,
    /// As [`Record::seed`].
    pub seed: u64,
}

impl Record {
    /// The file of a row: `<dir>/<row>-s<seed>.json`.
    pub fn path(dir: &Path, row: &str, seed: u64) -> PathBuf {
        dir.join(format!("{row}-s{seed}.json"))
    }

    /// What makes this run the same as another.
    pub fn identity(&self) -> RunIdentity<'_> {
        RunIdentity {
            run: &self.run,
            data: &self.data,
            program_sha256: &self.program_sha256,
            seed: self.seed,
        }
    }
}
