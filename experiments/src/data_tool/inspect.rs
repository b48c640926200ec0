use anyhow::{Result, bail};

/// Flags of `data inspect`.
#[derive(clap::Args)]
pub struct Flags {}

/// Runs it.
///
/// # Errors
/// Always: not written yet.
pub fn run(_flags: &Flags) -> Result<()> {
    bail!("data inspect is not written yet")
}
