//! The paper's tables and figures, one file each: what is published as constants, what is trained,
//! and how both are laid out.

pub mod behind;
pub mod fig1;
pub mod fig2;
pub mod fig3;
pub mod table1;
pub mod table2;
pub mod table3;
pub mod table4;
pub mod table5;
pub mod table6;
pub mod warm_up;

use crate::choice::Choice;
use crate::experiment::Picture;
use crate::layout;
use crate::selection::Receipts;
use anyhow::Result;
use datasets::Name;
use neuron::Method;
use report::Table;

/// Each data set with each method.
fn each(data: &[Name], methods: &[Method]) -> Vec<Choice> {
    let of = |&data: &Name| methods.iter().map(move |&method| Choice::new(data, method));
    data.iter().flat_map(of).collect()
}

/// A table with its paired differences and the list of its runs.
fn with_runs(
    id: &str,
    mut tables: Vec<Table>,
    receipts: &Receipts<'_>,
    choices: &[Choice],
) -> Result<Vec<Table>> {
    tables.extend(layout::differences(receipts, choices)?);
    let groups = receipts.groups(choices)?;
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
        if let Some(svg) = layout::curves(receipts, &each(&[data], &Method::ALL))? {
            let caption = format!(
                "Test accuracy on {} after each epoch, for each method that has receipts.",
                data.title()
            );
            pictures.push(Picture { name: format!("{id}-{}", data.id()), svg, caption });
        }
    }
    Ok(pictures)
}
