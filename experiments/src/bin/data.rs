//! `just data`: what data are here, how they come, what is in them.

use clap::{Parser, Subcommand};
use experiments::data_tool::{fetch, inspect, list, prepare, show, simulate, verify};
use experiments::usage::PAGE;
use std::process::ExitCode;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Lists, fetches, verifies and prepares the data sets of the paper, and looks into recordings.
#[derive(Parser)]
#[command(version, max_term_width = PAGE)]
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

fn main() -> ExitCode {
    experiments::program::run(|Flags { command }| match command {
        Command::List(flags) => list::run(&flags),
        Command::Fetch(flags) => fetch::run(&flags),
        Command::Verify(flags) => verify::run(&flags),
        Command::Prepare(flags) => prepare::run(&flags),
        Command::Inspect(flags) => inspect::run(&flags),
        Command::Show(flags) => show::run(&flags),
        Command::Simulate(flags) => simulate::run(&flags),
    })
}
