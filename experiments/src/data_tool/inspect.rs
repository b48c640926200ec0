use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use events::{
    Summary,
    formats::{self, Format},
};

/// Flags of `data inspect`.
#[derive(clap::Args)]
pub struct Flags {
    /// The recording
    file: PathBuf,
    /// Read it as this format, not as what its content shows: nmnist, aedat2, aedat2-davis, aedat3.1, evt2, evt3 or dat
    #[arg(long, value_name = "NAME")]
    format: Option<Format>,
}

/// Prints what is in the recording as one JSON object: an [`events::Summary`].
///
/// # Errors
/// A file that cannot be read, is empty, is of no known format, or does not follow its format.
pub fn run(flags: &Flags) -> Result<()> {
    let path = flags.file.display();
    let bytes = std::fs::read(&flags.file).with_context(|| format!("{path}: expected a recording that can be read"))?;
    ensure!(!bytes.is_empty(), "{path}: expected a recording, found an empty file; copy it again");
    let summary = summarise(&bytes, flags.format).with_context(|| path.to_string())?;
    // not println: a reader that leaves early is no reason to panic
    Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&summary)?)?)
}

fn summarise(bytes: &[u8], format: Option<Format>) -> Result<Summary, events::Error> {
    let format = format.map_or_else(|| formats::detect(bytes), Ok)?;
    let columns = formats::decode(format, bytes)?;
    Summary::of(format, formats::sensor(format, bytes, &columns), &columns)
}
