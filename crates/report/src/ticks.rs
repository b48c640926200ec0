//! Axis ranges and ticks at 1, 2 or 5 times a power of ten.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;

/// The range of an axis, its ticks in increasing order and the number of decimals that tells them apart.
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

/// Percentages from `low` to `high`, both within 0 to 100, with a tick at each end. The axis spans at least two points:
/// closer in, noise would look like a result.
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
    [1.0, 2.0, 5.0].into_iter().map(|m| m * power).find(|step| *step >= raw * (1.0 - 1e-9)).unwrap_or(10.0 * power)
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
            assert!(axis.ticks.iter().all(|t| t.fract() == 0.0 && *t >= axis.from && *t <= axis.to), "{axis:?}");
        }
    }

    #[test]
    fn percentages_stay_within_0_and_100_and_hold_the_data() {
        for low in 0..=1000 {
            for high in low..=1000 {
                let (low, high) = (f64::from(low) / 10.0, f64::from(high) / 10.0);
                let axis = percent(low, high);
                assert!(axis.from >= 0.0 && axis.to <= 100.0, "{low} {high}: {axis:?}");
                assert!(axis.from <= low + 1e-6 && axis.to >= high - 1e-6, "{low} {high}: {axis:?}");
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
                let labels: std::collections::BTreeSet<_> = ticks.iter().map(|t| format!("{t:.decimals$}")).collect();
                assert!(labels.len() == ticks.len() && (3..=9).contains(&ticks.len()), "{high}: {labels:?}");
            }
        }
    }

    #[test]
    fn axes_from_zero_hold_the_data_and_end_at_a_tick() {
        for most in [1e-3, 0.7, 1.0, 34.0, 155.4, 315.0, 7_152.0] {
            for parts in [2, 4, 7] {
                let axis = from_zero(most, parts);
                assert!(axis.to >= most * (1.0 - 1e-9) && axis.from == 0.0, "{most} {parts}: {axis:?}");
                assert!((2..=parts + 1).contains(&axis.ticks.len()), "{most} {parts}: {axis:?}");
                assert!((axis.ticks[axis.ticks.len() - 1] - axis.to).abs() <= 1e-9 * most, "{axis:?}");
            }
        }
        assert_eq!(from_zero(155.4, 4).ticks, [0.0, 50.0, 100.0, 150.0, 200.0]);
    }

    #[test]
    fn equal_values_stand_in_the_middle() {
        let axis = percent(94.3, 94.3);
        assert_eq!((axis.from, axis.to, axis.decimals), (93.0, 95.5, 1));
        assert_eq!((percent(100.0, 100.0).from, percent(0.0, 0.0).to), (98.0, 2.0));
    }
}
