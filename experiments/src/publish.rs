//! What an experiment's receipts say, on standard output and as files: Markdown, LaTeX, CSV, JSON,
//! figures; and one page of all.

use crate::experiment::{Experiment, Picture};
use crate::lock::Lock;
use crate::made::MadeFigures;
use crate::receipt;
use crate::selection::Receipts;
use crate::tables;
use anyhow::{Result, bail};
use report::figures::png;
use report::page::{self, Section};
use report::{Record, Table, write_bytes, write_text};
use std::path::Path;
use std::time::Duration;

/// Pixels an inch of a figure's PNG: what journals ask for.
const DPI: f64 = 300.0;

/// An experiment laid out.
pub struct ExperimentOutput {
    tables: Vec<Table>,
    pictures: Vec<Picture>,
    /// Why it has no pictures, where they could not be drawn: the tables do not wait for them.
    undrawn: Option<String>,
}

/// Lays out an experiment; `notes` stand below its first table.
///
/// # Errors
/// If a table cannot be made.
pub fn lay_out(
    experiment: &Experiment,
    receipts: &Receipts<'_>,
    notes: &[String],
) -> Result<ExperimentOutput> {
    let mut tables = (experiment.tables)(receipts)?;
    if let Some(first) = tables.first_mut() {
        notes.iter().for_each(|note| first.push_note(note.as_str()));
    }
    let (pictures, undrawn) = match (experiment.figures)(receipts) {
        Ok(pictures) => (pictures, None),
        Err(error) => (Vec::new(), Some(format!("{}: {error:#}", experiment.id))),
    };
    Ok(ExperimentOutput { tables, pictures, undrawn })
}

/// Prints what a training command also leaves in files: a reader that left is no fault then.
///
/// # Errors
/// If standard output cannot be written for another reason, such as a full disk.
pub fn print(text: &str) -> Result<()> {
    match terminal::print(text) {
        Err(unwritten) if unwritten.reader_left() => Ok(()),
        printed => Ok(printed?),
    }
}

impl ExperimentOutput {
    /// Ends a program that has written everything else.
    ///
    /// # Errors
    /// If figures could not be drawn.
    pub fn refuse(self) -> Result<()> {
        match self.undrawn {
            Some(fault) => bail!("{fault}; all else is written"),
            None => Ok(()),
        }
    }

    /// Prints the tables.
    ///
    /// # Errors
    /// As [`print`].
    pub fn print(&self) -> Result<()> {
        self.tables.iter().try_for_each(|table| print(&(table.to_terminal() + "\n")))
    }

    /// Writes `<id>.md`, `.tex`, `.csv`, `.json` and each figure as SVG and PNG into `results`;
    /// figures of an earlier state that have no receipts any more are removed.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, experiment: &Experiment, results: &Path) -> Result<()> {
        let id = experiment.id;
        let join = |form: fn(&Table) -> String| {
            self.tables.iter().map(form).collect::<Vec<_>>().join("\n")
        };
        write_text(&results.join(format!("{id}.md")), &join(Table::to_markdown))?;
        let label =
            |i: usize| if i == 0 { format!("tab:{id}") } else { format!("tab:{id}-{}", i + 1) };
        let tex: Vec<String> =
            self.tables.iter().enumerate().map(|(i, t)| t.to_latex(&label(i))).collect();
        write_text(&results.join(format!("{id}.tex")), &tex.join("\n"))?;
        let mut all = serde_json::Map::new();
        for (i, table) in self.tables.iter().enumerate() {
            let name = match i {
                0 => id.to_owned(),
                _ => table.title().to_owned(),
            };
            all.insert(name, serde_json::from_str(&table.to_json())?);
        }
        write_text(
            &results.join(format!("{id}.json")),
            &format!("{:#}\n", serde_json::Value::Object(all)),
        )?;
        let csv = self.tables.first().map(Table::to_csv).transpose()?.unwrap_or_default();
        write_text(&results.join(format!("{id}.csv")), &csv)?;
        self.figures(id, results)
    }

    fn figures(&self, id: &str, results: &Path) -> Result<()> {
        let mut made = MadeFigures::read(results);
        let mut names = Vec::new();
        for Picture { name, svg, .. } in &self.pictures {
            for (ending, bytes) in [("svg", svg.as_bytes().to_vec()), ("png", png(svg, DPI)?)] {
                let file = format!("{name}.{ending}");
                write_bytes(&results.join(&file), &bytes)?;
                names.push((file, MadeFigures::digest(&bytes)));
            }
        }
        // figures of an earlier table must not stand beside this one
        made.replace(id, names, results)?;
        made.write(results)
    }
}

/// Held while results are laid out, from the reading of receipts on: of many processes that end at
/// once the last must not write what it knew before another's receipt came. Where it is not to be
/// had for a minute it is done without: no process waits for ever for another's table.
///
/// # Errors
/// A folder that cannot be written.
pub fn lock(results: &Path) -> Result<Option<Lock>> {
    Lock::wait(&results.join(".tables.lock"), Duration::from_secs(60))
}

/// The profile that an experiment is shown in: the paper's before the short one, those before their
/// like with overrides, the smoke profile last; of equals that of the newest run. `None` without
/// receipts.
pub fn profile_of(experiment: &Experiment, records: &[Record]) -> Option<String> {
    let own = |r: &&Record| r.experiment == experiment.id || covers(experiment, r);
    let order = |name: &str| match name {
        "paper" => 0,
        "short" => 1,
        other if other.starts_with("smoke") => 3,
        _ => 2,
    };
    let key = |r: &&Record| (std::cmp::Reverse(order(&r.profile)), r.started_utc.clone());
    // a table without runs of its own shows the profile of the others, whose runs it may have in
    // rows that the paper's lacks
    let others = |r: &&Record| !["train", "simulator"].contains(&r.experiment.as_str());
    let newest =
        |runs: &mut dyn Iterator<Item = &Record>| runs.max_by_key(key).map(|r| r.profile.clone());
    newest(&mut records.iter().filter(own)).or_else(|| newest(&mut records.iter().filter(others)))
}

/// Whether a receipt of another experiment stands in one of this one's cells.
fn covers(experiment: &Experiment, record: &Record) -> bool {
    let Ok(base) = crate::Profile::of_name(&record.profile) else { return false };
    let rows = experiment.every_request();
    rows.into_iter().any(|request| {
        let row = crate::selection::row_of(request, base, &record.profile, &record.data);
        crate::names::of_row(&row) == record.row || row == record.row
    })
}

/// Everything that receipts below `results` say: each experiment's files and `index.html`. Nothing
/// is trained. What is no receipt is named on standard error, and its cell is empty.
///
/// # Errors
/// After all else is written: what was no receipt, or could not be laid out. At once: a file that
/// cannot be written.
pub fn report(results: &Path, profile: Option<&str>) -> Result<()> {
    let _lock = lock(results)?;
    let receipt::Found { records, faults } = receipt::of_all_experiments(results);
    receipt::say(&faults);
    if let Some(name) = profile.filter(|name| records.iter().all(|r| r.profile != *name)) {
        let mut known: Vec<&str> = records.iter().map(|r| r.profile.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        let known = if known.is_empty() { "no receipt at all".into() } else { known.join(", ") };
        bail!("--profile: expected the profile of a receipt, found \"{name}\"; there is {known}");
    }
    let (mut sections, mut not_laid) = (Vec::new(), Vec::new());
    for experiment in tables::ALL {
        let chosen = profile.map(str::to_owned).or_else(|| profile_of(experiment, &records));
        let receipts = Receipts::new(&records, &chosen.unwrap_or_else(|| "paper".to_owned()))?;
        match lay_out(experiment, &receipts, &[]) {
            Ok(laid) => {
                laid.write(experiment, results)?;
                not_laid.extend(laid.undrawn.clone());
                sections.push(section(experiment, laid, &receipts)?);
            }
            Err(error) => {
                not_laid.push(format!("{}: {error:#}", experiment.id));
            }
        }
    }
    sections.push(tables::behind::section(&records, &mut not_laid)?);
    let lead = "Every number here comes from a receipt, a file that a command wrote when it had trained a network; cells without \
                one are empty. Numbers of the paper stand beside ours.";
    write_text(&results.join("index.html"), &page::html("spikegrad: results", lead, &sections))?;
    if !not_laid.is_empty() {
        bail!("{}; all else is written", not_laid.join("; "));
    }
    receipt::refuse(&faults)
}

fn section(
    experiment: &Experiment,
    laid: ExperimentOutput,
    receipts: &Receipts<'_>,
) -> Result<Section> {
    let groups = receipts.groups(&experiment.every_request())?;
    let records = groups.iter().flat_map(|(_, g)| g.records().iter().copied());
    Ok(Section {
        id: experiment.id.to_owned(),
        title: experiment.title.to_owned(),
        lead: experiment.about.to_owned(),
        command: format!("just {}", experiment.id),
        tables: laid.tables,
        figures: laid.pictures.into_iter().map(figure).collect(),
        receipts: records.map(receipt_of).collect(),
    })
}

/// A figure with the files it is in.
pub fn figure(picture: Picture) -> page::Figure {
    let files = ["svg", "png"].map(|ending| format!("{}.{ending}", picture.name)).to_vec();
    page::Figure { svg: picture.svg, alt: picture.caption.clone(), caption: picture.caption, files }
}

/// A receipt with the place of its file below the results.
pub fn receipt_of(record: &Record) -> page::Receipt {
    page::Receipt { path: receipt::place(record), record: record.clone() }
}
