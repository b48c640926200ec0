//! Every table and figure of the paper as one small program. A [`Run`] is one run as plain data;
//! [`Run::train`] is the straight line from frames to numbers; a [`receipt`] keeps the numbers; the table's
//! own file says which runs it wants and lays them out. A program of `src/bin/` only reads its flags.

pub mod compute;
pub mod conformance;
pub mod data;
pub mod data_tool;
pub mod import;
pub mod layout;
pub mod machine;
pub mod preset;
pub mod progress;
pub mod receipt;
mod run;
pub mod runs;
pub mod simulator_check;
pub mod table2;

pub use run::{Encoding, Run};

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

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Profile::Paper => "paper",
            Profile::Short => "short",
            Profile::Smoke => "smoke",
        })
    }
}
