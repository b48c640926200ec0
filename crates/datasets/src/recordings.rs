use std::path::{Path, PathBuf};

use events::Events;

use crate::{Error, Name, cifar10_dvs, dvs_gesture, nmnist, synthetic};

/// A data set as found: its recordings in a fixed order, and what identifies it in a record.
#[derive(Clone, Debug)]
pub struct Recordings {
    /// The data set.
    pub name: Name,
    /// Whether these are all of it, a part, or a stand-in.
    pub origin: Origin,
    /// The training recordings.
    pub train: Vec<Recording>,
    /// The test recordings.
    pub test: Vec<Recording>,
    /// SHA-256 over the sorted lines "relative path, length, SHA-256" of every file used; of a stand-in, over its generator's version and arguments.
    pub manifest_sha256: String,
    /// The rule by which recordings became train or test.
    pub split: String,
}

/// Where recordings come from, and so what a result on them means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The published data set: as many train and test recordings as published.
    Complete,
    /// A part of it: accuracies are not comparable with published ones.
    Sample,
    /// A stand-in made by [`synthetic`]: accuracies say nothing about the data set.
    Synthetic,
}

/// One labelled recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The data set it belongs to.
    pub name: Name,
    /// The class, from 0.
    pub label: u32,
    /// Where its events are.
    pub source: Source,
}

/// Where a recording's events are.
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
    /// The arguments that [`synthetic`] makes it from.
    Synthetic {
        /// The seed of the whole set.
        seed: u64,
        /// Whether it is a test recording.
        test: bool,
        /// Its index in its split.
        index: u32,
    },
}

impl Recording {
    /// Decodes, or makes, the events. A cut decodes its whole file: cache what you make of the events.
    ///
    /// # Errors
    /// The file cannot be read or decoded, or holds events outside the data set's sensor.
    pub fn events(&self) -> Result<Events, Error> {
        match &self.source {
            Source::File(path) => self.decode(path, None),
            Source::Cut { path, start_us, end_us, .. } => self.decode(path, Some((*start_us, *end_us))),
            &Source::Synthetic { seed, test, index } => synthetic::events(self.name, self.label, seed, test, index),
        }
    }

    fn decode(&self, path: &Path, cut_us: Option<(i64, i64)>) -> Result<Events, Error> {
        let bytes = crate::files::read(path)?;
        let content = self.name.info().content;
        let other = Error::Content { name: self.name, wanted: "events", holds: content.noun() };
        let Some(sensor) = content.sensor() else { return Err(other) };
        let columns = match self.name {
            Name::NMnist => nmnist::decode(&bytes),
            Name::DvsGesture => dvs_gesture::decode(&bytes),
            Name::Cifar10Dvs => cifar10_dvs::decode(&bytes),
            Name::SpeechCommands | Name::Mnist | Name::Cifar10 | Name::Cifar100 => return Err(other),
        };
        let columns = columns.map(|columns| match cut_us {
            Some((start_us, end_us)) => columns.between(start_us, end_us),
            None => columns,
        });
        // the formats do not promise order in time; where files keep it, sorting changes nothing
        columns
            .and_then(|columns| Events::sorted(sensor, columns))
            .map_err(|source| Error::Decode { path: path.to_owned(), source })
    }
}
