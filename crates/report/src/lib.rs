//! A finished run becomes a [`Record`], records become a [`Table`] of [`summary`] values, and
//! accuracies become a figure ([`figures`]); one straight line from numbers to files, and nothing
//! here computes a number from a tensor. A [`Recording`] of an event camera becomes a picture
//! beside that line.
//!
//! Invariants:
//! - a [`Record`] is the only thing that crosses from computing to reporting;
//! - a file is written whole or not at all ([`write_text`]), so an interrupted program leaves no
//!   half record;
//! - a record that is not understood to the last field is an error, never a guess.

mod align;
mod analysis;
mod check;
mod error;
pub mod figures;
pub mod json;
mod latex;
mod mcnemar;
mod metric;
mod mosaic;
mod number;
pub mod page;
mod raster;
mod receipt;
mod record;
mod recording;
mod results;
mod rule;
pub mod simulator_figure;
mod student;
mod summary;
mod table;
mod tensorboard;
mod theme;
mod ticks;
mod words;
mod write;

pub use align::Align;
pub use analysis::{Analysis, Histogram, Latency, LayerActivity, LayerTrace, Membrane, Trace};
pub use error::Error;
pub use mcnemar::{McNemar, outcome_of, outcome_text};
pub use metric::{Curve, Metric};
pub use record::{DataIdentity, Fold, Host, Origin, Record, RunIdentity, SCHEMA};
pub use recording::Recording;
pub use summary::{Paired, Summary, paired, summary};
pub use table::Table;
pub use tensorboard::EventFile;
pub use write::{write_bytes, write_text};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
