//! NIR, the Neuromorphic Intermediate Representation: a network as a graph of nodes with physical
//! units, in an HDF5 file that other simulators and chips read.
//!
//! [`export`] turns a trained [`models::Network`] into a [`Graph`], [`network`] a graph into a
//! network; [`Graph::to_bytes`] and [`Graph::read`] are the file. Batch norm is folded into the
//! product before it, max pooling of spikes becomes neurons that fire where any of a window did,
//! average pooling and voting become products. What NIR has no word for is refused with its
//! reason.
//!
//! A graph has no time step: whoever runs it chooses one. Files are made for
//! [`DT`] and forward Euler, u\[t\] = v\[t−1\] + (dt/τ)·(v_leak − v\[t−1\] + R·x\[t\]), which is
//! what SpikingJelly, snnTorch and Norse compute. Neurons without a leak, those of `AN2` among
//! them, are written as `IF` with R = 1/dt: snnTorch 1.0 asserts R = 1 there, and does not run
//! them.
//!
//! Source: Pedersen et al., "Neuromorphic intermediate representation: a unified instruction set
//! for interoperable brain-inspired computing", Nature Communications 2024.

mod error;
mod export;
mod file;
mod graph;
mod import;
mod maps;
mod membrane;
mod notation;

pub use error::Error;
pub use export::export;
pub use graph::{Array, Convolution, Graph, Node, Pool, Population};
pub use import::{Imported, network};
pub use membrane::Membrane;
pub use notation::{Said, said};

/// The time step in seconds for which graphs are written: the one that snnTorch has fixed, and
/// SpikingJelly's default.
pub const DT: f64 = 1e-4;

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
