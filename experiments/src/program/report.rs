//! `report`: every table, figure and the page again from receipts.

use super::{Tool, done, only, tool};
use crate::publish;
use anyhow::{Result, bail};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Every table, figure and the page again from receipts; trains nothing
#[derive(Args)]
struct Flags {
    /// Folder with receipts, in which tables, figures and the page are written
    #[arg(long, value_name = "DIR", default_value = "results")]
    results: PathBuf,
    /// The profile that is shown, with its overrides, as a receipt has it [default: of the newest
    /// receipts, paper before all]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

/// The program `report`.
pub fn main() -> ExitCode {
    only(command())
}

pub(super) fn command() -> Tool {
    tool("report", |flags| done(run(&flags)))
}

/// Lays out what the receipts say, trains nothing.
fn run(Flags { results, profile }: &Flags) -> Result<()> {
    if !results.is_dir() {
        bail!(
            "--results: expected a folder with receipts, found none at {}; name the one of an earlier command",
            results.display()
        );
    }
    publish::report(results, profile.as_deref())?;
    terminal::say!("written to {}: every table and figure, and index.html", results.display());
    Ok(())
}
