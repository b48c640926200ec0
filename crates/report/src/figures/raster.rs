use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::labels::{outline, word};
use super::{Caption, fail, page};
use crate::recording::thousands;
use crate::theme::{self, Area, COLOURS, DrawResult, GREY, GRID, MARGIN, WIDTH, px};
use crate::ticks::{self, Axis};
use crate::{Error, LayerTrace, Trace};

/// More layers than this have no room.
pub(super) const MOST_LAYERS: usize = 100;
/// More spikes than this make an SVG that no viewer opens.
const MOST_SPIKES: usize = 200_000;
/// Place of the panels, pt from the left.
const LEFT: f64 = 84.0;
const RIGHT: f64 = WIDTH - 12.0;
/// Between panels, pt.
const GAP: f64 = 3.0;
/// What all panels may take together, pt.
const TALLEST: f64 = 540.0;

/// One sample's spikes: a panel for each layer, from the input on; time from left to right, a row
/// for each neuron shown, a tick for each spike. `classes` names the labels, and may be empty.
///
/// # Errors
/// [`Error::Figure`] when there is no layer or more than 100, no time step, when layers differ in
/// their steps, when a spike has no neuron or lies beyond the last step, or above 200,000 spikes;
/// [`Error::Draw`] when the drawing library fails.
pub fn raster(trace: &Trace, classes: &[String], caption: &Caption) -> Result<String, Error> {
    let steps = steps(trace, caption)?;
    for LayerTrace { name, shown, spikes, .. } in &trace.layers {
        if shown.len() != spikes.len() {
            let (expected, found) = (
                format!("spikes of {} neurons in \"{name}\"", shown.len()),
                spikes.len().to_string(),
            );
            return Err(fail(caption, expected, found, "give a list for each neuron shown"));
        }
        if let Some(&late) = spikes.iter().flatten().find(|&&step| step >= steps) {
            return Err(beyond(caption, name, late, steps));
        }
    }
    let all: usize = trace.layers.iter().flat_map(|layer| &layer.spikes).map(Vec::len).sum();
    if all > MOST_SPIKES {
        return Err(fail(
            caption,
            format!("at most {MOST_SPIKES} spikes"),
            all.to_string(),
            "show fewer neurons",
        ));
    }
    let heights = heights(&trace.layers);
    let body_pt = heights.iter().map(|height| height + GAP).sum::<f64>() + 30.0;
    let meaning = format!("{}; row: a neuron; tick: a spike", sample(trace, classes));
    page(caption, &meaning, Vec::new(), body_pt, |area| draw(area, &trace.layers, &heights, steps))
}

/// The number of time steps, the same in all layers.
pub(super) fn steps(trace: &Trace, caption: &Caption) -> Result<usize, Error> {
    let layers = trace.layers.len();
    if layers == 0 || layers > MOST_LAYERS {
        let expected = format!("a trace of 1 to {MOST_LAYERS} layers");
        return Err(fail(caption, expected, layers.to_string(), "leave layers out"));
    }
    let steps = trace.layers[0].membrane.u.len();
    for LayerTrace { name, membrane, .. } in &trace.layers {
        let found = membrane.u.len();
        if found != steps || found == 0 {
            let found = format!("{steps} and {found} in \"{name}\"");
            return Err(fail(
                caption,
                "the same number of time steps in each layer, 1 or more",
                found,
                "trace it again",
            ));
        }
        if let Some(&late) = membrane.spikes.iter().find(|&&step| step >= steps) {
            return Err(beyond(caption, name, late, steps));
        }
    }
    Ok(steps)
}

fn beyond(caption: &Caption, name: &str, step: usize, steps: usize) -> Error {
    let found = format!("one at {step} in \"{name}\"");
    fail(caption, format!("spikes at steps 0 to {}", steps - 1), found, "trace the sample again")
}

/// Which sample it is, in words.
pub(super) fn sample(trace: &Trace, classes: &[String]) -> String {
    let name = |label: u32| match classes.get(label as usize) {
        Some(name) => name.clone(),
        None => label.to_string(),
    };
    let (label, predicted) = (name(trace.label), name(trace.predicted));
    let verdict = if trace.label == trace.predicted {
        "which the network says too"
    } else {
        "the network says"
    };
    let said = if trace.label == trace.predicted { String::new() } else { format!(" {predicted}") };
    format!("test sample {}: class {label}, {verdict}{said}", trace.sample)
}

/// Height of each panel, pt: by its neurons, and less where all together would be too tall.
fn heights(layers: &[LayerTrace]) -> Vec<f64> {
    let natural = layers.iter().map(|layer| (2.0 * layer.shown.len() as f64).clamp(18.0, 66.0));
    let all: f64 = natural.clone().sum();
    let scale = (TALLEST / all).min(1.0);
    natural.map(|height| (height * scale).max(8.5)).collect()
}

fn draw(area: &Area, layers: &[LayerTrace], heights: &[f64], steps: usize) -> DrawResult {
    let axis = ticks::steps(steps, 10);
    let x = |value: f64| px(LEFT + (RIGHT - LEFT) * (value - axis.from) / (axis.to - axis.from));
    let mut top_pt = 2.0;
    for (layer, &height_pt) in layers.iter().zip(heights) {
        panel(area, layer, (top_pt, height_pt), &axis, &x)?;
        top_pt += height_pt + GAP;
    }
    let bottom = px(top_pt - GAP);
    for tick in &axis.ticks {
        let line = BLACK.stroke_width(px(0.6) as u32);
        area.draw(&PathElement::new([(x(*tick), bottom), (x(*tick), bottom + px(2.5))], line))?;
        word(
            area,
            &format!("{tick:.0}"),
            (x(*tick), bottom + px(7.5)),
            HPos::Center,
            theme::text(7.0, BLACK),
        )?;
    }
    let middle = (px((LEFT + RIGHT) / 2.0), bottom + px(19.0));
    word(area, "Time step", middle, HPos::Center, theme::text(8.0, BLACK))
}

/// One layer between `top_pt` and `top_pt + height_pt`.
fn panel(
    area: &Area,
    layer: &LayerTrace,
    (top_pt, height_pt): (f64, f64),
    axis: &Axis,
    x: &impl Fn(f64) -> i32,
) -> DrawResult {
    for tick in &axis.ticks {
        let ends = [(x(*tick), px(top_pt)), (x(*tick), px(top_pt + height_pt))];
        area.draw(&PathElement::new(ends, GRID.stroke_width(px(0.3) as u32)))?;
    }
    let row_pt = height_pt / layer.shown.len().max(1) as f64;
    let slot_pt = (RIGHT - LEFT) / (axis.to - axis.from);
    let style = COLOURS[0]
        .stroke_width(px((0.5 * slot_pt).min((0.45 * row_pt).max(0.6)).clamp(0.25, 0.9)) as u32);
    for (row, spikes) in layer.spikes.iter().enumerate() {
        let middle = top_pt + row_pt * (row as f64 + 0.5);
        let half = (0.45 * row_pt).clamp(0.25, 4.0);
        for &step in spikes {
            let at = x(step as f64 + 1.0);
            area.draw(&PathElement::new(
                [(at, px(middle - half)), (at, px(middle + half))],
                style,
            ))?;
        }
    }
    let frame = [(px(LEFT), px(top_pt)), (px(RIGHT), px(top_pt + height_pt))];
    outline(area, frame, 0.4)?;
    title(area, layer, top_pt + height_pt / 2.0, height_pt)
}

/// The layer's name and how many of its neurons are shown, around `middle_pt`.
fn title(area: &Area, layer: &LayerTrace, middle_pt: f64, height_pt: f64) -> DrawResult {
    let room = px(LEFT - MARGIN - 4.0);
    let (name, small) = (theme::text(7.0, BLACK), theme::text(6.0, GREY));
    let x = px(MARGIN);
    if height_pt < 17.0 {
        let words = theme::shortened(&layer.name, room, &name);
        return word(area, &words, (x, px(middle_pt)), HPos::Left, name);
    }
    let words = theme::shortened(&layer.name, room, &name);
    word(area, &words, (x, px(middle_pt - 4.0)), HPos::Left, name)?;
    let shown = layer.shown.len() as u64;
    let count = if shown == layer.neurons {
        thousands(layer.neurons as usize)
    } else {
        format!("{shown} of {}", thousands(layer.neurons as usize))
    };
    let words = theme::shortened(&format!("{count} neurons"), room, &small);
    word(area, &words, (x, px(middle_pt + 4.5)), HPos::Left, small)
}
