//! A [`Name`] with a data root [finds](find()) the data set's [`Recordings`] (two lists, train and test), and each [`Recording`] gives its
//! [`events::Events`]: name → folder → `Recordings` → `Recording` → `Events`. Without data, [`synthetic::recordings`] stands in.
//!
//! A data set is one file of constants, a citation, a split and a decoder. Nothing here frames, caches or downloads.

mod cifar;
mod cifar10_dvs;
mod download;
mod dvs_gesture;
mod error;
mod files;
mod find;
mod images;
mod mnist;
mod name;
mod nmnist;
mod recordings;
pub mod speech;
mod speech_commands;
mod split;
pub mod synthetic;

pub use cifar10_dvs::text_order_split;
pub use download::{Download, Unpack};
pub use dvs_gesture::reference_label;
pub use error::Error;
pub use find::{Found, find, find_with};
pub use images::ImageFile;
pub use name::{Content, Info, Name};
pub use recordings::{Origin, Recording, Recordings, Source};
pub use split::Split;
