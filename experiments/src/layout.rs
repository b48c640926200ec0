//! What tables share: cells, and the runs behind a table.

use crate::accuracy::Epochs;
use crate::receipt::{CURVE, RATE};
use crate::run_request::RunRequest;
use crate::selection::{Group, Receipts, products};
use anyhow::Result;
use datasets::Name;
use report::figures::{self, Axes, Band, Caption, Series};
use report::{Align, Fold, Origin, Summary, Table, summary};

/// "95.3 ± 0.4 (n=3), sample": the accuracy that is shown first, see [`Group::primary`].
pub fn cell(group: Option<&Group<'_>>) -> String {
    let values = |group: &Group<'_>| group.accuracies(group.primary());
    group.map_or(String::new(), |group| spread(&values(group), group.origin(), 1))
}

fn spread(values: &[f64], origin: Origin, decimals: usize) -> String {
    let Some(s) = summary(values) else { return String::new() };
    let value = if s.n > 1 { format!("{s:#.decimals$}") } else { format!("{s:.decimals$}") };
    marked(&value, origin)
}

/// A metric of a cell, times `factor`; with deviation and n where there are several seeds, and the
/// origin where it is not the complete data set.
pub fn value(group: Option<&Group<'_>>, metric: &str, factor: f64, decimals: usize) -> String {
    let values =
        |g: &Group<'_>| g.values(metric).into_iter().map(|v| v * factor).collect::<Vec<_>>();
    group.map_or(String::new(), |group| spread(&values(group), group.origin(), decimals))
}

/// A value with the origin of its data, where that is not the complete data set.
pub fn marked(value: &str, origin: Origin) -> String {
    match origin {
        Origin::Complete => value.to_owned(),
        Origin::Sample => format!("{value}, sample"),
        Origin::Synthetic => format!("synthetic {value}"),
    }
}

/// A number as the paper prints it but for zeros at its end, or its dash.
pub fn printed(value: Option<f64>) -> String {
    value.map_or("–".into(), |v| v.to_string())
}

/// What every table of accuracies must say of itself.
///
/// # Errors
/// As [`Receipts::group`].
pub fn notes(table: &mut Table, receipts: &Receipts<'_>, requests: &[RunRequest]) -> Result<()> {
    let groups = receipts.groups(requests)?;
    for epochs in [Epochs::HeldOut, Epochs::LastFive] {
        if groups.iter().any(|(_, g)| g.primary() == epochs)
            || groups.is_empty() && epochs == Epochs::LastFive
        {
            table.push_note(format!(
                "Ours: {}{}; mean ± standard deviation over n runs (seeds, and folds where there are some); empty where there is no \
                 receipt. The list of runs has the other epochs too.",
                epochs.says(),
                if epochs == Epochs::LastFive { " (of all where there are fewer)" } else { "" },
            ));
        }
    }
    let profile = &receipts.profile;
    if profile != "paper" {
        table.push_note(format!(
            "Profile {profile} is not the paper's setting: its numbers and the paper's are not comparable. \
             `--profile paper` is the paper's setting."
        ));
    }
    if groups.iter().any(|(_, g)| g.origin() == Origin::Sample) {
        table.push_note(
            "sample: a part of the published data set; how much of it, the list of runs says.",
        );
    }
    if groups.iter().any(|(_, g)| g.origin() == Origin::Synthetic) {
        table.push_note(
            "synthetic: generated recordings in place of the data set; such a number says nothing about the data set.",
        );
    }
    Ok(())
}

/// Every cell's runs in detail, under `title`.
///
/// # Errors
/// Never with the columns of this file.
pub fn runs<'g>(title: &str, groups: impl Iterator<Item = &'g Group<'g>> + Clone) -> Result<Table> {
    let words = ["Data set", "Run", "Recordings"].map(|name| (name, Align::Left));
    let accuracies = Epochs::ALL.map(|epochs| format!("{} %", epochs.title()));
    let mut columns = words.to_vec();
    columns.push(("Seeds", Align::Right));
    columns.extend(accuracies.iter().map(|name| (name.as_str(), Align::Right)));
    let rest = ["Firing rate %", "T", "Epochs", "Minutes a run"];
    columns.extend(rest.map(|name| (name, Align::Right)));
    let mut table = Table::new(title, &columns);
    let text = |s: Option<Summary>| s.map_or(String::new(), |s| format!("{s:.1}"));
    for g in groups.clone() {
        let rate: Vec<f64> = g.values(RATE).iter().map(|r| 100.0 * r).collect();
        let minutes: Vec<f64> = g.records().iter().map(|r| r.seconds / 60.0).collect();
        let mut cells = vec![
            g.data.title().to_owned(),
            g.title.replacen(g.data.title(), "", 1).trim().to_owned(),
            origin(g.origin()).to_owned(),
            g.seeds(),
        ];
        cells.extend(Epochs::ALL.map(|epochs| text(summary(&g.accuracies(epochs)))));
        cells.extend([
            text(summary(&rate)),
            g.steps(),
            g.run_field("/setup/epochs"),
            summary(&minutes).map_or(String::new(), |s| format!("{:.1}", s.mean)),
        ]);
        table.push_row(cells)?;
    }
    table.push_note(
        "Accuracies are on the test set: of the epoch that recordings held out of training choose; the mean of the last five; of the \
         last; and of the epoch that the test set itself chooses, as the paper's code reports it, which is too high by what that choice \
         gains.",
    );
    table.push_note(
        "Firing rate: spikes per neuron and step on the whole test set after the last epoch, mean over layers.",
    );
    groups.for_each(|g| table.push_note(provenance(g)));
    Ok(table)
}

fn origin(o: Origin) -> &'static str {
    match o {
        Origin::Complete => "complete",
        Origin::Sample => "sample",
        Origin::Synthetic => "synthetic",
    }
}

/// "sample, 1,000 of 60,000 + 100 of 10,000"
fn data_used(g: &Group<'_>) -> String {
    let d = &g.first().data;
    let [train, test, all_train, all_test] =
        [d.train, d.test, d.train_published, d.test_published].map(thousands);
    if let Some(Fold { of, .. }) = d.fold {
        let all = thousands(d.train + d.held_out + d.test);
        return format!("{}, {all} in {of} folds, each tested once", origin(d.origin));
    }
    let train = match d.held_out {
        0 => train,
        held_out => format!("{train} and {} held out", thousands(held_out)),
    };
    let counts = match d.origin {
        Origin::Complete => format!("{train} + {test}"),
        Origin::Sample => format!("{train} of {all_train} + {test} of {all_test}"),
        Origin::Synthetic => format!("{train} + {test} generated"),
    };
    format!("{}, {counts}", origin(d.origin))
}

/// A run's title without its data set's, which stands beside it.
pub fn shortened(title: &str, data: Name) -> String {
    title.replacen(data.title(), "", 1).trim_start_matches([' ', ',']).to_owned()
}

/// A number with commas.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Where the numbers of a group come from, in one sentence.
fn provenance(g: &Group<'_>) -> String {
    let r = g.first();
    let commit = r.commit.as_deref().map_or("unknown", |c| &c[..c.len().min(9)]);
    let modified =
        if g.records().iter().any(|r| r.dirty == Some(true)) { " with changes" } else { "" };
    let multiplied = match products(&r.compute) {
        None | Some("f32") => "",
        Some("tiles") => ", dense products on the matrix unit as sums of bf16",
        Some(_) => ", dense products on the matrix unit in bf16",
    };
    format!(
        "{}: {} (train + test), split {}; profile {}, {}, batch {}; {} threads of {} ({} cores){multiplied}; commit {commit}{modified}; from {}; \
         receipts runs/{}/{}-s*.json",
        g.title,
        data_used(g),
        r.data.split,
        r.profile,
        g.run_field("/network"),
        g.run_field("/setup/batch"),
        r.threads,
        r.host.cpu,
        r.host.cores,
        r.started_utc,
        r.experiment,
        r.row
    )
}

/// What stands under a figure of these groups.
pub fn caption(title: &str, groups: &[&Group<'_>], profile: &str) -> Option<Caption> {
    let first = groups.first()?;
    Some(Caption {
        title: match first.origin() {
            Origin::Synthetic => {
                format!("{title} on a generated stand-in for {}", first.data.title())
            }
            _ => format!("{title} on {}", first.data.title()),
        },
        subtitle: format!(
            "{}; T = {}, profile {profile}, runs: {}",
            data_used(first),
            first.steps(),
            groups.iter().map(|g| g.records().len()).max().unwrap_or(0)
        ),
        origin: first.origin(),
    })
}

/// The test curves of one data set's systems as SVG, if it has receipts.
///
/// # Errors
/// If the curves cannot be drawn.
pub fn curves(receipts: &Receipts<'_>, requests: &[RunRequest]) -> Result<Option<String>> {
    let groups = receipts.groups(requests)?;
    let all: Vec<&Group<'_>> = groups.iter().map(|(_, g)| g).collect();
    let Some(caption) = caption("Test accuracy", &all, &receipts.profile) else { return Ok(None) };
    let mut series: Vec<Series> =
        groups.iter().map(|(c, g)| series(&c.chosen().title(), g)).collect();
    // a receipt without a curve has its number in the table, and no line
    series.retain(|series| !series.seeds.is_empty());
    if series.is_empty() {
        return Ok(None);
    }
    // more systems than colours are dashed
    let axes = Axes { x: "Epoch", y: "Test accuracy (%)", styles: &[], each_seed: false };
    Ok(Some(figures::curves(&series, &caption, Band::MinMax, &axes)?))
}

/// A group's test accuracies, epoch by epoch.
pub fn series(name: &str, group: &Group<'_>) -> Series {
    let curves = group.curves(CURVE).into_iter().filter(|curve| !curve.values.is_empty());
    let seeds = curves.map(|curve| curve.values.clone()).collect();
    Series { name: name.to_owned(), seeds }
}

/// What a group's networks say after each of their steps, in percent of the test samples looked at.
pub fn anytime_series(group: &Group<'_>) -> Option<Series> {
    let of = |r: &&report::Record| r.analysis.as_ref().map(|a| a.anytime_percent.clone());
    let seeds: Vec<Vec<f64>> = group.records().iter().filter_map(of).collect();
    (!seeds.is_empty()).then(|| Series { name: group.title.clone(), seeds })
}
