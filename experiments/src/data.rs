//! From a data root to frames in memory.

mod load;

use anyhow::{Result, anyhow, bail};
use datasets::{
    Error, Fold, Found, Name, Origin, Recordings, Split, check_folder, find, find_with, synthetic,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use load::{Sets, is_cached, load};

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
#[derive(Clone)]
pub struct TrainingData {
    /// The recordings.
    pub recordings: Recordings,
    /// A sentence that says which.
    pub says: String,
}

impl TrainingData {
    /// Says on standard error which they are, by which split, and what is to be known of them.
    pub fn say(&self) {
        terminal::say!("{}", self.says);
        for note in &self.recordings.notes {
            terminal::say!("{}: {note}", self.recordings.name.title());
        }
    }
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
) -> Result<Option<TrainingData>> {
    let found = match (root, split) {
        (Some(root), Some(split)) => find_with(name, root, split).map_err(in_one_sentence)?,
        (Some(root), None) => find(name, root).map_err(in_one_sentence)?,
        (None, _) => Found::Absent,
    };
    let why = match found {
        Found::Recordings(recordings) => {
            let says = describe(&recordings);
            return Ok(Some(TrainingData { recordings, says }));
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
    Ok(Some(TrainingData { recordings, says }))
}

/// Keeps the recordings of these classes, if any are named, and says so.
///
/// # Errors
/// A name that is none of the data set's classes.
pub fn only(chosen: &mut TrainingData, classes: &[String]) -> Result<()> {
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
pub fn take(chosen: &mut TrainingData, train: Option<usize>, test: Option<usize>) {
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

/// The same recordings, of which one fold is tested and the others are trained on.
///
/// # Errors
/// Too few recordings for so many folds.
pub fn fold(chosen: &TrainingData, fold: Fold) -> Result<TrainingData> {
    let recordings = chosen.recordings.clone().fold(fold).map_err(in_one_sentence)?;
    let (train, test) = (recordings.train.len(), recordings.test.len());
    let Fold { number, of } = fold;
    let says = format!("{}; fold {number} of {of}: {train} train and {test} test", chosen.says);
    Ok(TrainingData { recordings, says })
}

/// The same recordings with a part of the training recordings held out.
///
/// # Errors
/// Recordings of which none can be held out.
pub fn hold_out(chosen: TrainingData, part: f64) -> Result<TrainingData> {
    let recordings = chosen.recordings.hold_out(part).map_err(in_one_sentence)?;
    let says = format!(
        "{}; {} held out, {} train",
        chosen.says,
        recordings.held_out.len(),
        recordings.train.len()
    );
    Ok(TrainingData { recordings, says })
}

fn describe(r: &Recordings) -> String {
    let info = r.name.info();
    let (train, test) = (r.train.len(), r.test.len());
    match r.origin {
        Origin::Complete => {
            format!(
                "{}: complete, {train} train and {test} test recordings, split {}",
                info.title, r.split
            )
        }
        Origin::Sample => {
            format!(
                "{}: sample, {train} of {} train and {test} of {} test recordings, split {}",
                info.title, info.train, info.test, r.split
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
