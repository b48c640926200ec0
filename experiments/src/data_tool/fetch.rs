use anyhow::{Result, bail};

/// Flags of `data fetch`.
#[derive(clap::Args)]
pub struct Flags {}

/// Runs it.
///
/// # Errors
/// Always: not written yet.
pub fn run(_flags: &Flags) -> Result<()> {
    bail!("data fetch is not written yet")
}
