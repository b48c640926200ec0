use crate::{Error, cache};

/// What can go wrong between recordings and samples; one sentence each: where, expected, found,
/// what to do.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A recording that cannot be decoded, or a form that is not for such recordings.
    #[error(transparent)]
    DataSet(#[from] Error),
    /// A recording that cannot be framed.
    #[error("{what}: {source}")]
    Framing {
        /// The recording.
        what: String,
        /// Where and why.
        source: events::Error,
    },
    /// Recordings that give unequal numbers of frames: a batch has one size.
    #[error(
        "{what}: expected {expected} frames, as the recordings before it have, found {found}; \
         frame by number or by time, not by duration"
    )]
    Unequal {
        /// The first recording of another number.
        what: String,
        /// Frames of those before it.
        expected: usize,
        /// Its frames.
        found: usize,
    },
    /// A cache that cannot be read.
    #[error(transparent)]
    Cache(#[from] cache::Error),
}
