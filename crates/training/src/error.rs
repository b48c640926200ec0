use crate::{BadField, Refusal};

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A set without samples.
    #[error("the {0} set has no samples; nothing was trained")]
    Empty(&'static str),
    /// Fewer samples than one batch, and the rest is dropped.
    #[error(
        "the training set has {samples} samples, which do not fill one batch of {batch}, and what fills no batch is dropped; \
         take more samples, or a smaller batch"
    )]
    NoBatch {
        /// Training samples.
        samples: usize,
        /// Batch size.
        batch: usize,
    },
    /// A field of the setup outside its range.
    #[error("{0}")]
    Setup(#[from] BadField),
    /// A batch in which a batch norm would have less than two values to normalise.
    #[error(
        "the batch norm of {layer} needs at least two values a channel, and {samples} training samples in batches of {batch} \
         leave it one of a single sample with maps of {height}×{width}; take {advice}"
    )]
    BatchOfOne {
        /// The stage that the batch norm belongs to.
        layer: String,
        /// Training samples of an epoch.
        samples: usize,
        /// Batch size.
        batch: usize,
        /// Height of the norm's maps.
        height: usize,
        /// Width of the norm's maps.
        width: usize,
        /// What helps.
        advice: &'static str,
    },
    /// The loss or a weight is not a finite number any more.
    #[error(
        "training diverged at epoch {epoch}, step {step} (both from 1): {what} is not finite; try a lower learning rate"
    )]
    Diverged {
        /// From 1.
        epoch: usize,
        /// From 1.
        step: usize,
        /// "the loss", or the name of the first variable concerned.
        what: String,
    },
    /// A layer fires no more, and the rule is not to go on then.
    #[error(
        "training diverged at epoch {epoch}, step {step} (both from 1): the layer {layer} has not fired for an epoch; \
         try a lower learning rate, a warm-up, or --on-silence report"
    )]
    Silent {
        /// From 1.
        epoch: usize,
        /// From 1.
        step: usize,
        /// The first such layer.
        layer: String,
    },
    /// It was to end early; the state was offered to [`Progress::keep`].
    #[error("interrupted")]
    Interrupted,
    /// A sample that cannot be read, or a state that cannot be saved.
    #[error("{0}")]
    Sample(Refusal),
    /// Tensors that do not fit, or a failing device.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Sample(refusal)
    }
}
