//! [`run`] holds the workspace to a folder of golden files, values that the paper's released code
//! computed: folder → golden files → one row for each check, PASS or FAIL with its largest error
//! and its limit → how many passed and failed.
//!
//! Nothing is known here about a file's sizes, seeds or cases: they come from the file. A file that
//! is absent is not checked and named; one that is there and broken is a failed check. Limits are
//! those of the golden files' README, and stated where it has none.

mod axis_order;
mod bytes;
mod cells;
mod check;
mod conversion;
mod form;
mod frames;
mod golden;
mod layer_list;
mod layers;
mod lif;
mod network;
mod parts;
mod pass;
mod systems;
mod tables;
mod traces;

pub(crate) use axis_order::Layout;
#[cfg(test)]
pub(crate) use axis_order::frames;

use anyhow::{Result, anyhow, bail};
use candle_core::Device;
use check::{Row, Rows};
use golden::Golden;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

/// Golden files that a complete folder holds, in the order of their checks.
const COMPLETE: [&str; 18] = [
    "lif_baseline",
    "lif_bpsa",
    "lif_bpsta",
    "layers_baseline",
    "layers_bpsa",
    "layers_bpsta",
    "network_small",
    "network_middle_cifar",
    "network_middle_nmnist",
    "network_large",
    "network_small_paper",
    "network_middle_paper",
    "network_large_paper",
    "parts",
    "frames",
    "bytes",
    "schedule",
    "splits",
];

/// How many checks passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Checks within their limit.
    pub passed: usize,
    /// All others.
    pub failed: usize,
}

/// Checks every golden file in `folder` and writes a row for each check to `out`, after the last of
/// them the tally.
///
/// # Errors
/// If the folder cannot be read or holds no golden file, or `out` takes no more.
pub fn run(folder: &Path, device: Option<&Device>, out: &mut dyn Write) -> Result<Tally> {
    let there = names(folder)?;
    let is_there = |stem: &str, kind: &str| there.contains(&format!("{stem}.{kind}"));
    let (mut tally, mut absent) = (Tally::default(), vec![]);
    for stem in stems(&there) {
        let needed: &[&str] = if has_tensors(&stem) { &["json", "safetensors"] } else { &["json"] };
        let missing: Vec<&str> =
            needed.iter().copied().filter(|kind| !is_there(&stem, kind)).collect();
        if missing.is_empty() {
            let rows = check(folder, device, &stem, &mut absent);
            print(&stem, &rows, out)?;
            tally.failed += rows.iter().filter(|row| row.outcome.is_err()).count();
            tally.passed += rows.iter().filter(|row| row.outcome.is_ok()).count();
        } else {
            absent.extend(missing.iter().map(|kind| format!("{stem}.{kind}")));
        }
    }
    if tally == Tally::default() {
        bail!(
            "{}: expected golden files (such as lif_bpsta.json with lif_bpsta.safetensors), found none; name the folder that holds them",
            folder.display()
        );
    }
    let unknown = unknown(&there);
    if !unknown.is_empty() {
        let names = unknown.join(", ");
        writeln!(out, "not checked, since nothing here computes such files: {names}\n")?;
    }
    if !absent.is_empty() {
        writeln!(out, "absent, not checked: {}\n", absent.join(", "))?;
    }
    writeln!(out, "{} passed, {} failed", tally.passed, tally.failed)?;
    Ok(tally)
}

fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let read = || -> std::io::Result<BTreeSet<String>> {
        std::fs::read_dir(folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    };
    read().map_err(|error| {
        anyhow!(
            "{}: expected a folder of golden files, found {}; name the folder that holds them",
            folder.display(),
            sentence::cause(&error)
        )
    })
}

/// The files of a complete folder, then others of their families.
fn stems(there: &BTreeSet<String>) -> Vec<String> {
    let mut stems: Vec<String> = COMPLETE.map(String::from).into();
    for name in there {
        let Some(stem) = name.strip_suffix(".json").or(name.strip_suffix(".safetensors")) else {
            continue;
        };
        if family(stem).is_some() && !stems.iter().any(|known| known == stem) {
            stems.push(stem.into());
        }
    }
    stems
}

/// Files of tensors and their description that are of no family: none goes unnoticed.
fn unknown(there: &BTreeSet<String>) -> Vec<&str> {
    let stems = there.iter().filter_map(|name| name.strip_suffix(".safetensors"));
    let described = stems.filter(|stem| there.contains(&format!("{stem}.json")));
    described.filter(|stem| family(stem).is_none()).collect()
}

/// The kind of a golden file, by its name.
fn family(stem: &str) -> Option<&str> {
    ["lif_", "layers_", "network_"].into_iter().find(|prefix| stem.starts_with(prefix)).or_else(
        || {
            ["parts", "frames", "bytes", "schedule", "splits"]
                .into_iter()
                .chain(cells::FILES)
                .chain(systems::FILES)
                .find(|name| stem == *name)
                .or_else(|| of_comparators(stem))
        },
    )
}

/// The kind of a file of the other comparators, whose name ends in its seed: `hm2_s1`.
fn of_comparators(stem: &str) -> Option<&'static str> {
    let (name, seed) = stem.rsplit_once("_s")?;
    if seed.is_empty() || !seed.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let whole = conversion::FILES.into_iter().find(|file| name == *file);
    whole.or_else(|| {
        let begins = |file: &&str| {
            name.strip_prefix(file).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        traces::FILES.into_iter().find(begins)
    })
}

fn has_tensors(stem: &str) -> bool {
    !matches!(stem, "schedule" | "splits")
}

/// All rows of one file. What cannot be computed at all is a row that fails.
fn check(folder: &Path, device: Option<&Device>, stem: &str, absent: &mut Vec<String>) -> Vec<Row> {
    let mut rows = Rows::new(stem);
    match Golden::open(folder, stem, has_tensors(stem), device) {
        Err(error) => rows.add("", Err(error)),
        Ok(golden) => {
            if let Err(error) = dispatch(&golden, stem, &mut rows, absent) {
                rows.add("", Err(error));
            }
            if has_tensors(stem) {
                rows.add("every tensor", golden.account());
            }
        }
    }
    rows.into_rows()
}

fn dispatch(golden: &Golden, stem: &str, rows: &mut Rows, absent: &mut Vec<String>) -> Result<()> {
    match family(stem) {
        Some("lif_") => lif::check(golden, rows),
        Some("layers_") => layers::check(golden, rows),
        Some("network_") => network::check(golden, rows),
        Some("parts") => parts::check(golden, rows),
        Some("frames") => frames::check(golden, rows),
        Some("bytes") => bytes::check(golden, rows).map(|files| absent.extend(files)),
        Some("schedule") => tables::schedule(golden, rows),
        Some("splits") => tables::splits(golden, rows),
        Some(neuron) if cells::FILES.contains(&neuron) => cells::check(golden, neuron, rows),
        Some(system) if systems::FILES.contains(&system) => systems::check(golden, system, rows),
        Some(file) if conversion::FILES.contains(&file) => conversion::check(golden, file, rows),
        Some(file) if traces::FILES.contains(&file) => traces::check(golden, file, rows),
        _ => bail!("no golden file has this name"),
    }
}

fn print(stem: &str, rows: &[Row], out: &mut dyn Write) -> Result<()> {
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default();
    writeln!(out, "{stem}: {} checks", rows.len())?;
    for row in rows {
        let (verdict, told) = match &row.outcome {
            Ok(told) => ("PASS", told),
            Err(told) => ("FAIL", told),
        };
        writeln!(out, "{verdict} {:width$}   {told}", row.name)?;
    }
    writeln!(out)?;
    Ok(out.flush()?)
}
