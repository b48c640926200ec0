//! The runs of a command as tasks: their list, and their submission to SLURM.

use crate::flags::RunFlags;
use crate::lock::Lock;
use crate::runs::{Part, named};
use crate::{names, publish, slurm};
use anyhow::Result;
use datasets::Recordings;
use report::{Align, Record, Table};
use serde::Serialize;
use std::path::Path;

/// A run of a command.
#[derive(Debug, Serialize)]
pub struct Task {
    /// Its number, which `--task` takes; from 0.
    task: usize,
    title: String,
    data: &'static str,
    /// What its files are called, without the seed.
    row: String,
    seed: u64,
    /// `done`, `under way`, `begun` or `missing`.
    state: &'static str,
    /// Who trains it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// Where its receipt will be; one that was made for another table lies in another folder.
    receipt: String,
}

impl Task {
    /// Whether it has its receipt.
    pub fn is_done(&self) -> bool {
        self.state == "done"
    }
}

/// Numbers the runs of a command, in the order in which one process trains them: each item with
/// each seed. How many there are.
pub fn number(flags: &RunFlags, parts: &mut [Part]) -> usize {
    let (mut all, seeds) = (0, flags.seeds().list().len());
    for item in parts.iter_mut().flat_map(|part| &mut part.items) {
        item.first = all;
        all += seeds;
    }
    all
}

/// Whether a command was asked for its list, or to have its runs trained elsewhere, and did that.
///
/// # Errors
/// A broken receipt, an output that cannot be written, or what SLURM refuses.
pub fn answered(flags: &RunFlags, id: &str, parts: &[Part], receipts: &Path) -> Result<bool> {
    let asked = &flags.tasks;
    if !asked.list_tasks && !asked.slurm.slurm {
        return Ok(false);
    }
    let tasks = tasks(flags, parts, receipts)?;
    if asked.slurm.slurm {
        let missing: Vec<usize> =
            tasks.iter().filter(|task| !task.is_done()).map(|task| task.task).collect();
        let wanted = slurm::Wanted { id, runs: tasks.len(), missing: &missing };
        slurm::submit(&asked.slurm, &wanted, &flags.results, flags.dry_run)?;
    } else if asked.json {
        publish::print(&(serde_json::to_string_pretty(&tasks)? + "\n"))?;
    } else {
        publish::print(&table(&tasks)?.to_terminal())?;
    }
    Ok(true)
}

/// Every run, in order.
fn tasks(flags: &RunFlags, parts: &[Part], receipts: &Path) -> Result<Vec<Task>> {
    let mut tasks = Vec::new();
    for Part { items, chosen } in parts {
        for item in items {
            for &seed in flags.seeds().list() {
                let recordings: &Recordings = &chosen.recordings;
                let done = flags.has_receipt(item, seed, recordings, receipts)? && !flags.force;
                let holder = Lock::holder(&flags.lock_of(item, seed));
                let begun = flags.checkpoint_of(&names::of_run(&item.row, seed)).exists();
                let state = match (done, &holder) {
                    (true, _) => "done",
                    (false, Some(_)) => "under way",
                    (false, None) if begun => "begun",
                    (false, None) => "missing",
                };
                let place = Record::path(receipts, &names::of_row(&item.row), seed);
                tasks.push(Task {
                    task: tasks.len(),
                    title: named(item, recordings),
                    data: recordings.name.id(),
                    row: names::of_row(&item.row),
                    seed,
                    state,
                    by: holder.filter(|_| !done).map(|holder| holder.says),
                    receipt: place.display().to_string(),
                });
            }
        }
    }
    Ok(tasks)
}

fn table(tasks: &[Task]) -> Result<Table, report::Error> {
    let columns = [
        ("Task", Align::Right),
        ("Run", Align::Left),
        ("Data set", Align::Left),
        ("Seed", Align::Right),
        ("State", Align::Left),
        ("By", Align::Left),
    ];
    let mut table = Table::new("Runs of this command", &columns);
    for task in tasks {
        table.push_row([
            task.task.to_string(),
            task.title.clone(),
            task.data.to_owned(),
            task.seed.to_string(),
            task.state.to_owned(),
            task.by.clone().unwrap_or_default(),
        ])?;
    }
    let left = tasks.iter().filter(|task| !task.is_done()).count();
    table.push_note(format!(
        "{left} of {} without a receipt; --task K trains run K, --task K/N every N-th from K on.",
        tasks.len()
    ));
    Ok(table)
}
