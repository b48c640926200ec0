use anyhow::{Context, Result, anyhow, ensure};
use datasets::{open_file, unreadable};
use events::Error;
use events::formats::{Chunks, Format};
use std::fs::File;
use std::io::Take;
use std::path::Path;

/// A recording that is decoded a piece at a time.
pub type Pieces = Chunks<Take<File>>;

/// Opens `file` as `format`, or as its content says.
///
/// # Errors
/// What is no file, cannot be read, is empty, is of no known format, or has no header of its
/// format.
pub fn open(file: &Path, format: Option<Format>) -> Result<Pieces> {
    // its sentence holds its cause already
    let failed = |cause| anyhow!(unreadable(file, cause).to_string());
    let length = open_file(file).and_then(|opened| Ok(opened.metadata()?.len())).map_err(failed)?;
    ensure!(
        length > 0,
        "{}: expected a recording, found an empty file; copy it again",
        file.display()
    );
    open_again(file, format).with_context(|| file.display().to_string())
}

/// Opens a file that [`open`] found to be a recording once more.
///
/// # Errors
/// As [`Chunks::open`].
pub fn open_again(file: &Path, format: Option<Format>) -> Result<Pieces, Error> {
    let opened = open_file(file)?;
    let len = opened.metadata()?.len();
    // no further than its length now: a file may grow faster than it is read
    Chunks::open(std::io::Read::take(opened, len), len, format)
}

/// What is said of a recording whose clock starts again.
pub fn restarts(file: &Path, restarts: usize) -> Option<String> {
    let times = match restarts {
        0 => return None,
        1 => "once".to_owned(),
        n => format!("{n} times"),
    };
    Some(format!(
        "{}: its clock starts again {times}, so its parts lie over each other in time: a clock that was set back, or several recordings in one file",
        file.display()
    ))
}
