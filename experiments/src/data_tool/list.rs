use anyhow::{Result, bail};

/// Flags of `data list`.
#[derive(clap::Args)]
pub struct Flags {}

/// Runs it.
///
/// # Errors
/// Always: not written yet.
pub fn run(_flags: &Flags) -> Result<()> {
    bail!("data list is not written yet")
}
