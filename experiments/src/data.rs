//! From a data root to frames in memory.

use crate::{Encoding, preset, progress};
use anyhow::{Context, Result, anyhow, bail};
use datasets::{Content, Found, Name, Origin, Recording, Recordings, Source, find, synthetic};
use events::Framing;
use indicatif::ProgressBar;
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use training::{Example, Refusal, Samples, Set, Shown, Values};

/// Train and test samples, in memory or in a cache, and how a network sees them.
pub struct Sets {
    train: Box<dyn Samples>,
    test: Box<dyn Samples>,
    shown: Shown,
}

impl Sets {
    /// The training samples.
    pub fn train(&self) -> Set<'_> {
        Set { samples: &*self.train, shown: &self.shown }
    }

    /// The test samples.
    pub fn test(&self) -> Set<'_> {
        Set { samples: &*self.test, shown: &self.shown }
    }
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

/// Keeps at most `train` and `test` recordings, drawn evenly from the classes (the first ones of each), and says so.
///
/// The split's text changes with them, and with it everything that identifies the data of a receipt.
pub fn take(chosen: &mut Chosen, train: Option<usize>, test: Option<usize>) {
    let recordings = &mut chosen.recordings;
    let mut said = Vec::new();
    for (half, list, limit) in [("train", &mut recordings.train, train), ("test", &mut recordings.test, test)] {
        let Some(limit) = limit.filter(|&limit| limit < list.len()) else { continue };
        let mut seen = BTreeMap::new();
        let mut places: Vec<(usize, usize)> = Vec::with_capacity(list.len());
        for (index, recording) in list.iter().enumerate() {
            let nth: &mut usize = seen.entry(recording.label).or_default();
            places.push((*nth, index));
            *nth += 1;
        }
        // the first of every class, then the second, …
        places.sort_unstable();
        places.truncate(limit);
        places.sort_unstable_by_key(|&(_, index)| index);
        *list = places.into_iter().map(|(_, index)| list[index].clone()).collect();
        said.push(format!("{limit} {half} recordings"));
    }
    if !said.is_empty() {
        let said = format!("{} taken evenly from the classes", said.join(" and "));
        if recordings.origin == Origin::Complete {
            recordings.origin = Origin::Sample;
        }
        recordings.split = format!("{}; {said}", recordings.split);
        chosen.says = format!("{}; {said}", chosen.says);
    }
}

fn describe(r: &Recordings) -> String {
    let info = r.name.info();
    let (train, test) = (r.train.len(), r.test.len());
    match r.origin {
        Origin::Complete => format!("{}: complete, {train} train and {test} test recordings", info.title),
        Origin::Sample => {
            format!(
                "{}: sample, {train} of {} train and {test} of {} test recordings",
                info.title, info.train, info.test
            )
        }
        Origin::Synthetic => {
            format!("{}: SYNTHETIC stand-in, {train} train and {test} test recordings from the generator", info.title)
        }
    }
}

/// The error without its chain: its sentence holds its cause already, and a chain would say it twice.
fn in_one_sentence(error: datasets::Error) -> anyhow::Error {
    anyhow!("{error}")
}

/// Where a recording comes from, for an error message.
fn place(source: &Source) -> String {
    match source {
        Source::File(path) => path.display().to_string(),
        Source::Cut { path, start_us, end_us, .. } => format!("{}, {start_us} to {end_us} µs", path.display()),
        Source::Synthetic { index, .. } => format!("synthetic recording {index}"),
    }
}

/// Makes every recording what `encoding` wants of it: events become frames (in parallel, in the order given, all before the
/// first step), images stay the bytes they are until a batch asks for them.
///
/// # Errors
/// The first recording, in that order, that cannot be decoded or framed; an encoding that is not for such recordings.
pub fn load(recordings: &Recordings, encoding: Encoding) -> Result<Sets> {
    let Recordings { name, train, test, .. } = recordings;
    match (name.info().content, encoding) {
        (Content::Events { .. }, Encoding::Events(framing)) => {
            let bar =
                progress::counter(&format!("{}: events to frames", name.title()), (train.len() + test.len()) as u64);
            let halves = frames(train, framing, &bar).and_then(|train| Ok((train, frames(test, framing, &bar)?)));
            bar.finish_and_clear();
            let (train, test) = halves?;
            Ok(Sets { train: Box::new(train), test: Box::new(test), shown: Shown::default() })
        }
        (Content::Images { .. }, Encoding::Direct { steps }) => {
            let (train, test) = (Images(train.clone()), Images(test.clone()));
            let shown = Shown { still: Some(steps), standard: preset::standard(*name) };
            Ok(Sets { train: Box::new(train), test: Box::new(test), shown })
        }
        _ => bail!("{} cannot be encoded as {encoding:?}; take the encoding of its preset", name.title()),
    }
}

fn frames(recordings: &[Recording], framing: Framing, bar: &ProgressBar) -> Result<Vec<Example>> {
    let example = |recording: &Recording| -> Result<Example> {
        let events = recording.events().map_err(in_one_sentence)?;
        let frames = framing.frames(&events).with_context(|| place(&recording.source))?;
        bar.inc(1);
        Ok(Example { frames, label: recording.label })
    };
    // collecting the results first keeps the error that is reported the same for any number of threads
    let examples: Vec<Result<Example>> = recordings.par_iter().map(example).collect();
    examples.into_iter().collect()
}

/// Images, read from the data set's own bytes for each batch.
struct Images(Vec<Recording>);

impl Samples for Images {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn label(&self, index: usize) -> u32 {
        self.0[index].label
    }

    fn values(&self, index: usize) -> Result<Values<'_>, Refusal> {
        Ok(Values::Bytes(Cow::Owned(self.0[index].image()?)))
    }
}
