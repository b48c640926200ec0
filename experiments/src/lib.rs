//! Every table and figure of the paper as one small program. A [`Run`] is one run as plain data;
//! [`Run::train`] is the straight line from frames to numbers; a [`receipt`] keeps the numbers; the
//! table's own file says which runs it wants and lays them out. A program of `src/bin/` only reads
//! its flags.

pub mod accuracy;
pub mod analysis;
pub mod board;
pub mod checkpoint_writer;
pub mod compute;
pub mod conformance;
pub mod contradictions;
pub mod convert_tool;
pub mod data;
pub mod data_tool;
pub mod differences;
pub mod division;
mod encoding;
pub mod experiment;
pub mod fields;
pub mod flags;
pub mod framing;
pub mod grid;
pub mod import;
pub mod layout;
pub mod lock;
pub mod machine;
pub mod made;
pub mod memory;
pub mod names;
pub mod nir_tool;
pub mod outputs;
pub mod overrides;
pub mod owner;
pub mod paper;
pub mod plan;
pub mod preset;
pub mod program;
pub mod progress;
mod proofs;
pub mod publish;
pub mod receipt;
mod run;
pub mod run_request;
pub mod runs;
pub mod seeds;
pub mod selection;
pub mod settings;
pub mod sharing;
pub mod silence;
pub mod simulator_check;
pub mod slurm;
pub mod slurm_flags;
pub mod stop;
pub mod systems;
pub mod tables;
pub mod task_list;
pub mod tasks;
mod training_words;
pub mod tuning;
pub mod usage;
pub mod warm;

pub use encoding::Encoding;
pub use run::{OwnSurrogate, Run, SystemSetting};
pub use run_request::RunRequest;

/// How much of the real thing is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// The paper's setting: T = 16, 300 epochs, full widths.
    Paper,
    /// A CPU in minutes: narrower, fewer steps, fewer epochs.
    Short,
    /// Seconds: does everything, learns nothing.
    Smoke,
}

impl Profile {
    /// The profile that a profile's name with its overrides (`short+epochs2`) begins with.
    ///
    /// # Errors
    /// If it begins with none.
    pub fn of_name(name: &str) -> anyhow::Result<Self> {
        let base = name.split('+').next().unwrap_or_default();
        let known = [Self::Paper, Self::Short, Self::Smoke];
        known.into_iter().find(|profile| profile.to_string() == base).ok_or_else(|| {
            anyhow::anyhow!(
                "the profile \"{}\" is not known; a profile begins with paper, short or smoke",
                sentence::shown(name)
            )
        })
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Profile::Paper => "paper",
            Profile::Short => "short",
            Profile::Smoke => "smoke",
        })
    }
}
