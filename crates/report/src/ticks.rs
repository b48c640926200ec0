//! Axis ranges and ticks at 1, 2 or 5 times a power of ten.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;

/// The range of an axis, its ticks in increasing order and the number of decimals that tells them
/// apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) ticks: Vec<f64>,
    pub(crate) decimals: usize,
}

/// plotters chooses its own ticks for a range of numbers; an axis of ours brings them along.
impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

/// Epochs 1 to `last`; a single epoch stands in the middle of its axis.
pub(crate) fn epochs(last: usize) -> Axis {
    if last == 1 {
        return Axis { from: 0.5, to: 1.5, ticks: vec![1.0], decimals: 0 };
    }
    let step = step(last as f64, 8).max(1.0);
    Axis { from: 1.0, to: last as f64, ticks: multiples(1.0, last as f64, step), decimals: 0 }
}

/// Percentages from `low` to `high`, both within 0 to 100, with a tick at each end. The axis spans
/// at least two points: closer in, noise would look like a result.
pub(crate) fn percent(low: f64, high: f64) -> Axis {
    let missing = (2.0 - (high - low)).max(0.0);
    let (mut low, mut high) = (low - missing / 2.0, high + missing / 2.0);
    (low, high) = (low + (100.0 - high).min(0.0), high - low.min(0.0)); // moved, not cut, at 0 and 100
    let step = step(high - low, 6);
    let from = ((low / step + 1e-9).floor() * step).max(0.0);
    let to = ((high / step - 1e-9).ceil() * step).min(100.0);
    Axis { from, to, ticks: multiples(from, to, step), decimals: decimals(step) }
}

/// From 0 to `last` exactly.
pub(crate) fn until(last: f64) -> Axis {
    let step = step(last, 8);
    Axis { from: 0.0, to: last, ticks: multiples(0.0, last, step), decimals: decimals(step) }
}

/// From 0 to the first tick at or above `high`.
pub(crate) fn above(high: f64) -> Axis {
    from_zero(high, 5)
}

/// Holds `low` to `high`, both finite and within ±1e30, with a tick at each end.
pub(crate) fn span(low: f64, high: f64, parts: usize) -> Axis {
    // closer together than their own digits, values would have no ticks that differ
    let least = (1e-9 * low.abs().max(high.abs())).max(1e-3);
    let missing = (least - (high - low)).max(0.0);
    let (low, high) = (low - missing / 2.0, high + missing / 2.0);
    let step = step(high - low, parts);
    let from = (low / step + 1e-9).floor() * step;
    let to = (high / step - 1e-9).ceil() * step;
    Axis { from, to, ticks: multiples(from, to, step), decimals: decimals(step) }
}

/// Steps 1 to `last`, each in the middle of its place.
pub(crate) fn steps(last: usize, parts: usize) -> Axis {
    let step = step(last as f64, parts).max(1.0);
    let mut ticks = multiples(1.0, last as f64, step);
    if step > 2.0 {
        ticks.insert(0, 1.0);
    }
    Axis { from: 0.5, to: last as f64 + 0.5, ticks, decimals: 0 }
}

/// A logarithmic axis with room around the powers of ten `low` to `high`, both within ±12; values
/// and ticks are powers too.
pub(crate) fn powers(low: f64, high: f64) -> Axis {
    let room = (0.08 * (high - low)).max(0.15);
    let (from, to) = (low - room, high + room);
    let decades = (to - from) / 8.0;
    let within = |power: &f64| (from..=to).contains(power);
    let every = |step: f64| multiples(from, to, step);
    let mantissas = |all: &[f64]| -> Vec<f64> {
        let whole = multiples(from.floor(), to.ceil(), 1.0);
        whole
            .into_iter()
            .flat_map(|power| all.iter().map(move |m| power + m.log10()))
            .filter(within)
            .collect()
    };
    let ticks = match to - from {
        span if span < 0.8 => mantissas(&[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]),
        span if span < 2.5 => mantissas(&[1.0, 2.0, 5.0]),
        _ => every(decades.ceil()),
    };
    Axis { from, to, ticks, decimals: 0 }
}

/// The label of a tick of [`powers`]: the number itself.
pub(crate) fn power(power: f64) -> String {
    let exponent = (power + 1e-9).floor();
    let mantissa = 10f64.powf(power - exponent);
    let tidy = format!("{mantissa:.1}").replace(".0", "");
    match exponent {
        e if e < -3.0 => format!("{tidy}e{e}"),
        e if e < 0.0 => {
            format!("{:.*}", usize::from(tidy.len() > 1) + (-e) as usize, mantissa * 10f64.powf(e))
        }
        e if e < 5.0 => {
            let digits = if e < 1.0 && tidy.len() > 1 { 1 } else { 0 };
            format!("{:.digits$}", mantissa * 10f64.powf(e))
        }
        e => format!("{tidy}e{e}"),
    }
}

/// A tick's label: with `decimals`, or as `1.5e6` where that would be long.
pub(crate) fn words(value: f64, decimals: usize) -> String {
    if value.abs() < 1e6 {
        return format!("{value:.decimals$}");
    }
    format!("{value:.1e}").replace(".0e", "e")
}

/// How many decimals tell multiples of `step` apart.
fn decimals(step: f64) -> usize {
    (-step.log10().floor()).max(0.0) as usize
}

/// Values from 0 to `most` in at most `parts` parts; the axis ends at a tick.
pub(crate) fn from_zero(most: f64, parts: usize) -> Axis {
    let step = step(most.max(f64::MIN_POSITIVE), parts);
    let to = (most / step - 1e-9).ceil().max(1.0) * step;
    Axis { from: 0.0, to, ticks: multiples(0.0, to, step), decimals: decimals(step) }
}

/// The smallest step of 1, 2 or 5 times a power of ten that divides `span` into at most `parts`.
fn step(span: f64, parts: usize) -> f64 {
    let raw = span / parts as f64;
    let power = 10f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|m| m * power)
        .find(|step| *step >= raw * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

fn multiples(from: f64, to: f64, step: f64) -> Vec<f64> {
    let (first, last) = ((from / step - 1e-9).ceil() as i64, (to / step + 1e-9).floor() as i64);
    (first..=last).map(|k| k as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_have_few_whole_ticks() {
        assert_eq!(epochs(1).ticks, [1.0]);
        assert_eq!(epochs(2).ticks, [1.0, 2.0]);
        assert_eq!(epochs(20).ticks, [5.0, 10.0, 15.0, 20.0]);
        assert_eq!(epochs(300).ticks, [50.0, 100.0, 150.0, 200.0, 250.0, 300.0]);
        for last in 1..2000 {
            let axis = epochs(last);
            assert!((1..=8).contains(&axis.ticks.len()), "{axis:?}");
            assert!(
                axis.ticks.iter().all(|t| t.fract() == 0.0 && *t >= axis.from && *t <= axis.to),
                "{axis:?}"
            );
        }
    }

    #[test]
    fn percentages_stay_within_0_and_100_and_hold_the_data() {
        for low in 0..=1000 {
            for high in low..=1000 {
                let (low, high) = (f64::from(low) / 10.0, f64::from(high) / 10.0);
                let axis = percent(low, high);
                assert!(axis.from >= 0.0 && axis.to <= 100.0, "{low} {high}: {axis:?}");
                assert!(
                    axis.from <= low + 1e-6 && axis.to >= high - 1e-6,
                    "{low} {high}: {axis:?}"
                );
                assert!(axis.to - axis.from >= 2.0 - 1e-6, "{low} {high}: {axis:?}");
                assert!((3..=8).contains(&axis.ticks.len()), "{low} {high}: {axis:?}");
            }
        }
    }

    #[test]
    fn axes_from_zero_hold_the_data_with_few_ticks_that_differ() {
        for k in 1..3000 {
            let high = f64::from(k) * 10f64.powi(k % 19 - 9);
            let (until, above) = (until(high), above(high));
            assert_eq!((until.from, until.to, above.from), (0.0, high, 0.0));
            assert!(above.to >= high * (1.0 - 1e-6) && above.to <= 2.0 * high, "{high}: {above:?}");
            for Axis { ticks, decimals, .. } in [until, above] {
                let labels: std::collections::BTreeSet<_> =
                    ticks.iter().map(|t| format!("{t:.decimals$}")).collect();
                assert!(
                    labels.len() == ticks.len() && (3..=9).contains(&ticks.len()),
                    "{high}: {labels:?}"
                );
            }
        }
    }

    #[test]
    fn axes_from_zero_hold_the_data_and_end_at_a_tick() {
        for most in [1e-3, 0.7, 1.0, 34.0, 155.4, 315.0, 7_152.0] {
            for parts in [2, 4, 7] {
                let axis = from_zero(most, parts);
                assert!(
                    axis.to >= most * (1.0 - 1e-9) && axis.from == 0.0,
                    "{most} {parts}: {axis:?}"
                );
                assert!((2..=parts + 1).contains(&axis.ticks.len()), "{most} {parts}: {axis:?}");
                assert!(
                    (axis.ticks[axis.ticks.len() - 1] - axis.to).abs() <= 1e-9 * most,
                    "{axis:?}"
                );
            }
        }
        assert_eq!(from_zero(155.4, 4).ticks, [0.0, 50.0, 100.0, 150.0, 200.0]);
    }

    #[test]
    fn logarithmic_axes_hold_the_data_and_name_their_ticks() {
        for low in -120..=120 {
            for high in low..=120 {
                let (low, high) = (f64::from(low) / 10.0, f64::from(high) / 10.0);
                let axis = powers(low, high);
                assert!(axis.from < low && axis.to > high, "{axis:?}");
                assert!((2..=9).contains(&axis.ticks.len()), "{low} {high}: {:?}", axis.ticks);
                for &tick in &axis.ticks {
                    let read: f64 = power(tick).parse().unwrap_or(0.0);
                    assert!((read.log10() - tick).abs() < 1e-6, "{tick}: {}", power(tick));
                }
            }
        }
        assert_eq!([-3.0, 0.0, 2.0, 5.0].map(power), ["0.001", "1", "100", "1e5"]);
        assert_eq!(
            [2e-3, 0.15, 5.0, 1.5, 15.0, 2e6].map(|v: f64| power(v.log10())),
            ["0.002", "0.15", "5", "1.5", "15", "2e6"]
        );
    }

    #[test]
    fn spans_and_steps_hold_the_data() {
        for (low, high) in
            [(0.0, 0.0), (-1.3, 2.7), (1e30, -1e30), (5.0, 5.0), (1e-9, 2e-9), (-1e30, -1e30)]
        {
            let (low, high) = (f64::min(low, high), f64::max(low, high));
            let axis = span(low, high, 4);
            let slack = 1e-9 * high.abs().max(low.abs());
            assert!(
                axis.from <= low + slack && axis.to >= high - slack && axis.from < axis.to,
                "{low} {high}: {axis:?}"
            );
            assert!((2..=7).contains(&axis.ticks.len()), "{low} {high}: {axis:?}");
        }
        for last in 1..2000 {
            let axis = steps(last, 8);
            assert!((1..=9).contains(&axis.ticks.len()), "{axis:?}");
            assert!(
                axis.ticks.iter().all(|t| t.fract() == 0.0 && *t >= axis.from && *t <= axis.to),
                "{axis:?}"
            );
        }
        assert_eq!(
            [0.5, 1e5, 1.5e6, -2e30].map(|v| words(v, 1)),
            ["0.5", "100000.0", "1.5e6", "-2e30"]
        );
    }

    #[test]
    fn equal_values_stand_in_the_middle() {
        let axis = percent(94.3, 94.3);
        assert_eq!((axis.from, axis.to, axis.decimals), (93.0, 95.5, 1));
        assert_eq!((percent(100.0, 100.0).from, percent(0.0, 0.0).to), (98.0, 2.0));
    }
}
