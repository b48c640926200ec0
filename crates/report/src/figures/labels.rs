//! Names of layers and classes along an axis.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::theme::{self, Area, DrawResult, pt, px};

/// Height of a line of text as a share of its font's size.
const LINE: f64 = 1.12;

/// Names below a horizontal axis: side by side where they fit, else upright, and only every k-th
/// where even that is tight.
pub(super) struct Names {
    words: Vec<String>,
    upright: bool,
    every: usize,
    size_pt: f64,
    pub(super) height_pt: f64,
}

impl Names {
    /// For places of `slot_pt` each; upright names take at most `most_pt`, and lose their middle
    /// where they are longer.
    pub(super) fn new(names: &[String], slot_pt: f64, most_pt: f64) -> Names {
        let size_pt = 6.5;
        let style = theme::text(size_pt, BLACK);
        let one_line: Vec<String> =
            names.iter().map(|name| theme::shortened(name, px(most_pt), &style)).collect();
        let widest =
            one_line.iter().map(|name| pt(theme::measure(name, &style))).fold(0.0, f64::max);
        let upright = widest + 3.0 > slot_pt;
        let every = if upright { every(slot_pt, size_pt) } else { 1 };
        let height_pt = if upright { widest } else { size_pt * LINE };
        Names { words: one_line, upright, every, size_pt, height_pt }
    }

    /// Draws the names under `y`, the k-th around `centre(k)`; pixels of `area`.
    pub(super) fn draw(&self, area: &Area, centre: impl Fn(usize) -> i32, y: i32) -> DrawResult {
        let style = theme::text(self.size_pt, BLACK);
        let style = if self.upright {
            style.transform(FontTransform::Rotate270).pos(Pos::new(HPos::Right, VPos::Center))
        } else {
            style.pos(Pos::new(HPos::Center, VPos::Top))
        };
        for (k, words) in self.words.iter().enumerate().step_by(self.every) {
            area.draw(&Text::new(words.as_str(), (centre(k), y), style.clone()))?;
        }
        Ok(())
    }
}

/// Every how many places of `slot_pt` a line of text with a font of `size_pt` fits.
pub(super) fn every(slot_pt: f64, size_pt: f64) -> usize {
    let least = (size_pt * LINE / slot_pt).ceil().max(1.0) as usize;
    // round numbers read better
    [1, 2, 5, 10, 20, 50, 100, 200, 500].into_iter().find(|&k| k >= least).unwrap_or(least)
}

/// A word that `area` itself places: left, centre or right of `x`, its middle at `y`; pixels of
/// `area`.
pub(super) fn word(
    area: &Area,
    words: &str,
    at: (i32, i32),
    side: HPos,
    style: TextStyle<'static>,
) -> DrawResult {
    area.draw(&Text::new(words, at, style.pos(Pos::new(side, VPos::Center))))
}

/// Words along a vertical axis, read from below; `at` is their middle.
pub(super) fn along(
    area: &Area,
    words: &str,
    at: (i32, i32),
    style: TextStyle<'static>,
) -> DrawResult {
    let style = style.transform(FontTransform::Rotate270).pos(Pos::new(HPos::Center, VPos::Center));
    area.draw(&Text::new(words, at, style))
}

/// A rectangle's outline; plotters gives an SVG rectangle no line width.
pub(super) fn outline(
    area: &Area,
    [(left, top), (right, bottom)]: [(i32, i32); 2],
    width_pt: f64,
) -> DrawResult {
    let corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
    area.draw(&PathElement::new(corners, BLACK.stroke_width(px(width_pt) as u32)))
}

/// A point of the whole figure in the pixels of `area`.
pub(super) fn local(area: &Area, (x, y): (i32, i32)) -> (i32, i32) {
    let (columns, rows) = area.get_pixel_range();
    (x - columns.start, y - rows.start)
}
