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
mod evaluation;
mod heard;
mod history;
mod looping;
mod loss;
mod range;
mod samples;
mod schedule;
mod seeds;
mod setup;
mod sizes;
mod standing;
mod stored;
mod vars;

pub use adamw::{AdamW, AdamWConfig, GradientsOf};
pub use augment::Augment;
pub use checkpoint::{Checkpoint, CheckpointError, save_weights};
pub use compute::{Compute, Engine};
pub use evaluation::{Evaluation, evaluate};
pub use history::{Epoch, History, Setback};
pub use looping::{Error, Job, Progress, loss_gradient, train, train_from};
pub use loss::{Reduction, mse};
pub use range::{BadField, Number, Range};
pub use samples::{Example, Refusal, Samples, Set, Shown, Values};
pub use schedule::learning_rate;
pub use seeds::stream;
pub use setup::{Rule, Rules, Setup, WarmUp};
pub use sizes::BatchSizes;
pub use standing::{Snapshot, Standing, State};
pub use stored::{BadWeights, Weights, unsound};
pub use vars::SeededVars;
