//! A [`Spec`] is a network in the paper's notation, `128C3-MP2-…-10Voting`; a [`Network`] is that
//! spec with weights and a neuron: a plain function from frames `[T, B, H, W, C]` to class scores
//! `[B, K]`. An [`Observer`] may watch the spikes of each layer on the way. As a graph of the crate
//! `blocks` ([`Network::graph`]) it runs on the fast paths. This crate knows no
//! files, losses or epochs, and a network keeps nothing between two passes.

mod back_ei;
mod build;
mod graph;
mod layer;
mod named;
mod network;
mod neuron_list;
mod neurons;
mod options;
mod outline;
mod spec;
mod walk;

pub use back_ei::BackEi;
#[cfg(feature = "cuda")]
pub use blocks::OnDevice;
pub use blocks::{
    Decision, EventDriven, Frames, Gradients, Inference, LayerTrace, Observer, Options, Plan,
};
pub use device::{Math, Precision};
pub use layer::Layer;
#[cfg(feature = "cuda")]
pub use layers::cuda::adamw;
pub use layers::{
    BatchStatistics, Crossovers, Dense, Masks, Mode, Path, StatisticsOver, calibrate,
};
pub use named::{Architecture, Variant};
pub use network::Network;
pub use neurons::Neurons;
pub use options::{BadNorm, Biases, Norm, NormOptions, StageOptions};
pub use outline::{Footprint, NormSize};
pub use spec::{ParseError, Spec, Stage};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
