//! Records as files: written, read and held to the rules.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::check::check;
use crate::json::{self, Unreadable};
use crate::rule::Wrong;
use crate::{Error, Record, SCHEMA, write_text};

/// The longest row id: with seed and ending, what file systems take.
const LONGEST_ROW: usize = 220;

impl Record {
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
        check(self).map_err(|Wrong { expected, found }| Error::Content {
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
