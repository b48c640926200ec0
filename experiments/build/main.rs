//! Tells the programs what they are: the digest of the sources that they are built from, and the
//! commit of the checkout, both as they are now. Read in `src/machine.rs`.

mod checkout;
mod sources;

use std::io::{Error, Result, Write};
use std::path::Path;

fn main() -> Result<()> {
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").ok_or(Error::other("not run by cargo"))?;
    let Some(workspace) = Path::new(&manifest).parent() else { return Ok(()) };
    // what follows is for cargo, which reads it here
    let mut out = std::io::stdout();
    writeln!(out, "cargo:rerun-if-changed=build")?;
    let Some(roots) = sources::roots(workspace)? else { return Ok(()) };
    for root in &roots {
        writeln!(out, "cargo:rerun-if-changed={}", workspace.join(root).display())?;
    }
    let features: Vec<String> = std::env::vars_os()
        .filter_map(|(name, _)| name.to_str()?.strip_prefix("CARGO_FEATURE_").map(str::to_owned))
        .collect();
    let digest = sources::digest(workspace, &roots, &features)?;
    writeln!(out, "cargo:rustc-env=SPIKEGRAD_SOURCES={digest}")?;
    if let Some(commit) = checkout::commit(workspace, &roots) {
        writeln!(out, "cargo:rustc-env=SPIKEGRAD_COMMIT={}", commit.hash)?;
        writeln!(out, "cargo:rustc-env=SPIKEGRAD_DIRTY={}", commit.dirty)?;
        for path in commit.moves {
            writeln!(out, "cargo:rerun-if-changed={}", path.display())?;
        }
    }
    Ok(())
}
