//! The paper's rows of systems, with our numbers beside the published ones.

use crate::layout::{cell, printed};
use crate::run_request::{RunRequest, Variation};
use crate::selection::Receipts;
use crate::systems::{ALL, System};
use anyhow::Result;
use datasets::Name;
use report::{Align, Table};

/// A row of a table: a system, the kind of its training, its accuracies as printed, and our run
/// that stands beside it.
pub struct Row<const N: usize> {
    /// The system's name in the paper, with its reference number.
    pub name: &'static str,
    /// Its training as the paper says.
    pub training: &'static str,
    /// Percent; `None` where the paper has a dash. Of a system of ours to run its file has them.
    pub accuracy: [Option<f64>; N],
    /// The system that is run beside it, and what the row varies.
    pub ours: Option<(&'static System, Variation)>,
}

/// A cited row without a system that can be run.
pub const fn cited<const N: usize>(
    name: &'static str,
    training: &'static str,
    accuracy: [Option<f64>; N],
) -> Row<N> {
    Row { name, training, accuracy, ours: None }
}

/// The row of a system that can be run, whose file has what is printed.
pub const fn of<const N: usize>(
    name: &'static str,
    training: &'static str,
    system: &'static System,
) -> Row<N> {
    Row { name, training, accuracy: [None; N], ours: Some((system, Variation::None)) }
}

/// What makes a table of systems.
pub struct Systems<'t, const N: usize> {
    /// The table's id, by which systems know what it prints of them.
    pub id: &'t str,
    /// Its title.
    pub title: &'t str,
    /// Its columns.
    pub data: [Name; N],
    /// Its rows.
    pub rows: &'t [Row<N>],
}

impl<const N: usize> Systems<'_, N> {
    /// The rows with our column beside each of the paper's; below a system with a published
    /// setting a row of that, and at the end systems that the table does not name, where they have
    /// receipts.
    ///
    /// # Errors
    /// As [`Receipts::group`].
    pub fn table(&self, receipts: &Receipts<'_>) -> Result<Table> {
        let ours = self.data.map(|d| format!("{} ours, {}", d.title(), receipts.profile));
        let mut columns = vec![("Models", Align::Left), ("Training", Align::Left)];
        for (data, ours) in self.data.iter().zip(&ours) {
            columns.extend([(data.title(), Align::Right), (ours.as_str(), Align::Right)]);
        }
        let mut table = Table::new(self.title, &columns);
        for row in self.rows {
            self.push(&mut table, row, receipts)?;
            if let Some((system, Variation::None)) = row.ours {
                self.push_published(&mut table, row.name, system, row.training, receipts)?;
            }
        }
        for system in self.others() {
            let name = format!("{} (not in this table)", system.name);
            let row = Row { name: "", ..of("", "BP", system) };
            self.push_named(&mut table, &name, &row, receipts)?;
            self.push_published(&mut table, system.name, system, "BP", receipts)?;
        }
        for note in self.notes(receipts)? {
            table.push_note(note);
        }
        Ok(table)
    }

    /// Systems that no row names.
    fn others(&self) -> impl Iterator<Item = &'static System> + '_ {
        let named = |system: &&System| {
            self.rows.iter().any(|row| row.ours.is_some_and(|(of, _)| of == *system))
        };
        ALL.iter().copied().filter(move |system| !named(system))
    }

    fn push(&self, table: &mut Table, row: &Row<N>, receipts: &Receipts<'_>) -> Result<()> {
        self.push_named(table, row.name, row, receipts)
    }

    fn push_named(
        &self,
        table: &mut Table,
        name: &str,
        row: &Row<N>,
        receipts: &Receipts<'_>,
    ) -> Result<()> {
        let mut numbers = Vec::new();
        for (data, accuracy) in self.data.into_iter().zip(row.accuracy) {
            let of_system = match row.ours {
                Some((system, Variation::None)) => system.percent(self.id, data),
                _ => None,
            };
            let ours = match row.ours {
                Some((system, variation)) => {
                    receipts.group(RunRequest { variation, ..RunRequest::new(data, system) })?
                }
                None => None,
            };
            numbers.push((accuracy.or(of_system), cell(ours.as_ref())));
        }
        finish(table, name, row.training, numbers)
    }

    /// The row of a system's published setting, where it has receipts; without them it would say
    /// nothing that is not above it.
    fn push_published(
        &self,
        table: &mut Table,
        name: &str,
        system: &'static System,
        training: &str,
        receipts: &Receipts<'_>,
    ) -> Result<()> {
        let mut numbers = Vec::new();
        for data in self.data {
            let recipe = (system.published_setting)(data);
            let ours = receipts.group(RunRequest::published(data, system))?;
            let printed = recipe.and_then(|_| system.percent(self.id, data));
            numbers.push((printed, cell(ours.as_ref())));
        }
        match numbers.iter().all(|(_, ours)| ours.is_empty()) {
            true => Ok(()),
            false => finish(table, &format!("{name}, published setting"), training, numbers),
        }
    }

    /// What is to be known of published settings; of each only where it has a receipt.
    ///
    /// # Errors
    /// As [`Receipts::group`].
    fn notes(&self, receipts: &Receipts<'_>) -> Result<Vec<String>> {
        if ALL.iter().all(|system| system.recipes(&self.data).is_empty()) {
            return Ok(Vec::new());
        }
        let mut notes = vec![
            "Ours beside another system is its idea in this paper's network and budget (its neuron and norm, no ReLU); the system's \
             own recipe has a row below, \"published setting\", where it has receipts."
                .to_owned(),
        ];
        for system in ALL {
            let mut said: Vec<(String, Vec<&str>)> = Vec::new();
            for (data, recipe) in system.recipes(&self.data) {
                if receipts.group(RunRequest::published(data, system))?.is_none() {
                    continue;
                }
                let (says, title) = (recipe.says(), data.title());
                match said.iter_mut().find(|(text, _)| *text == says) {
                    Some((_, titles)) => titles.push(title),
                    None => said.push((says, vec![title])),
                }
            }
            for (says, titles) in said.into_iter().filter(|(says, _)| !says.is_empty()) {
                notes.push(format!(
                    "{}, published setting, {}: {says}",
                    system.name,
                    titles.join(", ")
                ));
            }
        }
        Ok(notes)
    }
}

/// A row of ours alone is there only for what it holds.
fn finish(
    table: &mut Table,
    name: &str,
    training: &str,
    numbers: Vec<(Option<f64>, String)>,
) -> Result<()> {
    if numbers.iter().all(|(accuracy, ours)| accuracy.is_none() && ours.is_empty()) {
        return Ok(());
    }
    let mut cells = vec![name.to_owned(), training.to_owned()];
    for (accuracy, ours) in numbers {
        cells.extend([printed(accuracy), ours]);
    }
    Ok(table.push_row(cells)?)
}
