use std::path::{Path, PathBuf};

use anyhow::Result;
use datasets::{Found, Name, Origin, find};
use serde::Serialize;

use crate::data;

/// Flags of `data list`.
#[derive(clap::Args)]
pub struct Flags {
    /// Folder of all data sets [default: $SPIKEGRAD_DATA, else data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Writes a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

/// What is here of one data set.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    title: &'static str,
    /// complete, sample, synthetic, unusable or absent
    state: &'static str,
    train: usize,
    test: usize,
    published_train: usize,
    published_test: usize,
    /// of all files in its folder, archives too
    bytes: u64,
    licence: &'static str,
    page: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    split: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest_sha256: Option<String>,
    /// why it is unusable
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// Looks for every data set and says what is there.
///
/// # Errors
/// A data folder was named that is not there.
pub fn run(flags: &Flags) -> Result<()> {
    let root = data::root(flags.data.clone())?;
    let rows: Vec<Row> = Name::ALL.into_iter().map(|name| row(name, root.as_deref())).collect();
    if flags.json {
        return Ok(terminal::print(&(serde_json::to_string_pretty(&rows)? + "\n"))?);
    }
    terminal::print(&(table(&rows) + "\n"))?;
    match root {
        Some(root) => terminal::out!("looked in {}", root.display())?,
        None => terminal::out!(
            "no data folder: data fetch NAME makes data/, or name one by --data or SPIKEGRAD_DATA"
        )?,
    }
    Ok(())
}

fn row(name: Name, root: Option<&Path>) -> Row {
    let info = name.info();
    let mut row = Row {
        name: info.id,
        title: info.title,
        state: "absent",
        train: 0,
        test: 0,
        published_train: info.train,
        published_test: info.test,
        bytes: 0,
        licence: info.licence,
        page: info.page,
        split: None,
        manifest_sha256: None,
        why: None,
    };
    let Some(root) = root else { return row };
    match find(name, root) {
        Ok(Found::Absent) => return row,
        Ok(Found::Unusable { why, .. }) => (row.state, row.why) = ("unusable", Some(why)),
        Err(error) => (row.state, row.why) = ("unusable", Some(error.to_string())),
        Ok(Found::Recordings(found)) => {
            row.state = state(found.origin);
            (row.train, row.test) = (found.train.len(), found.test.len());
            (row.split, row.manifest_sha256) = (Some(found.split), Some(found.manifest_sha256));
        }
    }
    // two folders of one set have no bytes that are the set's
    row.bytes = datasets::fetch::folder(name, root).map_or(0, |folder| {
        // without a folder of its name, the root itself is the set's
        bytes(if folder.is_dir() { &folder } else { root })
    });
    row
}

/// The word for where recordings come from.
pub(super) fn state(origin: Origin) -> &'static str {
    match origin {
        Origin::Complete => "complete",
        Origin::Sample => "sample",
        Origin::Synthetic => "synthetic",
    }
}

/// Bytes of all files below a folder; what cannot be read counts nothing.
fn bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let of = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => bytes(&entry.path()),
        Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |metadata| metadata.len()),
        _ => 0,
    };
    entries.flatten().map(of).sum()
}

fn table(rows: &[Row]) -> String {
    let head =
        ["name", "title", "state", "train", "test", "bytes", "licence", "page"].map(str::to_owned);
    let part = |here: usize, published: usize| format!("{here}/{published}");
    let cells = rows.iter().map(|row| {
        [
            row.name.to_owned(),
            row.title.to_owned(),
            row.state.to_owned(),
            part(row.train, row.published_train),
            part(row.test, row.published_test),
            row.bytes.to_string(),
            row.licence.to_owned(),
            row.page.to_owned(),
        ]
    });
    let lines: Vec<[String; 8]> = std::iter::once(head).chain(cells).collect();
    let widths: [usize; 8] = std::array::from_fn(|i| {
        lines.iter().map(|line| line[i].chars().count()).max().unwrap_or(0)
    });
    let mut text = String::new();
    for line in &lines {
        for (i, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            // numbers to the right
            match (3..6).contains(&i) {
                true => text.push_str(&format!("{cell:>width$}  ")),
                false => text.push_str(&format!("{cell:<width$}  ")),
            }
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    for row in rows {
        if let Some(why) = &row.why {
            text.push_str(&(terminal::line(&format!("{}: {why}", row.name)) + "\n"));
        }
    }
    text
}
