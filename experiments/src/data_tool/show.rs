use super::recording::{self, Decoded};
use anyhow::{Context, Result, ensure};
use events::formats::Format;
use events::{Columns, Events, Framing, Sensor};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Flags of `data show`.
#[derive(clap::Args)]
pub struct Flags {
    /// The recording; its format is recognised by its content
    file: PathBuf,
    /// The picture [default: the recording's name with .png, in the current folder]
    #[arg(long, value_name = "FILE.png")]
    out: Option<PathBuf>,
    /// Frames of equally many events each, as the networks see them
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=128))]
    frames: u16,
    /// Read it as this format, not as what its content shows: nmnist, aedat2, aedat2-davis,
    /// aedat3.1, evt2, evt3 or dat
    #[arg(long, value_name = "NAME")]
    format: Option<Format>,
}

/// Draws the recording, writes the PNG and says where it is.
///
/// # Errors
/// A file that is no recording or holds no event, a picture that would replace the recording or has
/// no name of a PNG, and a folder that cannot be written.
pub fn run(flags: &Flags) -> Result<()> {
    let file = flags.file.as_path();
    let out = out(file, flags.out.as_deref())?;
    let Decoded { format, sensor, columns } = recording::decode_any(file, flags.format)?;
    let sensor = sensor.map_or_else(|| smallest(&columns), |(sensor, _)| sensor);
    let png = draw(file, format.name(), sensor, columns, flags.frames.into())
        .with_context(|| file.display().to_string())?;
    report::write_bytes(&out, &png)?;
    Ok(terminal::out!("{}", out.display())?)
}

fn draw(
    file: &Path,
    format: &str,
    sensor: Sensor,
    columns: Columns,
    frames: usize,
) -> Result<Vec<u8>> {
    ensure!(
        !columns.t_us.is_empty(),
        "expected at least one event, found none; choose another recording"
    );
    let events = Events::sorted(sensor, columns)?;
    // more frames than events would leave all but the last frame empty
    let framing = Framing::Number { frames: frames.min(events.len()) };
    let t_us = events.t_us();
    let ranges = framing.ranges(t_us)?;
    let spans_us: Vec<(i64, i64)> =
        ranges.into_iter().map(|range| (t_us[range.start], t_us[range.end - 1])).collect();
    let counts = framing.frames(&events)?;
    let recording = report::Recording {
        name: &file.file_name().unwrap_or(file.as_os_str()).to_string_lossy(),
        format,
        width: sensor.width.into(),
        height: sensor.height.into(),
        counts: counts.values(),
        spans_us: &spans_us,
        t_us,
        on: events.on(),
    };
    Ok(recording.png()?)
}

/// Where the picture goes. It must be called `.png`, so that a slip of the keyboard replaces no
/// recording.
fn out(file: &Path, wanted: Option<&Path>) -> Result<PathBuf> {
    let default =
        || Path::new(file.file_name().unwrap_or(OsStr::new("recording"))).with_extension("png");
    let out = wanted.map_or_else(default, Path::to_path_buf);
    let is_png = out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    ensure!(
        is_png,
        "--out: expected a name that ends in .png, found {}; call the picture .png",
        out.display()
    );
    let same =
        file.canonicalize().is_ok_and(|file| out.canonicalize().is_ok_and(|out| out == file));
    ensure!(
        !same,
        "--out: expected another file than the recording, found {}; choose another name",
        out.display()
    );
    Ok(out)
}

/// The smallest common sensor that holds every event, where neither format nor header says which it
/// was.
fn smallest(columns: &Columns) -> Sensor {
    // N-MNIST's window on the ATIS, DVS128, DAVIS240, ATIS, DAVIS346, VGA and HD
    const COMMON: [(u16, u16); 7] =
        [(34, 34), (128, 128), (240, 180), (304, 240), (346, 260), (640, 480), (1280, 720)];
    let beyond = |values: &[u16]| values.iter().max().map_or(1, |most| most.saturating_add(1));
    let (across, down) = (beyond(&columns.x), beyond(&columns.y));
    let common = COMMON.into_iter().find(|&(width, height)| across <= width && down <= height);
    let (width, height) = common.unwrap_or((across, down));
    Sensor { width, height }
}
