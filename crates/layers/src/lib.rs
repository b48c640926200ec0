//! Layers map a tensor `[T, B, …]` to a tensor `[T, B, …]`: everything of a spiking network that is
//! not a neuron. The axis order is fixed: time, batch, height, width, channel; a layer that does
//! not care about leading axes takes any number of them. No layer has mutable state: parameters are
//! given to it, random numbers come from a seed in [`Mode`], and batch norm hands its statistics
//! out instead of keeping them.
//!
//! Three of them are our own because the tensor library's are slow or wrong for spikes: convolution
//! (channels last, im2col and matrix products), batch norm (one pass forward, one backward) and max
//! pooling (its gradient goes to the first maximum of a window, which decides everything where
//! almost every window is a tie). Each stands beside its plain definition in a test.

mod calibration;
mod conv;
#[cfg(feature = "cuda")]
pub mod cuda;
mod depthwise;
mod dropout;
mod event;
mod kernel;
mod linear;
mod neunorm;
mod norm;
mod norm_operations;
mod normalise;
mod pool;
mod product;
mod rectify;
mod sizes;
mod sparse;
mod statistics;
mod strided_pool;
mod tiles;
mod written;

pub use calibration::calibrate;
pub use conv::Conv2d;
pub use depthwise::{Depthwise, DepthwiseSizes};
pub use dropout::{Masks, dropout, dropout_mask};
pub use linear::Linear;
pub use neunorm::NeuNorm;
pub use norm::{BatchNorm, StatisticsOver, batch_moments};
pub use normalise::Scales;
pub use pool::{avg_pool2d, max_pool2d, pooled, pooled_gradient};
pub use product::{Crossover, Crossovers, Dense, InputGradient, Path, Product};
pub use rectify::rectify;
pub use sizes::Sizes;
pub use sparse::{Consumer, Sparse};
pub use statistics::BatchStatistics;
pub use strided_pool::Windows;

use candle_core::{Result, Tensor, bail};

/// Whether a pass trains or evaluates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch norm uses the batch's own statistics and dropout draws its masks from `seed`: the same
    /// seed gives the same masks, so give every training step its own.
    Train {
        /// Seed of this pass's dropout masks.
        seed: u64,
    },
    /// Batch norm uses the running statistics, dropout is the identity.
    Eval,
}

/// Voting: class c is the mean of its `voters` consecutive units, `[…, K·voters]` → `[…, K]`.
///
/// # Errors
/// If the number of units is not a multiple of `voters`.
pub fn vote(x: &Tensor, voters: usize) -> Result<Tensor> {
    let mut dims = x.dims().to_vec();
    match dims.last_mut() {
        Some(units) if voters > 0 && units.is_multiple_of(voters) => *units /= voters,
        _ => bail!("voting takes a multiple of {voters} units, found shape {:?}", x.shape()),
    }
    dims.push(voters);
    x.reshape(dims)?.mean(candle_core::D::Minus1)
}

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
