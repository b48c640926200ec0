//! Behind the tables: for each data set one trained network seen from within. The newest receipt of
//! our method on the best recordings, seed 0 before others.

use crate::RunRequest;
use crate::experiment::Picture;
use crate::layout::thousands;
use crate::publish::{figure, receipt_of};
use crate::systems::BPSA_BPTA;
use anyhow::Result;
use datasets::Name;
use report::figures::{self, Caption};
use report::page::Section;
use report::{Align, Analysis, Origin, Record, Table};
use std::cmp::Reverse;

/// Receipts that are shown, one a data set.
fn shown(records: &[Record]) -> Vec<(Name, &Record, &Analysis)> {
    let rank = |r: &Record| match r.data.origin {
        Origin::Complete => 0,
        Origin::Sample => 1,
        Origin::Synthetic => 2,
    };
    let best = |name: Name| {
        let of = |r: &&Record| {
            r.data.name == name.id() && r.analysis.as_ref().is_some_and(|a| a.trace.is_some())
        };
        let ours = |r: &Record| r.title != RunRequest::new(name, &BPSA_BPTA).title();
        let key = |r: &&Record| {
            (rank(r), ours(r), r.profile != "paper", r.seed, Reverse(r.started_utc.clone()))
        };
        let record = records.iter().filter(of).min_by_key(key)?;
        Some((name, record, record.analysis.as_ref()?))
    };
    Name::ALL.into_iter().filter_map(best).collect()
}

/// Spikes and membranes of one sample, the confusion matrix, and how soon networks decide. A
/// network whose figures cannot be drawn is one of `faults`, and the others are shown.
///
/// # Errors
/// Never with the columns of this file.
pub fn section(records: &[Record], faults: &mut Vec<String>) -> Result<Section> {
    let shown = shown(records);
    let mut pictures = Vec::new();
    for (name, record, analysis) in &shown {
        match pictures_of(*name, record, analysis) {
            Ok(all) => pictures.extend(all),
            Err(error) => {
                faults.push(format!("{} seed {}: {error:#}", record.title, record.seed));
            }
        }
    }
    Ok(Section {
        id: "behind".into(),
        title: "Behind the tables: networks from within".into(),
        lead: "For each data set one network: the spikes of a test sample through all layers, the membrane of the most active of \
               the neurons shown, the membranes of whole layers, and which class is taken for which."
            .into(),
        command: String::new(),
        tables: decisions(&shown)?.into_iter().collect(),
        figures: pictures.into_iter().map(|picture| {
            let mut figure = figure(picture);
            figure.files.clear();
            figure
        }).collect(),
        receipts: shown.iter().map(|(_, record, _)| receipt_of(record)).collect(),
    })
}

fn pictures_of(name: Name, record: &Record, analysis: &Analysis) -> Result<Vec<Picture>> {
    let caption = |title: &str| Caption {
        title: match record.data.origin {
            Origin::Synthetic => format!("{title} on a generated stand-in for {}", name.title()),
            _ => format!("{title} on {}", name.title()),
        },
        subtitle: format!(
            "{}, profile {}, seed {}; T = {}",
            record.title, record.profile, record.seed, analysis.steps
        ),
        origin: record.data.origin,
    };
    let classes = &analysis.classes;
    let mut pictures = Vec::new();
    let mut push = |what: &str, svg: String, says: &str| {
        let caption = format!("{says} {}, {}, seed {}.", name.title(), record.title, record.seed);
        pictures.push(Picture { name: format!("{what}-{}", name.id()), svg, caption });
    };
    if let Some(trace) = &analysis.trace {
        let raster = figures::raster(trace, classes, &caption("One sample through all layers"))?;
        push("raster", raster, "Spikes of one test sample in every layer.");
        let membranes = figures::membranes(trace, classes, &caption("Membranes"))?;
        push(
            "membranes",
            membranes,
            "Membrane before reset, threshold and spikes of one neuron a layer.",
        );
        let histograms = figures::histograms(trace, &caption("Membranes of whole layers"))?;
        push(
            "histograms",
            histograms,
            "Membranes before reset of all neurons at all steps, for one test sample.",
        );
    }
    let confusion = figures::confusion(classes, &analysis.confusion, &caption("Confusion"))?;
    push("confusion", confusion, "Test samples by true and predicted class.");
    Ok(pictures)
}

/// When a decision is right, when it is final, and how long it takes.
fn decisions(shown: &[(Name, &Record, &Analysis)]) -> Result<Option<Table>> {
    let words = [("Data set", Align::Left), ("Run", Align::Left)];
    let numbers = [
        "Samples",
        "T",
        "Right at t = 1 %",
        "at T/2 %",
        "at T %",
        "Final from step (mean)",
        "p50 ms",
        "p90 ms",
        "p99 ms",
    ];
    let mut table = Table::new(
        "Latency: from the first step on",
        &[&words[..], &numbers.map(|n| (n, Align::Right))].concat(),
    );
    for (name, record, a) in shown {
        let right =
            |t: usize| a.anytime_percent.get(t).map_or(String::new(), |p| format!("{p:.1}"));
        // final at step t: those final from t on without those final from t − 1 on
        let steps = a.final_from_step.iter().enumerate();
        let late: f64 = steps
            .map(|(t, &n)| {
                let before = if t == 0 { 0 } else { a.final_from_step[t - 1] };
                (t + 1) as f64 * n.saturating_sub(before) as f64
            })
            .sum();
        let time = |of: fn(&report::Latency) -> f64| {
            a.latency.as_ref().map_or(String::new(), |l| format!("{:.2}", of(l)))
        };
        table.push_row([
            name.title().to_owned(),
            format!(
                "{}, {}, seed {}",
                record.title.replacen(name.title(), "", 1).trim(),
                record.profile,
                record.seed
            ),
            thousands(a.samples),
            a.steps.to_string(),
            right(0),
            right((a.steps / 2).saturating_sub(1)),
            right(a.steps.saturating_sub(1)),
            format!("{:.2}", late / a.samples.max(1) as f64),
            time(|l| l.p50_ms),
            time(|l| l.p90_ms),
            time(|l| l.p99_ms),
        ])?;
    }
    table.push_note(
        "Right at t: accuracy when only the votes of the first t steps count, from one run of T steps; final: the step from which \
         the decision stays. Times: wall clock of one sample alone through all T steps, on the machine of the receipt.",
    );
    Ok((!shown.is_empty()).then_some(table))
}
