//! From receipts to Table 2, its list of runs and its curves. Whatever has no receipt stays empty.

use crate::receipt::{BEST, CURVE, LAST, RATE};
use crate::table2::{DATA, PUBLISHED};
use anyhow::Result;
use datasets::Name;
use neuron::Method;
use report::figures::{Band, Caption, Series, accuracy_curves};
use report::{Align, DataIdentity, Origin, Record, Summary, Table, summary};
use std::cmp::Reverse;

/// The receipts of one cell: one method on one data set, equal but for the seed.
pub struct Group<'a> {
    /// The data set.
    pub data: Name,
    /// The method.
    pub method: Method,
    records: Vec<&'a Record>,
}

/// What a cell was asked to hold: receipts of other recordings or another run do not belong there.
pub struct Wanted {
    /// The data set.
    pub data: Name,
    /// The recordings found now.
    pub recordings: DataIdentity,
    /// The running program: receipts of other builds count only where any build does.
    pub program_sha256: String,
    /// The run, for each method.
    pub run: Box<dyn Fn(Method) -> Result<serde_json::Value>>,
}

impl Group<'_> {
    fn values(&self, metric: &str) -> Vec<f64> {
        let value = |r: &&Record| r.metrics.iter().find(|m| m.name == metric).map(|m| m.value);
        self.records.iter().filter_map(value).collect()
    }

    fn summary(&self, metric: &str) -> Option<Summary> {
        summary(&self.values(metric))
    }

    fn first(&self) -> &Record {
        self.records[0]
    }

    /// "sample, 1,000 of 60,000 + 100 of 10,000"
    fn data_used(&self) -> String {
        let d = &self.first().data;
        let counts = match d.origin {
            Origin::Complete => format!("{} + {}", thousands(d.train), thousands(d.test)),
            Origin::Sample => format!(
                "{} of {} + {} of {}",
                thousands(d.train),
                thousands(d.train_published),
                thousands(d.test),
                thousands(d.test_published)
            ),
            Origin::Synthetic => format!("{} + {} generated", thousands(d.train), thousands(d.test)),
        };
        format!("{}, {counts}", origin(d.origin))
    }

    /// Number of steps T, whatever the encoding.
    fn steps(&self) -> String {
        if self.first().run.pointer("/framing").is_some_and(|framing| framing == "chunks") {
            return "16".to_owned();
        }
        let pointers = ["/framing/number/frames", "/framing/time/frames", "/framing/direct/steps"];
        let found = pointers.into_iter().find_map(|pointer| self.first().run.pointer(pointer));
        found.map_or("?".to_owned(), ToString::to_string)
    }

    fn run_field(&self, pointer: &str) -> String {
        match self.first().run.pointer(pointer) {
            Some(serde_json::Value::String(s)) => s.clone(),
            Some(v) => v.to_string(),
            None => "?".into(),
        }
    }
}

fn origin(o: Origin) -> &'static str {
    match o {
        Origin::Complete => "complete",
        Origin::Sample => "sample",
        Origin::Synthetic => "synthetic",
    }
}

fn thousands(n: u64) -> String {
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

/// Picks, for each data set and method, the receipts that belong together: those of the run and recordings
/// wanted now, or, for a data set that was not asked for, of the best recordings that any receipt names
/// (complete before sample before synthetic, then the newest). A data set never mixes recordings, and a cell
/// never mixes runs, nor, unless `any_build`, programs.
///
/// # Errors
/// If a wanted run cannot be described.
pub fn groups<'a>(
    records: &'a [Record],
    data: &[Name],
    profile: &str,
    wanted: &[Wanted],
    any_build: bool,
) -> Result<Vec<Group<'a>>> {
    let rank = |r: &Record| match r.data.origin {
        Origin::Complete => 2,
        Origin::Sample => 1,
        Origin::Synthetic => 0,
    };
    let mut groups = Vec::new();
    for &data in data {
        let mut of_data: Vec<&Record> =
            records.iter().filter(|r| r.data.name == data.id() && r.profile == profile).collect();
        of_data.sort_by_key(|r| (Reverse(rank(r)), Reverse(r.started_utc.clone())));
        let wanted = wanted.iter().find(|w| w.data == data);
        let Some(recordings) = wanted.map(|w| &w.recordings).or(of_data.first().map(|r| &r.data)) else { continue };
        for method in Method::ALL {
            let of_method = |r: &&&Record| r.run.get("method").and_then(|m| m.as_str()) == Some(method.id());
            let mut cell: Vec<&Record> =
                of_data.iter().filter(of_method).filter(|r| r.data == *recordings).copied().collect();
            if let Some(w) = wanted {
                let run = (w.run)(method)?;
                cell.retain(|r| r.run == run && (any_build || r.program_sha256 == w.program_sha256));
            }
            let Some(newest) = cell.first().copied() else { continue };
            cell.retain(|r| r.run == newest.run && (any_build || r.program_sha256 == newest.program_sha256));
            cell.sort_by_key(|r| r.seed);
            groups.push(Group { data, method, records: cell });
        }
    }
    Ok(groups)
}

/// All receipts, in the order of the data sets: those of one row stand together, its newest run and program.
pub fn all_groups(records: &[Record]) -> Vec<Group<'_>> {
    let mut groups = Vec::new();
    for data in Name::ALL {
        let mut of_data: Vec<&Record> = records.iter().filter(|r| r.data.name == data.id()).collect();
        of_data.sort_by_key(|r| (r.row.clone(), Reverse(r.started_utc.clone())));
        for row in of_data.chunk_by(|a, b| a.row == b.row) {
            let newest = row[0];
            let method = newest.run.get("method").and_then(|m| m.as_str());
            let Some(method) = Method::ALL.into_iter().find(|known| Some(known.id()) == method) else { continue };
            let same = |r: &&Record| r.run == newest.run && r.program_sha256 == newest.program_sha256;
            let mut records: Vec<&Record> = row.iter().copied().filter(same).collect();
            records.sort_by_key(|r| r.seed);
            groups.push(Group { data, method, records });
        }
    }
    groups
}

fn find<'a, 'b>(groups: &'a [Group<'b>], data: Name, method: Method) -> Option<&'a Group<'b>> {
    groups.iter().find(|g| g.data == data && g.method == method)
}

/// "95.3 ± 0.4 (n=3), sample": the best epoch's accuracy, as the paper's code reports it.
fn cell(group: Option<&Group<'_>>) -> String {
    let Some((group, s)) = group.and_then(|g| Some((g, g.summary(BEST)?))) else { return String::new() };
    let value = if s.n > 1 { format!("{s:#.1}") } else { format!("{s:.1}") };
    match group.first().data.origin {
        Origin::Complete => value,
        Origin::Sample => format!("{value}, sample"),
        Origin::Synthetic => format!("synthetic {value}"),
    }
}

/// The paper's table with our column beside each of its three; `stand_ins` says, for each data set that was
/// asked for and not found, why.
///
/// # Errors
/// Never with the columns of this file.
pub fn table(groups: &[Group<'_>], profile: &str, stand_ins: &[String]) -> Result<Table> {
    let ours = DATA.map(|d| format!("{} ours, {profile}", d.title()));
    let mut columns = vec![("Models", Align::Left)];
    columns.extend(DATA.iter().zip(&ours).flat_map(|(d, ours)| [(d.title(), Align::Right), (ours, Align::Right)]));
    let title = "Table 2. Classification accuracy (%) on N-MNIST, DVS-Gesture and DVS-CIFAR10";
    let mut table = Table::new(title, &columns);
    let mut push = |system: &str, accuracy: [Option<f64>; 3], ours: Option<Method>| -> Result<()> {
        let mut cells = vec![system.to_owned()];
        for (data, accuracy) in DATA.into_iter().zip(accuracy) {
            cells.push(accuracy.map_or("–".into(), |a| a.to_string()));
            cells.push(ours.map_or(String::new(), |method| cell(find(groups, data, method))));
        }
        Ok(table.push_row(cells)?)
    };
    for p in &PUBLISHED {
        if p.ours == Some(Method::BpsaBpta) && groups.iter().any(|g| g.method == Method::Bpsa) {
            push("BPSA alone (not in this table)", [None; 3], Some(Method::Bpsa))?;
        }
        push(p.system, p.accuracy, p.ours)?;
    }
    table.push_note(
        "Ours: test accuracy of the best epoch, the test set choosing the epoch, as the paper's code reports it; mean ± \
         standard deviation over n seeds; empty where there is no receipt.",
    );
    table.push_note("Ours beside STBP is this paper's baseline: STBP's surrogate and reset in this paper's network.");
    if profile != "paper" {
        table.push_note(format!(
            "Profile {profile} is not the paper's setting: its numbers and the paper's are not comparable. \
             `--profile paper` is the paper's setting."
        ));
    }
    if groups.iter().any(|g| g.first().data.origin == Origin::Sample) {
        table.push_note("sample: a part of the published data set; how much of it, the list of runs says.");
    }
    if groups.iter().any(|g| g.first().data.origin == Origin::Synthetic) {
        table.push_note(
            "synthetic: generated recordings in place of the data set; such a number says nothing about the data set.",
        );
    }
    stand_ins.iter().for_each(|why| table.push_note(why.as_str()));
    Ok(table)
}

/// Every cell's runs in detail, under `title`.
///
/// # Errors
/// Never with the columns of this file.
pub fn runs(title: &str, groups: &[Group<'_>]) -> Result<Table> {
    let words = ["Data set", "Method", "Recordings"].map(|name| (name, Align::Left));
    let numbers = ["Seeds", "Best epoch %", "Last epoch %", "Firing rate %", "T", "Epochs", "Minutes a run"];
    let mut table = Table::new(title, &[&words[..], &numbers.map(|n| (n, Align::Right))[..]].concat());
    let text = |s: Option<Summary>| s.map_or(String::new(), |s| format!("{s:.1}"));
    for g in groups {
        let rate: Vec<f64> = g.values(RATE).iter().map(|r| 100.0 * r).collect();
        let minutes: Vec<f64> = g.records.iter().map(|r| r.seconds / 60.0).collect();
        let seeds: Vec<String> = g.records.iter().map(|r| r.seed.to_string()).collect();
        table.push_row([
            g.data.title().to_owned(),
            g.method.id().to_owned(),
            origin(g.first().data.origin).to_owned(),
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
    for g in groups {
        table.push_note(provenance(g));
    }
    Ok(table)
}

/// Where the numbers of a group come from, in one sentence.
fn provenance(g: &Group<'_>) -> String {
    let r = g.first();
    let commit = r.commit.as_deref().map_or("unknown", |c| &c[..c.len().min(9)]);
    let modified = if g.records.iter().any(|r| r.dirty == Some(true)) { " with changes" } else { "" };
    format!(
        "{} {}: {} (train + test), split {}; profile {}, {}, batch {}; {} threads of {} ({} cores); commit {commit}{modified}; from {}; \
         receipts runs/{}/{}-s*.json",
        g.data.title(),
        g.method.id(),
        g.data_used(),
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

/// The test curves of one data set as SVG, if it has receipts.
///
/// # Errors
/// If the curves cannot be drawn.
pub fn figure(groups: &[Group<'_>], data: Name, profile: &str) -> Result<Option<String>> {
    let of_data: Vec<&Group<'_>> = groups.iter().filter(|g| g.data == data).collect();
    let Some(first) = of_data.first() else { return Ok(None) };
    let series: Vec<Series> = of_data
        .iter()
        .map(|g| Series {
            name: g.method.id().into(),
            seeds: g
                .records
                .iter()
                .filter_map(|r| r.curves.iter().find(|c| c.name == CURVE).map(|c| c.values.clone()))
                .collect(),
        })
        .collect();
    let caption = Caption {
        title: match first.first().data.origin {
            Origin::Synthetic => format!("Test accuracy on a generated stand-in for {}", data.title()),
            _ => format!("Test accuracy on {}", data.title()),
        },
        subtitle: format!(
            "{}; T = {}, profile {profile}, seeds: {}",
            first.data_used(),
            first.steps(),
            of_data.iter().map(|g| g.records.len()).max().unwrap_or(0)
        ),
        origin: first.first().data.origin,
    };
    Ok(Some(accuracy_curves(&series, &caption, Band::MinMax, false)?))
}
