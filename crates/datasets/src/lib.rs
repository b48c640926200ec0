//! A [`Name`] with a data root [finds](find()) the data set's [`Recordings`], divided by a
//! [`Split`] into train and test, and each [`Recording`] gives its events, its image or its sound:
//! name → folder → `Recordings` → `Recording` → `Events`, `Grid` or samples. Without data,
//! [`synthetic::recordings`] stands in for them; [`speech`] makes of a sound what a network sees.
//!
//! [`load()`] makes of them what a network is trained on, [`Samples`]: labelled grids by index, in
//! memory or not.
//!
//! ```no_run
//! use datasets::{Form, Name};
//! use events::Framing;
//! use std::path::Path;
//!
//! let recordings = datasets::open(Name::NMnist, Path::new("data"))?;
//! let form = Form::Frames(Framing::Number { frames: 16 });
//! let halves = datasets::load(&recordings, form, None, &|| ())?;
//! let (frames, label) = (halves.train.values(0)?, halves.train.label(0));
//! println!("{:?} of a {}", frames.shape(), Name::NMnist.info().classes[label as usize]);
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```
//!
//! A data set of yours implements [`Samples`] in your own crate, and needs nothing else from here.
//! A data set of ours is one file of constants, a citation, a split and a decoder. The module
//! `fetch`, a default feature, brings it from its publisher, and [`cache`] keeps its frames.

pub mod cache;
mod cifar;
mod cifar10_dvs;
mod class_folders;
mod data_set;
mod division;
mod download;
mod dvs_gesture;
mod error;
#[cfg(feature = "fetch")]
pub mod fetch;
mod files;
mod find;
mod images;
mod layout;
mod lists;
mod load;
mod mnist;
mod name;
mod nmnist;
mod png_image;
mod proof;
mod recordings;
mod samples;
mod sets;
mod sounds;
pub mod speech;
mod speech_commands;
mod split;
pub mod synthetic;
mod wav;

pub use cifar10_dvs::{decode as decode_cifar10_dvs, text_order_split};
pub use download::{Download, Unpack};
pub use dvs_gesture::reference_label;
pub use error::Error;
pub use files::{check_folder, open_file, unreadable};
pub use find::{Found, find, find_with, open};
pub use images::ImageFile;
pub use load::{Form, Halves, LoadError, load, sample_counts};
pub use name::{Content, Info, Name};
pub use png_image::ImageSummary;
pub use proof::{Proof, prove};
pub use recordings::{Fold, Origin, Recording, Recordings, Source};
pub use samples::{Example, Refusal, Samples, Values};
pub use split::Split;

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
