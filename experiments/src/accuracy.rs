//! Which epoch's test accuracy stands for a run.

use crate::receipt::{ANALOGUE, BEST, CURVE, HELD_OUT, LAST, RATE};
use report::{Curve, Record};

/// Epochs whose mean is shown.
const FEW: usize = 5;

/// Of which epoch, or epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epochs {
    /// The one that is best on the recordings held out of training, the first of equals.
    HeldOut,
    /// The mean of the last five, or of all where there are fewer.
    LastFive,
    /// The last.
    Last,
    /// The one that is best on the test set itself, as the paper's code reports it.
    Best,
}

impl Epochs {
    /// In the order in which tables show them.
    pub const ALL: [Epochs; 4] = [Epochs::HeldOut, Epochs::LastFive, Epochs::Last, Epochs::Best];

    /// The head of a column.
    pub fn title(self) -> &'static str {
        match self {
            Epochs::HeldOut => "Held-out-chosen epoch",
            Epochs::LastFive => "Last five epochs",
            Epochs::Last => "Last epoch",
            Epochs::Best => "Best-test epoch",
        }
    }

    /// What it is, in half a sentence.
    pub fn says(self) -> &'static str {
        match self {
            Epochs::HeldOut => {
                "test accuracy of the epoch that is best on recordings held out of training"
            }
            Epochs::LastFive => "test accuracy, mean of the last five epochs",
            Epochs::Last => "test accuracy of the last epoch",
            Epochs::Best => "test accuracy of the epoch that is best on the test set itself",
        }
    }

    /// The test accuracy of a run, in percent; `None` where its receipt does not tell.
    pub fn of(self, record: &Record) -> Option<f64> {
        let metric = |name: &str| Some(record.metrics.iter().find(|m| m.name == name)?.value);
        let test = curve(record, CURVE);
        match self {
            Epochs::HeldOut => {
                let first = analogue_epochs(record);
                let chosen = first + best(curve(record, HELD_OUT)?.values.get(first..)?)?;
                test?.values.get(chosen).copied()
            }
            // the oldest receipts have no curves
            Epochs::LastFive => test.map_or_else(
                || metric(LAST),
                |curve| last_five(curve.values.get(analogue_epochs(record)..)?),
            ),
            Epochs::Last => metric(LAST),
            Epochs::Best => metric(BEST),
        }
    }

    /// What a table shows of runs first: the epoch that held-out recordings choose where all have
    /// some, else the mean of the last five.
    pub fn primary(records: &[&Record]) -> Epochs {
        let held_out = |record: &&Record| Epochs::HeldOut.of(record).is_some();
        if records.iter().all(held_out) { Epochs::HeldOut } else { Epochs::LastFive }
    }
}

fn curve<'r>(record: &'r Record, name: &str) -> Option<&'r Curve> {
    record.curves.iter().find(|curve| curve.name == name && !curve.values.is_empty())
}

/// Epochs that trained without neurons at the beginning: their accuracies are another network's. Of
/// a run that never had neurons, none.
pub fn analogue_epochs(record: &Record) -> usize {
    let Some(curve) = curve(record, ANALOGUE) else { return 0 };
    let without = curve.values.iter().take_while(|&&part| part == 1.0).count();
    if without == curve.values.len() { 0 } else { without }
}

/// The mean firing rate on the test set after the last epoch, spikes per 100 neurons and steps.
pub fn rate_percent(record: &Record) -> Option<f64> {
    Some(record.metrics.iter().find(|m| m.name == RATE)?.value * 100.0)
}

/// How rough a curve of test accuracies is, in points: the mean size of its steps from epoch to
/// epoch, over the second half of the epochs that had neurons.
pub fn roughness(record: &Record) -> Option<f64> {
    let all = curve(record, CURVE)?.values.get(analogue_epochs(record)..)?;
    steps_of(&all[all.len() / 2..])
}

/// The mean size of the steps from value to value.
fn steps_of(values: &[f64]) -> Option<f64> {
    let steps: Vec<f64> = values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    (!steps.is_empty()).then(|| steps.iter().sum::<f64>() / steps.len() as f64)
}

/// The place of the largest value, the first of equals.
fn best(values: &[f64]) -> Option<usize> {
    let larger = |best: usize, at: usize| if values[at] > values[best] { at } else { best };
    (0..values.len()).reduce(larger)
}

/// The mean of the last five values, or of all where there are fewer.
pub fn last_five(values: &[f64]) -> Option<f64> {
    let last = &values[values.len().saturating_sub(FEW)..];
    (!last.is_empty()).then(|| last.iter().sum::<f64>() / last.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equals_is_chosen() {
        assert_eq!(best(&[50.0, 90.0, 90.0, 10.0]), Some(1));
        assert_eq!(best(&[]), None);
    }

    #[test]
    fn a_rough_curve_takes_larger_steps() {
        assert_eq!(steps_of(&[90.0, 94.0, 92.0]), Some(3.0));
        assert_eq!(steps_of(&[90.0]), None);
    }

    #[test]
    fn the_last_five_or_all_that_there_are() {
        assert_eq!(last_five(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), Some(3.0));
        assert_eq!(last_five(&[1.0, 2.0]), Some(1.5));
        assert_eq!(last_five(&[]), None);
    }
}
