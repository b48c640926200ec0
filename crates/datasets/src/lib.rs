//! A [`Name`] with a data root [finds](find()) the data set's [`Recordings`] (two lists, train and test), and each [`Recording`] gives its
//! [`events::Events`]: name → folder → `Recordings` → `Recording` → `Events`. Without data, [`synthetic::recordings`] stands in.
//!
//! A data set is one file of constants, a citation, a split and a decoder. Nothing here frames, caches or downloads.

pub mod cache;
mod cifar10_dvs;
mod dvs_gesture;
mod error;
mod files;
mod find;
mod name;
mod nmnist;
mod recordings;
pub mod synthetic;

pub use cifar10_dvs::text_order_split;
pub use dvs_gesture::reference_label;
pub use error::Error;
pub use find::{Found, find};
pub use name::{Info, Name};
pub use recordings::{Origin, Recording, Recordings, Source};
