//! A published setting, and what of it a shorter profile changes.

use crate::run::SystemSetting;
use crate::{Encoding, Run};
use datasets::Name;
use events::Framing;
use layers::Masks;
use models::{Biases, Norm};
use neuron::Config;
use std::collections::BTreeMap;
use training::{AdamWConfig, Milestones, OptimiserKind, Schedule, Setup};

/// A system's own setting for a data set.
pub struct Recipe {
    /// The run.
    pub run: Run,
    /// What of it was not read where it was published: remembered, or not told and taken from the
    /// house. A sentence, or nothing.
    pub unread: &'static str,
    /// What of the published setting it leaves out, or does otherwise. A sentence, or nothing.
    pub left_out: &'static str,
}

/// How much a profile runs of a recipe.
pub(crate) struct Budget {
    /// Time steps T.
    pub steps: usize,
    /// Epochs.
    pub epochs: usize,
    /// Samples of a batch, at most.
    pub batch: usize,
}

impl Recipe {
    /// A run with what most recipes have in common: stages without norm, ReLU or biases, Adam
    /// without weight decay at a constant rate of 1e-3, no ramp, no augmentation.
    pub(super) fn bare(
        system: &str,
        data: Name,
        encoding: Encoding,
        network: &str,
        neuron: Config,
    ) -> Run {
        Run {
            data,
            classes: None,
            encoding,
            network: network.to_owned(),
            norm: Norm::None,
            rectify: false,
            bias: Biases::None,
            dropout: Masks::Pass,
            system: system.to_owned(),
            setting: SystemSetting::Published,
            neuron,
            neurons: BTreeMap::new(),
            own_surrogate: None,
            initial_weights_sha256: None,
            initial_weights_of_another_run: false,
            setup: Setup {
                ramp_epochs: 0,
                optimiser: OptimiserKind::Adam,
                adamw: AdamWConfig { weight_decay: 0.0, ..AdamWConfig::default() },
                schedule: Schedule::Constant,
                ..Setup::PAPER
            },
        }
    }

    /// What a receipt or a table says of it beside its numbers; nothing where all was read and
    /// nothing left out.
    pub fn says(&self) -> String {
        [self.unread, self.left_out]
            .into_iter()
            .filter(|said| !said.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

impl Budget {
    /// The run so much shorter; its schedule is as much shorter.
    pub fn of(&self, run: Run) -> Run {
        let (epochs, of) = (self.epochs, run.setup.epochs);
        let setup = Setup {
            epochs,
            batch: run.setup.batch.min(self.batch),
            schedule: schedule(run.setup.schedule, epochs, of),
            ..run.setup
        };
        Run { encoding: with_steps(run.encoding, self.steps), setup, ..run }
    }
}

/// The encoding with T steps, where it has a T.
pub(crate) fn with_steps(encoding: Encoding, steps: usize) -> Encoding {
    match encoding {
        Encoding::Direct { .. } => Encoding::Direct { steps },
        Encoding::Bernoulli { scale, raw, .. } => Encoding::Bernoulli { steps, scale, raw },
        Encoding::Events(Framing::Number { .. }) => {
            Encoding::Events(Framing::Number { frames: steps })
        }
        Encoding::Events(Framing::Time { empty_window, .. }) => {
            Encoding::Events(Framing::Time { frames: steps, empty_window })
        }
        Encoding::Chunks | Encoding::Events(Framing::Duration { .. }) => encoding,
    }
}

/// A cosine with fewer epochs from top to floor would jump between the two.
const SHORTEST_COSINE: usize = 8;

/// A schedule of `of` epochs in `epochs`: each of its steps at the same part of the whole. A cosine
/// that would be too short for that goes down once, over the whole run.
fn schedule(schedule: Schedule, epochs: usize, of: usize) -> Schedule {
    if epochs == of {
        return schedule;
    }
    let part = |epoch: usize| (epoch * epochs / of.max(1)).max(1);
    match schedule {
        Schedule::Sgdr | Schedule::Constant => schedule,
        // rounded up, so that there are no more steps than in the whole
        Schedule::Step { every, factor } => {
            Schedule::Step { every: (every * epochs).div_ceil(of.max(1)).max(1), factor }
        }
        Schedule::Cosine { period, floor } if part(period) < SHORTEST_COSINE => {
            Schedule::Cosine { period: epochs.max(1), floor }
        }
        Schedule::Cosine { period, floor } => Schedule::Cosine { period: part(period), floor },
        Schedule::Multistep { at, factor } => {
            let mut all: Vec<usize> = at.epochs().map(part).collect();
            // of two steps in one epoch one is left
            all.dedup();
            let at = Milestones::new(&all).unwrap_or(at);
            Schedule::Multistep { at, factor }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_shorter_schedule_keeps_its_proportions() {
        let at = |epochs: &[usize]| Milestones::new(epochs).unwrap();
        let of = |epochs: &[usize]| Schedule::Multistep { at: at(epochs), factor: 0.1 };
        assert_eq!(schedule(of(&[50, 70, 90]), 10, 100), of(&[5, 7, 9]));
        assert_eq!(schedule(of(&[50, 70, 90]), 2, 100), of(&[1]));
        let step = Schedule::Step { every: 40, factor: 0.5 };
        assert_eq!(schedule(step, 50, 100), Schedule::Step { every: 20, factor: 0.5 });
        assert_eq!(schedule(Schedule::Sgdr, 1, 100), Schedule::Sgdr);
        let cosine = |period| Schedule::Cosine { period, floor: 0.0 };
        assert_eq!(schedule(cosine(64), 1024, 1024), cosine(64));
        assert_eq!(schedule(cosine(64), 512, 1024), cosine(32));
        assert_eq!(schedule(cosine(64), 24, 1024), cosine(24), "one descent");
        assert_eq!(schedule(cosine(64), 1, 1024), cosine(1));
    }
}
