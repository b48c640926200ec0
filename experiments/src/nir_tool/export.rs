use super::trained::Trained;
use crate::framing;
use anyhow::{Context, Result, anyhow, bail};
use std::path::{Path, PathBuf};
use training::Head;

/// Flags of `nir export`.
#[derive(clap::Args)]
pub struct Flags {
    /// Weights or a checkpoint that this program wrote; the file says its run
    #[arg(value_name = "WEIGHTS.safetensors")]
    weights: PathBuf,
    /// The file to write
    #[arg(value_name = "NETWORK.nir")]
    out: PathBuf,
}

/// Writes the network of the weights as a NIR file, and says on standard error what a simulator
/// must be told: the time step, and how recordings become its input.
///
/// # Errors
/// Weights that do not say their run, what NIR has no word for, a file that cannot be written.
pub fn run(flags: &Flags) -> Result<()> {
    terminal::say!("{}", write(&flags.weights, &flags.out)?);
    Ok(terminal::out!("{}", flags.out.display())?)
}

/// Writes the network of `weights` as the NIR file `out`: what a simulator must be told.
///
/// # Errors
/// As the command's.
pub fn write(weights: &Path, out: &Path) -> Result<String> {
    let trained = Trained::read(weights)?;
    let gives = match trained.run.setup.head {
        Head::Votes => "the votes of each step, averaged over time",
        Head::Counts => "the votes of each step, added up over time",
        Head::Current => "the currents of each step, averaged over time",
        Head::Membrane { decay } | Head::Charge { decay } => bail!(
            "cannot export {}: its scores are a membrane that never fires and keeps λ = {decay} of \
             itself each step, which the file would not have; train with --set setup.head=current \
             or votes",
            weights.display()
        ),
    };
    let sample = trained.run.frame();
    let graph = nir::export(&trained.network, sample, &|layer| trained.membrane(layer))
        .map_err(|error| anyhow!("{error}"))
        .with_context(|| format!("cannot export {}", weights.display()))?;
    let bytes = graph.to_bytes().map_err(|error| anyhow!("{error}"))?;
    report::write_bytes(out, &bytes)?;
    let [h, w, c] = sample;
    Ok(format!(
        "simulate it in steps of {} s, on {c}×{h}×{w} frames of {} (framing {}); its scores \
         are {gives}",
        nir::DT,
        trained.run.data.title(),
        framing::encoding_words(trained.run.encoding)
    ))
}
