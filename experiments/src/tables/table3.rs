//! Table 3 of the paper: classification accuracy on Google Speech Commands, version 2, 35 words.
//!
//! Paper: "Backpropagation with biologically plausible spatiotemporal adjustment", Patterns 2022,
//! Table 3. Command: `just table3`, or `cargo table3 --profile paper --data DIR` for the paper's
//! setting. Expected with the complete data: 94.2 % (BPSA + BPTA), by a network and a front end
//! that the paper does not name; ours are the large network and 64 log-mel bands
//! (docs/equations.md, row 37). It has not been run to its end by us.

use super::{curves_of, each, with_runs};
use crate::choice::Change;
use crate::experiment::Experiment;
use crate::layout::{Published, cited, notes, systems};
use crate::selection::Receipts;
use anyhow::Result;
use datasets::Name;
use neuron::Method;
use report::Table;

const DATA: [Name; 1] = [Name::SpeechCommands];

/// The table as printed.
pub const PUBLISHED: [Published<1>; 7] = [
    cited("Sample-level [58]", "DNN", [Some(92.53)]),
    cited("Attention RNN [59]", "DNN", [Some(93.9)]),
    cited("Sample-level + SE [60]", "DNN", [Some(93.95)]),
    cited("Harmonic filters [61]", "DNN", [Some(96.39)]),
    Published {
        ours: Some((Method::Baseline, Change::None)),
        ..cited("Baseline (not in this table)", "SNN", [None])
    },
    Published {
        ours: Some((Method::Bpsa, Change::None)),
        ..cited("BPSA alone (not in this table)", "SNN", [None])
    },
    Published {
        ours: Some((Method::BpsaBpta, Change::None)),
        ..cited("Our method (BPSA + BPTA)", "SNN", [Some(94.2)])
    },
];

/// See the head of this file.
pub const EXPERIMENT: Experiment = Experiment {
    id: "table3",
    title: "Table 3. Classification accuracy (%) on Google Speech Commands",
    about: "One-second recordings of 35 words as log-mel spectrograms; the published systems, which are not spiking, beside our \
            runs. The paper names neither network nor front end, so both are our choice.",
    methods: &[Method::BpsaBpta],
    choices: |methods| each(&DATA, methods),
    tables,
    figures: |receipts| curves_of("table3", &DATA, receipts),
};

fn tables(receipts: &Receipts<'_>) -> Result<Vec<Table>> {
    let choices = each(&DATA, &Method::ALL);
    let mut table = systems(EXPERIMENT.title, DATA, &PUBLISHED, receipts)?;
    notes(&mut table, receipts, &choices)?;
    with_runs("table3", vec![table], receipts, &choices)
}
