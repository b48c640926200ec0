//! How a data set lies on disk, and the recordings of a folder that is laid out so.

use std::path::{Path, PathBuf};

use crate::{Error, Origin, Recording, Split};

/// How a data set lies on disk: what its file must say besides [`crate::Info`].
pub(crate) struct Layout {
    /// Folder names below the data root, lower case, without `-` and `_`.
    pub folders: &'static [&'static str],
    /// Names, written likewise, of the one folder that an archive or a loader may put between; see
    /// [`crate::find()`].
    pub inner: &'static [&'static str],
    /// The layout in words.
    pub expected: &'static str,
    /// Whether a folder with these names in it is laid out so.
    pub recognise: fn(&Path, &[String]) -> bool,
    /// Most bytes that one of its files may have: several times those of the largest published.
    pub most_bytes: u64,
    /// Whether two of its files with the same content are one recording under two names. Not where
    /// a publisher or a maker of extracts may repeat a recording.
    pub distinct: bool,
    /// Longest recording or cut of a recording, several times the longest published, in µs.
    pub longest_us: i64,
    /// Lists the recordings of such a folder; without a split, by the one that is usual for what is
    /// there.
    pub list: fn(&Path, Option<Split>) -> Result<Listing, Error>,
}

/// The recordings of a folder, and all files they stand on.
#[derive(Default)]
pub(crate) struct Listing {
    pub train: Vec<Recording>,
    pub validation: Vec<Recording>,
    pub test: Vec<Recording>,
    pub files: Vec<PathBuf>,
    pub split: String,
    /// Where they come from, if their numbers do not tell.
    pub origin: Option<Origin>,
    /// What a reader of results should know, in whole sentences.
    pub notes: Vec<String>,
    /// What, besides, no publisher's files have.
    pub faults: Vec<String>,
}
