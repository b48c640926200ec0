//! The runs of a data set, trained by as many processes as share a results folder: each trains what
//! no other does.

use crate::compute::ComputeTarget;
use crate::data::{self, Sets};
use crate::flags::RunFlags;
use crate::lock::{Attempt, Holder, Lock, Pace};
use crate::runs::{Item, Seeded, named};
use crate::tasks::Share;
use crate::{Encoding, names, stop};
use anyhow::{Result, anyhow, ensure};
use datasets::Recordings;
use std::path::{Path, PathBuf};
use training::BatchSizes;

/// What came of a command's runs.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What each run that diverged said.
    diverged: Vec<String>,
    /// How many were left to other processes.
    left: usize,
}

impl Outcome {
    /// With what came of others.
    pub fn add(&mut self, other: Self) {
        self.diverged.extend(other.diverged);
        self.left += other.left;
    }

    /// Says what is laid out without the runs of other processes.
    pub fn say(&self) {
        if self.left > 0 {
            terminal::say!(
                "{} runs are other processes' and have no receipt yet; the same command lays them out when they do",
                self.left
            );
        }
    }

    /// Ends what needs every run.
    ///
    /// # Errors
    /// If other processes still train some.
    pub fn prove_whole(&self) -> Result<()> {
        ensure!(
            self.left == 0,
            "{} runs are trained by other processes; give the same command again when they have ended",
            self.left
        );
        Ok(())
    }

    /// Ends a program that has done everything else.
    ///
    /// # Errors
    /// If a run diverged.
    pub fn refuse(&self) -> Result<()> {
        ensure!(
            self.diverged.is_empty(),
            "{}; these runs have no receipt, all others do",
            self.diverged.join("; ")
        );
        Ok(())
    }
}

/// What the runs of one data set have in common.
struct Work<'a> {
    flags: &'a RunFlags,
    experiment: &'a str,
    recordings: &'a Recordings,
    receipts: &'a Path,
    cache: Option<PathBuf>,
    /// Frames depend on the encoding: those of the run before serve only the same.
    loaded: Option<(Encoding, Sets)>,
    place: Option<ComputeTarget>,
    diverged: Vec<String>,
}

impl RunFlags {
    /// Trains what is missing of one data set's share, leaving a receipt of each run. A run that
    /// diverges does not stop the others; what it said is returned. Runs that another process
    /// trains are left to it, and said.
    ///
    /// # Errors
    /// Recordings that cannot be read, a receipt that cannot be written, Ctrl-C.
    pub fn train(
        &self,
        experiment: &str,
        items: &[Item],
        recordings: &Recordings,
        receipts: &Path,
        share: Share,
    ) -> Result<Outcome> {
        if share.is_none() {
            self.say_missing(self.sought(items, recordings, receipts)?, recordings);
            return Ok(Outcome::default());
        }
        let root = data::root(self.data.clone())?;
        let mut work = Work {
            flags: self,
            experiment,
            recordings,
            receipts,
            cache: root.map(|root| data::cache_folder(self.cache.as_deref(), &root)),
            loaded: None,
            place: None,
            diverged: Vec::new(),
        };
        let mut held = Vec::new();
        for (item, seed) in self.missing(items, recordings, receipts, share)? {
            if work.turn(item, seed, Lock::attempt)?.is_some() {
                held.push((item, seed));
            }
        }
        // once more: their processes may have ended, and of some it takes a while to be told
        let watched = |path: &Path, pace| Lock::watch(path, pace, || !stop::asked());
        let mut left = 0;
        for (item, seed) in held {
            if let Some(holder) = work.turn(item, seed, watched)? {
                left += 1;
                terminal::say!(
                    "{} seed {seed}: left to {}, which trains it now",
                    named(item, recordings),
                    holder.says
                );
            }
        }
        Ok(Outcome { diverged: work.diverged, left })
    }

    /// Says how many runs have no receipt, where none is trained.
    fn say_missing(&self, (missing, found): (Seeded<'_>, Seeded<'_>), recordings: &Recordings) {
        let (title, all) = (recordings.name.title(), missing.len() + found.len());
        match missing.len() {
            0 => terminal::say!("{title}: every run has its receipt"),
            missing => terminal::say!("{title}: {missing} of {all} runs have no receipt"),
        }
    }

    /// The lock of a run.
    pub(crate) fn lock_of(&self, item: &Item, seed: u64) -> PathBuf {
        self.checkpoint_of(&names::of_run(&item.row, seed)).with_extension("lock")
    }
}

impl Work<'_> {
    /// Trains a run, unless it has its receipt by now or another process trains it.
    fn turn(
        &mut self,
        item: &Item,
        seed: u64,
        attempt: impl FnOnce(&Path, Pace) -> Result<Attempt>,
    ) -> Result<Option<Holder>> {
        if stop::asked() {
            return Err(training::Error::Interrupted.into());
        }
        let lock = match attempt(&self.flags.lock_of(item, seed), Pace::default())? {
            Attempt::Taken(lock) => lock,
            Attempt::Held(holder) => return Ok(Some(holder)),
        };
        let title = named(item, self.recordings);
        // looked for again: it may have been made while the lock was waited for
        let there = || self.flags.has_receipt(item, seed, self.recordings, self.receipts);
        if !self.flags.force && there()? {
            terminal::say!("{title} seed {seed}: trained by another process meanwhile");
            return Ok(None);
        }
        match self.train(item, seed, lock) {
            Ok(()) => Ok(None),
            Err(error) => match error.downcast_ref() {
                Some(training::Error::Diverged { .. } | training::Error::Silent { .. }) => {
                    let said = format!("{title} seed {seed}: {error}");
                    terminal::say!("{said}");
                    self.diverged.push(said);
                    Ok(None)
                }
                _ => Err(error),
            },
        }
    }

    fn train(&mut self, item: &Item, seed: u64, lock: Lock) -> Result<()> {
        let place = match &self.place {
            Some(place) => place,
            None => self.place.insert(self.flags.compute.choose()?),
        };
        let encoding = item.run.encoding;
        if self.loaded.as_ref().is_none_or(|(of, _)| *of != encoding) {
            // the ones before go first, so that memory never holds two
            drop(self.loaded.take());
            let sets = data::load(self.recordings, encoding, self.cache.as_deref())?;
            self.loaded = Some((encoding, sets));
        }
        let Some((_, sets)) = &self.loaded else { return Ok(()) };
        let (train, test) = (sets.train().samples.len(), sets.test().samples.len());
        BatchSizes::new(train, test, &item.run.setup)
            .map_err(|error| anyhow!("{}: {error}", named(item, self.recordings)))?;
        let run = (item, seed, lock);
        self.flags.one(self.experiment, run, self.recordings, sets, place, self.receipts)
    }
}
