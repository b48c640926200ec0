//! Holds this workspace to a folder of golden vectors: `cargo run --release --bin conformance -- DIR`.
//!
//! Prints one row a check with its largest error and its limit, then `N passed, N failed`. Exit status 0 if all passed, 1 if any
//! failed or DIR holds no golden file, 2 for a wrong command line. Takes a few seconds.

#[path = "../conformance/mod.rs"]
mod conformance;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Compare this workspace with golden vectors of the paper's released code.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Folder of golden files, such as lif_bpsta.json with lif_bpsta.safetensors.
    dir: PathBuf,
}

fn main() -> anyhow::Result<ExitCode> {
    let Arguments { dir } = Arguments::parse();
    let tally = conformance::run(&dir, &mut std::io::stdout().lock())?;
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
