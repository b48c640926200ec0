use std::{
    io,
    path::{Path, PathBuf},
};

use crate::Name;

/// What can go wrong between a data root and a recording's events; one sentence each: where,
/// expected, found, what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that is no data set.
    #[error("expected the name of a data set ({known}), found \"{found}\"; use one of those names")]
    Unknown {
        /// The names there are.
        known: String,
        /// The name given.
        found: String,
    },
    /// A name that is no split, or not one of the data set's.
    #[error("expected {of} ({known}), found \"{found}\"; use one of those")]
    Split {
        /// What was to be named.
        of: String,
        /// The splits there are.
        known: String,
        /// The split given.
        found: String,
    },
    /// A folder or file of a data set is not as its publisher lays it out.
    #[error("{}: expected {expected}, found {found}; {advice}", path.display())]
    Layout {
        /// The folder or file.
        path: PathBuf,
        /// What the publisher's layout has there.
        expected: String,
        /// What stands there.
        found: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// A data root without the data set.
    #[error("{}: expected {} in a folder \"{name}\", found none; `data fetch {name}` brings it, or says how to get it", root.display(), name.title())]
    Absent {
        /// The data set.
        name: Name,
        /// The data root.
        root: PathBuf,
    },
    /// A folder of a data set's name that holds something else.
    #[error("{} is not {}: {why}; lay it out as published", path.display(), name.title())]
    Unusable {
        /// The data set.
        name: Name,
        /// The folder.
        path: PathBuf,
        /// What was expected and what was found, in half a sentence.
        why: String,
    },
    /// Recordings that cannot be divided so.
    #[error("{}: expected {what}, found {found}; ask for less, or leave it out", name.title())]
    Division {
        /// The data set.
        name: Name,
        /// What was asked for.
        what: String,
        /// Why not.
        found: String,
    },
    /// A file or folder could not be read.
    #[error("{}: expected to read it, found {}; check the path and its permissions", path.display(), sentence::cause(source))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file does not decode.
    #[error("{}: {source}", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: events::Error,
    },
    /// A recording was asked for something that it does not hold.
    #[error("{name}: expected {wanted}, found a data set of {holds}; ask for {holds}")]
    Content {
        /// The data set.
        name: Name,
        /// What was asked for.
        wanted: &'static str,
        /// What its recordings hold.
        holds: &'static str,
    },
    /// A function was given something of the wrong size.
    #[error("{what}: expected {expected}, found {found}")]
    Size {
        /// The function, in words.
        what: &'static str,
        /// The size that it takes.
        expected: String,
        /// The size that it was given.
        found: String,
    },
    /// A synthetic recording is at fault; it has no file.
    #[error("synthetic recording {index}: {source}")]
    Synthetic {
        /// Its index in its split.
        index: u32,
        /// Where and why.
        source: events::Error,
    },
}

/// A folder or file that is not as its publisher lays it out.
pub(crate) fn unlike(
    path: &Path,
    expected: impl Into<String>,
    found: impl Into<String>,
    advice: &'static str,
) -> Error {
    Error::Layout { path: path.to_owned(), expected: expected.into(), found: found.into(), advice }
}
