//! Runs as the programs share them: the flags that shape them, and training one data set with every method and seed
//! asked for, leaving a receipt of each.

use crate::compute::{self, ComputeFlags};
use crate::layout::Wanted;
use crate::preset::{self, Overrides};
use crate::receipt::{self, Clock, Label};
use crate::{Profile, data, machine, progress};
use anyhow::{Context, Result, anyhow, bail};
use candle_core::Device;
use datasets::{Name, Recordings};
use models::{Spec, Variant};
use neuron::Method;
use report::{DataIdentity, Record, RunIdentity, write_text};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Flags of every program that trains.
#[derive(clap::Args)]
pub struct RunFlags {
    /// Folder that holds the data sets [default: SPIKEGRAD_DATA, else data/]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Folder where `data prepare` keeps frames [default: SPIKEGRAD_CACHE, else .cache in the folder with the data sets]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Methods to train: baseline, bpsa, bpsa+bpta
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "bpsa+bpta")]
    pub methods: Vec<Method>,
    /// Number of seeds for each cell, from 0
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: u64,
    /// How much of the real thing
    #[arg(long, value_enum, default_value_t = Profile::Short)]
    pub profile: Profile,
    /// Epochs, instead of the profile's
    #[arg(long, value_parser = positive)]
    epochs: Option<usize>,
    /// Time steps T, instead of the profile's
    #[arg(long, value_parser = positive)]
    steps: Option<usize>,
    /// Divide channels and hidden units by this, instead of by the profile's number
    #[arg(long, value_parser = positive)]
    narrow: Option<usize>,
    /// Learning rate before the schedule, instead of the profile's
    #[arg(long, value_parser = positive_real)]
    learning_rate: Option<f64>,
    /// Layer lists as in the paper's text, instead of as in its code
    #[arg(long)]
    paper_layers: bool,
    /// Another network in the paper's notation, such as 16C3-MP2-32C3-AP4-10Voting, taken as it is written
    #[arg(long, value_name = "SPEC", conflicts_with = "paper_layers")]
    network: Option<Spec>,
    /// Speech Commands only: sixteen windows that move over the spectrogram, instead of all of it at every step
    #[arg(long, conflicts_with = "steps")]
    chunks: bool,
    /// Threads [default: all cores]
    #[arg(long, value_parser = positive)]
    threads: Option<usize>,
    #[command(flatten)]
    compute: ComputeFlags,
    /// Folder for tables, figures and receipts
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub results: PathBuf,
    /// Run even what has its receipt
    #[arg(long)]
    force: bool,
    /// Count receipts that another build of this program made as done, and put them into the same cell
    #[arg(long, conflicts_with = "force")]
    pub any_build: bool,
}

/// A whole number above 0, for clap.
///
/// # Errors
/// Anything else.
pub fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("expected a whole number above 0".into()),
    }
}

fn positive_real(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() && x > 0.0 => Ok(x),
        _ => Err("expected a number above 0".into()),
    }
}

impl RunFlags {
    /// What the flags change of the profile.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            epochs: self.epochs,
            steps: self.steps,
            narrow: self.narrow,
            learning_rate: self.learning_rate,
            variant: self.paper_layers.then_some(Variant::Paper),
            network: self.network.clone(),
            chunks: self.chunks,
        }
    }

    /// The profile's name with what was overridden.
    pub fn profile_name(&self) -> String {
        preset::profile_name(self.profile, &self.overrides()) + &self.compute.profile()
    }

    /// What the cells of these recordings are to hold.
    ///
    /// # Errors
    /// If the program cannot be identified.
    pub fn wanted(&self, recordings: &Recordings) -> Result<Wanted> {
        let (data, profile, overrides) = (recordings.name, self.profile, self.overrides());
        Ok(Wanted {
            data,
            recordings: receipt::identity(recordings),
            program_sha256: machine::program_sha256()?,
            run: Box::new(move |method| Ok(serde_json::to_value(preset::run(data, method, profile, &overrides)?)?)),
        })
    }

    /// The folder of an experiment's receipts, made and proven to be writable, and its receipts to be readable, before
    /// hours are spent on what goes there; and the number of threads set.
    ///
    /// # Errors
    /// A folder that cannot be written, or a broken receipt in it.
    pub fn start(&self, experiment: &str) -> Result<PathBuf> {
        let receipts = self.results.join("runs").join(experiment);
        prepare_folder(&receipts)?;
        prepare_folder(&self.results)?;
        Record::read_all(&receipts)?;
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
        }
        Ok(receipts)
    }

    /// Proves that the network of each method can be built for the data set.
    ///
    /// # Errors
    /// If one cannot.
    pub fn prove(&self, data: Name) -> Result<()> {
        if self.chunks && data != Name::SpeechCommands {
            bail!("--chunks is for speech-commands, found {data}; leave it out, or name speech-commands alone");
        }
        for &method in &self.methods {
            let run = preset::run(data, method, self.profile, &self.overrides())?;
            run.network(&training::SeededVars::new(0), &Device::Cpu)?;
        }
        Ok(())
    }

    /// Trains one data set with every method and seed asked for, leaving a receipt of each. A run that diverges does not
    /// stop the others; what it said is returned.
    ///
    /// # Errors
    /// Recordings that cannot be read, a receipt that cannot be written.
    pub fn train(&self, experiment: &'static str, recordings: &Recordings, receipts: &Path) -> Result<Vec<String>> {
        let program = machine::program_sha256()?;
        let overrides = self.overrides();
        let identity = receipt::identity(recordings);
        let profile = self.profile_name();
        let root = data::root(self.data.clone())?;
        let cache = root.map(|root| data::cache_folder(self.cache.as_deref(), &root));
        let (mut sets, mut diverged, mut chosen) = (None, Vec::new(), None);
        for &method in &self.methods {
            let run = preset::run(recordings.name, method, self.profile, &overrides)?;
            let value = serde_json::to_value(&run)?;
            let label = label(experiment, method, &profile, recordings, &identity);
            for seed in 0..self.seeds {
                let this = RunIdentity { run: &value, data: &identity, program_sha256: &program, seed };
                if !self.force && receipt::existing(receipts, &label.row, this, self.any_build)?.is_some() {
                    eprintln!("{} seed {seed}: receipt found, not run again (--force runs it)", label.title);
                    continue;
                }
                let sets = match &sets {
                    Some(sets) => sets,
                    None => sets.insert(data::load(recordings, run.encoding, cache.as_deref())?),
                };
                let place = match &chosen {
                    Some(place) => place,
                    None => chosen.insert(self.compute.choose()?),
                };
                let mut watch = progress::Watch::new(format!("{} seed {seed}", label.title), run.setup.epochs);
                let clock = Clock::start();
                device::reset_peak_memory(&place.device);
                let history = match run.train(sets, &place.compute, seed, &place.device, &mut watch) {
                    Ok(history) => history,
                    Err(error @ training::Error::Diverged { .. }) => {
                        let said = format!("{} seed {seed}: {error}", label.title);
                        eprintln!("{said}");
                        diverged.push(said);
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                };
                let mut record = receipt::record(&label, &run, identity.clone(), seed, &history, &clock, &program)?;
                record.device = place.name.clone();
                record.compute = compute::said(place, &watch.layers);
                record.write(receipts)?;
            }
        }
        Ok(diverged)
    }
}

/// Makes the folder and proves that it can be written.
fn prepare_folder(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|cause| {
        anyhow!("cannot make the results folder {}: {cause}; choose another with --results DIR", dir.display())
    })?;
    let probe = dir.join(format!(".writable-{}", std::process::id()));
    write_text(&probe, "")?;
    std::fs::remove_file(&probe).with_context(|| format!("cannot remove {}", probe.display()))
}

fn label(
    experiment: &'static str,
    method: Method,
    profile: &str,
    recordings: &Recordings,
    identity: &DataIdentity,
) -> Label {
    let origin = match identity.origin {
        report::Origin::Complete => String::new(),
        report::Origin::Sample => "-sample".to_owned(),
        report::Origin::Synthetic => "-synthetic".to_owned(),
    };
    // two parts or two splits of a data set are two rows
    let part = match experiment {
        "train" => {
            let digest = Sha256::digest(format!("{}\n{}", identity.manifest_sha256, identity.split));
            let digest: String = digest[..4].iter().map(|byte| format!("{byte:02x}")).collect();
            format!("-{}+{}-{digest}", identity.train, identity.test)
        }
        _ => String::new(),
    };
    Label {
        experiment,
        row: format!("{}-{}-{profile}{origin}{part}", recordings.name.id(), method.id()),
        title: format!("{} {}", recordings.name.title(), method.id()),
        profile: profile.to_owned(),
    }
}
