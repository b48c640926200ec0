use std::{io, path::PathBuf};

use super::Dtype;

/// What can go wrong between samples and their cache; one sentence each: where, expected, found,
/// what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A recording cannot be found or decoded.
    #[error(transparent)]
    DataSet(#[from] crate::Error),
    /// A recording cannot be framed.
    #[error("{what}: {source}")]
    Framing {
        /// The recording.
        what: String,
        /// Where and why.
        source: events::Error,
    },
    /// A file was written while the cache was made of it.
    #[error("{}: expected the files as they were when found, found one changed since; prepare again when nothing writes there", folder.display())]
    Changed {
        /// The data set's folder.
        folder: PathBuf,
    },
    /// A count that the chosen type cannot hold.
    #[error("{what}: expected counts up to 255 for u8, found {found}; take u16")]
    Count {
        /// The recording.
        what: String,
        /// The count.
        found: u16,
    },
    /// What was asked for cannot be cached.
    #[error("expected {expected}, found {found}; {advice}")]
    Unfit {
        /// What a cache can hold.
        expected: &'static str,
        /// What was asked for.
        found: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// Samples of one cache differ in shape.
    #[error(
        "sample {index}: expected the shape [T, H, W, C] = {expected:?} of the samples before it, found {found:?}; samples of one cache have one shape"
    )]
    Shape {
        /// The sample.
        index: usize,
        /// The shape of the samples before it.
        expected: [usize; 4],
        /// Its shape.
        found: [usize; 4],
    },
    /// The caller asked to end.
    #[error("expected to finish the cache, was asked to end; nothing of it is left, prepare again")]
    Ended,
    /// A file or folder cannot be used.
    #[error("{}: expected to {doing} it, found {}; check the path and its permissions", path.display(), sentence::cause(source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The disk is full.
    #[error("{}: expected room for about {needed} bytes, found {available} available; free some, or keep the cache elsewhere", path.display())]
    Space {
        /// The folder.
        path: PathBuf,
        /// Bytes that the whole cache takes, estimated from the samples written before the disk was
        /// full.
        needed: u64,
        /// Bytes free on that disk after the unfinished file was removed.
        available: u64,
    },
    /// A file that is no cache, is broken, or was made from something else.
    #[error("{}: expected {expected}, found {found}; {ADVICE}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What a cache has there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A sample whose bytes are no longer those that were written.
    #[error("{}: sample {index}: expected the bytes that were written, found {found}; {ADVICE}", path.display())]
    Sample {
        /// The file.
        path: PathBuf,
        /// The sample.
        index: usize,
        /// How it shows.
        found: String,
    },
    /// A sample that there is not.
    #[error("{}: expected a sample below {len}, found {index}; ask for one of those", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// The sample asked for.
        index: usize,
        /// Number of samples.
        len: usize,
    },
    /// A sample asked for as, or into, something that it is not.
    #[error("{}: expected samples of {bytes} bytes of {dtype}, found {found} asked for; ask for that type and size", path.display())]
    Asked {
        /// The file.
        path: PathBuf,
        /// Bytes of a sample.
        bytes: usize,
        /// Type of its values.
        dtype: Dtype,
        /// What was asked for.
        found: String,
    },
}

const ADVICE: &str = "make it anew by `data prepare`, which replaces the file";
