//! [`train`] walks epochs of [`Samples`] through a network, a loss ([`Criterion`]) and an
//! [`Optimiser`], and returns what happened as a [`History`]. It formats nothing, and the one file
//! it writes is a [`Checkpoint`], which brings back the very state of a run.
//!
//! From files to a trained network, here of stand-ins so that it runs without any; `datasets::open`
//! reads files, and a type of yours with [`Samples`] takes the place of both:
//!
//! ```
//! use candle_core::{DType, Device::Cpu};
//! use datasets::{Form, Name};
//! use models::{Network, StatisticsOver};
//! use training::{Compute, InputEncoding, SeededVars, Set, Setup, train};
//!
//! // of files: datasets::open(Name::Mnist, Path::new("data"))?
//! let recordings = datasets::synthetic::recordings(Name::Mnist, 32, 16, 0);
//! let halves = datasets::load(&recordings, Form::Images, None, &|| ())?;
//! let encoding = InputEncoding::direct(4, Name::Mnist.info().standard);
//! let set = |samples| Set { samples, encoding: &encoding };
//!
//! let mut vars = SeededVars::new(0);
//! let (spec, neuron) = ("4C3-MP2-5Voting".parse()?, neuron::Config::bpsa_bpta().build()?);
//! let builder = vars.builder(DType::F32, &Cpu);
//! let network = Network::new(&spec, [28, 28, 1], 10, neuron, StatisticsOver::Step, builder)?;
//!
//! let setup = Setup { epochs: 1, batch: 16, ..Setup::PAPER };
//! let (sets, compute) = ((set(&*halves.train), set(&*halves.test)), Compute::default());
//! let history = train(&network, &mut vars, sets, &setup, &compute, 0, &Cpu, &mut ())?;
//! println!("{:.1} %", history.epochs[0].test.accuracy_percent());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything random is a pure function of the run's seed and of what it is for ([`stream`]): a
//! weight of its name, the order of an epoch of the epoch's number, a dropout mask of epoch and
//! step. So the same seed on the same machine gives the same bits, whatever the number of threads.

mod augment;
mod batches;
mod checkpoint;
mod clip;
mod compute;
mod encoding;
mod error;
mod evaluation;
mod firing_monitor;
mod head;
mod history;
mod initialisation;
mod loss;
mod objective;
mod one_hot;
mod optimiser;
mod progress;
mod range;
mod schedule;
mod seeds;
mod set;
mod setup;
mod silence;
mod sizes;
mod state;
mod stored;
mod traces;
mod train;
mod vars;
mod words;

pub use augment::Augment;
pub use checkpoint::{Checkpoint, CheckpointError, save_weights};
pub use clip::{Clip, Clipped};
pub use compute::{Compute, Engine};
pub use datasets::{Example, Refusal, Samples, Values};
pub use encoding::{Bernoulli, InputEncoding};
pub use error::Error;
pub use evaluation::{Evaluation, evaluate};
pub use head::Head;
pub use history::{Epoch, History, Setback};
pub use initialisation::{Fan, Initialisation, Law};
pub use loss::{Reduction, loss_gradient, mse};
pub use objective::{Criterion, Objective};
pub use optimiser::{AdamWConfig, GradientsOf, Optimiser, OptimiserKind, Slots};
pub use progress::{EachEpoch, Progress};
pub use range::{BadField, Number, Range};
pub use schedule::{Milestones, Schedule, learning_rate};
pub use seeds::stream;
pub use set::Set;
pub use setup::{Rule, Rules, Setup, WarmUp};
pub use silence::Silence;
pub use sizes::BatchSizes;
pub use state::{Snapshot, State, TrainingState};
pub use stored::{BadWeights, Weights, unsound};
pub use train::{Job, train, train_from};
pub use vars::SeededVars;
pub use words::Words;

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
