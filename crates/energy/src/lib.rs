//! What a network costs: an [`Activity`] counts, exactly and in whole numbers, what [`observe`] saw
//! batches do; the modules turn counts into columns. [`paper`] has the one formula of the paper's
//! Table 5, [`neurobench`] the columns of NeuroBench 2.3.0, [`detailed`] joules under assumptions
//! that are named, [`latency`] how soon a decision is right and final. A [`Column`] carries its
//! unit and its assumption, because without them no two numbers of energy may be compared.
//!
//! docs/energy.md explains every column to a reader. Energies are estimates from counts: nothing
//! here reads a meter.

mod activity;
pub mod detailed;
mod fan;
pub mod latency;
pub mod neurobench;
mod observe;
pub mod paper;

pub use activity::{Activity, Batch, Layer, Mismatch, Neurons, Stored, Synapses, Syops};
pub use observe::observe;

/// One number about a network, with what it rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    /// What it is, such as `SNN energy, FP32`; unique among the columns of its module.
    pub name: &'static str,
    /// The value in `unit`; NaN or infinite where nothing was counted.
    pub value: f64,
    /// Unit: `µJ`, `bit`, `byte`, or `1` for counts and ratios.
    pub unit: &'static str,
    /// What must hold for the value to mean something, and where its constants come from.
    pub assumption: &'static str,
}

impl Column {
    pub(crate) const fn new(
        name: &'static str,
        value: f64,
        unit: &'static str,
        assumption: &'static str,
    ) -> Column {
        Column { name, value, unit, assumption }
    }
}

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
