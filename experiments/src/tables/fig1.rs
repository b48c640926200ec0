//! Figure 1 of the paper: test accuracy on DVS-Gesture over the epochs, our method and the
//! baseline.
//!
//! Paper: "Backpropagation with biologically plausible spatiotemporal adjustment", Patterns 2022,
//! Figure 1. Command: `just fig1`, or `cargo fig1 --profile paper --data DIR` for the paper's
//! setting. Expected: both rise above 90 %, ours to 98.96, the baseline to 93.92 and with larger
//! swings. The same runs as Table 4.

use super::{each, with_runs};
use crate::experiment::{Experiment, Picture};
use crate::layout;
use crate::run_request::RunRequest;
use crate::selection::Receipts;
use crate::systems::{ALL, BASELINE, BPSA_BPTA, System};
use anyhow::Result;
use datasets::Name;

/// See the head of this file.
pub const EXPERIMENT: Experiment = Experiment {
    id: "fig1",
    title: "Figure 1. Test accuracy on DVS-Gesture over the epochs",
    about: "Our method and the baseline, the mean of the seeds with the band from the lowest to the highest.",
    systems: &[&BASELINE, &BPSA_BPTA],
    published_settings: false,
    requests,
    tables: |receipts| with_runs("Figure 1", Vec::new(), receipts, &requests(ALL)),
    figures,
};

fn requests(systems: &[&'static System]) -> Vec<RunRequest> {
    each(&[Name::DvsGesture], systems)
}

fn figures(receipts: &Receipts<'_>) -> Result<Vec<Picture>> {
    let svg = layout::curves(receipts, &requests(ALL))?;
    let caption = "Test accuracy on DVS-Gesture after each epoch.".to_owned();
    Ok(svg.map(|svg| Picture { name: "fig1".into(), svg, caption }).into_iter().collect())
}
