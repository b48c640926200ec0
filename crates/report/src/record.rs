use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::check::{self, Wrong};
use crate::json::{self, Unreadable};
use crate::{Analysis, Error, number, write_text};

/// The version of [`Record`]'s JSON that this crate writes and reads; it rises whenever a field
/// changes its meaning.
pub const SCHEMA: u32 = 1;

/// The longest row id: with seed and ending, what file systems take.
const LONGEST_ROW: usize = 220;

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
    /// What the trained network did on its test set; absent in older records and where it was not
    /// asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Analysis>,
    /// Versions of what the numbers depend on, by name.
    pub versions: BTreeMap<String, String>,
}

/// One result: a value with its name and unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Name, such as `test_accuracy`.
    pub name: String,
    /// Value in `unit`; may be NaN or infinite.
    #[serde(with = "number::one")]
    pub value: f64,
    /// Unit, such as `%`.
    pub unit: String,
}

/// One value an epoch; `values[0]` belongs to epoch 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Name, such as `train_loss`.
    pub name: String,
    /// Unit, such as `nat`.
    pub unit: String,
    /// Values in `unit`; may be NaN or infinite.
    #[serde(with = "number::many")]
    pub values: Vec<f64>,
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
    /// Training samples used.
    pub train: u64,
    /// Training samples of the published set.
    pub train_published: u64,
    /// Test samples used.
    pub test: u64,
    /// Test samples of the published set.
    pub test_published: u64,
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

    /// Writes the record to [`Record::path`] in `dir`, whole or not at all (see [`write_text`]),
    /// and returns that path.
    ///
    /// # Errors
    /// [`Error::Content`] for another schema or a row id that cannot name a file; [`Error::Write`]
    /// for a folder that is absent, is not a folder, may not be written or is full.
    pub fn write(&self, dir: &Path) -> Result<PathBuf, Error> {
        let path = Record::path(dir, &self.row, self.seed);
        self.check(&path)?;
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|e| unreadable(&path, json::unreadable(&e)))?;
        text.push('\n');
        if text.len() as u64 > MOST_BYTES {
            return Err(Error::Content {
                path,
                expected: "a record of at most 16 MiB, which is all that is read of one".to_owned(),
                found: format!("{} bytes", text.len()),
                advice: "keep less of the run in it",
            });
        }
        write_text(&path, &text)?;
        Ok(path)
    }

    /// Reads one record: a file of at most 16 MiB, never a pipe or a device.
    ///
    /// # Errors
    /// [`Error::Read`] when the file cannot be read, and those of [`Record::parse`].
    pub fn read(path: &Path) -> Result<Record, Error> {
        Record::parse(path, &bytes(path)?)
    }

    /// The record that the bytes of a file are; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Json`] with line and column when they are not a record, and [`Error::Content`] when
    /// it is of another schema, its row id cannot name a file, or its numbers cannot be: an
    /// accuracy above 100 %, lists that belong together of several lengths.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Record, Error> {
        /// The one field that every schema has.
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let text = std::str::from_utf8(bytes).map_err(|error| Error::Content {
            path: path.to_owned(),
            expected: "text in UTF-8".to_owned(),
            found: format!("bytes that are none from byte {} on", error.valid_up_to()),
            advice: "restore the file, or delete it so that the row runs again",
        })?;
        // Another schema would stumble over its first new field; its number is the better answer.
        let version: Version = serde_json::from_str(text)
            .map_err(|error| unreadable(path, json::unreadable(&error)))?;
        check_schema(path, version.schema)?;
        let record: Record = json::parse(text).map_err(|fault| unreadable(path, fault))?;
        record.check(path)?;
        Ok(record)
    }

    /// Reads every `*.json` of `dir`, sorted by file name; hidden files are passed over, and an
    /// absent folder holds no records.
    ///
    /// # Errors
    /// As [`Record::read_each`], and for the first file that is not a record.
    pub fn read_all(dir: &Path) -> Result<Vec<Record>, Error> {
        Record::read_each(dir)?.into_iter().collect()
    }

    /// As [`Record::read_all`], but for each file its record or what is wrong with it: as
    /// [`Record::read`], and [`Error::Content`] for a record under another name than
    /// [`Record::path`], which would be a copy that counts twice.
    ///
    /// # Errors
    /// [`Error::Read`] when the folder cannot be read.
    pub fn read_each(dir: &Path) -> Result<Vec<Result<Record, Error>>, Error> {
        let fail = |cause| Error::Read { path: dir.to_owned(), cause };
        let entries = match std::fs::read_dir(dir) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(fail)?,
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(fail)?.path();
            let hidden =
                path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && path.extension().is_some_and(|extension| extension == "json") {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths.iter().map(|path| Record::read_named(dir, path)).collect())
    }

    fn read_named(dir: &Path, path: &Path) -> Result<Record, Error> {
        let record = Record::read(path)?;
        let named = Record::path(dir, &record.row, record.seed);
        if named != path {
            return Err(Error::Content {
                path: path.to_owned(),
                expected: "the row and seed that the file's name says".to_owned(),
                found: format!("row \"{}\" with seed {}", record.row, record.seed),
                advice: "delete the copy, or give the file back its name",
            });
        }
        Ok(record)
    }

    fn check(&self, path: &Path) -> Result<(), Error> {
        check_schema(path, self.schema)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_+.".contains(c);
        if self.row.len() > LONGEST_ROW {
            return Err(Error::Content {
                path: path.to_owned(),
                expected: format!(
                    "a row id of at most {LONGEST_ROW} bytes, since it names the file"
                ),
                found: format!("one of {} bytes", self.row.len()),
                advice: "shorten the row",
            });
        }
        if self.row.is_empty() || self.row.starts_with('.') || !self.row.chars().all(allowed) {
            return Err(Error::Content {
                path: path.to_owned(),
                expected: "a row id of letters, digits and -_+. that does not begin with a dot"
                    .to_owned(),
                found: format!("\"{}\"", sentence::shown(&self.row)),
                advice: "rename the row",
            });
        }
        check::check(self).map_err(|Wrong { expected, found }| Error::Content {
            path: path.to_owned(),
            expected,
            found,
            advice: "restore the file, or delete it so that the row runs again",
        })
    }
}

fn check_schema(path: &Path, schema: u32) -> Result<(), Error> {
    if schema == SCHEMA {
        return Ok(());
    }
    Err(Error::Content {
        path: path.to_owned(),
        expected: format!("schema {SCHEMA}"),
        found: format!("schema {schema}"),
        advice: "use the version of this program that wrote it, or run the row again",
    })
}

/// More than any record has.
const MOST_BYTES: u64 = 16 << 20;

/// The bytes of a file that may be a record. What is no plain file could keep a reader waiting
/// for ever.
fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let fail = |cause| Error::Read { path: path.to_owned(), cause };
    let unlike = |expected: &str, found: String| Error::Content {
        path: path.to_owned(),
        expected: expected.to_owned(),
        found,
        advice: "move it away so that the row runs again",
    };
    let metadata = std::fs::metadata(path).map_err(fail)?;
    if !metadata.is_file() {
        let found = if metadata.is_dir() { "a folder" } else { "a pipe, socket or device" };
        return Err(unlike("the file of a record", found.to_owned()));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(fail)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(unlike("a record of at most 16 MiB", format!("{} bytes", metadata.len())));
    }
    Ok(bytes)
}

fn unreadable(path: &Path, fault: Unreadable) -> Error {
    let Unreadable { line, column, found, .. } = fault;
    Error::Json { path: path.to_owned(), line, column, found }
}
