use plotters::prelude::*;

use super::labels::{Names, local};
use super::{Caption, Series, Style, check, fail, page};
use crate::theme::{self, Area, COLOURS, Chart, DrawResult, Key, Mark, WIDTH, px};
use crate::ticks::{self, Axis};
use crate::{Error, summary};

/// More layers than this have no room.
const MOST_LAYERS: usize = 100;
/// Height of the bars' axis, pt.
const PLOT: f64 = 150.0;
const LEFT: f64 = 42.0;
const RIGHT: f64 = 12.0;
/// Share of a layer's place that its bars take.
const GROUP: f64 = 0.8;

/// Firing rate (%) of each layer: for each of at most seven methods a bar to the mean of its seeds,
/// with a whisker of ± the sample standard deviation and a dot for each seed. A method's `seeds`
/// hold one percentage for each of `layers`.
///
/// # Errors
/// [`Error::Figure`] when there is no method or more than seven, no layer or more than 100, when a
/// method has not one value for each layer or a value that is not a percentage from 0 to 100;
/// [`Error::Draw`] when the drawing library fails.
pub fn layer_rates(
    layers: &[String],
    methods: &[Series],
    caption: &Caption,
) -> Result<String, Error> {
    if layers.is_empty() || layers.len() > MOST_LAYERS {
        let found = layers.len().to_string();
        return Err(fail(caption, format!("1 to {MOST_LAYERS} layers"), found, "leave layers out"));
    }
    check(methods, caption, Style::COLOURS, "layer")?;
    if let Some(Series { name, seeds }) =
        methods.iter().find(|one| one.seeds[0].len() != layers.len())
    {
        let found = format!("{} in \"{name}\"", seeds[0].len());
        return Err(fail(
            caption,
            format!("a value for each of {} layers", layers.len()),
            found,
            "name every layer",
        ));
    }
    let several = methods.iter().any(|one| one.seeds.len() > 1);
    let meaning = "bar: mean of the seeds; whisker: ± sample standard deviation; dot: one seed";
    let keys = methods.iter().zip(COLOURS);
    let legend =
        keys.map(|(one, colour)| Key { name: &one.name, colour, mark: Mark::Square }).collect();
    let slot_pt = (WIDTH - LEFT - RIGHT - 8.0) / layers.len() as f64;
    let names = Names::new(layers, slot_pt, 90.0);
    let body_pt = PLOT + names.height_pt + 10.0;
    page(caption, if several { meaning } else { "" }, legend, body_pt, |area| {
        draw(area, &names, methods, slot_pt)
    })
}

fn draw(area: &Area, names: &Names, methods: &[Series], slot_pt: f64) -> DrawResult {
    let layers = methods[0].seeds[0].len();
    let x = Axis { from: -0.5, to: layers as f64 - 0.5, ticks: Vec::new(), decimals: 0 };
    let y = ticks::from_zero(highest(methods, layers), 6);
    let decimals = [0, y.decimals];
    let mut chart = ChartBuilder::on(area)
        .margin(px(4.0))
        .margin_right(px(RIGHT))
        .x_label_area_size(px(names.height_pt + 5.0))
        .y_label_area_size(px(LEFT))
        .build_cartesian_2d(x, y)?;
    theme::mesh(&mut chart, ["", "Firing rate (%)"], decimals)?;
    let width = GROUP / methods.len() as f64;
    for (k, (method, colour)) in methods.iter().zip(COLOURS).enumerate() {
        for layer in 0..layers {
            let middle = layer as f64 - GROUP / 2.0 + width * (k as f64 + 0.5);
            let values: Vec<f64> = method.seeds.iter().map(|run| run[layer]).collect();
            bar(&mut chart, (middle, width, width * slot_pt), &values, colour)?;
        }
    }
    // the axis again, over the bars' feet
    let zero = BLACK.stroke_width(px(0.6) as u32);
    chart.draw_series([PathElement::new([(-0.5, 0.0), (layers as f64 - 0.5, 0.0)], zero)])?;
    let place = |layer: usize| local(area, chart.backend_coord(&(layer as f64, 0.0)));
    names.draw(area, |layer| place(layer).0, place(0).1 + px(3.0))
}

/// The highest that is drawn; 1 % where there is nothing.
fn highest(methods: &[Series], layers: usize) -> f64 {
    let mut most = 0.0;
    for method in methods {
        for layer in 0..layers {
            let values: Vec<f64> = method.seeds.iter().map(|run| run[layer]).collect();
            let reach = summary(&values).map_or(0.0, |s| (s.mean + s.sd.unwrap_or(0.0)).min(100.0));
            most = values.iter().fold(f64::max(most, reach), |most, &value| most.max(value));
        }
    }
    // below a millionth of a percent no network of this size has one spike
    if most < 1e-6 { 1.0 } else { most }
}

/// One bar around `middle`, `width` wide in layers and `width_pt` in points.
fn bar(
    chart: &mut Chart,
    (middle, width, width_pt): (f64, f64, f64),
    values: &[f64],
    colour: RGBColor,
) -> DrawResult {
    let Some(s) = summary(values) else { return Ok(()) };
    let half = 0.46 * width;
    chart.draw_series([Rectangle::new(
        [(middle - half, 0.0), (middle + half, s.mean)],
        colour.filled(),
    )])?;
    let Some(sd) = s.sd else { return Ok(()) };
    let (low, high) = ((s.mean - sd).max(0.0), (s.mean + sd).min(100.0));
    let cap = 0.2 * width;
    let strokes = [
        [(middle, low), (middle, high)],
        [(middle - cap, low), (middle + cap, low)],
        [(middle - cap, high), (middle + cap, high)],
    ];
    let style = BLACK.stroke_width(px((0.12 * width_pt).clamp(0.3, 0.7)) as u32);
    chart.draw_series(strokes.map(|stroke| PathElement::new(stroke, style)))?;
    // the seeds side by side, in their order, so that equal values do not hide each other
    let radius = px((0.12 * width_pt).clamp(0.35, 1.1));
    let apart = 0.6 * width / values.len() as f64;
    let from = middle - apart * (values.len() - 1) as f64 / 2.0;
    let dots = values.iter().enumerate().map(|(k, &value)| (from + apart * k as f64, value));
    let dots: Vec<_> = dots.collect();
    if width_pt > 5.0 {
        chart.draw_series(
            dots.iter().map(|&at| Circle::new(at, radius + px(0.3), WHITE.filled())),
        )?;
    }
    chart.draw_series(dots.iter().map(|&at| Circle::new(at, radius, theme::GREY.filled())))?;
    Ok(())
}
