use crate::range::check;
use crate::{AdamWConfig, Augment, BadField, Reduction};
use serde::{Deserialize, Serialize};

/// How to train, as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Passes over the training set.
    pub epochs: usize,
    /// Samples of a step.
    pub batch: usize,
    /// Whether the training samples that fill no batch are left out of the epoch.
    pub drop_last: bool,
    /// Learning rate before the schedule.
    pub learning_rate: f64,
    /// Epochs of the schedule's ramp, see [`crate::learning_rate`].
    pub ramp_epochs: usize,
    /// Constants of AdamW.
    pub adamw: AdamWConfig,
    /// Reduction of the loss.
    pub reduction: Reduction,
    /// Random changes of each training sample.
    pub augment: Option<Augment>,
    /// Side in pixels to which frames are resized (nearest neighbour) after augmentation.
    pub side: Option<usize>,
    /// How a network that does not fire yet is brought to.
    #[serde(default, skip_serializing_if = "WarmUp::is_none")]
    pub warm_up: WarmUp,
}

impl Setup {
    /// Proves that every number lies in its range, see [`crate::Range::of`]; whoever trains calls it
    /// first, wherever the setup comes from.
    ///
    /// # Errors
    /// The first field that does not; it names field, range and value.
    pub fn check(&self) -> Result<(), BadField> {
        check("epochs", self.epochs)?;
        check("batch", self.batch)?;
        check("learning_rate", self.learning_rate)?;
        check("ramp_epochs", self.ramp_epochs)?;
        self.adamw.check()?;
        self.augment.map_or(Ok(()), |augment| augment.check())?;
        self.side.map_or(Ok(()), |side| check("side", side))?;
        match self.warm_up {
            WarmUp::None => Ok(()),
            WarmUp::Ann { epochs } => check("warm_up.ann.epochs", epochs),
            WarmUp::SigmoidWhenSilent { rate } => check("warm_up.sigmoid-when-silent.rate", rate),
        }
    }
}

/// How a network that does not fire yet is brought to. A neuron that never fires has no gradient at
/// all under BPSA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum WarmUp {
    /// Nothing: spikes from the first step on.
    #[default]
    None,
    /// The released code's: for the first epochs the network is analogue, without neurons
    /// ([`models::Network::analogue`]), and a still image is shown once. Weights, running
    /// statistics and moments carry over.
    Ann {
        /// Number of such epochs.
        epochs: usize,
    },
    /// The one that the paper cites, of TSSL-BP (Zhang & Li 2020): a layer whose mean firing rate
    /// over a training batch is at most `rate` takes the slope of a sigmoid, α = 5, in that batch's
    /// backward pass. It belongs to the neurons: whoever builds the network gives it such ones
    /// (`neuron::WhenSilent`).
    SigmoidWhenSilent {
        /// Spikes per neuron and step.
        rate: f64,
    },
}

impl WarmUp {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    pub(crate) fn analogue(&self, epoch: usize) -> bool {
        matches!(*self, Self::Ann { epochs } if epoch < epochs)
    }
}

/// What to do when training goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// When the loss or a weight is not finite any more; it can only stop or go back.
    pub not_finite: Rule,
    /// When a layer has not fired for as many steps as an epoch has.
    pub silence: Rule,
}

/// One such rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Say so ([`crate::Progress::silent`]) and go on.
    Report,
    /// End with an error.
    Stop,
    /// Begin the epoch again with half the learning rate, which stays halved; end with an error the
    /// ninth time.
    GoBack,
}

impl Default for Rules {
    /// Stop at what is not finite, report silence.
    fn default() -> Self {
        Self { not_finite: Rule::Stop, silence: Rule::Report }
    }
}

impl Rules {
    pub(crate) fn go_back(&self) -> bool {
        [self.not_finite, self.silence].contains(&Rule::GoBack)
    }
}
