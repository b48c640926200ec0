//! What is proven of a command's runs before the first step of any, with and without `--dry-run`:
//! hours are not spent on what cannot end well.

use crate::flags::RunFlags;
use crate::memory::{self, MemoryNeed};
use crate::runs::Item;
use crate::usage::Usage;
use crate::{Encoding, Run, data, names, outputs, receipt, stop, systems};
use anyhow::{Context, Result, anyhow, bail};
use candle_core::Device;
use datasets::{Name, Recordings};
use std::path::{Path, PathBuf};
use training::{BatchSizes, Checkpoint, SeededVars};

impl RunFlags {
    /// The folder of an experiment's receipts, made and proven to be writable, before hours are
    /// spent on what goes there; what is no receipt named; the number of threads set, and signals
    /// listened to.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn start(&self, experiment: &str) -> Result<PathBuf> {
        let receipts = self.results.join("runs").join(experiment);
        let kept = !self.only_says();
        outputs::try_folder(&receipts, "--results", kept)?;
        outputs::try_folder(&self.results, "--results", kept)?;
        for folder in ["weights", "checkpoints"] {
            // kept: other processes may be about to write in what this one made
            outputs::try_folder(&self.results.join(folder), "--results", kept)?;
        }
        if let Some(folder) = &self.tensorboard {
            outputs::try_folder(folder, "--tensorboard", false)?;
        }
        for ending in ["md", "tex", "csv", "json"] {
            outputs::try_file(&self.results.join(format!("{experiment}.{ending}")))?;
        }
        outputs::try_figures(&self.results, experiment)?;
        if let Some(cache) = self.cache.as_ref().filter(|cache| !cache.is_dir()) {
            bail!(
                "--cache: expected a folder, found none at {}; name the one of `data prepare`, or leave it out",
                cache.display()
            );
        }
        if !self.only_says() {
            stop::listen()?;
        }
        receipt::say(&receipt::of_all_experiments(&self.results).faults);
        if let Some(threads) = self.threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
            pool.map_err(|_| {
                anyhow!("--threads {threads}: this machine does not start as many; take fewer")
            })?;
        }
        Ok(receipts)
    }

    /// Proves that a run's network can be built, that its memory is there, told by sizes alone, and
    /// that the weights that were named are its; what is not proven of them is said on stderr.
    ///
    /// # Errors
    /// If not.
    pub fn prove(&self, run: &Run) -> Result<()> {
        if self.chunks && run.data != Name::SpeechCommands {
            bail!(Usage(format!(
                "--chunks is for speech-commands, found {}; leave it out, or name speech-commands alone",
                run.data
            )));
        }
        if let Some(says) = systems::says(run) {
            terminal::say!("{says}");
        }
        let footprint = run.outline()?.footprint(run.frame());
        let here = self.compute.on_this_machine() && !self.trains_elsewhere();
        let budget = self.compute.memory_budget();
        let found = if here { memory::available() } else { None };
        MemoryNeed::of(run, &footprint, budget).prove(run, found)?;
        if !self.compute.needs_blocks() && self.weights.is_none() {
            return Ok(());
        }
        let vars = SeededVars::new(0);
        let network = run.network(&vars, &Device::Cpu)?;
        self.compute.fits(&network)?;
        if let (Some(said), Some(path)) = (self.begin_with(run, &network, &vars)?, &self.weights) {
            terminal::say!("--weights {}: {said}", path.display());
        }
        Ok(())
    }

    /// Proves what can be told of the runs of these recordings that have no receipt yet before the
    /// first step of any: that the device is there, that every batch of them can be trained, that
    /// frames and steps fit into memory, that what an interrupted run left can be read, and that
    /// nothing is where their files are to be written.
    ///
    /// # Errors
    /// The first that cannot, or a broken receipt.
    pub fn prove_part(
        &self,
        items: &[Item],
        recordings: &Recordings,
        receipts: &Path,
    ) -> Result<()> {
        // a receipt of more than there is would be believed by nobody
        receipt::prove_recordings(recordings.name, &receipt::identity(recordings))
            .map_err(|wrong| anyhow!("{wrong}; run `data verify {}`", recordings.name))?;
        for (item, seed) in self.sought(items, recordings, receipts)?.0 {
            if !self.trains_elsewhere() {
                self.compute.device()?;
            }
            self.prove_sizes(item, recordings)?;
            self.prove_places(&item.row, seed, receipts)?;
        }
        Ok(())
    }

    /// What sizes tell of a run.
    fn prove_sizes(&self, item: &Item, recordings: &Recordings) -> Result<()> {
        let Item { title, run, .. } = item;
        let (train, test) = datasets::sample_counts(recordings);
        let (network, steps) = (run.outline()?, run.steps().unwrap_or(1));
        let still = matches!(run.encoding, Encoding::Direct { .. });
        let sizes = BatchSizes::new(train, test, &run.setup)
            .and_then(|sizes| sizes.prove(&network, run.frame(), steps, still));
        match sizes {
            // of recordings too few to train on, a broken one is the better sentence: they are
            // read before they are counted
            Err(training::Error::NoBatch { .. }) if !self.only_says() => (),
            sizes => sizes.map_err(|error| anyhow!("{title}: {error}"))?,
        }
        if let Some(budget) = self.compute.memory_budget() {
            memory::prove_budget(run, train, budget)
                .with_context(|| format!("{title}, --memory-budget"))?;
        }
        if let Encoding::Events(framing) = run.encoding {
            let root = data::root(self.data.clone())?;
            let cache = root.map(|root| data::cache_folder(self.cache.as_deref(), &root));
            // a damaged cache is found here too
            if !self.trains_elsewhere() && !data::is_cached(recordings, framing, cache.as_deref())?
            {
                let all = train + recordings.held_out.len() + test;
                memory::prove_frames(run, all, memory::available())?;
            }
        }
        Ok(())
    }

    /// What stands where the files of a run are to be.
    fn prove_places(&self, row: &str, seed: u64, receipts: &Path) -> Result<()> {
        let name = names::of_run(row, seed);
        let of = |folder: &str| self.results.join(folder).join(format!("{name}.safetensors"));
        let receipt = report::Record::path(receipts, &names::of_row(row), seed);
        for path in [of("weights"), of("checkpoints"), receipt] {
            outputs::try_file(&path)?;
        }
        if self.dry_run {
            Checkpoint::read(&of("checkpoints")).map_err(|error| anyhow!("{error}"))?;
        }
        match &self.tensorboard {
            Some(board) => outputs::try_run_folder(&board.join(&name), "--tensorboard"),
            None => Ok(()),
        }
    }

    /// Proves that no run will have to replace a file that is no receipt, before any is trained;
    /// with `--force` the user wants it replaced.
    ///
    /// # Errors
    /// The first such file.
    pub fn prove_receipts(&self, items: &[Item], receipts: &Path) -> Result<()> {
        if self.force {
            return Ok(());
        }
        for Item { row, .. } in items {
            for &seed in self.seeds().list() {
                let path = report::Record::path(receipts, &names::of_row(row), seed);
                if path.symlink_metadata().is_ok() {
                    receipt::read(receipts, &path)?;
                }
            }
        }
        Ok(())
    }
}
