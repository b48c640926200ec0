//! How much of the data is trained and tested on, and how it is divided: flags of every program that
//! trains.

use crate::data::{self, Chosen, StandIn};
use crate::usage::between;
use anyhow::Result;
use datasets::Fold;

/// The flags.
#[derive(clap::Args)]
pub struct DivisionFlags {
    /// Train on at most this many recordings, drawn evenly from the classes; of a generator as many
    #[arg(long, value_name = "N", value_parser = between::<usize>(1, u32::MAX.into()))]
    train: Option<usize>,
    /// Test on at most this many recordings, drawn evenly from the classes; of a generator as many
    #[arg(long, value_name = "N", value_parser = between::<usize>(1, u32::MAX.into()))]
    test: Option<usize>,
    /// Hold this part of the training recordings out, such as 0.1, to choose the epoch: by speaker
    /// or subject where files name them, and the publisher's validation list where there is one
    #[arg(long, value_name = "0..1", value_parser = part)]
    held_out: Option<f64>,
    /// Cross-validation: divide all recordings, train and test together, into so many folds, and
    /// test each once
    #[arg(long, value_name = "N", value_parser = between::<usize>(2, 100))]
    folds: Option<usize>,
}

fn part(text: &str) -> Result<f64, String> {
    let part = report::json::number(text).filter(|part| *part > 0.0 && *part < 1.0);
    part.ok_or_else(|| "expected a part above 0 and below 1, such as 0.1".to_owned())
}

impl DivisionFlags {
    /// Whether folds take the place of every split.
    pub fn has_folds(&self) -> bool {
        self.folds.is_some()
    }

    /// A generator's recordings, of which there are as many as are asked for.
    pub fn stand_in(&self, usual: StandIn) -> StandIn {
        StandIn {
            train: self.train.unwrap_or(usual.train),
            test: self.test.unwrap_or(usual.test),
            ..usual
        }
    }

    /// The recordings that are trained and tested on: one choice, or one a fold.
    ///
    /// # Errors
    /// Recordings that cannot be divided so.
    pub fn divided(&self, mut chosen: Chosen) -> Result<Vec<Chosen>> {
        let generated = chosen.recordings.train.iter().all(|r| r.source.path().is_none());
        if generated && (self.train.is_some() || self.test.is_some()) {
            chosen.recordings.split += "; as many as asked for";
        }
        data::take(&mut chosen, self.train, self.test);
        let folds = match self.folds {
            None => vec![chosen],
            Some(of) => (1..=of)
                .map(|number| data::fold(&chosen, Fold { number, of }))
                .collect::<Result<_>>()?,
        };
        match self.held_out {
            None => Ok(folds),
            Some(part) => folds.into_iter().map(|fold| data::hold_out(fold, part)).collect(),
        }
    }
}
