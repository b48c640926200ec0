//! How much of the data is trained and tested on, and how it is divided: flags of every program
//! that trains.

use crate::data::{self, StandIn, TrainingData};
use crate::usage::{Usage, between, prove_once};
use anyhow::{Result, bail};
use datasets::{Fold, Name};

/// The flags.
#[derive(clap::Args)]
pub struct DivisionFlags {
    /// Train on at most this many recordings, drawn evenly from the classes; of a generator as many
    #[arg(long, value_name = "N", value_parser = between::<usize>(1, u32::MAX.into()))]
    train: Option<usize>,
    /// Test on at most this many recordings, drawn evenly from the classes; of a generator as many
    #[arg(long, value_name = "N", value_parser = between::<usize>(1, u32::MAX.into()))]
    test: Option<usize>,
    /// Only these classes of one data set, by name
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    classes: Vec<String>,
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
    /// Proves that classes are for one data set, and its own, each once.
    ///
    /// # Errors
    /// [`Usage`], if not.
    pub fn prove(&self, names: &[Name]) -> Result<()> {
        prove_once("--classes", self.classes.iter().map(String::as_str))?;
        let [name] = names else {
            if self.classes.is_empty() {
                return Ok(());
            }
            bail!(Usage(format!(
                "--classes: expected one data set, which it is for, found {}; name one",
                names.len()
            )));
        };
        let known = name.info().classes;
        match self.classes.iter().find(|class| !known.contains(&class.as_str())) {
            Some(class) => bail!(Usage(format!(
                "--classes: expected classes of {name} ({}), found \"{class}\"; use some of those",
                known.join(", ")
            ))),
            None => Ok(()),
        }
    }

    /// The classes that were named, in the data set's order.
    pub fn chosen_classes(&self, names: &[Name]) -> Option<Vec<String>> {
        let name = names.first().filter(|_| !self.classes.is_empty())?;
        let known = name.info().classes.iter().map(ToString::to_string);
        Some(known.filter(|known| self.classes.contains(known)).collect())
    }

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
    pub fn divided(&self, mut chosen: TrainingData) -> Result<Vec<TrainingData>> {
        data::only(&mut chosen, &self.classes)?;
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
