//! `convert WEIGHTS --rule RULE`: an analogue network as a spiking one, and what it costs.

use super::{Tool, done, only, tool};
use crate::convert_tool::{self, Request, Rule};
use crate::usage::{Usage, prove_once};
use anyhow::{Result, bail};
use clap::Args;
use datasets::Name;
use std::path::PathBuf;
use std::process::ExitCode;

/// Makes a spiking network of an analogue one, and runs it on test images
///
/// Writes the network, the accuracy after each step, spikes and additions an image. A command that
/// was interrupted goes on with the images that are missing. The analogue network is one of `train
/// --analogue`, or a state dict of PyTorch's.
#[derive(Args)]
struct Flags {
    /// Weights: .safetensors of `train`, or a state dict as .safetensors or .pth
    weights: PathBuf,
    /// How: continue (ContinueSNN), spike-norm, rnl, soft-lif; several with commas between
    #[arg(long, required = true, value_delimiter = ',', value_name = "RULE")]
    rule: Vec<Rule>,
    /// Time steps of each image
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// Test images, drawn evenly from the classes [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    images: Option<u32>,
    /// Training images that scales are taken from
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    samples: u32,
    /// Of a state dict: the data set it was trained on
    #[arg(long, value_name = "NAME")]
    on: Option<Name>,
    /// Of a state dict: its network, as 32C3-AP2-64C3-AP2-128FC-1Voting
    #[arg(long, value_name = "NOTATION")]
    network: Option<String>,
    /// Of a state dict: its modules from the input on, where their names do not sort so
    #[arg(long, value_delimiter = ',', value_name = "MODULES")]
    order: Vec<String>,
    /// Of a state dict: pixels are from 0 to 1, not standardised
    #[arg(long)]
    raw_pixels: bool,
    /// continue and soft-lif: the percentile of activations that is a rate of 1
    #[arg(long, default_value_t = 99.9, value_name = "PERCENT")]
    percentile: f64,
    /// rnl: p of θ = r·sigmoid(p), where the network has no rate norms of its own
    #[arg(long, default_value_t = 2.5, value_name = "P", allow_negative_numbers = true)]
    rate_scale: f64,
    /// spike-norm: steps in which thresholds are balanced
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    balance_steps: u32,
    /// spike-norm: seed of the input's spikes
    #[arg(long, default_value_t = 0, value_name = "SEED")]
    seed: u64,
    /// Folder that holds the data sets [default: SPIKEGRAD_DATA, else data/]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder of results; files go into its folder convert/
    #[arg(long, value_name = "DIR", default_value = "results")]
    results: PathBuf,
    /// Begin anew, whatever an interrupted command left
    #[arg(long)]
    force: bool,
}

/// The program `convert`.
pub fn main() -> ExitCode {
    only(command())
}

pub(super) fn command() -> Tool {
    tool("convert", |flags| done(run(flags)))
}

fn run(flags: Flags) -> Result<()> {
    prove_once("--rule", flags.rule.iter().map(|rule| rule.id()))?;
    for (flag, value, least, most) in [
        ("--percentile", flags.percentile, 1.0, 100.0),
        ("--rate-scale", flags.rate_scale, -20.0, 20.0),
    ] {
        if !(least..=most).contains(&value) {
            bail!(Usage(format!(
                "{flag}: expected a number from {least} to {most}, found {value}"
            )));
        }
    }
    convert_tool::run(&Request {
        weights: flags.weights,
        rules: flags.rule,
        steps: flags.steps as usize,
        images: flags.images.map(|n| n as usize),
        samples: flags.samples as usize,
        on: flags.on,
        network: flags.network,
        order: flags.order,
        raw_pixels: flags.raw_pixels,
        percentile: flags.percentile,
        rate_scale: flags.rate_scale,
        balance_steps: flags.balance_steps as usize,
        seed: flags.seed,
        data: flags.data,
        results: flags.results,
        force: flags.force,
    })
}
