use plotters::prelude::*;

use super::{Axes, Band, Caption, Series, Style, check, fail, page};
use crate::theme::{self, Area, COLOURS, Chart, Dash, DrawResult, Key, Mark, px};
use crate::ticks::{self, Axis};
use crate::{Error, summary};

/// Up to this many epochs each mean has a dot, because a short line hides how few values it joins.
const DOTS: usize = 12;
/// Height below the head, pt.
const BODY: f64 = 190.0;

/// Test accuracy (%) over epochs, from 1: a line through the mean of the seeds for each of at most
/// seven series, with a band where there are several seeds, and on request a thin line for each
/// seed (`each_seed`).
///
/// # Errors
/// [`Error::Figure`] when there is no series or more than seven, when a series has no value or
/// seeds of different length, or when a value is not a percentage from 0 to 100; [`Error::Draw`]
/// when the drawing library fails.
pub fn accuracy_curves(
    series: &[Series],
    caption: &Caption,
    band: Band,
    each_seed: bool,
) -> Result<String, Error> {
    check(series, caption, Style::COLOURS, "epoch")?;
    drawn(
        series,
        caption,
        band,
        &Axes { x: "Epoch", y: "Test accuracy (%)", styles: &[], each_seed },
    )
}

/// Test accuracy (%) when only the votes of the first t time steps count, over t from 1, as
/// [`crate::Analysis::anytime_percent`] holds it: otherwise as [`accuracy_curves`], for at most 21
/// series.
///
/// # Errors
/// As [`curves`].
pub fn anytime(series: &[Series], caption: &Caption, band: Band) -> Result<String, Error> {
    check(series, caption, Style::COUNT, "step")?;
    drawn(
        series,
        caption,
        band,
        &Axes { x: "Time steps used", y: "Test accuracy (%)", styles: &[], each_seed: false },
    )
}

/// Percentages over what `axes` says, from 1: a line through the mean of the seeds for each of at
/// most 21 series, told apart by colour and dashes, with a band where there are several seeds.
/// Series may differ in length.
///
/// # Errors
/// [`Error::Figure`] when there is no series or more than 21, when a series has no value or seeds
/// of different length, when a value is not a percentage from 0 to 100 or when a style has no
/// colour; [`Error::Draw`] when the drawing library fails.
pub fn curves(
    series: &[Series],
    caption: &Caption,
    band: Band,
    axes: &Axes,
) -> Result<String, Error> {
    check(series, caption, Style::COUNT, "value")?;
    if let Some(style) = axes.styles.iter().find(|style| style.colour >= Style::COLOURS) {
        let found = format!("colour {}", style.colour);
        return Err(fail(
            caption,
            format!("colours 0 to {}", Style::COLOURS - 1),
            found,
            "choose one of them",
        ));
    }
    drawn(series, caption, band, axes)
}

fn drawn(series: &[Series], caption: &Caption, band: Band, axes: &Axes) -> Result<String, Error> {
    let style = |k: usize| axes.styles.get(k).copied().unwrap_or_else(|| Style::nth(k));
    let curves: Vec<Drawn> =
        series.iter().enumerate().map(|(k, one)| Drawn::new(one, style(k), band)).collect();
    let legend = curves.iter().map(|curve| Key {
        name: &curve.series.name,
        colour: curve.colour,
        mark: Mark::Line(curve.dash),
    });
    page(caption, &meaning(series, band), legend.collect(), BODY, |area| {
        draw(area, &curves, last_epoch(series), axes)
    })
}

/// What line and band stand for; nothing where each series is a single run.
fn meaning(series: &[Series], band: Band) -> String {
    if series.iter().all(|one| one.seeds.len() < 2) {
        return String::new();
    }
    let (mean, spread) =
        if last_epoch(series) == 1 { ("dot", "whisker") } else { ("line", "band") };
    match band {
        Band::MinMax => format!("{mean}: mean of the seeds; {spread}: lowest to highest seed"),
        Band::Deviation => {
            format!("{mean}: mean of the seeds; {spread}: ± sample standard deviation")
        }
    }
}

fn last_epoch(series: &[Series]) -> usize {
    series.iter().flat_map(|one| one.seeds.iter().map(Vec::len)).max().unwrap_or(0)
}

/// A series with what is drawn of it, one element an epoch.
struct Drawn<'a> {
    series: &'a Series,
    colour: RGBColor,
    dash: Dash,
    mean: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
}

impl Drawn<'_> {
    fn new(series: &Series, style: Style, band: Band) -> Drawn<'_> {
        let Style { colour, dash } = style;
        let colour = COLOURS[colour % COLOURS.len()];
        let mut drawn =
            Drawn { series, colour, dash, mean: Vec::new(), low: Vec::new(), high: Vec::new() };
        for epoch in 0..series.seeds.first().map_or(0, Vec::len) {
            let values: Vec<f64> = series.seeds.iter().map(|run| run[epoch]).collect();
            let (least, most) =
                values.iter().fold((100.0, 0.0), |(a, b), &x| (f64::min(a, x), f64::max(b, x)));
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

fn draw(area: &Area, curves: &[Drawn], epochs: usize, axes: &Axes) -> DrawResult {
    let each_seed = axes.each_seed;
    let y = y_axis(curves, each_seed);
    let decimals = y.decimals;
    let mut chart = ChartBuilder::on(area)
        .margin(px(4.0))
        .margin_right(px(12.0)) // half of the last tick's label stands beyond the axis
        .x_label_area_size(px(28.0))
        .y_label_area_size(px(38.0))
        .build_cartesian_2d(ticks::epochs(epochs), y)?;
    theme::mesh(&mut chart, [axes.x, axes.y], [0, decimals])?;
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
    let (low, high) =
        drawn.fold((100.0, 0.0), |(a, b), &value| (f64::min(a, value), f64::max(b, value)));
    ticks::percent(low, high)
}

fn points(values: &[f64]) -> impl DoubleEndedIterator<Item = (f64, f64)> + Clone {
    values.iter().enumerate().map(|(k, &value)| ((k + 1) as f64, value))
}

fn bands(chart: &mut Chart, curve: &Drawn, each_seed: bool) -> DrawResult {
    if curve.series.seeds.len() < 2 {
        return Ok(());
    }
    let outline: Vec<_> = points(&curve.high).chain(points(&curve.low).rev()).collect();
    chart.draw_series([Polygon::new(outline, curve.colour.mix(0.18))])?;
    for run in curve.series.seeds.iter().filter(|_| each_seed) {
        chart.draw_series(LineSeries::new(
            points(run),
            curve.colour.mix(0.5).stroke_width(px(0.4) as u32),
        ))?;
    }
    Ok(())
}

fn line(chart: &mut Chart, curve: &Drawn) -> DrawResult {
    let style = curve.colour.stroke_width(px(1.1) as u32);
    match curve.dash.lengths() {
        None => {
            chart.draw_series(LineSeries::new(points(&curve.mean), style))?;
        }
        Some([dash, gap]) => {
            chart.draw_series(DashedLineSeries::new(points(&curve.mean), dash, gap, style))?;
        }
    }
    if curve.mean.len() <= DOTS {
        chart.draw_series(
            points(&curve.mean).map(|at| Circle::new(at, px(1.6), curve.colour.filled())),
        )?;
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
            let strokes = [
                [(x, low), (x, high)],
                [(x - CAP, low), (x + CAP, low)],
                [(x - CAP, high), (x + CAP, high)],
            ];
            let style = curve.colour.stroke_width(px(0.8) as u32);
            chart.draw_series(strokes.map(|stroke| PathElement::new(stroke, style)))?;
        }
        let seeds = curve.series.seeds.iter().filter(|_| each_seed).flatten();
        chart.draw_series(
            seeds.map(|&value| Circle::new((x, value), px(1.3), curve.colour.mix(0.5).filled())),
        )?;
        chart.draw_series([Circle::new((x, mean), px(2.2), curve.colour.filled())])?;
    }
    Ok(())
}
