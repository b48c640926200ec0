//! A page of any folder of results, each metric as the mean over seeds:
//! `cargo run -p spikegrad-report --example page -- results page.html`. Reads
//! `RESULTS/runs/<experiment>/*.json`, and `RESULTS/<experiment>*.svg` as figures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use report::figures::{Band, Caption, Series, accuracy_curves};
use report::page::{self, Figure, Receipt, Section};
use report::{Align, Origin, Record, Table, summary, write_text};

type Anything<T> = Result<T, Box<dyn std::error::Error>>;
/// The records of each row, one a seed.
type Rows<'a> = BTreeMap<&'a str, Vec<&'a Record>>;

fn main() -> Anything<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [results, out] = &arguments[..] else { return Err("usage: page RESULTS PAGE.html".into()) };
    let mut sections = Vec::new();
    for folder in listed(&results.join("runs"))? {
        sections.push(section(results, &folder)?);
    }
    let lead = "Every number comes from a receipt, the file that one run wrote. `–` and empty cells are no numbers.";
    Ok(write_text(out, &page::html("Results", lead, &sections))?)
}

fn listed(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

fn section(results: &Path, folder: &Path) -> Anything<Section> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let records = Record::read_all(folder)?;
    let mut rows = Rows::new();
    for record in &records {
        rows.entry(&record.row).or_default().push(record);
    }
    let mut figures = Vec::new();
    for path in listed(results)? {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if file.starts_with(&name) && file.ends_with(".svg") {
            let caption = format!("The file {file} of the results.");
            figures.push(Figure {
                svg: std::fs::read_to_string(&path)?,
                alt: file.clone(),
                caption,
                files: vec![file],
            });
        }
    }
    figures.extend(curves(&name, &rows)?);
    let path = |record: &Record| format!("runs/{name}/{}-s{}.json", record.row, record.seed);
    Ok(Section {
        id: name.clone(),
        title: name.clone(),
        lead: format!("Receipts of `{name}`, the mean over seeds ± sample standard deviation."),
        command: format!("cargo {name}"),
        tables: vec![table(&name, &rows)?],
        figures,
        receipts: records
            .iter()
            .map(|record| Receipt { path: path(record), record: record.clone() })
            .collect(),
    })
}

/// A row for each row of the experiment, a column for each metric that its first receipt has.
fn table(name: &str, rows: &Rows) -> Anything<Table> {
    let first = rows.values().flatten().next();
    let metrics: Vec<_> = first
        .map(|record| &record.metrics[..record.metrics.len().min(8)])
        .into_iter()
        .flatten()
        .collect();
    let heads: Vec<String> =
        metrics.iter().map(|metric| format!("{} ({})", metric.name, metric.unit)).collect();
    let mut columns = vec![("row", Align::Left), ("data", Align::Left), ("seeds", Align::Right)];
    columns.extend(heads.iter().map(|head| (head.as_str(), Align::Right)));
    let mut table = Table::new(&format!("What {name} gave"), &columns);
    for (row, records) in rows {
        let data = &records[0].data;
        let kind = format!("{} ({})", data.name, format!("{:?}", data.origin).to_lowercase());
        let mut cells = vec![(*row).to_owned(), kind, records.len().to_string()];
        for metric in &metrics {
            let of = |record: &&Record| {
                record.metrics.iter().find(|m| m.name == metric.name).map(|m| m.value)
            };
            let values: Vec<f64> = records.iter().filter_map(of).collect();
            cells.push(summary(&values).map_or(String::new(), |mean| format!("{mean:.3}")));
        }
        table.push_row(cells)?;
    }
    if rows.is_empty() {
        table.push_row(["paper only", "", ""])?;
    }
    table.push_note("One receipt a seed; the metrics are those of the first row's receipts.");
    Ok(table)
}

/// Test accuracy over epochs, seven rows at most.
fn curves(name: &str, rows: &Rows) -> Anything<Option<Figure>> {
    let values = |record: &&Record| {
        record.curves.iter().find(|c| c.name == "test accuracy").map(|c| c.values.clone())
    };
    let series = rows.iter().map(|(row, records)| Series {
        name: row.chars().take(24).collect(),
        seeds: records.iter().filter_map(values).collect(),
    });
    let series: Vec<Series> = series.filter(|one| !one.seeds.is_empty()).take(7).collect();
    if series.is_empty() {
        return Ok(None);
    }
    let synthetic = rows.values().flatten().any(|record| record.data.origin == Origin::Synthetic);
    let origin = if synthetic { Origin::Synthetic } else { Origin::Sample };
    let caption =
        Caption { title: format!("Test accuracy, {name}"), subtitle: "All rows".into(), origin };
    let svg = accuracy_curves(&series, &caption, Band::MinMax, true)?;
    let alt = format!("Test accuracy over epochs of {} rows of {name}", series.len());
    Ok(Some(Figure {
        svg,
        alt,
        caption: "Test accuracy of each row over epochs.".into(),
        files: vec![],
    }))
}
