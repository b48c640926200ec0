//! The program that makes tables and figures: `paper table2 …`, `paper report`.

use crate::choice::Change;
use crate::data::{self, Chosen};
use crate::experiment::Experiment;
use crate::flags::RunFlags;
use crate::runs::Item;
use crate::selection::{self, Receipts, Wanted};
use crate::usage::{PAGE, Usage, prove_once};
use crate::{Choice, Own, contradictions, machine, plan, preset, program, publish, receipt};
use anyhow::{Result, bail};
use clap::{Args, FromArgMatches, Parser, Subcommand};
use datasets::{Name, Origin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The paper's tables and figures beside our numbers.
///
/// Each uses the data sets it finds, whole or in part, and a generator's where it finds none; it
/// says which. A run that has its receipt in results/runs/, made by this very program from the same
/// data, is not run again, whatever table it was made for, and a run that was interrupted goes on
/// from its checkpoint: the same command again is always right.
#[derive(Parser)]
#[command(version, name = "paper", max_term_width = PAGE)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Accuracy on MNIST, CIFAR10, CIFAR100
    Table1(TableFlags),
    /// Accuracy on N-MNIST, DVS-Gesture, DVS-CIFAR10
    Table2(TableFlags),
    /// Accuracy on Speech Commands
    Table3(TableFlags),
    /// Ablation of the two adjustments
    Table4(TableFlags),
    /// Accuracy, firing rate, energy
    Table5(TableFlags),
    /// Accuracy on DVS-Gesture for several simulation lengths
    Table6(TableFlags),
    /// Test curves on DVS-Gesture
    Fig1(TableFlags),
    /// Firing rates of layers on MNIST
    Fig2(TableFlags),
    /// Test curves for several simulation lengths
    Fig3(TableFlags),
    /// Ablation of the warm-up
    WarmUp(TableFlags),
    /// Every table, figure and the page results/index.html again from receipts; trains nothing
    Report(ReportFlags),
}

/// Flags of a table or figure.
#[derive(Args)]
pub struct TableFlags {
    /// Only runs of these data sets, and of these other words: methods, ann, resnet34, T4,
    /// warm-up-ann and so on
    #[arg(long, value_name = "WORD", value_delimiter = ',')]
    only: Vec<String>,
    #[command(flatten)]
    runs: RunFlags,
}

#[derive(Args)]
struct ReportFlags {
    /// Folder with receipts, in which tables, figures and the page are written
    #[arg(long, value_name = "DIR", default_value = "results")]
    results: PathBuf,
    /// The profile that is shown, with its overrides, as a receipt has it [default: of the newest
    /// receipts, paper before all]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

/// What the program was called.
fn program_name() -> String {
    let called = std::env::args_os().next().map(PathBuf::from);
    let name = called.and_then(|path| Some(path.file_stem()?.to_string_lossy().into_owned()));
    name.unwrap_or_else(|| "paper".to_owned())
}

/// Reads the command line, and does what it says.
pub fn main() -> ExitCode {
    program::run(|Program { command }| work(command))
}

/// A user's own program: the experiment `id` with a surrogate of theirs in every run, under all of
/// its flags. Receipts, and the profile's name, have the surrogate's name.
pub fn with_surrogate(id: &str, own: Result<Own>) -> ExitCode {
    let run = || {
        let Some(experiment) = Experiment::of(id) else {
            let known: Vec<&str> = Experiment::ALL.into_iter().map(|e| e.id).collect();
            bail!("expected one of {}, found \"{id}\"; choose one of them", known.join(", "));
        };
        let own = own?;
        let command = TableFlags::augment_args(
            clap::Command::new("paper")
                .max_term_width(PAGE)
                .bin_name(program_name())
                .about(experiment.title),
        );
        let matches = command.try_get_matches();
        let flags = matches.and_then(|matches| TableFlags::from_arg_matches(&matches));
        let mut flags = match flags {
            Ok(flags) => flags,
            Err(error) => return Ok(program::refused(&error)),
        };
        flags.runs.own = Some(own);
        Ok(program::ended(table(experiment, &flags)))
    };
    machine::remember_program(true);
    run().unwrap_or_else(|error| program::ended(Err(error)))
}

fn work(command: Command) -> Result<()> {
    let (id, flags) = match command {
        Command::Table1(flags) => ("table1", flags),
        Command::Table2(flags) => ("table2", flags),
        Command::Table3(flags) => ("table3", flags),
        Command::Table4(flags) => ("table4", flags),
        Command::Table5(flags) => ("table5", flags),
        Command::Table6(flags) => ("table6", flags),
        Command::Fig1(flags) => ("fig1", flags),
        Command::Fig2(flags) => ("fig2", flags),
        Command::Fig3(flags) => ("fig3", flags),
        Command::WarmUp(flags) => ("warm-up", flags),
        Command::Report(ReportFlags { results, profile }) => {
            if !results.is_dir() {
                bail!(
                    "--results: expected a folder with receipts, found none at {}; name the one of an earlier command",
                    results.display()
                );
            }
            publish::report(&results, profile.as_deref())?;
            terminal::say!(
                "written to {}: every table and figure, and index.html",
                results.display()
            );
            return Ok(());
        }
    };
    match Experiment::of(id) {
        Some(experiment) => table(experiment, &flags),
        None => bail!("no experiment {id}; report this as a fault"),
    }
}

/// What one data set's cells are to hold: its recordings and its runs.
struct Part {
    chosen: Chosen,
    items: Vec<Item>,
}

fn table(experiment: &Experiment, flags: &TableFlags) -> Result<()> {
    let runs = &flags.runs;
    prove_once("--only", flags.only.iter().map(String::as_str))?;
    runs.prove_lists()?;
    let choices = chosen(experiment, flags)?;
    let receipts = runs.start(experiment.id)?;
    let parts = parts(flags, &choices, &receipts)?;
    parts.iter().try_for_each(|part| runs.prove_receipts(&part.items, &receipts))?;
    if runs.dry_run {
        let mut planned = Vec::new();
        for Part { chosen, items } in &parts {
            chosen.say();
            planned.extend(runs.plan(items, &chosen.recordings, &receipts)?);
        }
        return publish::print(&plan::table(&planned)?.to_terminal());
    }
    let mut diverged = Vec::new();
    for Part { chosen, items } in &parts {
        chosen.say();
        diverged.extend(runs.train(experiment.id, items, &chosen.recordings, &receipts)?);
    }
    publish(experiment, runs, &parts)?;
    match diverged.is_empty() {
        true => Ok(()),
        false => bail!("{}; these runs have no receipt, all others do", diverged.join("; ")),
    }
}

/// The runs that `--methods` and `--only` leave.
///
/// # Errors
/// [`Usage`]: a word, or all together, that find none.
fn chosen(experiment: &Experiment, flags: &TableFlags) -> Result<Vec<Choice>> {
    let mut all = (experiment.choices)(flags.runs.methods(experiment.methods));
    if flags.runs.names_a_network() {
        // the network takes the place of every other, and there is only one of it
        all.retain(|choice| choice.change != Change::ResNet34);
    }
    let known: Vec<String> =
        all.iter().flat_map(|choice| choice.words()).fold(Vec::new(), |mut known, word| {
            if !known.contains(&word) {
                known.push(word);
            }
            known
        });
    if let Some(word) = flags.only.iter().find(|word| !known.contains(word)) {
        bail!(Usage(format!(
            "--only: expected words of {} ({}), found \"{word}\"; use one of those",
            experiment.id,
            known.join(", ")
        )));
    }
    // data sets are one list, other words another: n-mnist,dvs-gesture,bpsa is BPSA on either
    let (data, other): (Vec<&String>, Vec<&String>) =
        flags.only.iter().partition(|word| Name::ALL.iter().any(|name| name.id() == **word));
    let fits = |words: &[String], asked: &[&String]| {
        asked.is_empty() || asked.iter().any(|word| words.contains(word))
    };
    let kept: Vec<Choice> =
        all.into_iter().filter(|c| fits(&c.words(), &data) && fits(&c.words(), &other)).collect();
    if kept.is_empty() {
        bail!(Usage(format!(
            "--only {}: expected words that one run of {} has together, found none; leave one out",
            flags.only.join(","),
            experiment.id
        )));
    }
    Ok(kept)
}

/// The recordings and runs of each data set, proven to be buildable before any of them is trained.
fn parts(flags: &TableFlags, choices: &[Choice], receipts: &Path) -> Result<Vec<Part>> {
    let runs = &flags.runs;
    let (overrides, profile) = (runs.read_overrides()?, runs.profile_name()?);
    let root = data::root(runs.data.clone())?;
    let mut parts: Vec<Part> = Vec::new();
    let mut names: Vec<Name> = Vec::new();
    for choice in choices {
        if !names.contains(&choice.data) {
            names.push(choice.data);
        }
    }
    for name in names {
        let named = flags.only.iter().any(|word| word == name.id());
        let stand_in = preset::stand_in(name, runs.profile);
        let mut items = Vec::new();
        for choice in choices.iter().filter(|choice| choice.data == name) {
            let run = choice.run(runs.profile, &overrides)?;
            runs.prove(&run)?;
            items.push((*choice, run));
        }
        let Some(chosen) = data::choose(name, root.as_deref(), None, named, stand_in)? else {
            continue;
        };
        let origin = receipt::identity(&chosen.recordings).origin;
        let item = |(choice, run): (Choice, _)| Item {
            title: choice.title(),
            row: selection::row(choice, runs.profile, &profile, origin),
            run,
        };
        let items: Vec<Item> = items.into_iter().map(item).collect();
        runs.prove_part(&items, &chosen.recordings, receipts)?;
        parts.push(Part { chosen, items });
    }
    let all: Vec<_> = parts.iter().flat_map(|part| &part.items).map(|item| &item.run).collect();
    contradictions::prove_used(&overrides.settings, &all)?;
    Ok(parts)
}

/// Lays out what the receipts say, on standard output and in the results folder.
fn publish(experiment: &Experiment, flags: &RunFlags, parts: &[Part]) -> Result<()> {
    let wanted: Vec<Wanted> =
        parts.iter().map(|p| flags.wanted(&p.chosen.recordings)).collect::<Result<_>>()?;
    let synthetic = |p: &&Part| p.chosen.recordings.origin == Origin::Synthetic;
    let stand_ins: Vec<String> =
        parts.iter().filter(synthetic).map(|p| p.chosen.says.clone()).collect();
    let receipt::Found { records, faults } = receipt::of_all_experiments(&flags.results);
    let receipts = Receipts::new(&records, &flags.profile_name()?)?.only(
        flags.read_overrides()?,
        wanted,
        flags.any_build,
    );
    let laid = publish::lay_out(experiment, &receipts, &stand_ins)?;
    let printed = laid.print();
    laid.write(experiment, &flags.results)?;
    let (id, results) = (experiment.id, flags.results.display());
    terminal::say!(
        "written to {results}: {id}.md, .tex, .csv, .json, figures (.svg, .png), receipts (runs/); `paper report` makes the page of all"
    );
    printed.and_then(|()| laid.refuse()).and_then(|()| receipt::refuse(&faults))
}
