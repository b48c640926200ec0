//! From a data root to frames in memory.

use crate::{Encoding, framing, preset, progress};
use anyhow::{Context, Result, anyhow, bail};
use datasets::cache::{Cache, Dtype, Key};
use datasets::{
    Content, Error, Found, Name, Origin, Recording, Recordings, Split, check_folder, find,
    find_with, speech, synthetic,
};
use events::{Framing, Grid};
use indicatif::ProgressBar;
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use training::{Example, InputEncoding, Refusal, Samples, Set, Values};

/// Train and test samples, in memory or in a cache, and how a network sees them.
pub struct Sets {
    train: Box<dyn Samples>,
    test: Box<dyn Samples>,
    encoding: InputEncoding,
}

impl Sets {
    /// The training samples.
    pub fn train(&self) -> Set<'_> {
        Set { samples: &*self.train, encoding: &self.encoding }
    }

    /// The same with another training half.
    pub fn with_train(self, train: Vec<Example>) -> Self {
        Self { train: Box::new(train), ..self }
    }

    /// The test samples.
    pub fn test(&self) -> Set<'_> {
        Set { samples: &*self.test, encoding: &self.encoding }
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

/// Where data sets are looked for: `--data`, else the variable SPIKEGRAD_DATA, else `data/` if it
/// exists.
///
/// # Errors
/// If a folder was named that is not there.
pub fn root(flag: Option<PathBuf>) -> Result<Option<PathBuf>> {
    let named = flag.map(|p| ("--data", p));
    let named = named.or_else(|| {
        std::env::var_os("SPIKEGRAD_DATA")
            .filter(|p| !p.is_empty())
            .map(|p| ("SPIKEGRAD_DATA", p.into()))
    });
    match named {
        Some((what, path)) => match check_folder(&path) {
            Ok(()) => Ok(Some(path)),
            Err(Error::Layout { found, advice, .. }) => bail!(
                "{what} names {}, which is not a folder (found {found}); {advice}",
                path.display()
            ),
            Err(error) => bail!("{what}: {error}"),
        },
        None => {
            let path = PathBuf::from("data");
            // a link is there even if what it leads to is not
            if path.symlink_metadata().is_err() {
                return Ok(None);
            }
            check_folder(&path).map_err(in_one_sentence)?;
            Ok(Some(path))
        }
    }
}

/// The recordings that a data set is trained on.
pub struct Chosen {
    /// The recordings.
    pub recordings: Recordings,
    /// A sentence that says which.
    pub says: String,
}

/// The data set below `root`, or, if it has none and `stand_in` is given, the generator's
/// recordings; `None` where neither is to be had, with the reason on stderr. A folder of the data
/// set's name that holds something else counts as none, unless the data set was `named` by the
/// user.
///
/// # Errors
/// If what is there is broken, or is not the data set that was named: that is never replaced
/// silently.
pub fn choose(
    name: Name,
    root: Option<&Path>,
    split: Option<Split>,
    named: bool,
    stand_in: Option<StandIn>,
) -> Result<Option<Chosen>> {
    let found = match (root, split) {
        (Some(root), Some(split)) => find_with(name, root, split).map_err(in_one_sentence)?,
        (Some(root), None) => find(name, root).map_err(in_one_sentence)?,
        (None, _) => Found::Absent,
    };
    let why = match found {
        Found::Recordings(recordings) => {
            for note in &recordings.notes {
                terminal::say!("{}: {note}", name.title());
            }
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
        if named {
            bail!("{}: {why}; `data fetch {name}` brings it, or says how to get it", name.title());
        }
        terminal::say!("{}: left out, {why}", name.title());
        return Ok(None);
    };
    let recordings = synthetic::recordings(name, train, test, seed);
    let says = format!("{}; {why}", describe(&recordings));
    Ok(Some(Chosen { recordings, says }))
}

/// Keeps the recordings of these classes, if any are named, and says so.
///
/// # Errors
/// A name that is none of the data set's classes.
pub fn only(chosen: &mut Chosen, classes: &[String]) -> Result<()> {
    if !classes.is_empty() {
        let names: Vec<&str> = classes.iter().map(String::as_str).collect();
        chosen.recordings =
            chosen.recordings.clone().of_classes(&names).map_err(in_one_sentence)?;
        chosen.says = format!("{}; of these only the classes {}", chosen.says, names.join(", "));
    }
    Ok(())
}

/// Keeps at most `train` and `test` recordings, drawn evenly from the classes (the first ones of
/// each), and says so.
///
/// The split's text changes with them, and with it everything that identifies the data of a
/// receipt.
pub fn take(chosen: &mut Chosen, train: Option<usize>, test: Option<usize>) {
    let recordings = &mut chosen.recordings;
    let mut said = Vec::new();
    for (half, list, limit) in
        [("train", &mut recordings.train, train), ("test", &mut recordings.test, test)]
    {
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
        Origin::Complete => {
            format!("{}: complete, {train} train and {test} test recordings", info.title)
        }
        Origin::Sample => {
            format!(
                "{}: sample, {train} of {} train and {test} of {} test recordings",
                info.title, info.train, info.test
            )
        }
        Origin::Synthetic if r.train.iter().any(|r| r.source.path().is_some()) => {
            format!(
                "{}: SYNTHETIC, {train} train and {test} test recordings that a simulator wrote",
                info.title
            )
        }
        Origin::Synthetic => {
            format!(
                "{}: SYNTHETIC stand-in, {train} train and {test} test recordings from the generator",
                info.title
            )
        }
    }
}

/// The error without its chain: its sentence holds its cause already, and a chain would say it
/// twice.
pub(crate) fn in_one_sentence(error: impl std::error::Error) -> anyhow::Error {
    anyhow!("{error}")
}

/// Where `data prepare` keeps frames: `--cache`, else the variable SPIKEGRAD_CACHE, else `.cache`
/// in the folder with the data sets.
pub fn cache_folder(flag: Option<&Path>, root: &Path) -> PathBuf {
    let variable = || {
        std::env::var_os("SPIKEGRAD_CACHE").filter(|folder| !folder.is_empty()).map(PathBuf::from)
    };
    flag.map(Path::to_path_buf).or_else(variable).unwrap_or_else(|| root.join(".cache"))
}

/// Makes every recording what `encoding` wants of it: events become frames, read from the folder
/// `cache` where `data prepare` has put these very frames, else counted into memory (in parallel,
/// in the order given, all before the first step); images stay the bytes they are until a batch
/// asks for them.
///
/// # Errors
/// The first recording, in that order, that cannot be decoded or framed; an encoding that is not
/// for such recordings.
pub fn load(recordings: &Recordings, encoding: Encoding, cache: Option<&Path>) -> Result<Sets> {
    let Recordings { name, train, test, .. } = recordings;
    match (name.info().content, encoding) {
        (Content::Events { .. }, Encoding::Events(framing)) => {
            if let Some(sets) =
                cache.map(|folder| cached(recordings, framing, folder)).transpose()?.flatten()
            {
                return Ok(sets);
            }
            let bar = progress::counter(
                &format!("{}: events to frames", name.title()),
                (train.len() + test.len()) as u64,
            );
            let halves = frames(train, framing, &bar)
                .and_then(|train| Ok((train, frames(test, framing, &bar)?)));
            bar.finish_and_clear();
            let (train, test) = halves?;
            one_size(&train, &test, framing)?;
            Ok(Sets {
                train: Box::new(train),
                test: Box::new(test),
                encoding: InputEncoding::default(),
            })
        }
        (Content::Images { .. }, Encoding::Direct { steps }) => {
            let (train, test) = (Images(train.clone()), Images(test.clone()));
            let shown = InputEncoding {
                still: Some(steps),
                standard: preset::standard(*name),
                bernoulli: None,
            };
            Ok(Sets { train: Box::new(train), test: Box::new(test), encoding: shown })
        }
        (Content::Speech { .. }, Encoding::Direct { steps }) => {
            let shown = InputEncoding { still: Some(steps), ..InputEncoding::default() };
            spoken(recordings, shown, None)
        }
        (Content::Speech { .. }, Encoding::Chunks) => {
            spoken(recordings, InputEncoding::default(), Some(speech::chunks))
        }
        _ => bail!(
            "{} cannot be shown to a network as framing={}; leave framing as its profile has it",
            name.title(),
            framing::encoding_words(encoding)
        ),
    }
}

/// Both halves from a cache of exactly these recordings and this framing, if there is one.
fn cached(recordings: &Recordings, framing: Framing, folder: &Path) -> Result<Option<Sets>> {
    for dtype in [Dtype::U8, Dtype::U16] {
        let key = Key::of_recordings(recordings, framing, None, dtype);
        // the error without its chain: its sentence holds its cause already
        if let Some(cache) = Cache::find(folder, &key).map_err(|error| anyhow!("{error}"))? {
            terminal::say!("{}: frames from {}", recordings.name.title(), cache.path().display());
            let cache = Arc::new(cache);
            let half = |range: Range<usize>| Box::new(Cached { cache: cache.clone(), range });
            let (train, test) = (half(cache.train()), half(cache.test()));
            return Ok(Some(Sets { train, test, encoding: InputEncoding::default() }));
        }
    }
    Ok(None)
}

/// Whether a cache of exactly these recordings and this framing is there.
///
/// # Errors
/// A damaged cache.
pub fn is_cached(recordings: &Recordings, framing: Framing, folder: Option<&Path>) -> Result<bool> {
    let Some(folder) = folder else { return Ok(false) };
    for dtype in [Dtype::U8, Dtype::U16] {
        let key = Key::of_recordings(recordings, framing, None, dtype);
        if Cache::find(folder, &key).map_err(|error| anyhow!("{error}"))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Training and test samples that recordings make.
pub fn samples(recordings: &Recordings) -> (usize, usize) {
    let Recordings { name, train, test, .. } = recordings;
    let train = match name.info().content {
        Content::Speech { .. } => {
            let labels: Vec<u32> = train.iter().map(|recording| recording.label).collect();
            speech::rebalance_indices(&labels, 0).len()
        }
        _ => train.len(),
    };
    (train, test.len())
}

/// Refuses recordings of which some have more frames than others: a batch has one size.
fn one_size(train: &[Example], test: &[Example], framing: Framing) -> Result<()> {
    let mut all = train.iter().chain(test).map(|example| example.frames.shape().steps);
    let Some(first) = all.next() else { return Ok(()) };
    match all.find(|&steps| steps != first) {
        Some(other) => bail!(
            "framing={}: expected one number of frames of all recordings, found {first} and {other}; \
             frame by number or by time, not by duration",
            framing::words(framing)
        ),
        None => Ok(()),
    }
}

/// A half of a cache: every batch reads its samples from the file, so memory does not grow with the
/// data set.
struct Cached {
    cache: Arc<Cache>,
    range: Range<usize>,
}

impl Samples for Cached {
    fn len(&self) -> usize {
        self.range.len()
    }

    fn label(&self, index: usize) -> u32 {
        self.cache.labels()[self.range.start + index]
    }

    fn values(&self, index: usize) -> Result<Values<'_>, Refusal> {
        let index = self.range.start + index;
        Ok(match self.cache.dtype() {
            Dtype::U8 => Values::Bytes(Cow::Owned(self.cache.read(index)?)),
            Dtype::U16 => Values::Counts(Cow::Owned(self.cache.read(index)?)),
            Dtype::F32 => Values::Features(Cow::Owned(self.cache.read(index)?)),
        })
    }
}

fn frames(recordings: &[Recording], framing: Framing, bar: &ProgressBar) -> Result<Vec<Example>> {
    let of_one_file = |recordings: &[Recording]| -> Result<Vec<Example>> {
        let columns = recordings[0].columns().map_err(in_one_sentence)?;
        let example = |recording: &Recording| {
            let events = recording.cut(&columns).map_err(in_one_sentence)?;
            let frames = framing
                .frames(&events)
                .map_err(|error| framing::advised(error, framing, "--set framing="))
                .with_context(|| recording.source.to_string())?;
            bar.inc(1);
            Ok(Example { frames, label: recording.label })
        };
        recordings.iter().map(example).collect()
    };
    // collecting the results first keeps the error that is reported the same for any number of
    // threads
    let files: Vec<&[Recording]> = recordings.chunk_by(Recording::same_file).collect();
    let examples: Vec<Result<Vec<Example>>> = files.into_par_iter().map(of_one_file).collect();
    let mut all = Vec::with_capacity(recordings.len());
    for examples in examples {
        all.extend(examples?);
    }
    Ok(all)
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

/// Spectrograms, standardised by the training half; the training half rebalanced, as the paper
/// does, with the repeats of seed 0.
fn spoken(recordings: &Recordings, shown: InputEncoding, windows: Option<Windows>) -> Result<Sets> {
    let Recordings { name, train, test, .. } = recordings;
    let bar = progress::counter(
        &format!("{}: sounds to spectrograms", name.title()),
        (train.len() + test.len()) as u64,
    );
    let front = speech::LogMel::default();
    let spectrogram = |recording: &Recording| -> Result<Grid<f32>> {
        let made = recording
            .waveform()
            .and_then(|waveform| front.spectrogram(&waveform))
            .map_err(in_one_sentence)?;
        bar.inc(1);
        Ok(made)
    };
    let all = |list: &[Recording]| -> Result<Vec<Grid<f32>>> {
        let made: Vec<Result<Grid<f32>>> = list.par_iter().map(spectrogram).collect();
        made.into_iter().collect()
    };
    let halves = all(train).and_then(|train| Ok((train, all(test)?)));
    bar.finish_and_clear();
    let (train_maps, test_maps) = halves?;
    let bands = speech::BandStatistics::of(&train_maps).map_err(in_one_sentence)?;
    let sounds =
        |maps: Vec<Grid<f32>>, order: Vec<usize>, list: &[Recording]| -> Result<Box<dyn Samples>> {
            let maps = maps
                .iter()
                .map(|map| bands.standardise(map).map_err(in_one_sentence))
                .collect::<Result<_>>()?;
            Ok(Box::new(Sounds {
                maps,
                labels: list.iter().map(|r| r.label).collect(),
                order,
                windows,
            }))
        };
    // a repeat is an index, not a copy
    let labels: Vec<u32> = train.iter().map(|recording| recording.label).collect();
    let order = speech::rebalance_indices(&labels, 0);
    Ok(Sets {
        train: sounds(train_maps, order, train)?,
        test: sounds(test_maps, (0..test.len()).collect(), test)?,
        encoding: shown,
    })
}

/// What makes windows of a spectrogram.
type Windows = fn(&Grid<f32>) -> Result<Grid<f32>, Error>;

/// Spectrograms in memory, in an order that may repeat some.
struct Sounds {
    maps: Vec<Grid<f32>>,
    labels: Vec<u32>,
    order: Vec<usize>,
    windows: Option<Windows>,
}

impl Samples for Sounds {
    fn len(&self) -> usize {
        self.order.len()
    }

    fn label(&self, index: usize) -> u32 {
        self.labels[self.order[index]]
    }

    fn values(&self, index: usize) -> Result<Values<'_>, Refusal> {
        let map = &self.maps[self.order[index]];
        Ok(Values::Features(match self.windows {
            Some(windows) => Cow::Owned(windows(map)?),
            None => Cow::Borrowed(map),
        }))
    }
}
