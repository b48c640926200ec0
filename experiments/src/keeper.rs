//! The state of a run under way, in a file beside its receipts, so that the same command goes on where it was ended.

use anyhow::{Result, anyhow};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use training::{Checkpoint, Refusal, State};

/// Saves a run's state every so often.
pub struct Keeper {
    path: PathBuf,
    identity: Identity,
    every: Duration,
    saved: Instant,
}

/// What tells a run's checkpoint from others: run, recordings, seed and rules; and the program.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    run: String,
    program: String,
}

impl Identity {
    /// Of everything that decides a run's numbers, and of the program's SHA-256.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn new(what: &impl serde::Serialize, program_sha256: &str) -> Result<Self> {
        let text = serde_json::to_string(what)?;
        let run = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { run, program: program_sha256.to_owned() })
    }

    fn text(&self) -> String {
        format!("{} {}", self.run, self.program)
    }
}

impl Keeper {
    /// The keeper of the run, which saves to `path` every `every`, and the checkpoint to go on from, if there is one of this run
    /// and, unless `any_build`, of this program. One of another run is said on stderr and will be replaced.
    ///
    /// # Errors
    /// A folder that cannot be made, or a checkpoint that is damaged.
    pub fn open(
        path: &Path,
        identity: Identity,
        every: Duration,
        any_build: bool,
    ) -> Result<(Self, Option<Checkpoint>)> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| {
                anyhow!(
                    "cannot make the folder of checkpoints {}: {e}; choose another with --results DIR",
                    folder.display()
                )
            })?;
        }
        let found = Checkpoint::read(path).map_err(|error| anyhow!("{error}"))?;
        let ours = |checkpoint: &Checkpoint| match any_build {
            true => checkpoint.identity.split(' ').next() == Some(&*identity.run),
            false => checkpoint.identity == identity.text(),
        };
        let (found, other) = match found {
            Some(checkpoint) if !ours(&checkpoint) => (None, true),
            found => (found, false),
        };
        if other {
            eprintln!(
                "{}: of another run or another build of this program; begins again (--any-build goes on after a rebuild)",
                path.display()
            );
        }
        let keeper = Self { path: path.to_owned(), identity, every, saved: Instant::now() };
        Ok((keeper, found))
    }

    /// Saves the state if it is time, or `now`.
    ///
    /// # Errors
    /// If it cannot be written; what was saved before stays.
    pub fn keep(&mut self, state: &State, now: bool) -> Result<(), Refusal> {
        if now || self.saved.elapsed() >= self.every {
            state.save(&self.path, &self.identity.text())?;
            self.saved = Instant::now();
        }
        Ok(())
    }

    /// Removes what was saved: the run has its receipt.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn done(self) -> Result<()> {
        Checkpoint::remove(&self.path).map_err(|e| anyhow!("cannot remove the checkpoint {}: {e}", self.path.display()))
    }
}
