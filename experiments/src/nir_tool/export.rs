use super::trained::Trained;
use crate::framing;
use anyhow::{Context, Result, anyhow};
use std::path::PathBuf;

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
    let trained = Trained::read(&flags.weights)?;
    let sample = trained.run.frame();
    let graph = nir::export(&trained.network, sample, &|layer| trained.membrane(layer))
        .map_err(|error| anyhow!("{error}"))
        .with_context(|| format!("cannot export {}", flags.weights.display()))?;
    graph
        .write(&flags.out)
        .map_err(|error| anyhow!("{}: {}", flags.out.display(), sentence::cause(&error)))?;
    let [h, w, c] = sample;
    terminal::say!(
        "simulate it in steps of {} s, on {c}×{h}×{w} frames of {} (framing {}); it gives the \
         votes of each step",
        nir::DT,
        trained.run.data.title(),
        framing::encoding_words(trained.run.encoding)
    );
    Ok(terminal::out!("{}", flags.out.display())?)
}
