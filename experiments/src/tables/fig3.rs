//! Figure 3 of the paper: test accuracy on DVS-Gesture over the epochs for 32, 16, 8 and 4 time
//! steps.
//!
//! Paper: "Backpropagation with biologically plausible spatiotemporal adjustment", Patterns 2022,
//! Figure 3. Command: `just fig3`, or `cargo fig3 --profile paper --data DIR` for the paper's
//! setting. Expected: with fewer steps the baseline's curve falls and gets rough, ours hardly does.
//! The same runs as Table 6.

use super::{table6, with_runs};
use crate::experiment::{Experiment, Picture};
use crate::layout::{self, series};
use crate::run_request::{RunRequest, Variation};
use crate::selection::{Group, Receipts};
use crate::systems::{ALL, BASELINE, BPSA_BPTA, System};
use anyhow::Result;
use report::figures::{Axes, Band, Dash, Style, anytime, curves};

/// Ours in full lines, the baseline in dashed ones, as in the paper.
const SHOWN: [(&System, Dash); 2] = [(&BPSA_BPTA, Dash::Solid), (&BASELINE, Dash::Dashed)];

/// See the head of this file.
pub const EXPERIMENT: Experiment = Experiment {
    id: "fig3",
    title: "Figure 3. Test accuracy on DVS-Gesture for several simulation lengths",
    about: "Our method (full lines) and the baseline (dashed) with 32, 16, 8 and 4 steps; below it what one trained network says \
            after each of its own steps, which the paper does not show.",
    systems: &[&BPSA_BPTA, &BASELINE],
    published_settings: false,
    requests: table6::requests,
    tables: |receipts| with_runs("Figure 3", Vec::new(), receipts, &table6::requests(ALL)),
    figures,
};

fn figures(receipts: &Receipts<'_>) -> Result<Vec<Picture>> {
    let (mut lines, mut styles, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for (system, dash) in SHOWN {
        for (colour, steps) in table6::STEPS.into_iter().enumerate() {
            let request = RunRequest {
                variation: Variation::Steps(steps),
                ..RunRequest::new(datasets::Name::DvsGesture, system)
            };
            if let Some(group) = receipts.group(request)? {
                lines.push(series(&format!("{}, T = {steps}", system.id), &group));
                styles.push(Style { colour, dash });
                groups.push(group);
            }
        }
    }
    let all: Vec<&Group<'_>> = groups.iter().collect();
    let Some(mut caption) = layout::caption("Test accuracy", &all, &receipts.profile) else {
        return Ok(Vec::new());
    };
    caption.subtitle = caption.subtitle.replacen(&format!("T = {}, ", groups[0].steps()), "", 1);
    let axes = Axes { x: "Epoch", y: "Test accuracy (%)", styles: &styles, each_seed: false };
    let mut pictures = vec![Picture {
        name: "fig3".into(),
        svg: curves(&lines, &caption, Band::MinMax, &axes)?,
        caption: "Test accuracy after each epoch; our method in full lines, the baseline dashed."
            .into(),
    }];
    // one network of most steps, read after each of its steps
    let longest = groups.iter().filter(|g| g.steps() == groups[0].steps());
    let said: Vec<_> = longest.filter_map(layout::anytime_series).collect();
    if !said.is_empty() {
        caption.title = caption.title.replacen("Test accuracy", "Accuracy after each step", 1);
        let svg = anytime(&said, &caption, Band::MinMax)?;
        let caption =
            "Test accuracy of the votes of the first t steps of one trained network.".into();
        pictures.push(Picture { name: "fig3-anytime".into(), svg, caption });
    }
    Ok(pictures)
}
