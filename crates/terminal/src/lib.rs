//! What programs say to people: on standard output by [`out!`], [`print`] and [`print_raw`], on
//! standard error by [`say!`], and at their end by [`ended`]. No other code writes to the two
//! streams.
//!
//! Promises:
//! - a stream that is gone, closed or full never panics. What is said on standard error is lost
//!   then; standard output gives [`Unwritten`], which a program may pass on or pass over;
//! - whatever is in a file's name or a message, a line stays one line and cannot command the
//!   terminal ([`line`]);
//! - an error is one sentence: no frames of a backtrace, no password of an address.

mod ended;
mod line;
mod streams;

pub use ended::{READER_GONE, ended};
pub use line::{block, line};
pub use streams::{Output, Unwritten, print, print_raw, say};

/// Prints one [`line`] on standard output: `out!("{} files", n)?`.
#[macro_export]
macro_rules! out {
    ($($text:tt)*) => { $crate::print(&($crate::line(&format!($($text)*)) + "\n")) };
}

/// Says one [`line`] on standard error; nothing happens where nobody can hear it.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::say(&format!($($text)*)) };
}

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
