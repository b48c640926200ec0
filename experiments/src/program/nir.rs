//! `nir`: trained networks as files that other simulators and chips read, and back.

use super::{Tool, done, only, tool};
use crate::nir_tool::{export, import, verify};
use anyhow::Result;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Exports networks to NIR files, imports such files, compares them spike by spike
#[derive(Args)]
struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes a trained network as a NIR file
    Export(export::Flags),
    /// Writes the weights of a NIR file as a file for --weights, and prints the flags to take it
    Import(import::Flags),
    /// Shows test recordings to a network and to its NIR file, and counts the spikes that differ
    Verify(verify::Flags),
}

/// The program `nir`.
pub fn main() -> ExitCode {
    only(command())
}

pub(super) fn command() -> Tool {
    tool("nir", |flags| done(run(flags)))
}

/// Does what one of its commands says.
fn run(Flags { command }: Flags) -> Result<()> {
    match command {
        Command::Export(flags) => export::run(&flags),
        Command::Import(flags) => import::run(&flags),
        Command::Verify(flags) => verify::run(&flags),
    }
}
