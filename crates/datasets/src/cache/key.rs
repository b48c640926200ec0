use std::{
    collections::BTreeMap,
    path::{Component, Path},
};

use events::Framing;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Dtype;
use crate::{Recording, Recordings, Source, files};

/// Raised whenever the file layout of docs/cache.md changes.
const LAYOUT_VERSION: u32 = 2;

/// Everything that the samples of a cache depend on. Two keys that differ anywhere name different
/// files.
///
/// For samples that are no framed recordings, fill the fields by hand: `form` says how a sample is
/// made, and `versions` names the code that makes it, so that changed code never meets old samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Identifier of the data set, as `n-mnist`.
    pub data_set: String,
    /// SHA-256 of the source's manifest: [`Recordings::manifest_sha256`].
    pub manifest_sha256: String,
    /// SHA-256 over one line a sample, in order: its half, its label, and which part of the source
    /// it is.
    pub samples_sha256: String,
    /// How a sample is made of its source.
    pub form: Value,
    /// The type of a value.
    pub dtype: Dtype,
    /// Versions of the code in between, by name.
    pub versions: BTreeMap<String, u32>,
}

impl Key {
    /// The key of `recordings` counted into frames by `framing` and, with a `side`, resized to
    /// `side` x `side` pixels.
    pub fn of_recordings(
        recordings: &Recordings,
        framing: Framing,
        side: Option<usize>,
        dtype: Dtype,
    ) -> Self {
        let versions = [
            ("layout", LAYOUT_VERSION),
            ("decoder", decoder_version(recordings)),
            ("framing", events::FRAMING_VERSION),
        ];
        Self {
            data_set: recordings.name.id().to_owned(),
            manifest_sha256: recordings.manifest_sha256.clone(),
            samples_sha256: samples_sha256(recordings),
            form: json!({ "framing": framing, "side": side }),
            dtype,
            versions: versions.map(|(name, version)| (name.to_owned(), version)).into(),
        }
    }

    /// The key as JSON without white space, in the order of the fields.
    pub fn json(&self) -> String {
        // strings, numbers and string-keyed maps always serialise
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The cache's file name: data set, then the SHA-256 of [`Key::json`].
    pub fn file_name(&self) -> String {
        format!("{}-{}.h5", self.data_set, files::hex(&Sha256::digest(self.json())))
    }
}

/// The newest decoder that any of the recordings goes through; 1 where none does.
fn decoder_version(recordings: &Recordings) -> u32 {
    let all = recordings.train.iter().chain(&recordings.test);
    let version = |recording: &Recording| {
        let (files, path) = (recording.name.set().events.as_ref()?, recording.source.path()?);
        Some((files.format)(path).decoder_version())
    };
    all.filter_map(version).max().unwrap_or(1)
}

fn samples_sha256(recordings: &Recordings) -> String {
    let mut digest = Sha256::new();
    for (half, list) in [("train", &recordings.train), ("test", &recordings.test)] {
        for recording in list {
            digest.update(format!("{half} {} {}\n", recording.label, part(recording)));
        }
    }
    files::hex(&digest.finalize())
}

/// Which part of its source a recording is, the same wherever the source lies.
fn part(recording: &Recording) -> String {
    match &recording.source {
        Source::File(path) => tail(path),
        Source::Cut { path, start_us, end_us, .. } => format!("{} {start_us} {end_us}", tail(path)),
        Source::Image { file, index } => format!("{} {index}", tail(file.path())),
        Source::Synthetic { seed, test, index } => format!("synthetic {seed} {test} {index}"),
    }
}

/// The last two names of a path: the folder says half or class, and what lies above it may move.
fn tail(path: &Path) -> String {
    let names = path.components().filter(|part| matches!(part, Component::Normal(_)));
    let mut names: Vec<_> =
        names.rev().take(2).map(|part| part.as_os_str().to_string_lossy()).collect();
    names.reverse();
    names.join("/")
}
