//! Figures as SVG text: 5 in wide, with a title, a subtitle and a legend above the axes.
//!
//! The SVG needs no other file. It was laid out with the metrics of DejaVu Sans and asks for that font first and for
//! common ones next, so it stays readable where DejaVu Sans is not installed.

use plotters::prelude::*;

use crate::theme::{self, Area, COLOURS, Chart, DrawResult, Head, px};
use crate::ticks::{self, Axis};
use crate::{Error, Origin, summary};

/// What a figure says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caption {
    /// The title.
    pub title: String,
    /// The circumstances: data, sizes, profile, seeds.
    pub subtitle: String,
    /// Where the data comes from; synthetic data is announced on a red bar above the title.
    pub origin: Origin,
}

/// One method: its test accuracies.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The method's name in the legend.
    pub name: String,
    /// For each seed the accuracy after each epoch, in percent; all seeds have the same number of epochs.
    pub seeds: Vec<Vec<f64>>,
}

/// What the band around a mean shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band {
    /// From the lowest to the highest seed.
    MinMax,
    /// Mean ± sample standard deviation, cut at 0 and 100 %.
    Deviation,
}

/// Up to this many epochs each mean has a dot, because a short line hides how few values it joins.
const DOTS: usize = 12;

/// Test accuracy (%) over epochs, from 1: a line through the mean of the seeds for each of at most seven series, with
/// a band where there are several seeds, and on request a thin line for each seed (`each_seed`).
///
/// # Errors
/// [`Error::Figure`] when there is no series or more than seven, when a series has no value or seeds of different
/// length, or when a value is not a percentage from 0 to 100; [`Error::Draw`] when the drawing library fails.
pub fn accuracy_curves(series: &[Series], caption: &Caption, band: Band, each_seed: bool) -> Result<String, Error> {
    check(series, &caption.title)?;
    let curves: Vec<Drawn> = series.iter().zip(COLOURS).map(|(one, colour)| Drawn::new(one, colour, band)).collect();
    let meaning = meaning(series, band);
    let head = Head {
        title: &caption.title,
        subtitles: &[&caption.subtitle, &meaning],
        warning: (caption.origin == Origin::Synthetic)
            .then_some("SYNTHETIC DATA: no measurement on the published data set"),
        legend: curves.iter().map(|curve| (curve.series.name.as_str(), curve.colour)).collect(),
    };
    let epochs = last_epoch(series);
    theme::figure(&head, 190.0, |area| draw(area, &curves, epochs, each_seed))
        .map_err(|found| Error::Draw { title: caption.title.clone(), found })
}

/// What line and band stand for; nothing where each series is a single run.
fn meaning(series: &[Series], band: Band) -> String {
    if series.iter().all(|one| one.seeds.len() < 2) {
        return String::new();
    }
    let (mean, spread) = if last_epoch(series) == 1 { ("dot", "whisker") } else { ("line", "band") };
    match band {
        Band::MinMax => format!("{mean}: mean of the seeds; {spread}: lowest to highest seed"),
        Band::Deviation => format!("{mean}: mean of the seeds; {spread}: ± sample standard deviation"),
    }
}

fn last_epoch(series: &[Series]) -> usize {
    series.iter().flat_map(|one| one.seeds.iter().map(Vec::len)).max().unwrap_or(0)
}

fn check(series: &[Series], title: &str) -> Result<(), Error> {
    let fail = |expected: &str, found, advice| {
        Err(Error::Figure { title: title.to_owned(), expected: expected.to_owned(), found, advice })
    };
    if series.is_empty() || series.len() > COLOURS.len() {
        return fail("1 to 7 series", series.len().to_string(), "spread the methods over several figures");
    }
    for Series { name, seeds } in series {
        let epochs = seeds.first().map_or(0, Vec::len);
        if epochs == 0 {
            return fail("at least one epoch", format!("none in \"{name}\""), "leave the series out");
        }
        for (k, run) in seeds.iter().enumerate() {
            if run.len() != epochs {
                let found = format!("{epochs} and {} in \"{name}\"", run.len());
                return fail("as many epochs for each seed", found, "finish the shorter run, or leave it out");
            }
            if let Some(epoch) = run.iter().position(|value| !(0.0..=100.0).contains(value)) {
                let found = format!("{} in \"{name}\", run {}, epoch {}", run[epoch], k + 1, epoch + 1);
                return fail("percentages from 0 to 100", found, "mend the value, or leave the run out");
            }
        }
    }
    Ok(())
}

/// A series with what is drawn of it, one element an epoch.
struct Drawn<'a> {
    series: &'a Series,
    colour: RGBColor,
    mean: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
}

impl Drawn<'_> {
    fn new(series: &Series, colour: RGBColor, band: Band) -> Drawn<'_> {
        let mut drawn = Drawn { series, colour, mean: Vec::new(), low: Vec::new(), high: Vec::new() };
        for epoch in 0..series.seeds.first().map_or(0, Vec::len) {
            let values: Vec<f64> = series.seeds.iter().map(|run| run[epoch]).collect();
            let (least, most) = values.iter().fold((100.0, 0.0), |(a, b), &x| (f64::min(a, x), f64::max(b, x)));
            let Some(s) = summary(&values) else { continue };
            let sd = s.sd.unwrap_or(0.0);
            let (low, high) = match band {
                Band::MinMax => (least, most),
                Band::Deviation => ((s.mean - sd).max(0.0), (s.mean + sd).min(100.0)),
            };
            drawn.mean.push(s.mean);
            drawn.low.push(low);
            drawn.high.push(high);
        }
        drawn
    }
}

fn draw(area: &Area, curves: &[Drawn], epochs: usize, each_seed: bool) -> DrawResult {
    let y = y_axis(curves, each_seed);
    let decimals = y.decimals;
    let mut chart = ChartBuilder::on(area)
        .margin(px(4.0))
        .margin_right(px(12.0)) // half of the last tick's label stands beyond the axis
        .x_label_area_size(px(28.0))
        .y_label_area_size(px(38.0))
        .build_cartesian_2d(ticks::epochs(epochs), y)?;
    theme::mesh(&mut chart, ["Epoch", "Test accuracy (%)"], [0, decimals])?;
    if epochs == 1 {
        return whiskers(&mut chart, curves, each_seed);
    }
    for curve in curves {
        bands(&mut chart, curve, each_seed)?;
    }
    for curve in curves {
        line(&mut chart, curve)?;
    }
    Ok(())
}

fn y_axis(curves: &[Drawn], each_seed: bool) -> Axis {
    let drawn = curves.iter().flat_map(|curve| {
        let seeds = curve.series.seeds.iter().filter(|_| each_seed);
        curve.low.iter().chain(&curve.high).chain(seeds.flatten())
    });
    let (low, high) = drawn.fold((100.0, 0.0), |(a, b), &value| (f64::min(a, value), f64::max(b, value)));
    ticks::percent(low, high)
}

fn points(values: &[f64]) -> impl DoubleEndedIterator<Item = (f64, f64)> {
    values.iter().enumerate().map(|(k, &value)| ((k + 1) as f64, value))
}

fn bands(chart: &mut Chart, curve: &Drawn, each_seed: bool) -> DrawResult {
    if curve.series.seeds.len() < 2 {
        return Ok(());
    }
    let outline: Vec<_> = points(&curve.high).chain(points(&curve.low).rev()).collect();
    chart.draw_series([Polygon::new(outline, curve.colour.mix(0.18))])?;
    for run in curve.series.seeds.iter().filter(|_| each_seed) {
        chart.draw_series(LineSeries::new(points(run), curve.colour.mix(0.5).stroke_width(px(0.4) as u32)))?;
    }
    Ok(())
}

fn line(chart: &mut Chart, curve: &Drawn) -> DrawResult {
    chart.draw_series(LineSeries::new(points(&curve.mean), curve.colour.stroke_width(px(1.1) as u32)))?;
    if curve.mean.len() <= DOTS {
        chart.draw_series(points(&curve.mean).map(|at| Circle::new(at, px(1.6), curve.colour.filled())))?;
    }
    Ok(())
}

/// A single epoch has no line: each series is a dot with a whisker, the series side by side.
fn whiskers(chart: &mut Chart, curves: &[Drawn], each_seed: bool) -> DrawResult {
    const APART: f64 = 0.08;
    const CAP: f64 = 0.012;
    for (k, curve) in curves.iter().enumerate() {
        let x = 1.0 + APART * (k as f64 - (curves.len() - 1) as f64 / 2.0);
        let (low, mean, high) = (curve.low[0], curve.mean[0], curve.high[0]);
        if curve.series.seeds.len() > 1 {
            let strokes = [[(x, low), (x, high)], [(x - CAP, low), (x + CAP, low)], [(x - CAP, high), (x + CAP, high)]];
            let style = curve.colour.stroke_width(px(0.8) as u32);
            chart.draw_series(strokes.map(|stroke| PathElement::new(stroke, style)))?;
        }
        let seeds = curve.series.seeds.iter().filter(|_| each_seed).flatten();
        chart.draw_series(seeds.map(|&value| Circle::new((x, value), px(1.3), curve.colour.mix(0.5).filled())))?;
        chart.draw_series([Circle::new((x, mean), px(2.2), curve.colour.filled())])?;
    }
    Ok(())
}
