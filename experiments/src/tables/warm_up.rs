//! An ablation of ours: does the warm-up alone explain the gain? Each method without one, with the
//! released code's (analogue for the first 16 % of the epochs) and with TSSL-BP's, which the
//! paper's text names (a sigmoid's slope in layers that are silent).
//!
//! Command: `just warm-up`, or `cargo warm-up --profile paper --data DIR` for the paper's setting.
//! Expected: not known; the paper has no such table.

use super::with_runs;
use crate::experiment::{Experiment, Picture};
use crate::layout::{cell, notes};
use crate::run_request::{RunRequest, Variation, Warm};
use crate::selection::Receipts;
use crate::systems::{ALL, BASELINE, BPSA_BPTA, OURS, System};
use crate::{preset, silence};
use anyhow::Result;
use datasets::Name;
use report::{Align, Table};

const DATA: [Name; 3] = [Name::NMnist, Name::Mnist, Name::Cifar10];
const WARM: [(Warm, &str); 3] = [
    (Warm::No, "none"),
    (Warm::Analogue, "analogue for 16 % of the epochs (released code)"),
    (Warm::Sigmoid, "sigmoid where a layer is silent (TSSL-BP, paper's text)"),
];

/// See the head of this file.
pub const EXPERIMENT: Experiment = Experiment {
    id: "warm-up",
    title: "Ablation of the warm-up: accuracy (%)",
    about: "A neuron that never fires has no gradient under BPSA, so the released code begins some runs without neurons, and the \
            paper's text names another warm-up. Whether a warm-up alone explains a gain shows when every method has each of them.",
    systems: &[&BASELINE, &BPSA_BPTA],
    published_settings: false,
    requests,
    tables,
    figures,
};

fn requests(systems: &[&'static System]) -> Vec<RunRequest> {
    let mut all = Vec::new();
    for data in DATA {
        for (warm, _) in WARM {
            // without neurons and without ReLU a network would be linear
            let fits = |system: &&&System| warm != Warm::Analogue || preset::has_relu(system);
            all.extend(systems.iter().filter(fits).map(|&system| RunRequest {
                variation: Variation::WarmUp(warm),
                ..RunRequest::new(data, system)
            }));
        }
    }
    all
}

/// Silent voters and neurons of the paper's methods over the epochs.
fn figures(receipts: &Receipts<'_>) -> Result<Vec<Picture>> {
    let mut pictures = Vec::new();
    for data in DATA {
        let mut of_data = requests(&OURS);
        of_data.retain(|request| request.data == data);
        pictures.extend(silence::pictures(EXPERIMENT.id, data, &of_data, receipts)?);
    }
    Ok(pictures)
}

fn tables(receipts: &Receipts<'_>) -> Result<Vec<Table>> {
    let names =
        ["Baseline", "BPSA", "BPSA + BPTA"].map(|name| format!("{name}, {}", receipts.profile));
    let mut columns = vec![("Data set", Align::Left), ("Warm-up", Align::Left)];
    columns.extend(names.iter().map(|name| (name.as_str(), Align::Right)));
    let mut table = Table::new(EXPERIMENT.title, &columns);
    for data in DATA {
        for (warm, says) in WARM {
            let mut cells = vec![data.title().to_owned(), says.to_owned()];
            for system in OURS {
                let request = RunRequest {
                    variation: Variation::WarmUp(warm),
                    ..RunRequest::new(data, system)
                };
                cells.push(cell(receipts.group(request)?.as_ref()));
            }
            table.push_row(cells)?;
        }
    }
    let requests = requests(ALL);
    notes(&mut table, receipts, &requests)?;
    with_runs("the warm-up", vec![table], receipts, &requests)
}
