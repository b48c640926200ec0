use std::{io, path::PathBuf};

use crate::Name;

/// What can go wrong between a data root and a recording's events; one sentence each: where, expected, found, what to do.
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
    /// A folder that should hold a data set does not hold it as its publisher lays it out.
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
    /// A file or folder could not be read.
    #[error("{}: expected to read it, found the error \"{source}\"; check the path and its permissions", path.display())]
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
    /// A synthetic recording is at fault; it has no file.
    #[error("synthetic recording {index}: {source}")]
    Synthetic {
        /// Its index in its split.
        index: u32,
        /// Where and why.
        source: events::Error,
    },
}
