//! `train NAME…`: one data set through the whole line, from the publisher's files to a receipt.

use super::{Tool, done, only, tool};
use crate::data::TrainingData;
use crate::flags::RunFlags;
use crate::preset::Overrides;
use crate::run_request::Variation;
use crate::runs::{Item, Part};
use crate::sharing::Outcome;
use crate::systems::BPSA_BPTA;
use crate::usage::{Usage, prove_once};
use crate::{
    Run, RunRequest, contradictions, data, layout, plan, publish, receipt, selection, task_list,
};
use anyhow::{Context, Result, bail};
use clap::Args;
use datasets::{Name, Split};
use report::write_text;
use std::path::Path;
use std::process::ExitCode;

/// Flags that mean nothing where nothing is trained.
const TRAINING: [&str; 14] = [
    "dry_run",
    "held_out",
    "folds",
    "seed",
    "seeds",
    "force",
    "any_build",
    "checkpoint_every",
    "on_nan",
    "on_silence",
    "tensorboard",
    "task",
    "list_tasks",
    "slurm",
];

/// Trains the paper's network on any of its data sets and lists what the receipts say.
///
/// A run that is already in results/runs/, made by this very program from the same recordings, is
/// not run again, so an interrupted command goes on where it stopped.
#[derive(Args)]
struct Flags {
    /// Data sets: n-mnist, dvs-gesture, dvs-cifar10, speech-commands, mnist, cifar10, cifar100
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
    /// Another split than the usual one: reference, first100, tebn or seeded:N for dvs-cifar10,
    /// published or by-speaker:N for speech-commands
    #[arg(long, value_name = "SPLIT")]
    split: Option<Split>,
    /// Train nothing: say what the network does on the test set with the weights of --weights
    #[arg(long, requires = "weights", conflicts_with_all = TRAINING)]
    evaluate: bool,
    /// Train the analogue network, without neurons: what `convert` takes
    #[arg(long)]
    analogue: bool,
    #[command(flatten)]
    runs: RunFlags,
}

/// The program `train`.
pub fn main() -> ExitCode {
    only(command())
}

pub(super) fn command() -> Tool {
    tool("train", |flags| done(run(&flags)))
}

/// Trains, and lists what the receipts say.
fn run(flags: &Flags) -> Result<()> {
    let runs = &flags.runs;
    flags.prove_lists()?;
    let overrides = Overrides {
        classes: runs.division.chosen_classes(&flags.names),
        ..flags.runs.read_overrides()?
    };
    let receipts = runs.start("train")?;
    let root = data::root(runs.data.clone())?;
    let systems = runs.systems(&[&BPSA_BPTA]);
    let variation = if flags.analogue { Variation::Analogue } else { Variation::None };
    let each = |&name: &Name| {
        systems.iter().map(move |system| RunRequest { variation, ..RunRequest::new(name, system) })
    };
    let requests = runs.in_setting(flags.names.iter().flat_map(each).collect())?;
    let names =
        flags.names.iter().filter(|name| requests.iter().any(|request| request.data == **name));
    let found = names.map(|&name| items(flags, name, &requests, &overrides, root.as_deref()));
    let mut found: Vec<Part> = found.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    if !flags.evaluate {
        for Part { items, chosen } in &found {
            runs.prove_part(items, &chosen.recordings, &receipts)?;
        }
    }
    let all: Vec<&Run> = found.iter().flat_map(|part| &part.items).map(|item| &item.run).collect();
    contradictions::prove_used(&runs.overrides().settings, &all)?;
    if !flags.evaluate {
        found.iter().try_for_each(|part| runs.prove_receipts(&part.items, &receipts))?;
    }
    let of_command = task_list::number(runs, &mut found);
    if task_list::answered(runs, "train", &found, &receipts)? {
        return Ok(());
    }
    if flags.evaluate {
        return evaluate(runs, &found);
    }
    let share = runs.tasks.share(of_command, runs.has_one_seed())?;
    if runs.dry_run {
        found.iter().for_each(|part| part.chosen.say());
        let mut planned = Vec::new();
        for Part { items, chosen } in &found {
            planned.extend(runs.plan(items, &chosen.recordings, &receipts, share)?);
        }
        return publish::print(&plan::table(&planned)?.to_terminal());
    }
    let mut outcome = Outcome::default();
    for Part { items, chosen } in &found {
        chosen.say();
        outcome.add(runs.train("train", items, &chosen.recordings, &receipts, share)?);
    }
    if share.lays_out() {
        lay_out(runs, &receipts)?;
        outcome.say();
    }
    outcome.refuse()?;
    receipt::refuse(&receipt::of_folder(&receipts).faults)
}

/// Lists what the receipts say.
fn lay_out(runs: &RunFlags, receipts: &Path) -> Result<()> {
    let _lock = publish::lock(&runs.results)?;
    let records = receipt::of_folder(receipts).records;
    let groups = selection::all_groups(&records);
    let table = layout::runs("Receipts of single runs", groups.iter())?;
    write_text(&runs.results.join("train.md"), &table.to_markdown())?;
    publish::print(&table.to_terminal())
}

impl Flags {
    /// Refuses lists that name one thing twice, and what is for one data set beside several.
    fn prove_lists(&self) -> Result<()> {
        prove_once("NAME", self.names.iter().map(|name| name.id()))?;
        self.runs.prove_lists()?;
        if self.split.is_some() && self.runs.division.has_folds() {
            bail!(Usage(
                "--folds and --split contradict each other, since folds are a split; leave one of the two out".to_owned()
            ));
        }
        self.runs.division.prove(&self.names)?;
        if self.split.is_some() && self.names.len() > 1 {
            bail!(Usage(format!(
                "--split: expected one data set, which it is for, found {}; name one",
                self.names.len()
            )));
        }
        Ok(())
    }
}

/// The runs of one data set, and its recordings; of each fold, where there are some.
fn items(
    flags: &Flags,
    name: Name,
    requests: &[RunRequest],
    overrides: &Overrides,
    root: Option<&Path>,
) -> Result<Vec<Part>> {
    let Flags { runs, .. } = flags;
    let of_data = requests.iter().copied().filter(|request| request.data == name);
    let planned = of_data.map(|request| Ok((request, request.run(runs.profile, overrides)?)));
    let planned = planned.collect::<Result<Vec<(RunRequest, Run)>>>()?;
    planned.iter().try_for_each(|(_, run)| runs.prove(run))?;
    // no stand-in: whoever names a data set means it
    let chosen = data::choose(name, root, flags.split, true, None)?;
    let chosen = chosen.with_context(|| format!("{} is not here", name.title()))?;
    let profile = runs.profile_name()?;
    let of_part = |chosen: TrainingData| {
        let data = receipt::identity(&chosen.recordings);
        let item = |(request, run): &(RunRequest, Run)| Item {
            title: request.title(),
            row: selection::row(*request, runs.profile, &profile, data.origin)
                + &selection::part(&data),
            run: run.clone(),
            first: 0,
        };
        Part { items: planned.iter().map(item).collect(), chosen }
    };
    Ok(runs.division.divided(chosen)?.into_iter().map(of_part).collect())
}

/// What each network does on the test set with the weights of `--weights`.
fn evaluate(runs: &RunFlags, found: &[Part]) -> Result<()> {
    for Part { items, chosen } in found {
        chosen.say();
        for item in items {
            let said = runs.evaluate(&item.run, &chosen.recordings)?;
            let accuracy = said.accuracy_percent();
            terminal::out!(
                "{}: {} of {} right, {accuracy:.2} %, loss {:.4}",
                item.title,
                said.correct,
                said.samples,
                said.loss
            )?;
            for (layer, rate) in &said.firing_rates {
                terminal::out!("  {layer}: {:.2} % fire", 100.0 * rate)?;
            }
        }
    }
    Ok(())
}
