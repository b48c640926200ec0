use super::text::{escape, href};
use super::{Receipt, count};
use crate::recording::thousands;
use crate::{Metric, Origin, Record};

/// Metrics shown of a receipt; a network's list has one a layer, and all are in the file.
const METRICS: usize = 7;
/// Characters of a split's name shown.
const SPLIT: usize = 160;
/// Characters of a commit shown.
const COMMIT: usize = 9;

/// All receipts of a section in one list that is folded away.
pub(super) fn html(receipts: &[Receipt]) -> String {
    if receipts.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<details>\n<summary>{}</summary>\n<ol class=\"receipts\">\n",
        count(receipts.len(), "receipt")
    );
    for receipt in receipts {
        html += &item(receipt);
    }
    html += "</ol>\n</details>\n";
    html
}

fn item(Receipt { path, record }: &Receipt) -> String {
    let origin = origin(record.data.origin);
    let title = if record.title.is_empty() { &record.row } else { &record.title };
    let mut html = format!(
        "<li class=\"receipt {origin}\">\n<p class=\"receipt-title\"><a href=\"{}\">{}, seed {}</a> \
         <span class=\"badge {origin}\">{origin}</span>",
        href(path),
        escape(title),
        record.seed
    );
    if record.dirty == Some(true) {
        html += " <span class=\"badge dirty\">dirty work tree</span>";
    }
    html += "</p>\n";
    if record.data.origin == Origin::Synthetic {
        html += "<p class=\"warning\">Made on synthetic data: no measurement on the published data set.</p>\n";
    }
    html += &list("metrics", &metrics(&record.metrics));
    let hidden = record.metrics.len().saturating_sub(METRICS);
    if hidden > 0 {
        html +=
            &format!("<p class=\"soft\">and {} in the file</p>\n", count(hidden, "more metric"));
    }
    html += &list("facts", &facts(record));
    html += "</li>\n";
    html
}

/// Names with values in HTML.
fn list(class: &str, entries: &[(&str, String)]) -> String {
    let entries: String = entries
        .iter()
        .map(|(name, value)| format!("<div><dt>{}</dt><dd>{value}</dd></div>\n", escape(name)))
        .collect();
    if entries.is_empty() { entries } else { format!("<dl class=\"{class}\">\n{entries}</dl>\n") }
}

fn metrics(metrics: &[Metric]) -> Vec<(&str, String)> {
    let value = |metric: &Metric| match metric.unit.as_str() {
        "" | "1" => brief(metric.value),
        // a column of percentages reads best with the same decimals in all
        "%" if metric.value.is_finite() => format!("{:.2} %", metric.value),
        unit => format!("{} {}", brief(metric.value), escape(unit)),
    };
    metrics.iter().take(METRICS).map(|metric| (metric.name.as_str(), value(metric))).collect()
}

fn facts(record: &Record) -> Vec<(&'static str, String)> {
    let data = &record.data;
    let sizes = format!(
        "{}, {} + {} of {} + {}, {}",
        data.name,
        thousands(data.train as usize),
        thousands(data.test as usize),
        thousands(data.train_published as usize),
        thousands(data.test_published as usize),
        shortened(&data.split)
    );
    let host = &record.host;
    let memory =
        record.peak_memory_bytes.map_or("unknown".to_owned(), |n| sentence::size(n.into()));
    vec![
        ("data (train + test)", escape(&sizes)),
        ("profile", escape(&record.profile)),
        ("started", started(&record.started_utc)),
        ("took", duration(record.seconds)),
        ("peak memory", memory),
        ("device", escape(&record.device)),
        ("threads", record.threads.to_string()),
        ("host", escape(&format!("{}, {} cores, {}", host.cpu, host.cores, host.os))),
        ("commit", commit(record)),
    ]
}

/// A split may tell how its data were made, to the last constant.
fn shortened(split: &str) -> String {
    if split.chars().count() <= SPLIT {
        return split.to_owned();
    }
    let start: String = split.chars().take(SPLIT).collect();
    format!("{} … (in full in the file)", start.trim_end())
}

fn started(utc: &str) -> String {
    let words = utc.replace('T', " ").replace('Z', " UTC");
    format!("<time datetime=\"{}\">{}</time>", escape(utc), escape(&words))
}

fn commit(record: &Record) -> String {
    let Some(commit) = &record.commit else { return "unknown".to_owned() };
    let short: String = commit.chars().take(COMMIT).collect();
    let state = match record.dirty {
        Some(true) => ", changed",
        Some(false) => "",
        None => ", changed or not",
    };
    format!("<code title=\"{}\">{}</code>{state}", escape(commit), escape(&short))
}

/// The word that a badge shows, which is its class too.
fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Complete => "complete",
        Origin::Sample => "sample",
        Origin::Synthetic => "synthetic",
    }
}

/// A value in as many digits as a glance takes; the file has them all.
fn brief(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => value.to_string(),
        0.0 => "0".to_owned(),
        size if !(1e-3..1e7).contains(&size) => format!("{value:.2e}"),
        size if size < 1.0 => format!("{value:.4}"),
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

fn duration(seconds: f64) -> String {
    if !(0.0..=1e9).contains(&seconds) {
        return format!("{seconds} s");
    }
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole / 3600 {
        0 => format!("{} min {} s", whole / 60, whole % 60),
        hours => format!("{hours} h {} min", whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_at_a_glance() {
        for (value, text) in [
            (92.0, "92"),
            (-0.0, "0"),
            (79.123_456, "79.12"),
            (0.051_579_5, "0.0516"),
            (2.5e-5, "2.50e-5"),
            (1.5e9, "1.50e9"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(brief(value), text);
        }
    }

    #[test]
    fn durations_for_a_reader() {
        for (seconds, text) in [
            (0.25, "0.2 s"),
            (59.9, "59.9 s"),
            (121.9, "2 min 2 s"),
            (7260.0, "2 h 1 min"),
            (f64::NAN, "NaN s"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
