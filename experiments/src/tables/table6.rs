//! Table 6 of the paper: accuracy on DVS-Gesture with 32, 16, 8 and 4 time steps.
//!
//! Paper: "Backpropagation with biologically plausible spatiotemporal adjustment", Patterns 2022,
//! Table 6. Command: `just table6`, or `cargo table6 --profile paper --data DIR` for the paper's
//! setting. Expected with the paper's setting and the complete data: 98.27, 98.26, 96.18, 92.01 %
//! (BPSA + BPTA); 98.27 and 98.26 are both 283 of 288. That setting has not been run to its end by
//! us.

use super::with_runs;
use crate::experiment::Experiment;
use crate::layout::{cell, notes};
use crate::run_request::{RunRequest, Variation};
use crate::selection::Receipts;
use crate::systems::{ALL, BASELINE, BPSA, BPSA_BPTA, OURS, System};
use anyhow::Result;
use datasets::Name;
use report::{Align, Table};

/// Numbers of steps, in the table's order.
pub const STEPS: [usize; 4] = [32, 16, 8, 4];

/// Rows as printed: percent for each number of steps.
const PUBLISHED: [(&str, &System, [f64; 4]); 3] = [
    ("BPSA + BPTA", &BPSA_BPTA, [98.27, 98.26, 96.18, 92.01]),
    ("BPSA", &BPSA, [96.53, 97.56, 94.44, 89.58]),
    ("Baseline", &BASELINE, [95.49, 93.92, 84.03, 73.96]),
];

/// See the head of this file.
pub const EXPERIMENT: Experiment = Experiment {
    id: "table6",
    title: "Table 6. Accuracy (%) on DVS-Gesture for several simulation lengths",
    about: "The same recordings as 32, 16, 8 or 4 frames: how much accuracy a shorter simulation costs each method.",
    systems: &OURS,
    published_settings: false,
    requests,
    tables,
    figures: |_| Ok(Vec::new()),
};

/// Each system with each number of steps.
pub fn requests(systems: &[&'static System]) -> Vec<RunRequest> {
    let of = |&system: &&'static System| {
        STEPS.map(|steps| RunRequest {
            variation: Variation::Steps(steps),
            ..RunRequest::new(Name::DvsGesture, system)
        })
    };
    systems.iter().flat_map(of).collect()
}

fn tables(receipts: &Receipts<'_>) -> Result<Vec<Table>> {
    let names = STEPS.map(|steps| format!("T = {steps}"));
    let ours = STEPS.map(|steps| format!("T = {steps} ours, {}", receipts.profile));
    let mut columns = vec![("Method", Align::Left)];
    columns.extend(
        names
            .iter()
            .zip(&ours)
            .flat_map(|(n, o)| [(n.as_str(), Align::Right), (o.as_str(), Align::Right)]),
    );
    let mut table = Table::new(EXPERIMENT.title, &columns);
    for (name, system, accuracy) in PUBLISHED {
        let mut cells = vec![name.to_owned()];
        for (steps, accuracy) in STEPS.into_iter().zip(accuracy) {
            let request = RunRequest {
                variation: Variation::Steps(steps),
                ..RunRequest::new(Name::DvsGesture, system)
            };
            cells.extend([format!("{accuracy:.2}"), cell(receipts.group(request)?.as_ref())]);
        }
        table.push_row(cells)?;
    }
    let requests = requests(ALL);
    notes(&mut table, receipts, &requests)?;
    with_runs("table6", vec![table], receipts, &requests)
}
