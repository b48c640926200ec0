//! Small panels of the same kind, one a layer.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::labels::{along, word};
use super::raster::{MOST_LAYERS, sample, steps};
use super::{Caption, fail, page};
use crate::recording::thousands;
use crate::theme::{self, Area, COLOURS, Dash, DrawResult, GREY, Key, MARGIN, Mark, WIDTH, px};
use crate::ticks::{self, Axis};
use crate::{Error, Histogram, LayerTrace, Trace};

/// Membranes beyond this have no axis.
const LARGEST: f64 = 1e30;
/// Room for the words along the axes, pt.
const WORDS: f64 = 11.0;
/// Height of a panel's title, pt.
const TITLE: f64 = 10.0;
/// Up to this many steps the membrane has a dot at each.
const DOTS: usize = 40;

/// The membrane u before reset of the most active neuron shown of each layer, over time, with its
/// threshold θ and a mark for each spike: a panel a layer, each with a scale of its own. `classes`
/// names the labels, and may be empty.
///
/// # Errors
/// [`Error::Figure`] when there is no layer or more than 100, no time step, when layers differ in
/// their steps, when a spike lies beyond the last step, or when u or θ is not finite or beyond
/// ±1e30; [`Error::Draw`] when the drawing library fails.
pub fn membranes(trace: &Trace, classes: &[String], caption: &Caption) -> Result<String, Error> {
    let steps = steps(trace, caption)?;
    for LayerTrace { name, membrane, .. } in &trace.layers {
        if let Some(bad) =
            membrane.u.iter().chain([&membrane.threshold]).find(|value| !drawable(**value))
        {
            let found = format!("{bad} in \"{name}\"");
            return Err(fail(
                caption,
                "finite membranes and thresholds",
                found,
                "leave the layer out",
            ));
        }
    }
    let legend = vec![
        Key::line("membrane u before reset", COLOURS[0]),
        Key { name: "threshold θ", colour: GREY, mark: Mark::Line(Dash::Dashed) },
        Key { name: "spike", colour: COLOURS[1], mark: Mark::Dot },
    ];
    let grid = Grid::new(trace.layers.len());
    let words = ["Time step", "Membrane u"];
    page(caption, &sample(trace, classes), legend, grid.height_pt(), |area| {
        grid.draw(area, words, |k, panel| membrane(panel, &trace.layers[k], steps))
    })
}

/// How often each membrane u before reset occurred, over all neurons of a layer and all steps, in
/// percent of them: a panel a layer, with the threshold θ.
///
/// # Errors
/// [`Error::Figure`] when there is no layer or more than 100, or when a histogram has no bins, not
/// one edge more than bins, edges that do not rise or that are not finite or beyond ±1e30, or a
/// threshold that is not finite; [`Error::Draw`] when the drawing library fails.
pub fn histograms(trace: &Trace, caption: &Caption) -> Result<String, Error> {
    let layers = trace.layers.len();
    if layers == 0 || layers > MOST_LAYERS {
        let expected = format!("a trace of 1 to {MOST_LAYERS} layers");
        return Err(fail(caption, expected, layers.to_string(), "leave layers out"));
    }
    for LayerTrace { name, histogram: Histogram { edges, counts }, membrane, .. } in &trace.layers {
        if counts.is_empty() || edges.len() != counts.len() + 1 {
            let found = format!("{} edges and {} counts in \"{name}\"", edges.len(), counts.len());
            return Err(fail(
                caption,
                "one edge more than counts",
                found,
                "count the membranes again",
            ));
        }
        if !edges.windows(2).all(|pair| pair[0] < pair[1])
            || !edges.iter().all(|edge| drawable(*edge))
        {
            let found = format!("edges that are not in \"{name}\"");
            return Err(fail(
                caption,
                "finite edges that rise",
                found,
                "count the membranes again",
            ));
        }
        if !drawable(membrane.threshold) {
            let found = format!("{} in \"{name}\"", membrane.threshold);
            return Err(fail(caption, "a finite threshold", found, "leave the layer out"));
        }
    }
    let meaning = "first and last bin: with all values beyond";
    let legend = vec![
        Key { name: "neurons × time steps", colour: COLOURS[0], mark: Mark::Square },
        Key { name: "threshold θ", colour: GREY, mark: Mark::Line(Dash::Dashed) },
    ];
    let grid = Grid::new(layers);
    let words = ["Membrane u before reset", "Share of all values (%)"];
    page(caption, meaning, legend, grid.height_pt(), |area| {
        grid.draw(area, words, |k, panel| histogram(panel, &trace.layers[k]))
    })
}

fn drawable(value: f64) -> bool {
    value.is_finite() && value.abs() <= LARGEST
}

/// Where the panels stand.
struct Grid {
    panels: usize,
    columns: usize,
    row_pt: f64,
}

impl Grid {
    fn new(panels: usize) -> Grid {
        let (columns, row_pt) = match panels {
            1 => (1, 130.0),
            2..=8 => (2, 92.0),
            9..=24 => (3, 80.0),
            _ => (4, 66.0),
        };
        Grid { panels, columns, row_pt }
    }

    fn height_pt(&self) -> f64 {
        self.row_pt * self.panels.div_ceil(self.columns) as f64 + WORDS + MARGIN
    }

    /// Draws each panel, and `words` once along the axes of all.
    fn draw(
        &self,
        area: &Area,
        words: [&str; 2],
        panel: impl Fn(usize, &Area) -> DrawResult,
    ) -> DrawResult {
        let rows = self.panels.div_ceil(self.columns);
        let (width_pt, height_pt) =
            ((WIDTH - WORDS - MARGIN) / self.columns as f64, self.row_pt * rows as f64);
        for k in 0..self.panels {
            let left = MARGIN + WORDS + width_pt * (k % self.columns) as f64 - 2.0;
            let top = self.row_pt * (k / self.columns) as f64;
            let place = area.clone().shrink((px(left), px(top)), (px(width_pt), px(self.row_pt)));
            panel(k, &place)?;
        }
        let style = theme::text(8.0, BLACK);
        let used = self.columns.min(self.panels) as f64;
        word(
            area,
            words[0],
            (px(WORDS + MARGIN + width_pt * used / 2.0), px(height_pt + 5.0)),
            HPos::Center,
            style.clone(),
        )?;
        along(area, words[1], (px(MARGIN + 4.0), px(height_pt / 2.0)), style)
    }
}

/// The title of a panel; returns the area below it.
fn titled<'a>(
    area: &Area<'a>,
    name: &str,
    more: &str,
) -> Result<Area<'a>, DrawingAreaErrorKind<std::io::Error>> {
    const LEFT: f64 = 28.0; // where the axis begins
    let (top, rest) = area.split_vertically(px(TITLE));
    let style = theme::text(7.0, BLACK);
    let room = px(theme::pt(area.dim_in_pixel().0 as i32) - LEFT - 4.0);
    let words = theme::shortened(name, room, &style);
    word(&top, &words, (px(LEFT), px(6.0)), HPos::Left, style.clone())?;
    let small = theme::text(6.0, GREY);
    let used = theme::measure(&words, &style) + px(4.0);
    if used + theme::measure(more, &small) <= room {
        word(&top, more, (px(LEFT) + used, px(6.2)), HPos::Left, small)?;
    }
    Ok(rest)
}

fn membrane(area: &Area, layer: &LayerTrace, steps: usize) -> DrawResult {
    let rest = titled(
        area,
        &layer.name,
        &format!(
            "neuron {} of {}",
            thousands(layer.membrane.neuron as usize),
            thousands(layer.neurons as usize)
        ),
    )?;
    let (u, threshold) = (&layer.membrane.u, layer.membrane.threshold);
    let (low, high) =
        u.iter().fold((threshold.min(0.0), threshold), |(a, b), &u| (a.min(u), b.max(u)));
    let x = ticks::steps(steps, 5);
    let (from, to) = (x.from, x.to);
    let mut chart = theme::panel(&rest, [x, ticks::span(low, high, 4)], ["", ""])?;
    dashed(&mut chart, [(from, threshold), (to, threshold)])?;
    let points = || u.iter().enumerate().map(|(step, &u)| (step as f64 + 1.0, u));
    chart.draw_series(LineSeries::new(points(), COLOURS[0].stroke_width(px(0.9) as u32)))?;
    if steps <= DOTS {
        chart.draw_series(points().map(|at| Circle::new(at, px(1.0), COLOURS[0].filled())))?;
    }
    let fired = layer.membrane.spikes.iter().map(|&step| (step as f64 + 1.0, u[step]));
    chart.draw_series(fired.map(|at| Circle::new(at, px(1.7), COLOURS[1].filled())))?;
    Ok(())
}

fn dashed(chart: &mut theme::Chart, ends: [(f64, f64); 2]) -> DrawResult {
    let style = GREY.stroke_width(px(0.7) as u32);
    let [dash, gap] = Dash::Dashed.lengths().unwrap_or([px(1.0); 2]);
    chart.draw_series(DashedLineSeries::new(ends, dash, gap, style))?;
    Ok(())
}

fn histogram(area: &Area, layer: &LayerTrace) -> DrawResult {
    let Histogram { edges, counts } = &layer.histogram;
    let threshold = layer.membrane.threshold;
    let rest =
        titled(area, &layer.name, &format!("{} neurons", thousands(layer.neurons as usize)))?;
    let (low, high) = (edges[0].min(threshold), edges[edges.len() - 1].max(threshold));
    let all = counts.iter().map(|&count| count as f64).sum::<f64>().max(1.0);
    let share = |count: u64| 100.0 * count as f64 / all;
    let most = counts.iter().map(|&count| share(count)).fold(0.0, f64::max);
    let x = ticks::span(low, high, 4);
    let x = Axis {
        from: low - 0.02 * (high - low),
        to: high + 0.02 * (high - low),
        ..within(x, low, high)
    };
    let y = ticks::from_zero(if most > 0.0 { most } else { 1.0 }, 4);
    let top = y.to;
    let mut chart = theme::panel(&rest, [x, y], ["", ""])?;
    // one outline, because bars side by side would show the ground between them
    let steps = counts.iter().zip(edges.windows(2));
    let steps = steps.flat_map(|(&count, edge)| [(edge[0], share(count)), (edge[1], share(count))]);
    let feet = [(edges[edges.len() - 1], 0.0), (edges[0], 0.0)];
    chart
        .draw_series([Polygon::new(steps.chain(feet).collect::<Vec<_>>(), COLOURS[0].filled())])?;
    dashed(&mut chart, [(threshold, 0.0), (threshold, top)])
}

/// The axis without the ticks beyond `low` and `high`.
fn within(mut axis: Axis, low: f64, high: f64) -> Axis {
    let slack = 1e-9 * (high - low);
    axis.ticks.retain(|tick| (low - slack..=high + slack).contains(tick));
    axis
}
