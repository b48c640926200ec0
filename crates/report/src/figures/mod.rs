//! Figures as SVG text: 5 in wide, with a title, a subtitle and a legend above the axes; [`png()`]
//! makes pixels of them.
//!
//! The SVG needs no other file. It was laid out with the metrics of DejaVu Sans and asks for that
//! font first and for common ones next, so it stays readable where DejaVu Sans is not installed.

mod bars;
mod confusion;
mod curves;
mod front;
mod labels;
mod multiples;
mod raster;

use crate::theme::{self, Area, COLOURS, DrawResult, Head, Key};
use crate::{Error, Origin};

pub use crate::raster::png;
pub use crate::theme::Dash;
pub use bars::layer_rates;
pub use confusion::confusion;
pub use curves::{accuracy_curves, anytime, curves};
pub use front::{Point, front};
pub use multiples::{histograms, membranes};
pub use raster::raster;

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

/// One method and its percentages, of each seed in one list.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The method's name in the legend.
    pub name: String,
    /// For each seed the percentage after each epoch (or with each number of steps, or of each
    /// layer: the figure says which); all seeds have the same number of values.
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

/// Which colour and dash a line has; series that belong together share one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Index of the colour, 0 to 6: blue, vermilion, green, purple, orange, sky blue, black.
    pub colour: usize,
    /// How the line is drawn.
    pub dash: Dash,
}

impl Style {
    /// Number of colours.
    pub const COLOURS: usize = COLOURS.len();
    /// Number of styles that [`Style::nth`] tells apart.
    pub const COUNT: usize = 3 * Style::COLOURS;

    /// The style of the k-th series from 0: seven colours, then the same dashed, then dotted.
    pub fn nth(k: usize) -> Style {
        let dash = [Dash::Solid, Dash::Dashed, Dash::Dotted][k / Style::COLOURS % 3];
        Style { colour: k % Style::COLOURS, dash }
    }
}

/// What stands along the axes of [`curves()`], and how its lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axes<'a> {
    /// Words along the horizontal axis, which counts from 1.
    pub x: &'a str,
    /// Words along the vertical axis, in percent.
    pub y: &'a str,
    /// The style of each series; where it has fewer, [`Style::nth`] gives the others.
    pub styles: &'a [Style],
    /// Whether each seed has a thin line of its own.
    pub each_seed: bool,
}

/// An error of the figure that `caption` belongs to.
fn fail(
    caption: &Caption,
    expected: impl Into<String>,
    found: impl Into<String>,
    advice: &'static str,
) -> Error {
    Error::Figure {
        title: caption.title.clone(),
        expected: expected.into(),
        found: found.into(),
        advice,
    }
}

/// Title, subtitle, what `meaning` adds to it, and legend, above a body of `body_pt` points.
fn page(
    caption: &Caption,
    meaning: &str,
    legend: Vec<Key>,
    body_pt: f64,
    body: impl FnOnce(&Area) -> DrawResult,
) -> Result<String, Error> {
    let head = Head {
        title: &caption.title,
        subtitles: &[&caption.subtitle, meaning],
        warning: (caption.origin == Origin::Synthetic)
            .then_some("SYNTHETIC DATA: no measurement on the published data set"),
        legend,
    };
    theme::figure(&head, body_pt, body)
        .map_err(|found| Error::Draw { title: caption.title.clone(), found })
}

/// Refuses series without values, with seeds of different length or with what is no percentage;
/// `place` is what a list has one value for, such as an epoch.
fn check(series: &[Series], caption: &Caption, most: usize, place: &str) -> Result<(), Error> {
    if series.is_empty() || series.len() > most {
        let advice = "spread the methods over several figures";
        return Err(fail(caption, format!("1 to {most} series"), series.len().to_string(), advice));
    }
    for Series { name, seeds } in series {
        let places = seeds.first().map_or(0, Vec::len);
        if places == 0 {
            let (expected, found) =
                (format!("at least one {place}"), format!("none in \"{name}\""));
            return Err(fail(caption, expected, found, "leave the series out"));
        }
        for (k, run) in seeds.iter().enumerate() {
            if run.len() != places {
                let (expected, found) = (
                    format!("as many {place}s for each seed"),
                    format!("{places} and {} in \"{name}\"", run.len()),
                );
                return Err(fail(
                    caption,
                    expected,
                    found,
                    "finish the shorter run, or leave it out",
                ));
            }
            if let Some(bad) = run.iter().position(|value| !(0.0..=100.0).contains(value)) {
                let found =
                    format!("{} in \"{name}\", run {}, {place} {}", run[bad], k + 1, bad + 1);
                return Err(fail(
                    caption,
                    "percentages from 0 to 100",
                    found,
                    "mend the value, or leave the run out",
                ));
            }
        }
    }
    Ok(())
}
