//! A [`formats`] decoder reads bytes into [`Columns`], [`Events`] checks them against a [`Sensor`],
//! a [`Framing`] counts them into [`Frames`], and [`transforms`] move the frames' pixels: bytes →
//! `Columns` → `Events` → `Frames` → `Frames`. [`augment`] changes recordings, `Events` → `Events`;
//! [`voxel_grid`] and [`time_surface`] stand beside the counts for frames that keep time. Where
//! there is no recording, a [`camera`] makes one of a scene: log intensity → `Events`.
//!
//! Nothing here knows tensors or data sets, randomness is a pure function of a key or a seed, and
//! nothing panics on a bad file: every refusal is an [`Error`] that says where, what was expected,
//! what was found and what to do.
//!
//! ```
//! use events::{Events, Framing, Sensor, formats::nmnist};
//!
//! let bytes = [3, 4, 0x80, 0, 9]; // x = 3, y = 4, ON, t = 9 µs
//! let events = Events::new(Sensor { width: 34, height: 34 }, nmnist::decode(&bytes)?)?;
//! let frames = Framing::Number { frames: 16 }.frames(&events)?;
//! assert_eq!(frames.values().iter().map(|&count| u32::from(count)).sum::<u32>(), 1);
//! # Ok::<(), events::Error>(())
//! ```

pub mod augment;
pub mod camera;
mod duplicates;
mod error;
mod events;
pub mod formats;
mod frames;
mod framing;
mod order;
mod overview;
mod shape;
mod summary;
mod time_surface;
pub mod transforms;
mod voxel;

/// Raised whenever a [`Framing`] or [`transforms::resize_nearest`] gives other values for the same
/// events; `tests/versions.rs` likewise.
pub const FRAMING_VERSION: u32 = 1;

pub use error::Error;
pub use events::{Columns, Events, Sensor};
pub use frames::{Frames, Grid, accumulate};
pub use framing::{EmptyWindow, Framing, duration_ranges, number_ranges, time_ranges};
pub use order::Order;
pub use overview::Overview;
pub use shape::Shape;
pub use summary::{FirstRow, Summary};
pub use time_surface::time_surface;
pub use voxel::voxel_grid;

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
