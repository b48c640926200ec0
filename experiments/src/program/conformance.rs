//! `conformance DIR`: holds this workspace to a folder of golden vectors, values that the paper's
//! released code computed.
//!
//! Prints one row a check with its largest error and its limit, then `N passed, N failed`. Exit
//! status 0 if all passed, 1 if any failed or DIR holds no golden file, 2 for a wrong command line.
//! Takes a few seconds.

use super::{Tool, only, tool};
use crate::conformance;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Compare this workspace with golden vectors of the paper's released code
///
/// Exits with 1 if a check fails or DIR holds no golden file.
#[derive(Args)]
struct Flags {
    /// Folder of golden files, such as lif_bpsta.json with lif_bpsta.safetensors
    dir: PathBuf,
    /// A CUDA device that is held to the vectors beside the CPU, such as cuda:0
    #[arg(long, value_name = "auto|cpu|cuda:N", default_value = "cpu")]
    device: device::Choice,
}

/// The program `conformance`.
pub fn main() -> ExitCode {
    only(command())
}

pub(super) fn command() -> Tool {
    tool("conformance", run)
}

/// Compares, and prints a row a check; its status says whether all passed.
fn run(Flags { dir, device }: Flags) -> Result<ExitCode> {
    let (device, said) = device::open(device)?;
    if let Some(said) = said {
        terminal::say!("{said}");
    }
    let device = (!device.is_cpu()).then_some(device);
    let tally = conformance::run(&dir, device.as_ref(), &mut terminal::Output)?;
    // the rows say what failed
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
