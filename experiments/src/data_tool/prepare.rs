//! `data prepare`: from recordings to a cache of frames.

use crate::{
    data::{self, in_one_sentence},
    framing, progress, stop,
    usage::between,
};
use anyhow::{Result, anyhow, bail};
use datasets::{
    Found, Name, Split,
    cache::{Cache, Dtype, Error, Step, prepare},
    find, find_with,
};
use events::{Framing, Shape};
use indicatif::ProgressBar;
use std::{ops::ControlFlow, path::PathBuf, time::Instant};

/// Flags of `data prepare`.
#[derive(clap::Args)]
pub struct Flags {
    /// The data set, as n-mnist
    name: Name,
    /// Another split than the usual one, as the training that reads the cache: reference, first100,
    /// tebn or seeded:N for dvs-cifar10
    #[arg(long)]
    split: Option<Split>,
    /// How a recording becomes frames: number:16 (equal numbers of events), time:16 (equal
    /// durations, each with an event), time:64,empty (equal durations; one without events is a
    /// frame of zeros)
    #[arg(long, value_parser = framing::parse_for_cache)]
    frames: Framing,
    /// Resize to SIDE x SIDE pixels, for readers of your own: training reads full-size caches only,
    /// for it resizes after augmentation
    #[arg(long, value_name = "SIDE", value_parser = between::<u16>(1, u16::MAX.into()))]
    side: Option<u16>,
    /// Type of a count: u8, or u16 where a pixel counts more than 255 events in a frame
    #[arg(long, default_value = "u8", value_parser = ["u8", "u16"].map(clap::builder::PossibleValue::new))]
    dtype: String,
    /// Folder with the data sets; else SPIKEGRAD_DATA, else data/
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder for the cache; else SPIKEGRAD_CACHE, else .cache in the folder with the data sets
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

/// Counts a data set's events into frames and keeps them in a cache, if it is not there yet.
///
/// # Errors
/// No such data set; a recording that cannot be decoded or framed; a folder that cannot be written;
/// a full disk.
pub fn run(flags: &Flags) -> Result<()> {
    let start = Instant::now();
    let Some(root) = data::root(flags.data.clone())? else {
        bail!(
            "no data folder given; name the folder that holds the data sets: --data DIR, SPIKEGRAD_DATA or data/"
        );
    };
    let title = flags.name.title();
    let found = match flags.split {
        Some(split) => find_with(flags.name, &root, split),
        None => find(flags.name, &root),
    };
    let recordings = match found.map_err(in_one_sentence)? {
        Found::Recordings(recordings) => recordings,
        Found::Unusable { path, why } => {
            bail!("{} is not {title}: {why}; lay it out as published", path.display())
        }
        Found::Absent => {
            bail!("{}: expected a folder with {title}, found none; fetch it", root.display())
        }
    };
    let folder = data::cache_folder(flags.cache.as_deref(), &root);
    let dtype: Dtype = flags.dtype.parse().map_err(|error: String| anyhow!(error))?;
    let samples = recordings.train.len() + recordings.test.len();
    let bar = progress::counter(&format!("{title}: events to frames"), samples as u64);
    let side = flags.side.map(usize::from);
    stop::listen()?;
    let under_way = stop::under_way();
    let prepared =
        prepare(&recordings, flags.frames, side, dtype, &folder, &mut |step| tell(&bar, &step));
    bar.finish_and_clear();
    drop(under_way);
    if matches!(prepared, Err(Error::Ended)) {
        return Err(stop::Interrupted.into());
    }
    let prepared = prepared.map_err(|error| refusal(&error, flags.frames))?;
    let seconds = start.elapsed().as_secs_f64();
    let how = if prepared.was_there { "there already, every sample checked" } else { "written" };
    terminal::out!("{}", prepared.cache.path().display())?;
    terminal::out!("{}, {how} in {seconds:.1} s", describe(&prepared.cache)?)?;
    Ok(())
}

/// A refusal, with the flag by which it would not happen.
fn refusal(error: &Error, frames: Framing) -> anyhow::Error {
    let advice = match error {
        Error::Framing { source, .. } => framing::advice(source, frames, "--frames "),
        _ => String::new(),
    };
    anyhow!("{error}{advice}")
}

/// Says what happens; a signal ends it.
fn tell(bar: &ProgressBar, step: &Step) -> ControlFlow<()> {
    match step {
        Step::Waits => {
            bar.suspend(|| terminal::say!("another process is making this cache; waiting for it"))
        }
        Step::Replaces(why) => {
            bar.suspend(|| terminal::say!("making the cache anew, because of {why}"))
        }
        Step::Done(samples, _) => bar.set_position(*samples as u64),
        Step::Still => {}
    }
    if stop::asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

fn describe(cache: &Cache) -> Result<String> {
    let Shape { steps, height, width, channels } = cache.shape();
    let (train, test) = (cache.train().len(), cache.test().len());
    let bytes = cache.path().metadata()?.len();
    let shape = format!("[{steps}, {height}, {width}, {channels}]");
    Ok(format!("{train} train and {test} test samples {shape} of {}, {bytes} bytes", cache.dtype()))
}
