use std::path::PathBuf;

use super::recording;
use crate::data;
use anyhow::{Context, Result};
use datasets::ImageSummary;
use events::{Summary, formats::Format};

/// Flags of `data inspect`.
#[derive(clap::Args)]
pub struct Flags {
    /// The recording
    file: PathBuf,
    /// Read it as this format, not as what its content shows: nmnist, aedat2, aedat2-davis,
    /// aedat3.1, evt2, evt2.1, evt3 or dat
    #[arg(long, value_name = "NAME")]
    format: Option<Format>,
}

/// Prints what is in the recording as one JSON object: an [`events::Summary`], or of a PNG image
/// its [`datasets::ImageSummary`]. Memory does not grow with the file.
///
/// # Errors
/// What is no file, cannot be read, is empty, is of no known format, or does not follow its format.
pub fn run(flags: &Flags) -> Result<()> {
    if flags.format.is_none()
        && let Some(image) = ImageSummary::of_png(&flags.file).map_err(data::in_one_sentence)?
    {
        return Ok(terminal::print(&(serde_json::to_string_pretty(&image)? + "\n"))?);
    }
    let summary = recording::open(&flags.file, flags.format)?;
    let summary = Summary::read(summary).with_context(|| flags.file.display().to_string())?;
    if let Some(said) = recording::restarts(&flags.file, summary.clock_restarts) {
        terminal::say!("{said}");
    }
    Ok(terminal::print(&(serde_json::to_string_pretty(&summary)? + "\n"))?)
}
