//! A [`Name`] with a data root [finds](find()) the data set's [`Recordings`], divided by a
//! [`Split`] into train and test, and each [`Recording`] gives its events, its image or its sound:
//! name → folder → `Recordings` → `Recording` → `Events`, `Grid` or samples. Without data,
//! [`synthetic::recordings`] stands in for them; [`speech`] makes of a sound what a network sees.
//!
//! A data set is one file of constants, a citation, a split and a decoder. [`fetch`] brings it from
//! its publisher, and [`cache`] keeps its frames.

pub mod cache;
mod cifar;
mod cifar10_dvs;
mod download;
mod dvs_gesture;
mod error;
pub mod fetch;
mod files;
mod find;
mod images;
mod lists;
mod mnist;
mod name;
mod nmnist;
mod proof;
mod recordings;
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
pub use find::{Found, find, find_with};
pub use images::ImageFile;
pub use name::{Content, Info, Name};
pub use proof::{Proof, prove};
pub use recordings::{Origin, Recording, Recordings, Source};
pub use split::Split;
