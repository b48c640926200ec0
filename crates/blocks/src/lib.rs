//! A network as a graph of blocks, and the engines that take it through a pass.
//!
//! A [`Graph`] is plain data: each [`Block`] adds up its [`Source`]s (activations of other blocks,
//! through a product or as they are) and takes the sum through norm, ReLU, dropout, neurons and
//! pooling. [`tensors`] is the definition, in tensor operations; [`EventDriven`] takes a training
//! step on the CPU without a graph of tensors, [`OnDevice`] one on a CUDA device.
//!
//! This crate knows no notation of networks, no files, losses or epochs.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod frames;
mod graph;
mod layout;
mod observer;
pub mod tensors;

pub use cpu::{Decision, EventDriven, Gradients, Inference, LayerTrace, Options, Plan};
#[cfg(feature = "cuda")]
pub use cuda::OnDevice;
pub use frames::Frames;
pub use graph::{Block, Delay, Graph, Origin, Source, Weight};
pub use observer::Observer;

/// Probability that dropout drops a neuron.
pub const DROPOUT: f64 = 0.5;

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
