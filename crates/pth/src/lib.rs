//! What `torch.save` writes since PyTorch 1.6: a zip archive of a pickle, `<name>/data.pkl`, that
//! describes tensors, and of one file for each storage, `<name>/data/<key>`.
//!
//! A pickle is a program. This crate runs none of it: its machine makes plain values, a call stays
//! what it is, a name with arguments, and nothing but `torch._utils._rebuild_tensor_v2` is
//! understood. Whatever the bytes, the answer is tensors or one sentence, in memory that the bytes
//! bound: a file of the archive is a part of the bytes (stored, not packed), and a pickle has at
//! most [`LARGEST_PICKLE`] bytes, each of which makes at most one value.

mod archive;
mod dict;
mod error;
mod machine;
mod numbers;
mod pickle;

pub use archive::File;
pub use dict::{Tensor, described};
pub use error::{Error, LARGEST_PICKLE};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
