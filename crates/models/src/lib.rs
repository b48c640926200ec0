//! A [`Spec`] is a network in the paper's notation, `128C3-MP2-…-10Voting`; a [`Network`] is that
//! spec with weights and a neuron: a plain function from frames `[T, B, H, W, C]` to class scores
//! `[B, K]`. An [`Observer`] may watch the spikes of each layer on the way. This crate knows no
//! files, losses or epochs, and a network keeps nothing between two passes.

mod blocks;
mod build;
mod event_driven;
mod named;
mod network;
#[cfg(feature = "cuda")]
mod on_device;
mod outline;
mod spec;
mod walk;

pub use build::EPS as BATCH_NORM_EPS;
pub use device::{Math, Precision};
pub use event_driven::{
    Decision, EventDriven, Frames, Gradients, Inference, LayerTrace, Options, Plan,
};
#[cfg(feature = "cuda")]
pub use layers::cuda::adamw;
pub use layers::{BatchStatistics, Crossovers, Mode, Path, StatisticsOver, calibrate};
pub use named::{Architecture, Variant};
pub use network::{Layer, Network, Observer};
#[cfg(feature = "cuda")]
pub use on_device::OnDevice;
pub use outline::{Footprint, NormSize};
pub use spec::{ParseError, Spec, Stage};
