//! `simulator`: the camera simulator beside real recordings of the same digits.

use super::{Tool, done, only, tool};
use crate::seeds::Seeds;
use crate::simulator_check::{Model, RealData, lay_out, search, training};
use crate::usage::between;
use crate::{outputs, receipt};
use anyhow::{Context, Result, anyhow};
use candle_core::Device;
use clap::{Args, Subcommand};
use report::write_text;
use std::path::PathBuf;
use std::process::ExitCode;

/// Simulates digits whose real N-MNIST recordings are here, and compares the two
#[derive(Args)]
struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compares, and writes numbers and figure to the results folder
    Compare(Compare),
    /// Searches the constants on train recordings, and prints the best as JSON
    Tune(Tune),
    /// Trains a network on simulated digits alone, tests it on the real test recordings, and leaves
    /// a receipt
    Train(Train),
}

#[derive(Args)]
struct Compare {
    /// Folder that holds N-MNIST and MNIST [default: SPIKEGRAD_DATA, else data/]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder for simulator.json, .md and .svg
    #[arg(long, value_name = "DIR", default_value = "results")]
    results: PathBuf,
}

#[derive(Args)]
struct Tune {
    /// Folder that holds N-MNIST and MNIST [default: SPIKEGRAD_DATA, else data/]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Use every so many-th train recording
    #[arg(long, default_value_t = 10, value_parser = between::<u32>(1, u32::MAX.into()))]
    every: u32,
    /// Times through all constants
    #[arg(long, default_value_t = 2, value_parser = between::<u32>(1, 100))]
    rounds: u32,
    /// Constants to start from, as this command prints them [default: those of the library]
    #[arg(long, value_name = "FILE")]
    start: Option<PathBuf>,
}

#[derive(Args)]
struct Train {
    /// Folder that holds N-MNIST and MNIST [default: SPIKEGRAD_DATA, else data/]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Digits of MNIST's train half to simulate, from the first on
    #[arg(long, default_value_t = 4_000, value_parser = between::<u32>(16, 60_000))]
    digits: u32,
    /// Epochs: the default number over the default number of digits is as many steps as 24 epochs
    /// over the 1,000 recordings of the N-MNIST sample
    #[arg(long, default_value_t = 6, value_parser = between::<u32>(1, 10_000))]
    epochs: u32,
    /// One seed of network and order [default: 0]
    #[arg(long, value_name = "SEED", conflicts_with = "seeds", value_parser = between::<u64>(0, u64::MAX))]
    seed: Option<u64>,
    /// Seeds of network and order: how many, from 0 on (3), a list (3,5,7) or a range without its
    /// end (3..6)
    #[arg(long, value_name = "N|LIST|RANGE", default_value = "1")]
    seeds: Seeds,
    /// Folder for the receipt, in runs/simulator/
    #[arg(long, value_name = "DIR", default_value = "results")]
    results: PathBuf,
}

/// The program `simulator`.
pub fn main() -> ExitCode {
    only(command())
}

pub(super) fn command() -> Tool {
    tool("simulator", |flags| done(run(flags)))
}

/// Does what one of its commands says.
fn run(Flags { command }: Flags) -> Result<()> {
    match command {
        Command::Compare(flags) => compare(flags),
        Command::Tune(flags) => tune(flags),
        Command::Train(flags) => train(flags),
    }
}

fn compare(flags: Compare) -> Result<()> {
    let reality = RealData::find(flags.data)?;
    outputs::try_folder(&flags.results, "--results", true)?;
    let model = Model::default();
    let (train, test) = (reality.train()?, reality.test()?);
    let found = lay_out::SimulatorCheck::measure(&model, &train, &test)?;
    let table = found.table()?;
    write_text(&flags.results.join("simulator.svg"), &found.figure()?)?;
    write_text(&flags.results.join("simulator.md"), &found.markdown(&table))?;
    write_text(
        &flags.results.join("simulator.json"),
        &found.json(&model, &receipt::identity(&reality.recordings))?,
    )?;
    terminal::say!("written to {}: simulator.md, .json, .svg", flags.results.display());
    // last, so that a reader that left costs no file
    Ok(terminal::print(&table.to_terminal())?)
}

fn tune(flags: Tune) -> Result<()> {
    let start = match &flags.start {
        None => Model::default(),
        Some(path) => {
            let read = datasets::open_file(path).and_then(std::io::read_to_string);
            let text = read.map_err(|cause| {
                anyhow!(
                    "cannot read {}: {}; name a file that this command wrote",
                    path.display(),
                    sentence::cause(&cause)
                )
            })?;
            report::json::parse(&text).map_err(|fault| {
                anyhow!(
                    "{}, line {}, column {}: expected constants as this command prints them, found {}; take what it printed",
                    path.display(),
                    fault.line,
                    fault.column,
                    fault.found
                )
            })?
        }
    };
    let train = RealData::find(flags.data)?.train()?.every(flags.every as usize);
    let best = search(start, flags.rounds as usize, &train, |line| terminal::say!("{line}"))?;
    Ok(terminal::print(&(serde_json::to_string_pretty(&best)? + "\n"))?)
}

fn train(flags: Train) -> Result<()> {
    let reality = RealData::find(flags.data)?;
    let receipts = flags.results.join("runs").join("simulator");
    outputs::try_folder(&receipts, "--results", true)?;
    let digits = flags.digits as usize;
    let seeds = flags.seed.map_or(flags.seeds, Seeds::one);
    for &seed in seeds.list() {
        let epochs = Some(flags.epochs as usize);
        let record = training::run(&reality, digits, epochs, seed, &Device::Cpu)?;
        let path =
            record.write(&receipts).context("the run is done, but its receipt is not kept")?;
        terminal::say!("written: {}", path.display());
        if seeds.list().len() > 1 {
            terminal::out!("seed {seed}")?;
        }
        for metric in record.metrics.iter().filter(|metric| metric.unit == "%") {
            terminal::out!("{}: {:.2} %", metric.name, metric.value)?;
        }
    }
    Ok(())
}
