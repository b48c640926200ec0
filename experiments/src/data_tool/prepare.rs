use anyhow::{Result, bail};

/// Flags of `data prepare`.
#[derive(clap::Args)]
pub struct Flags {}

/// Runs it.
///
/// # Errors
/// Always: not written yet.
pub fn run(_flags: &Flags) -> Result<()> {
    bail!("data prepare is not written yet")
}
