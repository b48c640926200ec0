//! The paper's tables and figures, one file each: what is published as constants, what is trained,
//! and how both are laid out.

pub mod behind;
pub mod rows;

use crate::experiment::{Experiment, Picture, with_published};
use crate::run_request::RunRequest;
use crate::selection::Receipts;
use crate::systems::{self, System};
use crate::{differences, layout};
use anyhow::Result;
use datasets::Name;
use report::Table;

/// The files beside this one, each with its `EXPERIMENT`, and the list of all.
macro_rules! tables {
    ($($name:ident,)*) => {
        $(pub mod $name;)*

        /// All, in the paper's order; our own ablations last.
        pub const ALL: [&Experiment; [$(stringify!($name)),*].len()] = [$(&$name::EXPERIMENT),*];
    };
}

tables! {
    table1,
    table2,
    table3,
    table4,
    table5,
    table6,
    fig1,
    fig2,
    fig3,
    warm_up,
}

/// The table or figure of that name.
pub fn of(id: &str) -> Option<&'static Experiment> {
    ALL.into_iter().find(|experiment| experiment.id == id)
}

/// Each data set with each system.
fn each(data: &[Name], systems: &[&'static System]) -> Vec<RunRequest> {
    let of = |&data: &Name| systems.iter().map(move |&system| RunRequest::new(data, system));
    data.iter().flat_map(of).collect()
}

/// A table with its paired differences and the list of its runs.
fn with_runs(
    id: &str,
    mut tables: Vec<Table>,
    receipts: &Receipts<'_>,
    requests: &[RunRequest],
) -> Result<Vec<Table>> {
    tables.extend(differences::table(receipts, requests)?);
    let groups = receipts.groups(requests)?;
    let title = match id.strip_prefix("table") {
        Some(n) => format!("Runs behind Table {n}"),
        None => format!("Runs behind {id}"),
    };
    // a figure without receipts says so by an empty list, not by an empty file
    if !groups.is_empty() || tables.is_empty() {
        tables.push(layout::runs(&title, groups.iter().map(|(_, g)| g))?);
    }
    Ok(tables)
}

/// The test curves of each data set.
fn curves_of(id: &str, data: &[Name], receipts: &Receipts<'_>) -> Result<Vec<Picture>> {
    let mut pictures = Vec::new();
    for &data in data {
        if let Some(svg) = layout::curves(receipts, &with_published(each(&[data], systems::ALL)))? {
            let caption = format!(
                "Test accuracy on {} after each epoch, for each system that has receipts.",
                data.title()
            );
            pictures.push(Picture { name: format!("{id}-{}", data.id()), svg, caption });
        }
    }
    Ok(pictures)
}
