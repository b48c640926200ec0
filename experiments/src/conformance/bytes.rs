//! `bytes`: the raw files that lie beside it, decoded.
//!
//! In three places ours is not the reference on purpose: it decodes AEDAT 2.0 without a header, it
//! refuses AEDAT 3.1 whose header does not end, and of a polarity packet it takes the events that
//! the camera filled, not the padding after them.

use super::check::Rows;
use super::golden::Golden;
use anyhow::{Result, bail, ensure};
use datasets::decode_cifar10_dvs;
use events::formats::aedat31::{self, Options, Slots};
use events::formats::nmnist;
use events::{Columns, Error};
use std::collections::HashMap;

/// Checks every raw file that the JSON file lists and that is there; returns the names of those
/// that are not.
pub fn check(golden: &Golden, rows: &mut Rows) -> Result<Vec<String>> {
    let mut absent = vec![];
    for name in golden.keys("/files")? {
        let needs = name.strip_suffix("_labels.csv").map(|recording| format!("{recording}.aedat"));
        let mut read = |name: &str| -> Result<Option<Vec<u8>>> {
            let bytes = golden.raw(name)?;
            if bytes.is_none() && !absent.iter().any(|known| known == name) {
                absent.push(name.to_string());
            }
            Ok(bytes)
        };
        let found = read(&name)
            .and_then(|bytes| Ok((bytes, needs.as_deref().map_or(Ok(None), &mut read)?)));
        match (found, needs.as_deref()) {
            (Err(error), _) => rows.add(&name, Err(error)),
            (Ok((Some(csv), Some(recording))), Some(stem)) => {
                trials(golden, &name, stem, &csv, &recording, rows)
            }
            (Ok((Some(bytes), _)), None) => file(golden, &name, &bytes, rows),
            (Ok(_), _) => leave_out(golden, &name),
        }
    }
    Ok(absent)
}

fn leave_out(golden: &Golden, name: &str) {
    let trial = name.strip_suffix("_labels.csv").map(|stem| format!("{stem}.trial."));
    golden.names(&trial.unwrap_or(format!("{name}."))).for_each(|name| golden.leave_out(name));
}

fn file(golden: &Golden, name: &str, bytes: &[u8], rows: &mut Rows) {
    let told =
        |field: &str| golden.field::<String>(&format!("/files/{name}/{field}")).unwrap_or_default();
    let raises = told("reference_raises");
    if name.starts_with("nmnist") {
        same(golden, name, "", nmnist::decode(bytes), Ok, rows);
    } else if name.starts_with("cifar10dvs") && raises.contains("odd number") {
        rows.add(&format!("{name} is refused"), refused(decode_cifar10_dvs(bytes)));
    } else if name.starts_with("cifar10dvs") && !raises.is_empty() {
        rows.add(&format!("{name} decodes without a header"), without_header(golden, name, bytes));
    } else if name.starts_with("cifar10dvs") {
        same(golden, name, "", decode_cifar10_dvs(bytes), Ok, rows);
    } else if name.starts_with("gesture") && told("reference") == "returned 0 events" {
        leave_out(golden, name);
        rows.add(
            &format!("{name} is refused"),
            refused(aedat31::decode(bytes, Options::default())),
        );
    } else if name.starts_with("gesture") {
        let all = Options { slots: Slots::Capacity, ..Options::default() };
        same(golden, name, " all slots", aedat31::decode(bytes, all), Ok, rows);
        let filled = aedat31::decode(bytes, Options::default());
        same(golden, name, " filled slots", filled, |columns| Ok(without_padding(&columns)), rows);
    } else {
        rows.add(name, Err(anyhow::anyhow!("no format of ours has files of this name")));
    }
}

/// Compares decoded events with the stored ones, after `change` to the latter.
fn same(
    golden: &Golden,
    name: &str,
    how: &str,
    ours: Result<Columns, Error>,
    change: impl Fn(Columns) -> Result<Columns>,
    rows: &mut Rows,
) {
    let outcome = golden.columns(name).and_then(change).and_then(|golden| equal(&ours?, &golden));
    rows.add(&format!("{name}{how}"), outcome);
}

fn equal(ours: &Columns, golden: &Columns) -> Result<String> {
    let (found, expected) = (ours.count()?, golden.count()?);
    ensure!(found == expected, "expected {expected} events, found {found}");
    let event = |c: &Columns, i: usize| (c.t_us[i], c.x[i], c.y[i], c.on[i]);
    if let Some(i) = (0..expected).find(|&i| event(ours, i) != event(golden, i)) {
        bail!(
            "event {i}: expected (t, x, y, on) = {:?}, found {:?}",
            event(golden, i),
            event(ours, i)
        );
    }
    Ok(format!("{expected} events equal"))
}

fn refused(decoded: Result<Columns, Error>) -> Result<String> {
    match decoded {
        Ok(columns) => bail!("expected an error, found {} events", columns.count()?),
        Err(error) => Ok(error.to_string()),
    }
}

/// The reference cannot read it, so nothing is stored: all of its bytes must be records.
fn without_header(golden: &Golden, name: &str, bytes: &[u8]) -> Result<String> {
    let size: usize = golden.field(&format!("/files/{name}/size"))?;
    let events = decode_cifar10_dvs(bytes)?.count()?;
    ensure!(events == size / 8, "expected {} events of 8 bytes, found {events}", size / 8);
    Ok(format!("{events} events; the reference fails on it"))
}

/// The reference's events without those that it makes of zero bytes: pixel (0, 0), OFF, the low
/// word of the time 0.
fn without_padding(columns: &Columns) -> Columns {
    let mut kept = Columns::default();
    let pixels = columns.x.iter().zip(&columns.y).zip(&columns.on);
    for (&t_us, ((&x, &y), &on)) in columns.t_us.iter().zip(pixels) {
        if (t_us & 0x7fff_ffff, x, y, on) != (0, 0, 0, false) {
            kept.push(t_us, x, y, on);
        }
    }
    kept
}

/// Each trial of the labels file, cut out of its recording, beside
/// `<recording>.trial.<label>.<occurrence>`.
fn trials(
    golden: &Golden,
    name: &str,
    recording_name: &str,
    csv: &[u8],
    recording: &[u8],
    rows: &mut Rows,
) {
    let stem = recording_name.trim_end_matches(".aedat");
    let decoded = aedat31::trials(csv)
        .and_then(|trials| Ok((trials, aedat31::decode(recording, Options::default())?)));
    let (trials, events) = match decoded {
        Ok(decoded) => decoded,
        Err(error) => return rows.add(name, Err(error.into())),
    };
    let listed = golden
        .field::<Vec<serde_json::Value>>(&format!("/files/{name}/trials"))
        .map(|listed| listed.len());
    let count = listed.and_then(|listed| {
        ensure!(listed == trials.len(), "expected {listed} trials, found {}", trials.len());
        Ok(format!("{listed} trials"))
    });
    rows.add(name, count);
    let mut seen = HashMap::new();
    for trial in trials {
        let occurrence: &mut usize = seen.entry(trial.class).or_default();
        let cut = format!("{stem}.trial.{}.{occurrence}", u32::from(trial.class).saturating_sub(1));
        *occurrence += 1;
        same(golden, &cut, "", Ok(events.between(trial.start_us, trial.end_us)), Ok, rows);
    }
}
