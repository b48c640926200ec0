//! [`train`] walks epochs of [`Samples`] through a network, a loss ([`Criterion`]) and an
//! [`Optimiser`], and returns what happened as a [`History`]. It formats nothing, and the one file it
//! writes is a [`Checkpoint`], which brings back the very state of a run.
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
mod optimiser;
mod progress;
mod range;
mod samples;
mod schedule;
mod seeds;
mod setup;
mod sizes;
mod state;
mod stored;
mod train;
mod vars;
mod words;

pub use augment::Augment;
pub use checkpoint::{Checkpoint, CheckpointError, save_weights};
pub use clip::{Clip, Clipped};
pub use compute::{Compute, Engine};
pub use encoding::{Bernoulli, InputEncoding};
pub use error::Error;
pub use evaluation::{Evaluation, evaluate};
pub use head::Head;
pub use history::{Epoch, History, Setback};
pub use initialisation::{Fan, Initialisation, Law};
pub use loss::{Reduction, loss_gradient, mse};
pub use objective::{Criterion, Objective};
pub use optimiser::{AdamWConfig, GradientsOf, Optimiser, OptimiserKind, Slots};
pub use progress::Progress;
pub use range::{BadField, Number, Range};
pub use samples::{Example, Refusal, Samples, Set, Values};
pub use schedule::{Milestones, Schedule, learning_rate};
pub use seeds::stream;
pub use setup::{Rule, Rules, Setup, WarmUp};
pub use sizes::BatchSizes;
pub use state::{Snapshot, State, TrainingState};
pub use stored::{BadWeights, Weights, unsound};
pub use train::{Job, train, train_from};
pub use vars::SeededVars;
pub use words::Words;
