//! Table 3 of the paper: classification accuracy on Google Speech Commands, version 2, 35 words.
//!
//! Paper: "Backpropagation with biologically plausible spatiotemporal adjustment", Patterns 2022,
//! Table 3. Command: `just table3`, or `cargo table3 --profile paper --data DIR` for the paper's
//! setting. Expected with the complete data: 94.2 % (BPSA + BPTA), by a network and a front end
//! that the paper does not name; ours are the large network and 64 log-mel bands
//! (docs/equations.md, row 37). It has not been run to its end by us.

use super::rows::{Row, Systems, cited, of};
use super::{curves_of, each, with_runs};
use crate::experiment::Experiment;
use crate::layout::notes;
use crate::selection::Receipts;
use crate::systems::{ALL, BASELINE, BPSA, BPSA_BPTA};
use anyhow::Result;
use datasets::Name;
use report::Table;

const DATA: [Name; 1] = [Name::SpeechCommands];

/// The rows as printed.
const ROWS: [Row<1>; 7] = [
    cited("Sample-level [58]", "DNN", [Some(92.53)]),
    cited("Attention RNN [59]", "DNN", [Some(93.9)]),
    cited("Sample-level + SE [60]", "DNN", [Some(93.95)]),
    cited("Harmonic filters [61]", "DNN", [Some(96.39)]),
    of("Baseline (not in this table)", "SNN", &BASELINE),
    of("BPSA alone (not in this table)", "SNN", &BPSA),
    of("Our method (BPSA + BPTA)", "SNN", &BPSA_BPTA),
];

/// See the head of this file.
pub const EXPERIMENT: Experiment = Experiment {
    id: "table3",
    title: "Table 3. Classification accuracy (%) on Google Speech Commands",
    about: "One-second recordings of 35 words as log-mel spectrograms; the published systems, which are not spiking, beside our \
            runs. The paper names neither network nor front end, so both are our choice.",
    systems: &[&BPSA_BPTA],
    published_settings: true,
    requests: |systems| each(&DATA, systems),
    tables,
    figures: |receipts| curves_of("table3", &DATA, receipts),
};

fn tables(receipts: &Receipts<'_>) -> Result<Vec<Table>> {
    let requests = each(&DATA, ALL);
    let mut table = Systems { id: EXPERIMENT.id, title: EXPERIMENT.title, data: DATA, rows: &ROWS }
        .table(receipts)?;
    notes(&mut table, receipts, &requests)?;
    with_runs("table3", vec![table], receipts, &requests)
}
