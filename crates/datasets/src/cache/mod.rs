//! A [`Key`] names what samples are made from, [`prepare`] (recordings) or [`write`] (anything
//! else) keeps them in one HDF5 file of that name, a [`Cache`] reads any of them, and [`Prefetch`]
//! reads batches ahead of a training loop: `Recordings` → `Key` → file → `Cache` → `Prefetch` →
//! batches.
//!
//! A file is served only if it is whole and its key is the one asked for, so a changed source,
//! framing or decoder never meets an old file. It is made under a temporary name and a lock, then
//! renamed: a file of the final name is finished. docs/cache.md describes the layout for readers in
//! other languages.

mod element;
mod error;
mod hdf5;
mod key;
mod lock;
mod prefetch;
mod prepare;
mod reader;
mod write;

pub use element::{Dtype, Element};
pub use error::Error;
pub use key::Key;
pub use prefetch::{Batch, Prefetch};
pub use prepare::prepare;
pub use reader::Cache;
pub use write::{Items, Prepared, Report, Step, write};
