//! Runs as the programs share them: training what is missing of a data set, leaving a receipt of
//! each run.

use crate::board::Board;
use crate::checkpoint_writer::{CheckpointWriter, Identity};
use crate::compute::{self, ComputeTarget};
use crate::data::{Sets, TrainingData};
use crate::flags::RunFlags;
use crate::lock::Lock;
use crate::receipt::{self, Clock, Label};
use crate::selection::Wanted;
use crate::tasks::Share;
use crate::{Run, analysis, data, import, machine, names, outputs, progress, stop};
use anyhow::{Result, anyhow};
use datasets::{Fold, Recordings};
use models::Network;
use report::{Analysis, DataIdentity, Record, RunIdentity};
use std::path::{Path, PathBuf};
use std::time::Duration;
use training::{Checkpoint, Evaluation, Job, SeededVars, Set, evaluate, save_weights, train_from};

/// A run to be trained: what it is called, and what it is.
pub struct Item {
    /// For people.
    pub title: String,
    /// What tells its receipts from others of the experiment, see [`names::of_row`].
    pub row: String,
    /// The run.
    pub run: Run,
    /// The number that its run with the first seed has among those of the command; those with the
    /// others follow.
    pub first: usize,
}

/// The recordings of one data set, or of a fold of it, and the runs on them.
pub struct Part {
    /// The recordings.
    pub chosen: TrainingData,
    /// The runs.
    pub items: Vec<Item>,
}

/// Items, each with a seed.
pub(crate) type Seeded<'i> = Vec<(&'i Item, u64)>;

/// What a trained network does. Where it cannot be told that is said: hours of training are not
/// lost for what is looked at after them.
fn analysed(
    run: &Run,
    network: &Network,
    test: Set<'_>,
    place: &ComputeTarget,
    called: &str,
) -> Option<Analysis> {
    let trained = run.trained(network);
    match analysis::analyse(run, &trained, test, &place.compute, &place.device) {
        Ok(analysis) => Some(analysis),
        Err(error) => {
            terminal::say!("{called}: trained, but its receipt has no analysis: {error:#}");
            None
        }
    }
}

/// An item's title, with the fold that it is trained on.
pub(crate) fn named(item: &Item, recordings: &Recordings) -> String {
    match recordings.fold {
        None => item.title.clone(),
        Some(Fold { number, of }) => format!("{}, fold {number} of {of},", item.title),
    }
}

impl RunFlags {
    /// What the cells of these recordings are to hold.
    ///
    /// # Errors
    /// If the program cannot be identified.
    pub fn wanted(&self, recordings: &Recordings) -> Result<Wanted> {
        Ok(Wanted {
            recordings: receipt::identity(recordings),
            program_sha256: machine::program_sha256()?,
        })
    }

    /// Every seed of every item of a share that has no receipt yet, among those of all experiments;
    /// those that have one are said.
    ///
    /// # Errors
    /// A broken receipt.
    pub fn missing<'i>(
        &self,
        items: &'i [Item],
        recordings: &Recordings,
        receipts: &Path,
        share: Share,
    ) -> Result<Seeded<'i>> {
        let (missing, found) = self.sought(items, recordings, receipts)?;
        let of_share = |&(item, seed): &(&Item, u64)| {
            self.number_of(item, seed).is_some_and(|number| share.has(number))
        };
        for (item, seed) in found.into_iter().filter(of_share) {
            terminal::say!(
                "{} seed {seed}: receipt found, not run again (--force runs it)",
                named(item, recordings)
            );
        }
        Ok(missing.into_iter().filter(of_share).collect())
    }

    /// The number of a run among those of the command.
    pub(crate) fn number_of(&self, item: &Item, seed: u64) -> Option<usize> {
        let place = self.seeds().list().iter().position(|&other| other == seed)?;
        Some(item.first + place)
    }

    /// Every seed of every item: those without a receipt, and those with one.
    pub(crate) fn sought<'i>(
        &self,
        items: &'i [Item],
        recordings: &Recordings,
        receipts: &Path,
    ) -> Result<(Seeded<'i>, Seeded<'i>)> {
        let (mut missing, mut found) = (Vec::new(), Vec::new());
        for item in items {
            for &seed in self.seeds().list() {
                let has_one = !self.force && self.has_receipt(item, seed, recordings, receipts)?;
                if has_one { &mut found } else { &mut missing }.push((item, seed));
            }
        }
        Ok((missing, found))
    }

    /// Whether a run has its receipt.
    ///
    /// # Errors
    /// A broken receipt.
    pub(crate) fn has_receipt(
        &self,
        item: &Item,
        seed: u64,
        recordings: &Recordings,
        receipts: &Path,
    ) -> Result<bool> {
        let (program, identity) = (machine::program_sha256()?, receipt::identity(recordings));
        let value = serde_json::to_value(&item.run)?;
        let this = RunIdentity { run: &value, data: &identity, program_sha256: &program, seed };
        Ok(receipt::existing(receipts, &item.row, this, self.any_build)?.is_some())
    }

    /// The receipts that an item has.
    ///
    /// # Errors
    /// A broken receipt.
    pub fn records(
        &self,
        item: &Item,
        recordings: &Recordings,
        receipts: &Path,
    ) -> Result<Vec<Record>> {
        let (program, identity) = (machine::program_sha256()?, receipt::identity(recordings));
        let value = serde_json::to_value(&item.run)?;
        let mut records = Vec::new();
        for &seed in self.seeds().list() {
            let this = RunIdentity { run: &value, data: &identity, program_sha256: &program, seed };
            records.extend(receipt::existing(receipts, &item.row, this, self.any_build)?);
        }
        Ok(records)
    }

    /// One run, whose lock is held, from its checkpoint if it has one, to its receipt.
    pub(crate) fn one(
        &self,
        experiment: &str,
        (item, seed, lock): (&Item, u64, Lock),
        recordings: &Recordings,
        sets: &Sets,
        place: &ComputeTarget,
        receipts: &Path,
    ) -> Result<()> {
        let Item { row, run, .. } = item;
        let title = named(item, recordings);
        let program = machine::program_sha256()?;
        let identity = receipt::identity(recordings);
        let name = names::of_run(row, seed);
        let mut vars = run.variables(seed);
        let network = run.network(&vars, &place.device)?;
        self.begin_with(run, &network, &vars)?;
        let called = format!("{title} seed {seed}");
        let (checkpoints, from, adopted) =
            self.checkpoints(&name, &called, lock, (run, &identity, seed), place)?;
        let place = &adopted;
        let mut watch =
            progress::RunProgress::new(called.clone(), run.setup.epochs, run.setup.batch);
        watch.checkpoints = Some(checkpoints);
        if let Some(dir) = &self.tensorboard {
            let probe = || analysis::trace(run, &network, sets.test(), &place.device, Some(0));
            let done = from.as_ref().map_or(0, |from| from.epochs_done());
            watch.board = Some(Board::new(&dir.join(&name), done, Box::new(probe))?);
        }
        // before training: the file of named weights may be gone after it
        let label = self.label(experiment, item)?;
        // from here to the receipt a signal must not lose what was trained
        let _saving = stop::under_way();
        let clock = Clock::start();
        device::reset_peak_memory(&place.device);
        let (train, test, setup, rules) = (sets.train(), sets.test(), &run.setup, self.rules());
        let (compute, device) = (&place.compute, &place.device);
        let job = Job {
            network: &network,
            sets: (train, test),
            held_out: sets.held_out(),
            setup,
            rules,
            compute,
            seed,
            device,
        };
        let history = train_from(&job, &mut vars, from, &mut watch)?;
        let mut record = receipt::record(&label, run, identity, seed, &history, &clock, &program)?;
        record.device = place.name.clone();
        record.compute = compute::said(place, &network, &watch.layers);
        record.analysis = analysed(run, &network, test, place, &called);
        // what another process has taken over is its to keep
        watch.checkpoints.as_ref().map_or(Ok(()), CheckpointWriter::prove)?;
        self.keep(record, run, &vars, receipts)?;
        watch.checkpoints.take().map_or(Ok(()), CheckpointWriter::done)
    }

    fn label(&self, experiment: &str, item: &Item) -> Result<Label> {
        Ok(Label {
            experiment: experiment.into(),
            row: item.row.clone(),
            title: item.title.clone(),
            profile: self.profile_name()?,
        })
    }

    /// The file of a run's checkpoints; its lock lies beside it.
    pub(crate) fn checkpoint_of(&self, name: &str) -> PathBuf {
        self.results.join("checkpoints").join(format!("{name}.safetensors"))
    }

    /// The writer of a run's checkpoints, the state from which it goes on, if it has one, and how
    /// it then computes: measured crossovers may be others today, and with them the bits.
    fn checkpoints(
        &self,
        name: &str,
        called: &str,
        lock: Lock,
        (run, data, seed): (&Run, &DataIdentity, u64),
        place: &ComputeTarget,
    ) -> Result<(CheckpointWriter, Option<Checkpoint>, ComputeTarget)> {
        let path = self.checkpoint_of(name);
        let compute = &place.compute;
        // rules and the way to compute too: with others the bits would be others
        let how =
            format!("{:?} {} {:?} {}", self.rules(), compute.blocks, compute.math, place.name);
        let identity = Identity::new(
            &(run, data, seed, how),
            import::identity::of(run)?,
            &machine::program_sha256()?,
            compute.options.crossover,
        )?;
        let every = Duration::from_secs_f64(60.0 * self.checkpoint_every);
        let adopt = self.compute.crossover_is_auto();
        let (checkpoints, from) =
            CheckpointWriter::open(&path, lock, identity, every, self.any_build, adopt)?;
        if from.is_some() {
            terminal::say!("{called}: goes on from {}", path.display());
        }
        let mut adopted = place.clone();
        adopted.compute.options.crossover = checkpoints.crossover()?;
        Ok((checkpoints, from, adopted))
    }

    /// Writes what a run learned, and its receipt.
    fn keep(
        &self,
        mut record: Record,
        run: &Run,
        vars: &SeededVars,
        receipts: &Path,
    ) -> Result<()> {
        record.weights_sha256 = Some(vars.sha256()?);
        let weights = self.results.join("weights");
        outputs::try_folder(&weights, "--results", true)?;
        let name = names::of_run(&record.row, record.seed);
        let file = weights.join(format!("{name}.safetensors"));
        save_weights(&file, vars, &import::identity::of(run)?).map_err(|e| anyhow!("{e}"))?;
        if let Err(error) = record.write(receipts) {
            // what was looked at after training costs no training
            if record.analysis.take().is_none() {
                return Err(error.into());
            }
            let (title, seed) = (&record.title, record.seed);
            terminal::say!("{title} seed {seed}: its receipt has no analysis: {error}");
            record.write(receipts)?;
        }
        Ok(())
    }

    /// Puts the weights that were named into a network; what is not proven of them.
    ///
    /// # Errors
    /// A file that cannot be read, or weights that are not this network's.
    pub fn begin_with(
        &self,
        run: &Run,
        network: &Network,
        vars: &SeededVars,
    ) -> Result<Option<String>> {
        let Some(path) = &self.weights else { return Ok(None) };
        let any = self.weights_of_another_run;
        Ok(import::weights(path, run, network, vars, any)?.unproven)
    }

    /// What a run's network does on the test set, with the weights that were named and without
    /// training.
    ///
    /// # Errors
    /// Recordings or weights that cannot be read.
    pub fn evaluate(&self, run: &Run, recordings: &Recordings) -> Result<Evaluation> {
        let root = data::root(self.data.clone())?;
        let cache = root.map(|root| data::cache_folder(self.cache.as_deref(), &root));
        let place = self.compute.choose()?;
        let sets = data::load(recordings, run.encoding, cache.as_deref())?;
        let vars = SeededVars::new(0);
        let network = run.network(&vars, &place.device)?;
        self.begin_with(run, &network, &vars)?;
        Ok(evaluate(
            &run.trained(&network),
            sets.test(),
            &run.setup,
            &place.compute,
            &place.device,
        )?)
    }
}
