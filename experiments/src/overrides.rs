//! What flags change of a profile.

use crate::OwnSurrogate;
use crate::settings::Setting;
use crate::tuning::Tuned;
use models::{Architecture, Spec, Variant};
use training::WarmUp;

/// What a profile may be told to do otherwise; it then carries the change in its name.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Number of epochs.
    pub epochs: Option<usize>,
    /// Number of time steps T.
    pub steps: Option<usize>,
    /// By how much channels are divided.
    pub narrow: Option<usize>,
    /// Learning rate before the schedule.
    pub learning_rate: Option<f64>,
    /// The paper's or the code's layer list.
    pub variant: Option<Variant>,
    /// Another network, taken as it is written.
    pub network: Option<Spec>,
    /// Speech: windows of the spectrogram, instead of all of it at every step.
    pub chunks: bool,
    /// Another of the paper's networks than the data set's; part of a table, not of the profile's
    /// name.
    pub architecture: Option<Architecture>,
    /// Another warm-up; part of a table, not of the profile's name.
    pub warm_up: Option<WarmUp>,
    /// A surrogate of the user's own.
    pub own: Option<OwnSurrogate>,
    /// SHA-256, in hex, of the file with the weights to begin with.
    pub weights: Option<String>,
    /// Whether they are taken whatever run their file says that they are of.
    pub weights_of_another_run: bool,
    /// Only these classes of the data set, in its order; part of the data, not of the profile's
    /// name.
    pub classes: Option<Vec<String>>,
    /// What a grid chose for each system, in place of the profile's learning rate and warm-up.
    pub tuned: Option<Tuned>,
    /// Single fields, set last and in order.
    pub settings: Vec<Setting>,
}
