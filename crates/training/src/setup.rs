use crate::range::check;
use crate::{
    AdamWConfig, Augment, BadField, Clip, Criterion, Head, Initialisation, Objective,
    OptimiserKind, Reduction, Schedule,
};
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
    /// Constants of AdamW, Adam and AMSGrad.
    pub adamw: AdamWConfig,
    /// Reduction of a squared error.
    pub reduction: Reduction,
    /// Random changes of each training sample.
    pub augment: Option<Augment>,
    /// Side in pixels to which frames are resized (nearest neighbour) after augmentation.
    pub side: Option<usize>,
    /// How a network that does not fire yet is brought to.
    #[serde(default, skip_serializing_if = "WarmUp::is_none")]
    pub warm_up: WarmUp,
    /// What is made small.
    #[serde(default, skip_serializing_if = "Objective::is_mse")]
    pub objective: Objective,
    /// What is read off the last layer.
    #[serde(default, skip_serializing_if = "Head::is_votes")]
    pub head: Head,
    /// Which optimiser.
    #[serde(default, skip_serializing_if = "OptimiserKind::is_adamw")]
    pub optimiser: OptimiserKind,
    /// How the learning rate goes down.
    #[serde(default, skip_serializing_if = "Schedule::is_sgdr")]
    pub schedule: Schedule,
    /// How gradients are bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<Clip>,
    /// Largest size of a weight of a product; after each step all are put between minus this and
    /// this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clamp: Option<f64>,
    /// Weight decay of the neurons' learnable parameters, in place of the optimiser's; 0 unless a
    /// run says otherwise.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub neuron_weight_decay: f64,
    /// How weights of products begin; whoever builds the network gives it to
    /// [`crate::SeededVars`].
    #[serde(default, skip_serializing_if = "Initialisation::is_pytorch")]
    pub initialisation: Initialisation,
}

impl Setup {
    /// The paper's code on event data, without what belongs to a data set: no augmentation, no
    /// resizing, no warm-up.
    pub const PAPER: Setup = Setup {
        epochs: 300,
        batch: 128,
        drop_last: true,
        learning_rate: 1e-3,
        ramp_epochs: 5,
        adamw: AdamWConfig::PAPER,
        reduction: Reduction::Mean,
        augment: None,
        side: None,
        warm_up: WarmUp::None,
        objective: Objective::Mse,
        head: Head::Votes,
        optimiser: OptimiserKind::AdamW,
        schedule: Schedule::Sgdr,
        clip: None,
        clamp: None,
        neuron_weight_decay: 0.0,
        initialisation: Initialisation::Pytorch,
    };

    /// The loss: objective, head and reduction.
    pub fn criterion(&self) -> Criterion {
        let Self { objective, head, reduction, .. } = *self;
        Criterion { objective, head, reduction }
    }

    /// Learning rate of epoch `epoch`, from 0.
    pub fn rate(&self, epoch: usize) -> f64 {
        self.schedule.rate(epoch, self.epochs, self.ramp_epochs, self.learning_rate)
    }

    /// Proves that every number lies in its range, see [`crate::Range::of`]; whoever trains calls
    /// it first, wherever the setup comes from.
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
        self.objective.check()?;
        self.head.check()?;
        self.optimiser.check()?;
        self.schedule.check()?;
        self.clip.map_or(Ok(()), |clip| clip.check())?;
        self.clamp.map_or(Ok(()), |limit| check("clamp", limit))?;
        check("neuron_weight_decay", self.neuron_weight_decay)?;
        self.initialisation.check()?;
        match self.warm_up {
            WarmUp::None => Ok(()),
            WarmUp::Ann { epochs } => check("warm_up.ann.epochs", epochs),
            WarmUp::SigmoidWhenSilent { rate } => check("warm_up.sigmoid-when-silent.rate", rate),
        }
    }
}

fn is_zero(x: &f64) -> bool {
    *x == 0.0
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
