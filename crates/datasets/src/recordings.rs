use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use events::{Columns, Events, Grid, Order};

use crate::{
    Content, Error, ImageFile, Name, error::unlike, files, files::LOST, png_image, sounds,
    synthetic::Make,
};

/// A data set as found: its recordings in a fixed order, and what identifies it in a record.
#[derive(Clone, Debug)]
pub struct Recordings {
    /// The data set.
    pub name: Name,
    /// Whether these are all of it, a part, or a stand-in.
    pub origin: Origin,
    /// The training recordings.
    pub train: Vec<Recording>,
    /// The recordings to tune on, where the split sets some apart; else none.
    pub validation: Vec<Recording>,
    /// What was held out of the training recordings, by [`Recordings::hold_out`]; usually none.
    pub held_out: Vec<Recording>,
    /// The test recordings.
    pub test: Vec<Recording>,
    /// SHA-256 over the sorted lines "relative path, length, SHA-256" of every file used; of a
    /// stand-in, over its generator's version and arguments.
    pub manifest_sha256: String,
    /// The rule by which recordings became train or test; what was done to that behind `; `.
    pub split: String,
    /// Which fold of how many these are, where [`Recordings::fold`] made them.
    pub fold: Option<Fold>,
    /// What a reader of results should know of what is here, in whole sentences: listed files that
    /// are not here, labels that overlap. Empty for most.
    pub notes: Vec<String>,
    /// What the manifest stands on; of a stand-in, nothing.
    pub(crate) sources: Box<Sources>,
}

/// The files that a manifest was computed from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    pub folder: PathBuf,
    pub files: Vec<PathBuf>,
    /// What was in each of them.
    pub sums: Vec<files::Sum>,
    /// Those of the notes that no publisher's files give reason to.
    pub faults: Vec<String>,
}

/// Where recordings come from, and so what a result on them means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The published data set: as many recordings as published.
    Complete,
    /// A part of it: accuracies are not comparable with published ones.
    Sample,
    /// A stand-in made by [`crate::synthetic`] or written by a simulator: accuracies say nothing
    /// about the data set.
    Synthetic,
}

/// One of several parts that are tested one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// Which, from 1.
    pub number: usize,
    /// Of how many, 2 or more.
    pub of: usize,
}

/// One labelled recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The data set it belongs to.
    pub name: Name,
    /// The class, from 0.
    pub label: u32,
    /// Where its content is.
    pub source: Source,
}

/// Where a recording's content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A whole file.
    File(PathBuf),
    /// The events with `start_us <= t < end_us` of a file.
    Cut {
        /// The file.
        path: PathBuf,
        /// First microsecond.
        start_us: i64,
        /// First microsecond after the cut.
        end_us: i64,
        /// 0 for the first time that this file shows this class, 1 for the second, …
        occurrence: u32,
    },
    /// A record of a file of many images.
    Image {
        /// The file, shared by all its records.
        file: Arc<ImageFile>,
        /// The record, from 0.
        index: usize,
    },
    /// The arguments that [`crate::synthetic`] makes it from.
    Synthetic {
        /// The seed of the whole set.
        seed: u64,
        /// Whether it is a test recording.
        test: bool,
        /// Its index in its split.
        index: u32,
    },
}

impl Recordings {
    /// The folder in which a file is no longer what the manifest says, if one is: reads every file
    /// once.
    pub(crate) fn changed(&self) -> Result<Option<&Path>, Error> {
        let Sources { folder, files, sums, .. } = &*self.sources;
        let same = files::sums(files, self.name.set().layout.most_bytes)? == *sums;
        Ok((!same).then_some(folder))
    }

    /// Only the recordings of some classes; labels stay as they are, and the split says which
    /// classes are left.
    ///
    /// # Errors
    /// A name that is none of the data set's classes.
    pub fn of_classes(mut self, classes: &[&str]) -> Result<Self, Error> {
        let known = self.name.info().classes;
        let label = |class: &&str| {
            known.iter().position(|known| known == class).ok_or_else(|| Error::Size {
                what: "choosing classes",
                expected: format!("classes of {} ({})", self.name, known.join(", ")),
                found: format!("\"{class}\""),
            })
        };
        let mut labels: Vec<usize> = classes.iter().map(label).collect::<Result<_, _>>()?;
        // the same classes are the same data, in whatever order and how often they were named
        labels.sort_unstable();
        labels.dedup();
        for half in [&mut self.train, &mut self.validation, &mut self.held_out, &mut self.test] {
            half.retain(|recording| labels.contains(&(recording.label as usize)));
        }
        if self.origin == Origin::Complete && known.len() != labels.len() {
            self.origin = Origin::Sample;
        }
        let named: Vec<&str> = labels.iter().map(|&label| known[label]).collect();
        self.split = format!("{}; only the classes {}", self.split, named.join(", "));
        Ok(self)
    }
}

impl Recording {
    /// Decodes, or makes, the events. A cut decodes its whole file: to decode a file once for all
    /// its cuts, see [`Recording::cut`].
    ///
    /// # Errors
    /// The data set holds no events; the file cannot be read or decoded, or holds events outside
    /// the data set's sensor.
    pub fn events(&self) -> Result<Events, Error> {
        match self.made() {
            Some(make) => make.events(),
            None => self.cut(&self.columns()?),
        }
    }

    /// All events of the recording's file, in file order; of a synthetic recording, its own.
    ///
    /// # Errors
    /// The data set holds no events; the file cannot be read or decoded; its times run backwards or
    /// start again, or it holds its bytes twice.
    pub fn columns(&self) -> Result<Columns, Error> {
        let path = match &self.source {
            Source::File(path) | Source::Cut { path, .. } => path,
            Source::Synthetic { .. } => return Ok(self.events()?.columns().clone()),
            Source::Image { .. } => return Err(self.holds_no("events")),
        };
        let Some(events) = &self.name.set().events else { return Err(self.holds_no("events")) };
        let bytes = files::read(path, self.name.set().layout.most_bytes)?;
        if let Some((at, zeros)) = zeroed(&bytes) {
            let found = format!("{zeros} bytes of zero from byte {at} on");
            return Err(unlike(path, "events", found, LOST));
        }
        let columns = (events.decode)(path, &bytes)
            .map_err(|source| Error::Decode { path: path.clone(), source })?;
        match disorder(&bytes, &columns) {
            Some(found) => Err(unlike(path, "one recording in order of time", found, DISORDER)),
            None => Ok(columns),
        }
    }

    /// This recording's events out of its file's [`columns`](Recording::columns), sorted by time.
    ///
    /// Several recordings may be cuts of one file; they stand next to each other, so that it can be
    /// decoded once for all of them:
    ///
    /// ```no_run
    /// # use datasets::{Error, Recording};
    /// # fn each(recordings: &[Recording]) -> Result<(), Error> {
    /// for of_one_file in recordings.chunk_by(Recording::same_file) {
    ///     let columns = of_one_file[0].columns()?;
    ///     for recording in of_one_file {
    ///         let events = recording.cut(&columns)?;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The data set holds no events; events outside its sensor; columns that are no recording; a
    /// recording without events.
    pub fn cut(&self, whole: &Columns) -> Result<Events, Error> {
        let sensor = self.name.info().content.sensor().ok_or_else(|| self.holds_no("events"))?;
        let columns = match self.source {
            Source::Cut { start_us, end_us, .. } => whole.between(start_us, end_us),
            _ => whole.clone(),
        };
        // the formats do not promise order in time; where files keep it, sorting changes nothing
        let events = Events::sorted(sensor, columns).map_err(|source| match &self.source {
            Source::Synthetic { index, .. } => Error::Synthetic { index: *index, source },
            other => Error::Decode {
                path: other.path().unwrap_or(Path::new("")).to_owned(),
                source: self.in_file(source, whole),
            },
        })?;
        if events.is_empty() { Err(self.empty(whole)) } else { Ok(events) }
    }

    /// The refusal of a recording without events: a network would learn its label from nothing.
    fn empty(&self, file: &Columns) -> Error {
        let path = self.source.path().unwrap_or(Path::new("synthetic"));
        let span = file.t_us.iter().min().zip(file.t_us.iter().max());
        match (&self.source, span) {
            (Source::Cut { start_us, end_us, .. }, Some((first, last))) => unlike(
                path,
                format!("events from {start_us} to {end_us} µs, as its label says"),
                format!("none (its events lie from {first} to {last} µs)"),
                "correct the label, or copy the publisher's files again",
            ),
            _ => unlike(path, "at least one event", "none", LOST),
        }
    }

    /// The error with the event's place in the file, where it has that in the cut.
    fn in_file(&self, mut error: events::Error, whole: &Columns) -> events::Error {
        if let (Source::Cut { start_us, end_us, .. }, events::Error::Outside { index, .. }) =
            (&self.source, &mut error)
        {
            let inside = |&place: &usize| (*start_us..*end_us).contains(&whole.t_us[place]);
            let mut places = (0..whole.t_us.len()).filter(inside);
            *index = places.nth(*index).unwrap_or(*index);
        }
        error
    }

    /// Whether both lie in the same file.
    pub fn same_file(&self, other: &Self) -> bool {
        self.source.path().is_some_and(|path| other.source.path() == Some(path))
    }

    /// The image, read or made, channels last: `[1, H, W, C]`, 0 black to 255 white.
    ///
    /// # Errors
    /// The data set holds no images; a file of one image that cannot be read or decoded.
    pub fn image(&self) -> Result<Grid<u8>, Error> {
        let content = self.name.info().content;
        match (&self.source, self.made()) {
            (Source::Image { file, index }, _) => file.image(*index),
            (Source::File(path), _) if matches!(content, Content::Images { .. }) => {
                png_image::read(path, content)
            }
            (_, Some(make)) => make.image(),
            _ => Err(self.holds_no("images")),
        }
    }

    /// The sound, read or made: as many samples as [`crate::Content::Speech`] says. Longer clips
    /// are cut behind, shorter ones stand in the middle of zeros.
    ///
    /// # Errors
    /// The data set holds no sounds; the file cannot be read, is damaged, or has another rate,
    /// depth or number of channels.
    pub fn waveform(&self) -> Result<Vec<i16>, Error> {
        match (self.name.info().content, &self.source, self.made()) {
            (Content::Speech { .. }, Source::File(path), _) => {
                sounds::waveform(path, self.name.set().layout.most_bytes)
            }
            (_, _, Some(make)) => make.waveform(),
            _ => Err(self.holds_no("sounds")),
        }
    }

    /// The arguments of the generator, if that is the source.
    fn made(&self) -> Option<Make> {
        let Self { name, label, ref source } = *self;
        match *source {
            Source::Synthetic { seed, test, index } => {
                Some(Make { name, label, seed, test, index })
            }
            _ => None,
        }
    }

    fn holds_no(&self, wanted: &'static str) -> Error {
        Error::Content { name: self.name, wanted, holds: self.name.info().content.noun() }
    }
}

/// What to do about recordings in one file, or times that no camera gives.
const DISORDER: &str = "sorted by time, its parts would be mixed: copy the publisher's file again";

/// Fewest bytes of which a half is compared with the other one: less may be equal by chance.
const DOUBLED_BYTES: usize = 64;

/// Fewer events may be in any order: a camera's packet has more.
const FEW: usize = 16;

/// Why the events of a file are not one recording in order of time, if they are not. Sorting such a
/// file would play it in another order, without a word.
fn disorder(bytes: &[u8], columns: &Columns) -> Option<String> {
    let (one, other) = bytes.split_at(bytes.len() / 2);
    // events that are all the same are no recording twice
    let differ = columns.t_us.iter().any(|&t_us| t_us != columns.t_us[0]);
    if bytes.len() >= DOUBLED_BYTES && one == other && differ {
        return Some("the same bytes twice, one behind the other".to_owned());
    }
    let order = Order::of(columns);
    let (events, backwards) = (order.events, order.backwards);
    // as many as a file without a mark may have to be recognised
    if events >= FEW && backwards > (events - 1) / 8 {
        return Some(format!("{backwards} of {events} events earlier than the one before them"));
    }
    // what a camera's buffer still held of another recording is a few events, which are no part
    let at = order.first_restart.filter(|_| order.apart() > events / 64)?;
    let times = match order.restarts {
        1 => "once".to_owned(),
        n => format!("{n} times"),
    };
    Some(format!("a clock that starts again {times}, first at event {at} of {events}"))
}

/// Zero bytes in a row that no camera writes: a sector of a disk.
const SECTOR: usize = 512;

/// Where a sector of zeros lies in a file of events, and how long it goes on: what a file system
/// leaves of a file whose data had not reached the disk when the machine stopped.
fn zeroed(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut start = 0;
    for (at, &byte) in bytes.iter().chain([&1]).enumerate() {
        if byte != 0 {
            if at - start >= SECTOR {
                return Some((start, at - start));
            }
            start = at + 1;
        }
    }
    None
}

impl Source {
    /// The file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Cut { path, .. } => Some(path),
            Self::Image { file, .. } => Some(file.path()),
            Self::Synthetic { .. } => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Cut { path, start_us, end_us, .. } => {
                write!(f, "{}, {start_us} to {end_us} µs", path.display())
            }
            Self::Image { file, index } => write!(f, "{}, record {index}", file.path().display()),
            Self::Synthetic { index, .. } => write!(f, "synthetic recording {index}"),
        }
    }
}
