use anyhow::{Context, Result, ensure};
use events::formats::{self, Format, SensorSource};
use events::{Columns, Sensor};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A recording as its file has it.
pub struct Decoded {
    /// The format that was asked for, or that the content shows.
    pub format: Format,
    /// The sensor and how it is known, where format, header or events tell it.
    pub sensor: Option<(Sensor, SensorSource)>,
    /// The events in file order.
    pub columns: Columns,
}

/// Reads and decodes `file` as `format`, or as its content says.
///
/// # Errors
/// What is no file, cannot be read, is empty, is of no known format, or does not follow its format.
pub fn decode_any(file: &Path, format: Option<Format>) -> Result<Decoded> {
    let unreadable = || format!("cannot read {}", file.display());
    let kind = file.metadata().with_context(unreadable)?;
    // a device or a pipe may never end, and a pipe without a writer not even open
    ensure!(
        kind.is_file(),
        "{}: expected a file, found a folder or a device; name one recording",
        unreadable()
    );
    let mut bytes = Vec::new();
    // no further than its length now: a file may grow faster than it is read
    File::open(file)
        .and_then(|open| open.take(kind.len()).read_to_end(&mut bytes))
        .with_context(unreadable)?;
    ensure!(
        !bytes.is_empty(),
        "{}: expected a recording, found an empty file; copy it again",
        file.display()
    );
    decode(&bytes, format).with_context(|| file.display().to_string())
}

fn decode(bytes: &[u8], format: Option<Format>) -> Result<Decoded, events::Error> {
    let format = format.map_or_else(|| formats::detect(bytes), Ok)?;
    let columns = formats::decode(format, bytes)?;
    Ok(Decoded { format, sensor: formats::sensor(format, bytes, &columns), columns })
}
