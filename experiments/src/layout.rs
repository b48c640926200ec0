//! What tables share: cells, the runs behind a table, and differences between systems.

use crate::SystemSetting;
use crate::receipt::{BEST, CURVE, LAST, RATE};
use crate::run_request::RunRequest;
use crate::selection::{Group, Receipts};
use anyhow::Result;
use report::figures::{Band, Caption, Series, accuracy_curves};
use report::{Align, Origin, Summary, Table, paired, summary};

/// "95.3 ± 0.4 (n=3), sample": the best epoch's accuracy, as the paper's code reports it.
pub fn cell(group: Option<&Group<'_>>) -> String {
    value(group, BEST, 1.0, 1)
}

/// A metric of a cell, times `factor`; with deviation and n where there are several seeds, and the
/// origin where it is not the complete data set.
pub fn value(group: Option<&Group<'_>>, metric: &str, factor: f64, decimals: usize) -> String {
    let values =
        |g: &Group<'_>| g.values(metric).into_iter().map(|v| v * factor).collect::<Vec<f64>>();
    let Some((group, s)) = group.and_then(|g| Some((g, summary(&values(g))?))) else {
        return String::new();
    };
    let value = if s.n > 1 { format!("{s:#.decimals$}") } else { format!("{s:.decimals$}") };
    marked(&value, group.origin())
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
    table.push_note(
        "Ours: test accuracy of the best epoch, the test set choosing the epoch, as the paper's code reports it; mean ± \
         standard deviation over n seeds; empty where there is no receipt.",
    );
    let profile = &receipts.profile;
    if profile != "paper" {
        table.push_note(format!(
            "Profile {profile} is not the paper's setting: its numbers and the paper's are not comparable. \
             `--profile paper` is the paper's setting."
        ));
    }
    let groups = receipts.groups(requests)?;
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

/// Differences between systems on the same data, seed by seed: nothing else differs between the two
/// runs of a pair.
///
/// # Errors
/// As [`Receipts::group`].
pub fn differences(receipts: &Receipts<'_>, requests: &[RunRequest]) -> Result<Option<Table>> {
    let head = [("Data set", Align::Left), ("Difference", Align::Left)];
    let numbers = ["n", "Best epoch, points", "Last epoch, points"].map(|n| (n, Align::Right));
    let mut table = Table::new("Paired differences", &[&head[..], &numbers].concat());
    let groups = receipts.groups(requests)?;
    let mut any = false;
    for (i, (a, ga)) in groups.iter().enumerate() {
        for (b, gb) in &groups[..i] {
            let one_change = a.data == b.data
                && ((a.system == b.system) != (a.variation == b.variation))
                && [a, b].iter().all(|c| c.setting == SystemSetting::House)
                && equal_but_for(a.variation != b.variation, ga.first(), gb.first());
            let pairs = |metric| {
                let other = gb.seeds(metric);
                let both =
                    |(seed, x): (u64, f64)| Some((x, other.iter().find(|(s, _)| *s == seed)?.1));
                ga.seeds(metric).into_iter().filter_map(both).unzip::<f64, f64, Vec<_>, Vec<_>>()
            };
            let difference = |metric| {
                let (x, y) = pairs(metric);
                paired(&x, &y)
            };
            let Some(best) = difference(BEST).filter(|_| one_change) else { continue };
            any = true;
            let name = |c: &RunRequest| {
                c.title().replacen(c.data.title(), "", 1).trim_start_matches([' ', ',']).to_owned()
            };
            table.push_row([
                a.data.title().to_owned(),
                format!("{} − {}", name(a), name(b)),
                best.n.to_string(),
                marked(&interval(&best), ga.origin()),
                difference(LAST).map_or(String::new(), |d| interval(&d)),
            ])?;
        }
    }
    table.push_note(
        "Mean over seeds of the difference between two runs of one seed, with its 95 % confidence interval (Student's t); \
         an interval that holds 0 shows no difference.",
    );
    Ok(any.then_some(table))
}

/// Whether two runs, of one program, differ in nothing but their system, or in nothing but what a
/// table's variation may change.
fn equal_but_for(variation: bool, a: &report::Record, b: &report::Record) -> bool {
    let rest = |r: &report::Record| {
        let mut run = r.run.clone();
        let mut without = |place: &str, keys: &[&str]| {
            if let Some(fields) = run.pointer_mut(place).and_then(serde_json::Value::as_object_mut)
            {
                keys.iter().for_each(|key| _ = fields.remove(*key));
            }
        };
        match variation {
            true => {
                without("", &["network", "framing"]);
                without("/setup", &["warm_up"]);
            }
            // what the house's setting of a system may change; receipts of before have other keys
            false => {
                without(
                    "",
                    // another network begins with other weights
                    &["system", "method", "neuron", "norm", "batch_norm", "rectify"],
                );
            }
        }
        run
    };
    a.program_sha256 == b.program_sha256 && rest(a) == rest(b)
}

fn interval(p: &report::Paired) -> String {
    format!("{:+.1} [{:.1}, {:.1}]", p.mean, p.low, p.high).replace('-', "−")
}

/// Every cell's runs in detail, under `title`.
///
/// # Errors
/// Never with the columns of this file.
pub fn runs<'g>(title: &str, groups: impl Iterator<Item = &'g Group<'g>> + Clone) -> Result<Table> {
    let words = ["Data set", "Run", "Recordings"].map(|name| (name, Align::Left));
    let numbers =
        ["Seeds", "Best epoch %", "Last epoch %", "Firing rate %", "T", "Epochs", "Minutes a run"];
    let mut table =
        Table::new(title, &[&words[..], &numbers.map(|n| (n, Align::Right))[..]].concat());
    let text = |s: Option<Summary>| s.map_or(String::new(), |s| format!("{s:.1}"));
    for g in groups.clone() {
        let rate: Vec<f64> = g.values(RATE).iter().map(|r| 100.0 * r).collect();
        let minutes: Vec<f64> = g.records().iter().map(|r| r.seconds / 60.0).collect();
        let seeds: Vec<String> = g.records().iter().map(|r| r.seed.to_string()).collect();
        table.push_row([
            g.data.title().to_owned(),
            g.title.replacen(g.data.title(), "", 1).trim().to_owned(),
            origin(g.origin()).to_owned(),
            seeds.join(","),
            text(g.summary(BEST)),
            text(g.summary(LAST)),
            text(summary(&rate)),
            g.steps(),
            g.run_field("/setup/epochs"),
            summary(&minutes).map_or(String::new(), |s| format!("{:.1}", s.mean)),
        ])?;
    }
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
    let counts = match d.origin {
        Origin::Complete => format!("{train} + {test}"),
        Origin::Sample => format!("{train} of {all_train} + {test} of {all_test}"),
        Origin::Synthetic => format!("{train} + {test} generated"),
    };
    format!("{}, {counts}", origin(d.origin))
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
    format!(
        "{}: {} (train + test), split {}; profile {}, {}, batch {}; {} threads of {} ({} cores); commit {commit}{modified}; from {}; \
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
            "{}; T = {}, profile {profile}, seeds: {}",
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
    Ok(Some(accuracy_curves(&series, &caption, Band::MinMax, false)?))
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
