//! What a record must hold for its numbers to be believed: numbers in their ranges, and lists that
//! belong together of one length. A run that diverged is a result too, so NaN and infinity pass.

use crate::rule::{Checked, ensure};
use crate::{Analysis, Fold, Histogram, Record, Trace, outcome_of, results};

/// Counts above this are no counts: a number of JSON holds no more exactly.
const MOST: u64 = 1 << 53;
/// Layers of a network, classes of a data set: more are no record of ours.
const MANY: usize = 4096;
/// Time steps: as many as a run may take.
const STEPS: usize = 1 << 16;

/// Holds a record to the rules.
pub(crate) fn check(record: &Record) -> Checked {
    let seconds = record.seconds;
    let possible = seconds.is_nan() || seconds >= 0.0;
    ensure(possible, "seconds of 0 or more", sentence::number(seconds))?;
    started(&record.started_utc)?;
    let data = &record.data;
    let published = [data.train_published, data.test_published];
    for count in [data.train, data.held_out, data.test].into_iter().chain(published) {
        ensure(count <= MOST, "a number of samples below 2⁵³", count)?;
    }
    if let Some(Fold { number, of }) = data.fold {
        let found = format!("fold {number} of {of}");
        let is = (1..=of).contains(&number) && of > 1 && of <= MOST;
        ensure(is, "a fold of two or more, counted from 1", found)?;
    }
    outcome(record)?;
    results::check(record)?;
    record.analysis.as_ref().map_or(Ok(()), analysis)
}

/// That what is said of single samples is as the accuracy of the last epoch has it.
fn outcome(record: &Record) -> Checked {
    let Some(text) = &record.outcome else { return Ok(()) };
    let test = record.data.test;
    let expected = format!("an outcome of {test} test samples");
    // a text is never longer than a file may be
    let right = usize::try_from(test).ok().filter(|test| test.div_ceil(4) == text.len());
    let right = right.and_then(|test| outcome_of(text, test));
    ensure(right.is_some(), &expected, format!("\"{}\"", sentence::shown(text)))?;
    let correct = right.map_or(0, |right| right.iter().filter(|right| **right).count());
    let percent = 100.0 * correct as f64 / test.max(1) as f64;
    let last = record.metrics.iter().find(|metric| metric.name == "test accuracy, last epoch");
    let same = last.is_none_or(|last| (last.value - percent).abs() < 1e-6);
    ensure(same, "an outcome with the last epoch's accuracy", sentence::number(percent))
}

fn started(utc: &str) -> Checked {
    let expected = "the start of the run in UTC as RFC 3339, such as 2025-01-02T03:04:05Z";
    ensure(humantime::parse_rfc3339(utc).is_ok(), expected, sentence::shown(utc))
}

fn analysis(analysis: &Analysis) -> Checked {
    let Analysis { samples, steps, layers, classes, confusion, .. } = analysis;
    ensure(*samples <= MOST, "a number of samples below 2⁵³", samples)?;
    ensure((1..=STEPS).contains(steps), "1 to 65536 time steps", steps)?;
    ensure(layers.len() <= MANY, "at most 4096 layers", layers.len())?;
    results::once("layer of an analysis", layers.iter().map(|layer| &*layer.name))?;
    results::once("energy of an analysis", analysis.energy.iter().map(|energy| &*energy.name))?;
    ensure(classes.len() <= MANY, "at most 4096 classes", classes.len())?;
    let square = confusion.iter().all(|row| row.len() == classes.len());
    let sizes = format!("{} rows for {} classes", confusion.len(), classes.len());
    ensure(square && confusion.len() == classes.len(), "a confusion of all classes", sizes)?;
    let mut all = confusion.iter().flatten();
    let sum = all.try_fold(0u64, |sum, &count| sum.checked_add(count));
    let of = sum.map_or("more than any".to_owned(), |sum| sum.to_string());
    ensure(sum == Some(*samples), &format!("a confusion of {samples} samples"), of)?;
    for layer in layers {
        for count in [layer.neurons, layer.spikes, layer.input_nonzero, layer.input_values] {
            ensure(count <= MOST, "counts of a layer below 2⁵³", count)?;
        }
        for count in [layer.accumulates, layer.multiply_accumulates, layer.dense] {
            ensure(count <= MOST, "operations of a layer below 2⁵³", count)?;
        }
    }
    let lengths = [analysis.anytime_percent.len(), analysis.final_from_step.len()];
    let expected = format!("decisions at {steps} steps");
    for length in lengths {
        ensure(length == *steps, &expected, length)?;
    }
    for &value in &analysis.anytime_percent {
        let possible = !value.is_finite() || (0.0..=100.0).contains(&value);
        ensure(possible, "accuracies over steps from 0 to 100 %", sentence::number(value))?;
    }
    for &n in &analysis.final_from_step {
        ensure(n <= *samples, &format!("at most {samples} final decisions"), n)?;
    }
    analysis.trace.as_ref().map_or(Ok(()), |it| trace(it, *steps, classes.len()))
}

fn trace(trace: &Trace, steps: usize, classes: usize) -> Checked {
    for class in [trace.label, trace.predicted] {
        let known = (class as usize) < classes;
        ensure(known, &format!("a class of the {classes} in a trace"), class)?;
    }
    ensure(trace.layers.len() <= MANY, "at most 4096 traced layers", trace.layers.len())?;
    for layer in &trace.layers {
        let (shown, spikes) = (layer.shown.len(), layer.spikes.len());
        ensure(shown == spikes, &format!("spikes of {shown} neurons shown"), spikes)?;
        ensure(layer.neurons <= MOST, "a number of neurons below 2⁵³", layer.neurons)?;
        let u = layer.membrane.u.len();
        ensure(u == steps, &format!("a membrane of {steps} steps"), u)?;
        let mut late = layer.spikes.iter().flatten().chain(&layer.membrane.spikes);
        let late = late.find(|step| **step >= steps);
        if let Some(late) = late {
            ensure(false, &format!("spikes at steps below {steps}"), late)?;
        }
        let outside = layer.shown.iter().find(|index| **index >= layer.neurons);
        if let Some(outside) = outside {
            ensure(false, &format!("indices below {} neurons", layer.neurons), outside)?;
        }
        histogram(&layer.histogram)?;
    }
    Ok(())
}

fn histogram(Histogram { edges, counts }: &Histogram) -> Checked {
    let sizes = format!("{} edges of {} counts", edges.len(), counts.len());
    ensure(edges.len() == counts.len() + 1, "one edge more than counts", sizes)?;
    let rising = edges.windows(2).all(|pair| pair[0] < pair[1]);
    let finite = edges.iter().all(|edge| edge.is_finite());
    ensure(rising && finite, "edges of a histogram that are finite and rise", "others")?;
    let most = counts.iter().max().copied().unwrap_or(0);
    ensure(most <= MOST / MANY as u64 && counts.len() <= MANY, "fewer counts in bins", most)
}
