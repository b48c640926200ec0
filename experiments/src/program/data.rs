//! `data`: what data are here, how they come, what is in them.

use super::{Tool, done, only, tool};
use crate::data_tool::{fetch, inspect, list, prepare, show, simulate, verify};
use anyhow::Result;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Lists, fetches, verifies and prepares data sets, and looks into recordings
#[derive(Args)]
struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What is here: each data set complete, a sample, synthetic, unusable or absent, its bytes and
    /// its licence
    List(list::Flags),
    /// Downloads a data set, checks it and unpacks it; goes on where it was interrupted
    Fetch(fetch::Flags),
    /// Holds what is here to the publisher's checksums, and decodes every recording
    Verify(verify::Flags),
    /// Counts a data set's events into frames once, and keeps them in a cache
    Prepare(prepare::Flags),
    /// Says what is in one recording, as a JSON object
    Inspect(inspect::Flags),
    /// Draws one recording as a PNG: frames side by side and the rate of events
    Show(show::Flags),
    /// Turns still images into recordings through a simulated event camera
    Simulate(simulate::Flags),
}

/// The program `data`.
pub fn main() -> ExitCode {
    only(command())
}

pub(super) fn command() -> Tool {
    tool("data", |flags| done(run(flags)))
}

/// Does what one of its commands says.
fn run(Flags { command }: Flags) -> Result<()> {
    match command {
        Command::List(flags) => list::run(&flags),
        Command::Fetch(flags) => fetch::run(&flags),
        Command::Verify(flags) => verify::run(&flags),
        Command::Prepare(flags) => prepare::run(&flags),
        Command::Inspect(flags) => inspect::run(&flags),
        Command::Show(flags) => show::run(&flags),
        Command::Simulate(flags) => simulate::run(&flags),
    }
}
