//! The state of a run under way, in a file beside its receipts, so that the same command goes on
//! where it was ended.

use crate::lock::Lock;
use anyhow::{Result, anyhow};
use models::Crossovers;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use training::{Checkpoint, Refusal, State};

/// Saves a run's state every so often.
pub struct CheckpointWriter {
    path: PathBuf,
    identity: Identity,
    every: Duration,
    saved: Instant,
    /// Held while the run goes on, so that no other process writes to the same files.
    lock: Lock,
}

/// What tells a run's checkpoint from others: run, recordings, seed, rules and place; the program;
/// and the densities from which on products were dense, which decide bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    run: String,
    program: String,
    crossover: String,
    /// What the weights in the checkpoint are of, for who takes them elsewhere.
    weights_of: String,
}

impl Identity {
    /// Of everything that decides a run's numbers, and of the program's SHA-256; `weights_of` is
    /// what [`crate::import::identity::of`] says of the run.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn new(
        what: &impl serde::Serialize,
        weights_of: String,
        program_sha256: &str,
        crossover: Crossovers,
    ) -> Result<Self> {
        let text = serde_json::to_string(what)?;
        let run = sentence::hex(&Sha256::digest(&text));
        Ok(Self {
            run,
            program: program_sha256.to_owned(),
            crossover: serde_json::to_string(&crossover)?,
            weights_of,
        })
    }

    /// Whether dense products multiply in the same way under these crossovers.
    fn multiplies_alike(&self, crossover: &str) -> bool {
        let dense = |text: &str| serde_json::from_str::<Crossovers>(text).ok().map(|c| c.dense);
        dense(crossover).is_some() && dense(crossover) == dense(&self.crossover)
    }

    fn text(&self) -> String {
        format!("{} {} {}", self.run, self.program, self.crossover)
    }
}

impl CheckpointWriter {
    /// The keeper of the run, which saves to `path` every `every`, and the checkpoint to go on
    /// from, if there is one of this run and, unless `any_build`, of this program. With `adopt` the
    /// run goes on with the checkpoint's crossovers, where its dense products multiplied as this
    /// run's do, else it must have the same. A checkpoint of another run is said on stderr and will
    /// be replaced. `lock` is that of the run, and is held as long as this is.
    ///
    /// # Errors
    /// A checkpoint that is damaged.
    pub fn open(
        path: &Path,
        lock: Lock,
        mut identity: Identity,
        every: Duration,
        any_build: bool,
        adopt: bool,
    ) -> Result<(Self, Option<Checkpoint>)> {
        let found = Checkpoint::read(path).map_err(|error| anyhow!("{error}"))?;
        let parts = found.as_ref().map(|checkpoint| {
            checkpoint.identity.splitn(3, ' ').map(str::to_owned).collect::<Vec<_>>()
        });
        let found = match parts.as_deref() {
            Some([run, program, crossover])
                if *run == identity.run
                    && (any_build || *program == identity.program)
                    && (adopt && identity.multiplies_alike(crossover)
                        || *crossover == identity.crossover) =>
            {
                crossover.clone_into(&mut identity.crossover);
                found
            }
            Some(_) => {
                terminal::say!(
                    "{}: of another run, device, rule, crossover or build of this program; begins again (--any-build goes on after a \
                     rebuild)",
                    path.display()
                );
                None
            }
            None => None,
        };
        Ok((Self { path: path.to_owned(), identity, every, saved: Instant::now(), lock }, found))
    }

    /// The crossovers that the run goes on with.
    ///
    /// # Errors
    /// If the checkpoint's cannot be read.
    pub fn crossover(&self) -> Result<Crossovers> {
        Ok(serde_json::from_str(&self.identity.crossover)?)
    }

    /// Saves the state if it is time, or `now`.
    ///
    /// # Errors
    /// If it cannot be written, or another process has taken the run over; what was saved before
    /// stays.
    pub fn keep(&mut self, state: &State, now: bool) -> Result<(), Refusal> {
        if now || self.saved.elapsed() >= self.every {
            self.lock.prove()?;
            state.save(&self.path, &self.identity.text(), &self.identity.weights_of)?;
            self.saved = Instant::now();
        }
        Ok(())
    }

    /// Proves that the run is still this process's.
    ///
    /// # Errors
    /// If another has taken it over.
    pub fn prove(&self) -> Result<()> {
        self.lock.prove()
    }

    /// Removes what was saved: the run has its receipt.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn done(self) -> Result<()> {
        Checkpoint::remove(&self.path).map_err(|e| {
            anyhow!("cannot remove the checkpoint {}: {}", self.path.display(), sentence::cause(&e))
        })
    }
}
