use crate::usage::Usage;
use anyhow::{Context, Result, anyhow, ensure};
use neuron::Config;
use std::path::{Path, PathBuf};

/// Flags of `nir import`.
#[derive(clap::Args)]
pub struct Flags {
    /// The file to read
    #[arg(value_name = "NETWORK.nir")]
    file: PathBuf,
    /// Its weights, for --weights of other commands
    #[arg(value_name = "WEIGHTS.safetensors")]
    out: PathBuf,
    /// The time step in seconds that the file is made for: 0.001 for one made in steps of 1 ms
    #[arg(long, value_name = "SECONDS", default_value_t = nir::DT)]
    dt: f64,
}

/// Writes the weights of a NIR file as one of ours, and prints the flags with which `train`
/// takes them.
///
/// # Errors
/// A file that is no NIR file, a node that has no layer here, a network that the notation cannot
/// say, a file that cannot be written.
pub fn run(flags: &Flags) -> Result<()> {
    let Flags { file, out, dt } = flags;
    ensure!(
        dt.is_finite() && *dt > 0.0,
        Usage(format!("--dt: expected a time above 0, found {dt}"))
    );
    Ok(terminal::out!("{}", write(file, out, *dt)?)?)
}

/// Writes the weights of the NIR file `file`, made for steps of `dt` seconds, as `out`: the flags
/// of a run that takes them.
///
/// # Errors
/// As the command's.
pub fn write(file: &Path, out: &Path, dt: f64) -> Result<String> {
    let read = || -> Result<nir::Said, nir::Error> {
        nir::said(&nir::network(&nir::Graph::read(file)?, dt)?)
    };
    let said = read()
        .map_err(|error| anyhow!("{error}"))
        .with_context(|| format!("cannot import {}", file.display()))?;
    report::write_bytes(out, &super::safetensors(&said.weights)?)?;
    words(&said, &out.display().to_string())
}

/// The flags of a run with these weights.
fn words(said: &nir::Said, weights: &str) -> Result<String> {
    let mut words = vec![
        format!("--network '{}' --weights '{weights}'", said.notation),
        "--set norm=none --set rectify=false".into(),
    ];
    let Some((_, usual)) = said.neurons.first() else { return Ok(words.join(" ")) };
    words.push(format!(
        "--set neuron.kind='{}' --set neuron.threshold={} --set neuron.fires=above-threshold",
        serde_json::to_string(&usual.kind)?,
        usual.threshold
    ));
    let mut others = serde_json::Map::new();
    for (layer, config) in &said.neurons {
        let other = other(config, usual)?;
        if !other.is_empty() {
            others.insert(layer.clone(), other.into());
        }
    }
    if !others.is_empty() {
        words.push(format!("--set neurons='{}'", serde_json::Value::from(others)));
    }
    Ok(words.join(" "))
}

/// What a layer has otherwise.
fn other(config: &Config, usual: &Config) -> Result<serde_json::Map<String, serde_json::Value>> {
    let mut other = serde_json::Map::new();
    if config.kind != usual.kind {
        other.insert("kind".into(), serde_json::to_value(config.kind)?);
    }
    if config.threshold != usual.threshold {
        other.insert("threshold".into(), config.threshold.into());
    }
    Ok(other)
}
