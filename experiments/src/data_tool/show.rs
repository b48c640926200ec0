use super::recording;
use crate::usage::between;
use anyhow::{Context, Result, ensure};
use events::{Error, Overview, formats::Format};
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
    #[arg(long, default_value_t = 8, value_parser = between::<u16>(1, 128))]
    frames: u16,
    /// Read it as this format, not as what its content shows: nmnist, aedat2, aedat2-davis,
    /// aedat3.1, evt2, evt2.1, evt3 or dat
    #[arg(long, value_name = "NAME")]
    format: Option<Format>,
}

/// Draws the recording, writes the PNG and says where it is, and how many events lie outside the
/// sensor and are left out. Memory does not grow with the file, which is read several times.
///
/// # Errors
/// A file that is no recording or holds no event on its sensor, a picture that would replace the
/// recording or has no name of a PNG, and a folder that cannot be written.
pub fn run(flags: &Flags) -> Result<()> {
    let file = flags.file.as_path();
    let out = out(file, flags.out.as_deref())?;
    let format = recording::open(file, flags.format)?.format();
    let overview =
        overview(file, format, flags.frames.into()).with_context(|| file.display().to_string())?;
    let png = draw(file, format, &overview).with_context(|| file.display().to_string())?;
    report::write_bytes(&out, &png)?;
    if let Some(said) = left_out(&overview) {
        terminal::say!("{}: {said}", file.display());
    }
    if let Some(said) = recording::restarts(file, overview.clock_restarts) {
        terminal::say!("{said}");
    }
    Ok(terminal::out!("{}", out.display())?)
}

fn overview(file: &Path, format: Format, frames: usize) -> Result<Overview, Error> {
    Overview::read(|| recording::open_again(file, Some(format)), frames)
}

/// What the picture does not show, if anything.
fn left_out(overview: &Overview) -> Option<String> {
    let Overview { sensor, left_out, events, .. } = overview;
    let (width, height) = (sensor.width, sensor.height);
    let all = events + left_out;
    (*left_out > 0).then(|| {
        format!(
            "left out {left_out} of {all} events, outside the sensor of {width}x{height} pixels"
        )
    })
}

fn draw(file: &Path, format: Format, overview: &Overview) -> Result<Vec<u8>> {
    let (first, last) = (overview.spans_us.first(), overview.spans_us.last());
    let recording = report::Recording {
        name: &file.file_name().unwrap_or(file.as_os_str()).to_string_lossy(),
        format: format.name(),
        width: overview.sensor.width.into(),
        height: overview.sensor.height.into(),
        counts: overview.frames.values(),
        spans_us: &overview.spans_us,
        time_us: (first.map_or(0, |span| span.0), last.map_or(0, |span| span.1)),
        rates: &overview.rates,
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
