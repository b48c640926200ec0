//! What metrics and curves can be: each once, a known name with its unit and its range, and a
//! metric that is a curve's value with that value.

use crate::rule::{Checked, ensure};
use crate::{Curve, Metric, Record};
use std::collections::HashSet;

/// What a known name means.
struct Known {
    unit: &'static str,
    /// Its values, in words.
    range: &'static str,
    holds: fn(f64) -> bool,
}

impl Known {
    const ACCURACY: Known =
        Known { unit: "%", range: "from 0 to 100", holds: |v| (0.0..=100.0).contains(&v) };
    const RATE: Known = Known {
        unit: "spikes per neuron and step",
        range: "from 0 to 1",
        holds: |v| (0.0..=1.0).contains(&v),
    };
    const SHARE: Known = Known { unit: "1", ..Known::RATE };
    const AMOUNT: Known = Known { unit: "1", range: "of 0 or more", holds: |v| v >= 0.0 };
    const SECONDS: Known = Known { unit: "s", ..Known::AMOUNT };
    const COUNT: Known =
        Known { unit: "1", range: "whole, 0 or more", holds: |v| v >= 0.0 && v.fract() == 0.0 };
    const EPOCH: Known =
        Known { unit: "epoch", range: "whole, 1 or more", holds: |v| v >= 1.0 && v.fract() == 0.0 };

    /// What the name of a metric or a curve means; `None` for a name of another program.
    fn of(name: &str) -> Option<Known> {
        let curve = name.strip_suffix(LAST).or(name.strip_suffix(BEST)).unwrap_or(name);
        Some(match curve {
            _ if name.contains("accuracy") => Known::ACCURACY,
            _ if name.starts_with("firing rate, ") => Known::RATE,
            "train loss" | "test loss" | "learning rate" => Known::AMOUNT,
            "seconds" => Known::SECONDS,
            "setbacks" | "voters of a class" => Known::COUNT,
            "held-out loss" => Known::AMOUNT,
            _ if name.starts_with("silent neurons, ") => Known::COUNT,
            _ if name.starts_with("silent voters, ") => Known::COUNT,
            _ if name.starts_with("neurons, ") => Known::COUNT,
            _ if name.starts_with("warm-up, ") => Known::SHARE,
            BEST_EPOCH => Known::EPOCH,
            _ => return None,
        })
    }

    fn unit(&self, name: &str, unit: &str) -> Checked {
        let expected = format!("\"{}\" in the unit \"{}\"", sentence::shown(name), self.unit);
        ensure(unit == self.unit, &expected, format!("\"{}\"", sentence::shown(unit)))
    }

    /// Of a run that diverged values that are none are results too, but not of what is counted.
    fn value(&self, name: &str, value: f64, counted: bool) -> Checked {
        let holds = (self.holds)(value) || !value.is_finite() && !counted;
        let expected = format!("a \"{}\" {}", sentence::shown(name), self.range);
        ensure(holds, &expected, sentence::number(value))
    }
}

/// What the name of a metric ends with that is the last value of the curve of that name.
const LAST: &str = ", last epoch";
/// The same of the best value, that of the epoch which [`BEST_EPOCH`] names.
const BEST: &str = ", best epoch";
/// The metric that says which epoch was the best, from 1.
const BEST_EPOCH: &str = "best epoch";

/// Holds metrics and curves to the rules.
pub(crate) fn check(record: &Record) -> Checked {
    once("metric", record.metrics.iter().map(|metric| &*metric.name))?;
    once("curve", record.curves.iter().map(|curve| &*curve.name))?;
    for Metric { name, value, unit } in &record.metrics {
        let Some(known) = Known::of(name) else { continue };
        known.unit(name, unit)?;
        known.value(name, *value, [BEST_EPOCH, "setbacks"].contains(&name.as_str()))?;
    }
    curves(record)?;
    record.metrics.iter().try_for_each(|metric| of_curve(record, metric))
}

/// That no name is there twice: which of the two is meant, nobody could tell.
pub(crate) fn once<'n>(what: &str, names: impl Iterator<Item = &'n str>) -> Checked {
    let mut seen = HashSet::new();
    for name in names {
        let expected = format!("each {what} once");
        ensure(seen.insert(name), &expected, format!("\"{}\" twice", sentence::shown(name)))?;
    }
    Ok(())
}

fn curves(record: &Record) -> Checked {
    let epochs = record.run.pointer("/setup/epochs").and_then(serde_json::Value::as_u64);
    let first = record.curves.first().map(|curve| curve.values.len() as u64);
    let Some(length) = epochs.or(first) else { return Ok(()) };
    for Curve { name, unit, values } in &record.curves {
        let expected = format!("{length} values of \"{}\", one an epoch", sentence::shown(name));
        ensure(values.len() as u64 == length, &expected, values.len())?;
        let Some(known) = Known::of(name) else { continue };
        known.unit(name, unit)?;
        // the share of samples that were right is a number even where the loss is none
        let counted = name.contains("accuracy");
        values.iter().try_for_each(|&value| known.value(name, value, counted))?;
    }
    Ok(())
}

/// That a metric which is a curve's value has that value.
fn of_curve(record: &Record, Metric { name, value, .. }: &Metric) -> Checked {
    let curve = |name: &str| record.curves.iter().find(|curve| curve.name == name);
    let (last, best) = (name.strip_suffix(LAST), name.strip_suffix(BEST));
    let Some(Curve { values, .. }) = last.or(best).and_then(curve) else { return Ok(()) };
    let mut there = match last {
        Some(_) => vec![values.last().copied()],
        None => vec![values.iter().copied().reduce(f64::max)],
    };
    if let (None, Some(epoch)) = (last, record.metrics.iter().find(|m| m.name == BEST_EPOCH)) {
        // beyond the last epoch there is none
        there.push(values.get((epoch.value as usize).wrapping_sub(1)).copied());
    }
    for expected in there {
        let same = expected.is_some_and(|v| v == *value || v.is_nan() && value.is_nan());
        let of_curve = expected.map_or("no value".to_owned(), sentence::number);
        let said = format!("a \"{}\" of {of_curve}, as its curve has it", sentence::shown(name));
        ensure(same, &said, sentence::number(*value))?;
    }
    Ok(())
}
