//! The commands of `just data`, one file each: flags, and calls in a row.

/// Brings a data set here.
pub mod fetch;
/// What is in a recording, as JSON.
pub mod inspect;
/// What is here.
pub mod list;
/// Frames into a cache.
pub mod prepare;
/// A file into its events.
mod recording;
/// A recording as a picture.
pub mod show;
/// Images into recordings.
pub mod simulate;
/// What is here against what was published.
pub mod verify;
