//! The flags of every program that trains, and what they say of a profile.

use crate::compute::ComputeFlags;
use crate::division::DivisionFlags;
use crate::fields::STEPS;
use crate::preset::{self, Overrides};
use crate::run_request::{RunRequest, Variation};
use crate::seeds::Seeds;
use crate::settings::Setting;
use crate::systems::{self, System, SystemInSetting};
use crate::tasks::TaskFlags;
use crate::tuning::Tuned;
pub use crate::usage::Usage;
use crate::usage::{between, prove_once};
use crate::{OwnSurrogate, Profile, SystemSetting, import};
use anyhow::{Result, anyhow};
use models::{Spec, Variant};
use report::json;
use std::path::PathBuf;
use training::{Range, Rule, Rules};

/// Flags of every program that trains.
#[derive(clap::Args)]
pub struct RunFlags {
    /// Folder that holds the data sets [default: SPIKEGRAD_DATA, else data/]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Folder where `data prepare` keeps frames [default: SPIKEGRAD_CACHE, else .cache in the
    /// folder with the data sets]
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Systems to train, instead of the usual ones: baseline, bpsa, bpsa+bpta, tdbn, plif, bntt,
    /// sbpsnn, lisnn, neunorm, backeisnn, or all
    #[arg(long, alias = "methods", value_name = "NAME", value_delimiter = ',', value_parser = called)]
    systems: Vec<SystemNames>,
    /// Each system's idea in the paper's network and budget, or its own recipe as it was published
    #[arg(long, value_enum, default_value_t = SystemSetting::House)]
    pub setting: SystemSetting,
    /// Seeds of each cell: how many, from 0 on (3), a list (3,5,7) or a range without its end
    /// (3..6)
    #[arg(long, value_name = "N|LIST|RANGE", default_value = "1")]
    seeds: Seeds,
    /// One seed
    #[arg(long, value_name = "SEED", conflicts_with = "seeds", value_parser = between::<u64>(0, u64::MAX))]
    seed: Option<u64>,
    /// How much of the real thing
    #[arg(long, value_enum, default_value_t = Profile::Short)]
    pub profile: Profile,
    /// Epochs, instead of the profile's
    #[arg(long, value_parser = epochs)]
    pub(crate) epochs: Option<usize>,
    /// Time steps T, instead of the profile's
    #[arg(long, value_parser = steps)]
    pub(crate) steps: Option<usize>,
    /// Divide channels and hidden units by this, instead of by the profile's number
    #[arg(long, value_parser = narrow)]
    pub(crate) narrow: Option<usize>,
    /// Learning rate before the schedule, instead of the profile's
    #[arg(long, value_parser = learning_rate)]
    pub(crate) learning_rate: Option<f64>,
    /// Learning rate and warm-up that --grid chose for each system, from its file; again for
    /// another data set
    #[arg(long, value_name = "FILE", conflicts_with = "learning_rate")]
    pub(crate) tuned: Vec<PathBuf>,
    /// Layer lists as in the paper's text, instead of as in its code
    #[arg(long)]
    pub(crate) paper_layers: bool,
    /// Another network in the paper's notation, such as 16C3-MP2-32C3-AP4-10Voting, taken as it is
    /// written
    #[arg(long, value_name = "SPEC", conflicts_with = "paper_layers")]
    pub(crate) network: Option<Spec>,
    /// One field of the runs, as a receipt shows them, such as surrogate=atan, neuron.alpha=0.5 or
    /// setup.batch=32; again for more
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<Setting>,
    /// Begin with these weights instead of random ones: a .safetensors of ours, or a .pth of the
    /// paper's released code
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Take the weights of --weights also where their file says that they were trained with another
    /// neuron, framing, network, batch norm or data set than the run's
    #[arg(long, requires = "weights")]
    pub weights_of_another_run: bool,
    /// Speech Commands only: sixteen windows that move over the spectrogram, instead of all of it
    /// at every step
    #[arg(long, conflicts_with = "steps")]
    pub(crate) chunks: bool,
    /// Threads; with a CUDA device they prepare its data [default: all cores]
    #[arg(long, value_parser = threads)]
    pub(crate) threads: Option<usize>,
    #[command(flatten)]
    pub(crate) division: DivisionFlags,
    #[command(flatten)]
    pub(crate) compute: ComputeFlags,
    /// Folder for tables, figures and receipts
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub results: PathBuf,
    /// Run even what has its receipt
    #[arg(long)]
    pub(crate) force: bool,
    /// Say what would be run, with what earlier receipts tell of its time and memory, and run
    /// nothing; refuses what the run would refuse before its first step, but decodes no recording
    #[arg(long)]
    pub dry_run: bool,
    /// Minutes between two checkpoints; an interrupted command goes on from the last one
    #[arg(long, value_name = "MINUTES", default_value_t = 5.0, value_parser = minutes)]
    pub(crate) checkpoint_every: f64,
    /// When the loss or a weight is not finite any more: stop the run, or go back to the beginning
    /// of the epoch with half the learning rate
    #[arg(long, value_enum, default_value_t = OnNan::Stop)]
    pub(crate) on_nan: OnNan,
    /// When a layer has not fired for as long as an epoch
    #[arg(long, value_enum, default_value_t = OnSilence::Report)]
    pub(crate) on_silence: OnSilence,
    /// Curves for TensorBoard in DIR, a folder for each run
    #[arg(long, value_name = "DIR")]
    pub(crate) tensorboard: Option<PathBuf>,
    /// Count receipts and checkpoints that another build of this program made, and put them into
    /// the same cell
    #[arg(long, conflicts_with = "force")]
    pub any_build: bool,
    #[command(flatten)]
    pub(crate) tasks: TaskFlags,
    /// A surrogate of the user's own; no flag, but set by a program of theirs.
    #[arg(skip)]
    pub own: Option<OwnSurrogate>,
}

/// What `--systems` takes: one, or all.
#[derive(Clone, Copy, Debug)]
enum SystemNames {
    All,
    One(&'static System),
}

fn called(word: &str) -> Result<SystemNames, String> {
    match System::called(word) {
        Some(system) => Ok(SystemNames::One(system)),
        None if word == "all" => Ok(SystemNames::All),
        None => Err(format!("expected {} or all", System::ids())),
    }
}

/// What to do when the loss or a weight is not finite any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnNan {
    /// The run ends; others go on.
    Stop,
    /// The epoch begins again with half the learning rate; up to eight times in a run, whatever the
    /// reasons.
    BackOff,
}

/// What to do when a layer is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnSilence {
    /// Say so and go on.
    Report,
    /// The run ends; others go on.
    Stop,
    /// The epoch begins again with half the learning rate; up to eight times in a run, whatever the
    /// reasons.
    BackOff,
}

fn minutes(text: &str) -> Result<f64, String> {
    let found = json::number(text).filter(|minutes| (0.0..=1e6).contains(minutes));
    found.ok_or_else(|| "expected a number of minutes from 0 to 1000000".into())
}

fn whole(text: &str, range: Range) -> Result<usize, String> {
    let number = text.parse::<usize>().ok().filter(|&number| range.holds(number as f64));
    number.ok_or_else(|| format!("expected {range}"))
}

fn epochs(text: &str) -> Result<usize, String> {
    whole(text, Range::EPOCHS)
}

fn steps(text: &str) -> Result<usize, String> {
    whole(text, STEPS)
}

/// As much as a notation has channels.
fn narrow(text: &str) -> Result<usize, String> {
    whole(text, Range::whole(1, 1 << 20))
}

/// More only cost memory: no machine has as many cores for one run.
fn threads(text: &str) -> Result<usize, String> {
    whole(text, Range::whole(1, 1024))
}

fn learning_rate(text: &str) -> Result<f64, String> {
    let range = Range::LEARNING_RATE;
    match json::number(text) {
        Some(rate) if range.holds(rate) => Ok(rate),
        // what only f32 takes for 0 has a sentence of its own
        Some(rate) => match range.check("", rate) {
            Err(wrong) => Err(format!("expected {}", wrong.expected)),
            Ok(()) => Ok(rate),
        },
        None => Err(format!("expected {range}")),
    }
}

impl RunFlags {
    /// Refuses a list that names a run twice.
    ///
    /// # Errors
    /// [`Usage`]: such a list.
    pub fn prove_lists(&self) -> Result<()> {
        prove_once("--systems", self.systems(&[]).iter().map(|system| system.id))
    }

    /// The systems asked for, or the usual ones.
    pub fn systems(&self, usual: &[&'static System]) -> Vec<&'static System> {
        let each = |called: &SystemNames| match *called {
            SystemNames::All => systems::ALL.to_vec(),
            SystemNames::One(system) => vec![system],
        };
        match self.systems.is_empty() {
            true => usual.to_vec(),
            false => self.systems.iter().flat_map(each).collect(),
        }
    }

    /// The runs of a command in the setting asked for. Of another than the house's are left those
    /// of a data set for which the system has a recipe, and that it does not vary otherwise.
    ///
    /// # Errors
    /// [`Usage`]: if none is left.
    pub fn in_setting(&self, house: Vec<RunRequest>) -> Result<Vec<RunRequest>> {
        if self.setting.is_house() {
            return Ok(house);
        }
        let mut all = Vec::new();
        for system in systems::OURS {
            if house.iter().any(|request| request.system == system) {
                terminal::say!(
                    "{} is this paper's own: it has the house's setting alone",
                    system.id
                );
            }
        }
        for request in house {
            let setting = self.chosen(request.system).setting;
            let recipe = (request.system.published_setting)(request.data);
            match (setting.is_house(), recipe, request.variation) {
                (true, ..) => all.push(request),
                (false, Some(_), Variation::None) => all.push(RunRequest { setting, ..request }),
                (false, None, Variation::None) => terminal::say!(
                    "{}: no published setting of {} is known; left out",
                    request.data.title(),
                    request.system.name
                ),
                (false, ..) => (),
            }
        }
        match all.is_empty() {
            true => Err(Usage(
                "--setting published: expected a system with a published setting for a data set of this command, found none; name \
                 others with --systems, or leave --setting out"
                    .to_owned(),
            )
            .into()),
            false => Ok(all),
        }
    }

    /// A system in the setting asked for: ours have the house's alone, which is the paper's.
    pub fn chosen(&self, system: &'static System) -> SystemInSetting {
        let setting = if system.is_ours() { SystemSetting::House } else { self.setting };
        SystemInSetting { system, setting }
    }

    /// The seeds asked for.
    pub fn seeds(&self) -> Seeds {
        self.seed.map_or_else(|| self.seeds.clone(), Seeds::one)
    }

    /// Whether one seed was asked for.
    pub fn has_one_seed(&self) -> bool {
        self.seed.is_some()
    }

    /// Whether nothing is trained and nothing laid out: what would be is said.
    pub fn only_says(&self) -> bool {
        self.dry_run || self.tasks.list_tasks
    }

    /// Whether runs are trained by other processes than this one, on other machines perhaps.
    pub fn trains_elsewhere(&self) -> bool {
        self.tasks.list_tasks || self.tasks.slurm.slurm
    }

    /// Whether a network was named, in place of the data sets' own.
    pub fn names_a_network(&self) -> bool {
        self.network.is_some() || self.settings.iter().any(Setting::of_network)
    }

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
            architecture: None,
            warm_up: None,
            own: self.own.clone(),
            settings: self.settings.clone(),
            weights: None,
            weights_of_another_run: self.weights_of_another_run,
            classes: None,
            tuned: None,
        }
    }

    /// [`RunFlags::overrides`] with what needs a file to be read: the weights to begin with.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read_overrides(&self) -> Result<Overrides> {
        let digest = |path: &PathBuf| -> Result<String> {
            let bytes = import::read(path).map_err(|e| {
                anyhow!(
                    "--weights: cannot read {}: {e}; check that it exists and that you may read it",
                    path.display()
                )
            })?;
            Ok(import::sha256(&bytes))
        };
        Ok(Overrides {
            weights: self.weights.as_ref().map(digest).transpose()?,
            tuned: match &self.tuned[..] {
                [] => None,
                paths => Some(Tuned::read(paths)?),
            },
            ..self.overrides()
        })
    }

    /// The profile's name with what was overridden.
    ///
    /// # Errors
    /// As [`RunFlags::read_overrides`].
    pub fn profile_name(&self) -> Result<String> {
        let rules = [
            ("+nan-back-off", self.on_nan == OnNan::BackOff),
            ("+silence-back-off", self.on_silence == OnSilence::BackOff),
        ];
        let rules: String =
            rules.into_iter().filter(|(_, back_off)| *back_off).map(|(name, _)| name).collect();
        Ok(preset::profile_name(self.profile, &self.read_overrides()?)
            + &self.compute.profile()?
            + &rules)
    }

    /// What to do when training goes wrong.
    pub fn rules(&self) -> Rules {
        Rules {
            not_finite: match self.on_nan {
                OnNan::Stop => Rule::Stop,
                OnNan::BackOff => Rule::GoBack,
            },
            silence: match self.on_silence {
                OnSilence::Report => Rule::Report,
                OnSilence::Stop => Rule::Stop,
                OnSilence::BackOff => Rule::GoBack,
            },
        }
    }
}
