use crate::Evaluation;

/// What one epoch did.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// Learning rate of the whole epoch.
    pub learning_rate: f64,
    /// Mean training loss over the epoch's samples, each measured before its step.
    pub train_loss: f64,
    /// Training accuracy in percent, measured the same way.
    pub train_accuracy_percent: f64,
    /// The test set after the epoch.
    pub test: Evaluation,
    /// What is held out of the training set, after the epoch, if anything is: without layers and
    /// single samples.
    pub held_out: Option<Evaluation>,
    /// For each layer the part of the epoch's steps in which it took the slope of
    /// [`crate::WarmUp::SigmoidWhenSilent`]; empty under another warm-up.
    pub warmed_up: Vec<(String, f64)>,
    /// What the neurons' learnable parameters meant after it, see
    /// [`models::Network::neuron_readings`]; empty where there are none.
    pub neurons: Vec<(String, f64)>,
    /// Wall-clock time of training and evaluation.
    pub seconds: f64,
}

/// A point at which training diverged and went back to the beginning of the epoch, with half the
/// learning rate from there on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setback {
    /// The epoch, from 1.
    pub epoch: usize,
    /// The step within it, from 1.
    pub step: usize,
    /// What went wrong, such as "the loss is not finite".
    pub what: String,
}

/// What a run did, epoch by epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// What the neurons' learnable parameters meant before the first step.
    pub initial_neurons: Vec<(String, f64)>,
    /// From the first epoch to the last.
    pub epochs: Vec<Epoch>,
    /// In order of time.
    pub setbacks: Vec<Setback>,
}

impl History {
    /// Index and value of the best epoch's test accuracy in percent; the first of equals. This is
    /// what the paper's code reports: the test set chooses the epoch.
    pub fn best(&self) -> Option<(usize, f64)> {
        let accuracies = self.epochs.iter().map(|e| e.test.accuracy_percent()).enumerate();
        accuracies.fold(None, |best, (i, a)| match best {
            Some((_, b)) if b >= a => best,
            _ => Some((i, a)),
        })
    }
}
