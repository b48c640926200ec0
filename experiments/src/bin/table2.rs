//! `cargo table2`: trains what Table 2 asks for and can be trained here, and prints it beside the paper's.

use anyhow::{Context, Result, bail};
use clap::Parser;
use datasets::Name;
use experiments::data::{self, Chosen};
use experiments::layout::{self, Wanted};
use experiments::runs::RunFlags;
use experiments::{preset, table2};
use report::{Record, write_text};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Table 2 of the paper (accuracy on N-MNIST, DVS-Gesture, DVS-CIFAR10) beside our numbers.
///
/// Uses the data sets it finds, whole or in part, and a generator's recordings where it finds none; the
/// table says which. A run that is already in results/runs/table2/, made by this very program from the same
/// recordings, is not run again, so an interrupted table goes on where it stopped.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Only these data sets: n-mnist, dvs-gesture, dvs-cifar10
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = column)]
    only: Vec<Name>,
    #[command(flatten)]
    runs: RunFlags,
}

fn column(text: &str) -> Result<Name, String> {
    table2::DATA.into_iter().find(|name| name.id() == text).ok_or_else(|| {
        let known = table2::DATA.map(Name::id).join(", ");
        format!("expected the name of a data set of this table ({known}), found \"{text}\"; use one of those names")
    })
}

fn main() -> ExitCode {
    // clap ends the program with status 2 itself where a flag is wrong
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
    let receipts = runs.start("table2")?;
    let cells = cells(flags)?;
    let mut diverged = Vec::new();
    for (chosen, _) in &cells {
        eprintln!("{}", chosen.says);
        diverged.extend(runs.train("table2", &chosen.recordings, &receipts)?);
    }
    publish(runs, &receipts, cells)?;
    match diverged.is_empty() {
        true => Ok(()),
        false => bail!("{}; these runs have no receipt, all others do", diverged.join("; ")),
    }
}

/// The recordings of each data set asked for and what its cell holds, proven to be buildable before any of
/// them is trained.
fn cells(flags: &Flags) -> Result<Vec<(Chosen, Wanted)>> {
    let runs = &flags.runs;
    let root = data::root(runs.data.clone())?;
    let mut cells = Vec::new();
    for name in table2::DATA {
        let named = flags.only.contains(&name);
        if !flags.only.is_empty() && !named {
            continue;
        }
        runs.prove(name)?;
        let stand_in = preset::stand_in(name, runs.profile);
        let Some(chosen) = data::choose(name, root.as_deref(), None, named, stand_in)? else { continue };
        let wanted = runs.wanted(&chosen.recordings)?;
        cells.push((chosen, wanted));
    }
    Ok(cells)
}

/// Lays out what the receipts say, on standard output and in the results folder.
fn publish(flags: &RunFlags, receipts: &Path, cells: Vec<(Chosen, Wanted)>) -> Result<()> {
    let profile = &flags.profile_name();
    let synthetic = |c: &Chosen| c.recordings.origin == datasets::Origin::Synthetic;
    let stand_ins: Vec<String> = cells.iter().filter(|(c, _)| synthetic(c)).map(|(c, _)| c.says.clone()).collect();
    let wanted: Vec<Wanted> = cells.into_iter().map(|(_, wanted)| wanted).collect();
    let records = Record::read_all(receipts)?;
    let groups = layout::groups(&records, &table2::DATA, profile, &wanted, flags.any_build)?;
    let (table, runs) = (layout::table(&groups, profile, &stand_ins)?, layout::runs("Runs behind Table 2", &groups)?);
    // a reader that went away (`| head`) is no reason to lose the files below
    let _ = write!(std::io::stdout(), "{}\n{}", table.to_terminal(), runs.to_terminal());
    let results = &flags.results;
    write_text(&results.join("table2.md"), &format!("{}\n{}", table.to_markdown(), runs.to_markdown()))?;
    write_text(&results.join("table2.csv"), &table.to_csv()?)?;
    let json = |t: &report::Table| serde_json::from_str::<serde_json::Value>(&t.to_json());
    let both = serde_json::json!({ "table2": json(&table)?, "runs": json(&runs)? });
    write_text(&results.join("table2.json"), &format!("{both:#}\n"))?;
    for name in table2::DATA {
        let path = results.join(format!("table2-{}.svg", name.id()));
        match layout::figure(&groups, name, profile)? {
            Some(svg) => write_text(&path, &svg)?,
            // curves of an earlier table must not stand beside this one
            None if path.exists() => {
                std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            }
            None => (),
        }
    }
    eprintln!("written to {}: table2.md, .csv, .json, curves (.svg), receipts (runs/table2/)", results.display());
    Ok(())
}
