//! From a data root to frames in memory.

use crate::progress;
use anyhow::{Context, Result, anyhow, bail};
use datasets::{Found, Name, Recording, Recordings, find, synthetic};
use events::Framing;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use training::Example;

/// Train and test examples.
pub struct Sets {
    /// Train.
    pub train: Vec<Example>,
    /// Test.
    pub test: Vec<Example>,
}

/// How many recordings the generator makes where no data set is found.
#[derive(Clone, Copy, Debug)]
pub struct StandIn {
    /// Train.
    pub train: usize,
    /// Test.
    pub test: usize,
    /// Seed of the generator.
    pub seed: u64,
}

/// Where data sets are looked for: `--data`, else the variable SPIKEGRAD_DATA, else `data/` if it exists.
///
/// # Errors
/// If a folder was named that is not there.
pub fn root(flag: Option<PathBuf>) -> Result<Option<PathBuf>> {
    let named = flag.map(|p| ("--data", p));
    let named = named
        .or_else(|| std::env::var_os("SPIKEGRAD_DATA").filter(|p| !p.is_empty()).map(|p| ("SPIKEGRAD_DATA", p.into())));
    match named {
        Some((what, path)) if !path.is_dir() => {
            bail!("{what} names {}, which is not a folder; name the folder that holds the data sets", path.display())
        }
        Some((_, path)) => Ok(Some(path)),
        None => Ok(Some(PathBuf::from("data")).filter(|p| p.is_dir())),
    }
}

/// The recordings that a data set is trained on.
pub struct Chosen {
    /// The recordings.
    pub recordings: Recordings,
    /// A sentence that says which.
    pub says: String,
}

/// The data set below `root`, or, if it has none and `stand_in` is given, the generator's recordings; `None`
/// where neither is to be had, with the reason on stderr. A folder of the data set's name that holds
/// something else counts as none, unless the data set was `named` by the user.
///
/// # Errors
/// If what is there is broken, or is not the data set that was named: that is never replaced silently.
pub fn choose(name: Name, root: Option<&Path>, named: bool, stand_in: Option<StandIn>) -> Result<Option<Chosen>> {
    let found = match root {
        Some(root) => find(name, root).map_err(in_one_sentence)?,
        None => Found::Absent,
    };
    let why = match found {
        Found::Recordings(recordings) => {
            let says = describe(&recordings);
            return Ok(Some(Chosen { recordings, says }));
        }
        Found::Unusable { path, why } if named => {
            bail!("{} is not {}: {why}; lay it out as published", path.display(), name.title())
        }
        Found::Unusable { path, why } => format!("{} cannot be used ({why})", path.display()),
        Found::Absent => match root {
            Some(root) => format!("not found below {}", root.display()),
            None => "no data folder given (--data DIR, SPIKEGRAD_DATA or data/)".into(),
        },
    };
    let Some(StandIn { train, test, seed }) = stand_in else {
        eprintln!("{}: left out, {why}", name.title());
        return Ok(None);
    };
    let recordings = synthetic::recordings(name, train, test, seed);
    let says = format!("{}; {why}", describe(&recordings));
    Ok(Some(Chosen { recordings, says }))
}

fn describe(r: &Recordings) -> String {
    let info = r.name.info();
    let (train, test) = (r.train.len(), r.test.len());
    match r.origin {
        datasets::Origin::Complete => format!("{}: complete, {train} train and {test} test recordings", info.title),
        datasets::Origin::Sample => {
            format!(
                "{}: sample, {train} of {} train and {test} of {} test recordings",
                info.title, info.train, info.test
            )
        }
        datasets::Origin::Synthetic => {
            format!("{}: SYNTHETIC stand-in, {train} train and {test} test recordings from the generator", info.title)
        }
    }
}

/// The error without its chain: its sentence holds its cause already, and a chain would say it twice.
fn in_one_sentence(error: datasets::Error) -> anyhow::Error {
    anyhow!("{error}")
}

/// Decodes and frames every recording, in parallel, in the order given.
///
/// # Errors
/// The first recording, in that order, that cannot be decoded or framed.
pub fn load(recordings: &Recordings, framing: Framing) -> Result<Sets> {
    let n = recordings.train.len() + recordings.test.len();
    let bar = progress::counter(&format!("{}: events to frames", recordings.name.title()), n as u64);
    let example = |recording: &Recording| -> Result<Example> {
        let events = recording.events().map_err(in_one_sentence)?;
        let frames = framing.frames(&events).with_context(|| recording.source.to_string())?;
        bar.inc(1);
        Ok(Example { frames, label: recording.label })
    };
    let all = |list: &[Recording]| -> Result<Vec<Example>> {
        // collecting the results first keeps the error that is reported the same for any number of threads
        let examples: Vec<Result<Example>> = list.par_iter().map(example).collect();
        examples.into_iter().collect()
    };
    let sets = all(&recordings.train).and_then(|train| Ok(Sets { train, test: all(&recordings.test)? }));
    bar.finish_and_clear();
    sets
}
