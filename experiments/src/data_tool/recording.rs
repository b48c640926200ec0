use anyhow::{Context, Result, ensure};
use events::Error;
use events::formats::{Chunks, Format};
use std::fs::File;
use std::io::{Read, Take};
use std::path::Path;

/// A recording that is decoded a piece at a time.
pub type Pieces = Chunks<Take<File>>;

/// Opens `file` as `format`, or as its content says.
///
/// # Errors
/// What is no file, cannot be read, is empty, is of no known format, or has no header of its format.
pub fn open(file: &Path, format: Option<Format>) -> Result<Pieces> {
    let unreadable = || format!("cannot read {}", file.display());
    let kind = file.metadata().with_context(unreadable)?;
    // a device or a pipe may never end, and a pipe without a writer not even open
    ensure!(
        kind.is_file(),
        "{}: expected a file, found a folder or a device; name one recording",
        unreadable()
    );
    ensure!(
        kind.len() > 0,
        "{}: expected a recording, found an empty file; copy it again",
        file.display()
    );
    File::open(file).with_context(unreadable)?;
    open_again(file, format).with_context(|| file.display().to_string())
}

/// Opens a file that [`open`] found to be a recording once more.
///
/// # Errors
/// As [`Chunks::open`].
pub fn open_again(file: &Path, format: Option<Format>) -> Result<Pieces, Error> {
    let opened = File::open(file)?;
    let len = opened.metadata()?.len();
    // no further than its length now: a file may grow faster than it is read
    Chunks::open(opened.take(len), len, format)
}
