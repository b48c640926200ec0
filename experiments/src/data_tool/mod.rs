//! The commands of `just data`, one file each: flags, and calls in a row.

pub mod fetch;
pub mod inspect;
pub mod list;
pub mod prepare;
pub mod show;
pub mod simulate;
pub mod verify;
