//! What makes a table or figure, `table2` or `fig1`: its runs trained, then laid out.

use crate::data;
use crate::experiment::Experiment;
use crate::flags::RunFlags;
use crate::grid::{self, Tried};
use crate::preset::Overrides;
use crate::program::ending;
use crate::run_request::Variation;
use crate::runs::{Item, Part};
use crate::selection::{self, Receipts, Wanted};
use crate::sharing::Outcome;
use crate::tasks::Share;
use crate::usage::{Usage, prove_once};
use crate::{
    OwnSurrogate, Run, RunRequest, contradictions, machine, plan, preset, publish, receipt, tables,
    task_list,
};
use anyhow::{Result, anyhow, bail};
use clap::{Args, FromArgMatches};
use datasets::{Name, Origin};
use std::path::Path;
use std::process::ExitCode;

/// What a help says of every table and figure.
const HOW: &str = "Uses the data sets it finds, whole or in part, and a generator's where it finds none; it says which. \
    A run that has its receipt in results/runs/, made by this very program from the same data, is not run \
    again, whatever table it was made for, and a run that was interrupted goes on from its checkpoint: the \
    same command again is always right.";

/// What a grid is not asked for with: its rates are its own, and its processes share its runs
/// without numbers.
const GRID: [&str; 5] = ["learning_rate", "tuned", "task", "list_tasks", "slurm"];

/// Flags of a table or figure.
#[derive(Args)]
pub struct TableFlags {
    /// Only runs of these data sets, and of these other words: systems, ann, resnet34, T4,
    /// warm-up-ann and so on
    #[arg(long, value_name = "WORD", value_delimiter = ',')]
    only: Vec<String>,
    /// Choose learning rate and warm-up of each system on the recordings that --held-out keeps out
    /// of training, and write them to a file for --tuned; the table is left as it is
    #[arg(long, requires = "held_out", conflicts_with_all = GRID)]
    grid: bool,
    #[command(flatten)]
    runs: RunFlags,
}

/// The command of a table or figure.
pub(crate) fn command(experiment: &Experiment) -> clap::Command {
    let Experiment { id, title, about, .. } = experiment;
    let whole = format!("{title}.\n\n{about}\n\n{HOW}");
    TableFlags::augment_args(clap::Command::new(*id)).about(*title).long_about(whole)
}

/// A user's own program: the experiment `id` with a surrogate of theirs in every run, under all of
/// its flags. Receipts, and the profile's name, have the surrogate's name.
pub fn with_surrogate(id: &str, own: Result<OwnSurrogate>) -> ExitCode {
    // the digest of our sources says nothing of theirs
    machine::remember_program(true);
    let Some(experiment) = tables::of(id) else {
        let known: Vec<&str> = tables::ALL.into_iter().map(|e| e.id).collect();
        return ending::ended(Err(anyhow!(
            "expected one of {}, found \"{id}\"; choose one of them",
            known.join(", ")
        )));
    };
    ending::run(command(experiment), |matches| {
        let mut flags = TableFlags::from_arg_matches(matches)?;
        flags.runs.own = Some(own?);
        table(experiment, flags).map(|()| ExitCode::SUCCESS)
    })
}

/// Trains what is missing of a table or figure, and lays it out.
pub(crate) fn table(experiment: &Experiment, flags: TableFlags) -> Result<()> {
    prove_once("--only", flags.only.iter().map(String::as_str))?;
    flags.runs.prove_lists()?;
    if flags.grid {
        return grid(experiment, flags);
    }
    let (flags, runs) = (&flags, &flags.runs);
    let requests = chosen(experiment, flags)?;
    let receipts = runs.start(experiment.id)?;
    let mut parts = parts(flags, &requests, &receipts)?;
    parts.iter().try_for_each(|part| runs.prove_receipts(&part.items, &receipts))?;
    let of_command = task_list::number(runs, &mut parts);
    if task_list::answered(runs, experiment.id, &parts, &receipts)? {
        return Ok(());
    }
    let share = runs.tasks.share(of_command, runs.has_one_seed())?;
    if runs.dry_run {
        let mut planned = Vec::new();
        for Part { chosen, items } in &parts {
            chosen.say();
            planned.extend(runs.plan(items, &chosen.recordings, &receipts, share)?);
        }
        return publish::print(&plan::table(&planned)?.to_terminal());
    }
    let mut outcome = Outcome::default();
    for Part { chosen, items } in &parts {
        chosen.say();
        let data = &chosen.recordings;
        outcome.add(runs.train(experiment.id, items, data, &receipts, share)?);
    }
    if share.lays_out() {
        publish(experiment, runs, &parts)?;
        outcome.say();
    }
    outcome.refuse()
}

/// Trains what is missing of a grid, one learning rate after the other, and writes what it chooses.
fn grid(experiment: &Experiment, mut flags: TableFlags) -> Result<()> {
    let receipts = flags.runs.start(experiment.id)?;
    let requests = grid::requests(&chosen(experiment, &flags)?);
    let (mut tried, mut planned): (Vec<Tried>, _) = (Vec::new(), Vec::new());
    let mut outcome = Outcome::default();
    for rate in grid::RATES {
        flags.runs.learning_rate = Some(rate);
        let runs = &flags.runs;
        for Part { chosen, items } in parts(&flags, &requests, &receipts)? {
            if runs.dry_run {
                let planned_now = runs.plan(&items, &chosen.recordings, &receipts, Share::ALL)?;
                planned.extend(planned_now);
                continue;
            }
            chosen.say();
            let data = &chosen.recordings;
            outcome.add(runs.train(experiment.id, &items, data, &receipts, Share::ALL)?);
            let of_data = requests.iter().filter(|c| c.data == chosen.recordings.name);
            for (&request, item) in of_data.zip(items) {
                let records = runs.records(&item, &chosen.recordings, &receipts)?;
                let place = |t: &&mut Tried| t.request == request && t.run == item.run;
                // folds of one point are one point
                match tried.iter_mut().find(place) {
                    Some(point) => point.records.extend(records),
                    None => tried.push(Tried {
                        request,
                        run: item.run,
                        profile: runs.profile_name()?,
                        records,
                    }),
                }
            }
        }
    }
    if flags.runs.dry_run {
        return publish::print(&plan::table(&planned)?.to_terminal());
    }
    // a run that is missing is no run that diverged
    outcome.prove_whole()?;
    for name in Name::ALL {
        if let Some(tuning) = grid::tuning(name, &tried) {
            grid::write(&tuning, &flags.runs.results)?;
        }
    }
    outcome.refuse()
}

/// The runs that `--systems`, `--setting` and `--only` leave.
///
/// # Errors
/// [`Usage`]: a word, or all together, that find none.
fn chosen(experiment: &Experiment, flags: &TableFlags) -> Result<Vec<RunRequest>> {
    if !experiment.published_settings && !flags.runs.setting.is_house() {
        bail!(Usage(format!(
            "--setting published: expected a table that has rows of published settings, found {}; leave --setting out, or take another \
             table",
            experiment.id
        )));
    }
    let mut all =
        flags.runs.in_setting((experiment.requests)(&flags.runs.systems(experiment.systems)))?;
    if flags.runs.names_a_network() {
        // the network takes the place of every other, and there is only one of it
        all.retain(|request| request.variation != Variation::ResNet34);
    }
    let known: Vec<String> =
        all.iter().flat_map(|request| request.words()).fold(Vec::new(), |mut known, word| {
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
    let kept: Vec<RunRequest> =
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
fn parts(flags: &TableFlags, requests: &[RunRequest], receipts: &Path) -> Result<Vec<Part>> {
    let runs = &flags.runs;
    let mut names: Vec<Name> = Vec::new();
    for request in requests {
        if !names.contains(&request.data) {
            names.push(request.data);
        }
    }
    runs.division.prove(&names)?;
    let classes = runs.division.chosen_classes(&names);
    let overrides = Overrides { classes, ..runs.read_overrides()? };
    let (profile, root) = (runs.profile_name()?, data::root(runs.data.clone())?);
    let mut parts: Vec<Part> = Vec::new();
    for name in names {
        let named = flags.only.iter().any(|word| word == name.id());
        let stand_in = preset::stand_in(name, runs.profile);
        let stand_in = stand_in.map(|usual| runs.division.stand_in(usual));
        let mut items = Vec::new();
        for request in requests.iter().filter(|request| request.data == name) {
            let run = request.run(runs.profile, &overrides)?;
            runs.prove(&run)?;
            items.push((*request, run));
        }
        let Some(chosen) = data::choose(name, root.as_deref(), None, named, stand_in)? else {
            continue;
        };
        for chosen in runs.division.divided(chosen)? {
            let data = receipt::identity(&chosen.recordings);
            let item = |(request, run): &(RunRequest, Run)| Item {
                title: request.title(),
                row: selection::row_of(*request, runs.profile, &profile, &data),
                run: run.clone(),
                first: 0,
            };
            let items: Vec<Item> = items.iter().map(item).collect();
            runs.prove_part(&items, &chosen.recordings, receipts)?;
            parts.push(Part { chosen, items });
        }
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
    let mut stand_ins: Vec<&Part> = parts.iter().filter(synthetic).collect();
    // folds are of one stand-in
    stand_ins.dedup_by_key(|part| part.chosen.recordings.name);
    let stand_ins: Vec<String> = stand_ins.into_iter().map(|p| p.chosen.says.clone()).collect();
    // from the receipts to the files, so that whoever is the last has seen all of them
    let _lock = publish::lock(&flags.results)?;
    let receipt::Found { records, faults } = receipt::of_all_experiments(&flags.results);
    let names: Vec<Name> = parts.iter().map(|part| part.chosen.recordings.name).collect();
    let classes = flags.division.chosen_classes(&names);
    let receipts = Receipts::new(&records, &flags.profile_name()?)?.only(
        Overrides { classes, ..flags.read_overrides()? },
        wanted,
        flags.any_build,
    );
    let laid = publish::lay_out(experiment, &receipts, &stand_ins)?;
    let printed = laid.print();
    laid.write(experiment, &flags.results)?;
    let (id, results) = (experiment.id, flags.results.display());
    terminal::say!(
        "written to {results}: {id}.md, .tex, .csv, .json, figures (.svg, .png), receipts (runs/); `report` makes the page of all"
    );
    printed.and_then(|()| laid.refuse()).and_then(|()| receipt::refuse(&faults))
}
