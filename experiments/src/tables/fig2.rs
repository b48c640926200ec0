//! Figure 2 of the paper: firing rate of each convolutional layer on MNIST, our method and the
//! baseline.
//!
//! Paper: "Backpropagation with biologically plausible spatiotemporal adjustment", Patterns 2022,
//! Figure 2. Command: `just fig2`, or `cargo fig2 --profile paper --data DIR` for the paper's
//! setting. Expected: ours below the baseline in every layer, most of all in the first ones; over
//! all layers 0.082 and 0.183 (Table 5). The paper took its rates on the last test batch; ours are
//! those of the whole test set (docs/equations.md, row 22).

use super::{each, with_runs};
use crate::experiment::{Experiment, Picture};
use crate::layout;
use crate::receipt::RATE_OF;
use crate::run_request::RunRequest;
use crate::selection::{Group, Receipts};
use crate::systems::{ALL, BASELINE, BPSA_BPTA, System};
use anyhow::Result;
use datasets::Name;
use report::figures::{Series, Style, layer_rates};

/// See the head of this file.
pub const EXPERIMENT: Experiment = Experiment {
    id: "fig2",
    title: "Figure 2. Firing rate of each convolutional layer on MNIST",
    about: "Spikes per neuron and step on the whole test set after the last epoch.",
    systems: &[&BASELINE, &BPSA_BPTA],
    published_settings: false,
    requests,
    tables: |receipts| with_runs("Figure 2", Vec::new(), receipts, &requests(ALL)),
    figures,
};

fn requests(systems: &[&'static System]) -> Vec<RunRequest> {
    each(&[Name::Mnist], systems)
}

fn figures(receipts: &Receipts<'_>) -> Result<Vec<Picture>> {
    let groups = receipts.groups(&requests(ALL))?;
    rates(receipts, &groups, "fig2", "Firing rate of each convolutional layer")
}

/// Bars of the firing rates of those layers that all groups have and that are convolutions; in
/// several pictures where there are more groups than colours.
pub(super) fn rates(
    receipts: &Receipts<'_>,
    groups: &[(RunRequest, Group<'_>)],
    name: &str,
    title: &str,
) -> Result<Vec<Picture>> {
    let all: Vec<&Group<'_>> = groups.iter().map(|(_, g)| g).collect();
    let Some(caption) = layout::caption(title, &all, &receipts.profile) else {
        return Ok(Vec::new());
    };
    let of = |g: &Group<'_>| -> Vec<String> {
        let layers = g.first().metrics.iter().filter_map(|m| m.name.strip_prefix(RATE_OF));
        layers.filter(|layer| convolution(layer)).map(str::to_owned).collect()
    };
    let layers = of(all[0]);
    let same: Vec<&(RunRequest, Group<'_>)> =
        groups.iter().filter(|(_, g)| of(g) == layers).collect();
    if layers.is_empty() {
        return Ok(Vec::new());
    }
    let series = same.iter().map(|(request, g)| {
        let of_layers: Vec<Vec<f64>> =
            layers.iter().map(|layer| g.values(&format!("{RATE_OF}{layer}"))).collect();
        let seed = |i: usize| {
            of_layers.iter().filter_map(move |rates| rates.get(i).map(|rate| 100.0 * rate))
        };
        Series {
            name: request.system.id.to_owned(),
            seeds: (0..g.records().len()).map(|i| seed(i).collect()).collect(),
        }
    });
    let series: Vec<Series> = series.collect();
    let mut pictures = Vec::new();
    for (index, part) in series.chunks(Style::COLOURS).enumerate() {
        let svg = layer_rates(&layers, part, &caption)?;
        let caption = format!("{title}, spikes per neuron and step on the whole test set.");
        let name = if index == 0 { name.to_owned() } else { format!("{name}-{}", index + 1) };
        pictures.push(Picture { name, svg, caption });
    }
    Ok(pictures)
}

/// Whether neurons of that name stand behind a convolution: 128C3-1, or within a residual block
/// 64RB3-1.2.
fn convolution(layer: &str) -> bool {
    let rest = layer.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < layer.len() && ["C", "RB"].iter().any(|kind| rest.starts_with(kind))
}
