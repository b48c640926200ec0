//! [`train`] walks epochs of [`Samples`] through a network, a loss ([`mse`]) and an optimiser
//! ([`AdamW`]), and returns what happened as a [`History`]. It formats nothing, and the one file it
//! writes is a [`Checkpoint`], which brings back the very state of a run.
//!
//! Everything random is a pure function of the run's seed and of what it is for ([`stream`]): a
//! weight of its name, the order of an epoch of the epoch's number, a dropout mask of epoch and
//! step. So the same seed on the same machine gives the same bits, whatever the number of threads.

mod adamw;
mod augment;
mod batches;
mod checkpoint;
mod compute;
mod error;
mod evaluation;
mod firing_monitor;
mod history;
mod loss;
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

pub use adamw::{AdamW, AdamWConfig, GradientsOf};
pub use augment::Augment;
pub use checkpoint::{Checkpoint, CheckpointError, save_weights};
pub use compute::{Compute, Engine};
pub use error::Error;
pub use evaluation::{Evaluation, evaluate};
pub use history::{Epoch, History, Setback};
pub use loss::{Reduction, mse};
pub use progress::Progress;
pub use range::{BadField, Number, Range};
pub use samples::{Example, InputEncoding, Refusal, Samples, Set, Values};
pub use schedule::learning_rate;
pub use seeds::stream;
pub use setup::{Rule, Rules, Setup, WarmUp};
pub use sizes::BatchSizes;
pub use state::{Snapshot, State, TrainingState};
pub use stored::{BadWeights, Weights, unsound};
pub use train::{Job, loss_gradient, train, train_from};
pub use vars::SeededVars;
