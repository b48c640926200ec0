//! `cargo train NAME…`: one data set through the whole line, from the publisher's files to a receipt.

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use datasets::{Name, Split};
use experiments::runs::{RunFlags, positive};
use experiments::{data, layout};
use report::{Record, write_text};
use std::io::Write;
use std::process::ExitCode;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Trains the paper's network on any of its data sets and lists what the receipts say.
///
/// A run that is already in results/runs/train/, made by this very program from the same recordings, is not run
/// again, so an interrupted command goes on where it stopped.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Data sets: n-mnist, dvs-gesture, dvs-cifar10, speech-commands, mnist, cifar10, cifar100
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
    /// Train on at most this many recordings, drawn evenly from the classes
    #[arg(long, value_name = "N", value_parser = positive)]
    train: Option<usize>,
    /// Test on at most this many recordings, drawn evenly from the classes
    #[arg(long, value_name = "N", value_parser = positive)]
    test: Option<usize>,
    /// Only these classes, by name
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    classes: Vec<String>,
    /// Another split than the usual one: reference, first100, tebn or seeded:N for dvs-cifar10, published or by-speaker:N for
    /// speech-commands
    #[arg(long, value_name = "SPLIT")]
    split: Option<Split>,
    #[command(flatten)]
    runs: RunFlags,
}

fn main() -> ExitCode {
    match work(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work(flags: &Flags) -> Result<()> {
    let runs = &flags.runs;
    let one = flags.names.len() == 1;
    ensure!(one || flags.split.is_none(), "--split belongs to one data set, found {}; name one", flags.names.len());
    ensure!(one || flags.classes.is_empty(), "--classes belong to one data set, found {}; name one", flags.names.len());
    let receipts = runs.start("train")?;
    let root = data::root(runs.data.clone())?;
    let mut found = Vec::new();
    for &name in &flags.names {
        runs.prove(name)?;
        // no stand-in: whoever names a data set means it
        let chosen = data::choose(name, root.as_deref(), flags.split, true, None)?;
        let mut chosen = chosen.with_context(|| format!("{} is not here", name.title()))?;
        data::only(&mut chosen, &flags.classes)?;
        data::take(&mut chosen, flags.train, flags.test);
        found.push(chosen);
    }
    let mut diverged = Vec::new();
    for chosen in &found {
        eprintln!("{}", chosen.says);
        diverged.extend(runs.train("train", &chosen.recordings, &receipts)?);
    }
    let records = Record::read_all(&receipts)?;
    let table = layout::runs("Receipts of single runs", &layout::all_groups(&records))?;
    // a reader that went away (`| head`) is no reason to lose the file below
    let _ = write!(std::io::stdout(), "{}", table.to_terminal());
    write_text(&runs.results.join("train.md"), &table.to_markdown())?;
    match diverged.is_empty() {
        true => Ok(()),
        false => bail!("{}; these runs have no receipt, all others do", diverged.join("; ")),
    }
}
