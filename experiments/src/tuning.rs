//! Hyper-parameters that a grid chose on recordings held out of training: a file that later runs
//! name.

use crate::systems::System;
use crate::warm::Warm;
use anyhow::{Result, anyhow};
use datasets::Name;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;

/// What a grid chose for the systems of one data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// The data set.
    pub data: Name,
    /// The profile of its runs, with what was overridden but the learning rate.
    pub profile: String,
    /// The rule by which its recordings were divided.
    pub split: String,
    /// For each system what was chosen.
    pub chosen: Vec<Point>,
    /// Everything that was tried.
    pub tried: Vec<Point>,
}

/// A point of the grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// The system by its id.
    pub system: String,
    /// Learning rate before the schedule.
    pub learning_rate: f64,
    /// The warm-up.
    pub warm_up: Warm,
    /// Mean over runs of the last five accuracies on the recordings held out, in percent; `null`
    /// where no run came to its end.
    pub held_out_percent: Option<f64>,
    /// The runs' receipts, below the results folder.
    pub receipts: Vec<String>,
}

/// What files of choices say.
#[derive(Clone, Debug, Default)]
pub struct Tuned {
    files: Vec<Tuning>,
    digest: String,
}

impl Tuned {
    /// Reads files.
    ///
    /// # Errors
    /// A file that cannot be read or is none.
    pub fn read(paths: &[impl AsRef<Path>]) -> Result<Self> {
        let (mut files, mut digest) = (Vec::new(), Sha256::new());
        for path in paths.iter().map(AsRef::as_ref) {
            let text = datasets::open_file(path).and_then(std::io::read_to_string);
            let text = text.map_err(|cause| {
                anyhow!(
                    "--tuned: cannot read {}: {}; name a file that --grid wrote",
                    path.display(),
                    sentence::cause(&cause)
                )
            })?;
            let tuning: Tuning = report::json::parse(&text).map_err(|fault| {
                anyhow!(
                    "--tuned: {}: line {}, column {}: expected what --grid writes, found {}; run the grid again",
                    path.display(),
                    fault.line,
                    fault.column,
                    fault.found
                )
            })?;
            // what was tried decides nothing
            digest.update(serde_json::to_string(&(&tuning.data, &tuning.chosen))?);
            files.push(tuning);
        }
        Ok(Self { files, digest: sentence::hex(&digest.finalize()[..4]) })
    }

    /// What becomes a part of the profile's name.
    pub fn name(&self) -> &str {
        &self.digest
    }

    /// What was chosen for a system on a data set.
    pub fn of(&self, data: Name, system: &System) -> Option<&Point> {
        let of_data = self.files.iter().filter(|tuning| tuning.data == data);
        of_data.flat_map(|tuning| &tuning.chosen).find(|point| point.system == system.id)
    }
}
