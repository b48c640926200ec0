//! Deep spiking networks on candle, trained with the gradient rules of Shen, Zhao & Zeng (Patterns
//! 2022) and others, for event recordings and images. One dependency for all crates of the project,
//! each under its own name:
//!
//! | crate | what it holds |
//! |---|---|
//! | [`surrogate`] | the slope of a spike: one formula a file |
//! | [`neuron`] | charge, fire, reset, leak; a neuron of one's own; the fused scan over time |
//! | [`layers`] | convolution, batch norm, pooling, dropout: dense and event-driven |
//! | [`blocks`] | a network as a graph of blocks, and its engines |
//! | [`models`] | the paper's notation to a network |
//! | [`events`] | event files to events to frames |
//! | [`datasets`] | data sets: constants, splits, loaders, cache |
//! | [`training`] | loss, optimiser, schedule, checkpoints, one loop |
//! | [`convert`] | analogue networks to spiking ones, by four rules |
//! | [`traces`] | rules of other systems: traces, and the effects of trains on each other |
//! | [`energy`] | operation counts to joules |
//! | [`report`] | a run as data to tables and figures |
//! | [`nir`] | networks as files of NIR, and back |
//! | [`pth`] | what `torch.save` wrote |
//! | [`device`] | a CUDA device, or why there is none |
//!
//! A network that learns whether events are in the upper half of a map or in the lower:
//!
//! ```
//! use candle_core::{DType, Device};
//! use spikegrad::events::{Frames, Shape};
//! use spikegrad::models::{Network, StatisticsOver};
//! use spikegrad::neuron::Config;
//! use spikegrad::training::{Compute, Example, SeededVars, Set, Setup, train};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // 16 samples of 4 steps, 8×8 pixels and one channel
//! let shape = Shape { steps: 4, height: 8, width: 8, channels: 1 };
//! let example = |i: usize| {
//!     let class = i % 2;
//!     let event = |k: usize| (k % 64 / 32 == class && (k + i) % 3 > 0).into();
//!     let frames = Frames::new(shape, (0..4 * 64).map(event).collect())?;
//!     Ok(Example { frames, label: class as u32 })
//! };
//! let examples: Result<Vec<Example>, spikegrad::events::Error> = (0..16).map(example).collect();
//! let examples = examples?;
//!
//! // one convolution with batch norm, ReLU and LIF neurons; 5 voters a class
//! let (spec, neuron) = ("4C3-MP2-5Voting".parse()?, Config::bpsa_bpta().build()?);
//! let mut vars = SeededVars::new(0);
//! let builder = vars.builder(DType::F32, &Device::Cpu);
//! let network = Network::new(&spec, [8, 8, 1], 2, neuron, StatisticsOver::Step, builder)?;
//!
//! let setup = Setup { epochs: 8, batch: 8, ramp_epochs: 0, learning_rate: 1e-2, ..Setup::PAPER };
//! let (set, compute) = (Set::recorded(&examples), Compute::default());
//! let history =
//!     train(&network, &mut vars, (set, set), &setup, &compute, 0, &Device::Cpu, &mut ())?;
//! assert_eq!(history.epochs.last().unwrap().test.accuracy_percent(), 100.0);
//! # Ok(())
//! # }
//! ```
//!
//! Features: `program` (default) is the program `spikegrad` with the paper's tables and figures,
//! and `fetch`; a library says `default-features = false`. `fetch` downloads data sets, `cuda` is
//! for CUDA devices. A neuron, a surrogate or a data set of one's own needs no change here:
//! `docs/adding.md`.

pub use blocks;
pub use convert;
pub use datasets;
pub use device;
pub use energy;
pub use events;
pub use layers;
pub use models;
pub use neuron;
pub use nir;
pub use pth;
pub use report;
pub use surrogate;
pub use traces;
pub use training;
