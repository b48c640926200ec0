//! The look that every figure shares: size, font, colours, and the head with title and legend.
//!
//! plotters rounds SVG coordinates to whole pixels, so a figure is drawn at [`UNITS`] pixels a
//! point, and the root element then states the size in points: its viewBox scales the drawing down.

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use crate::ticks::{self, Axis};

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(crate) type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;
pub(crate) type DrawResult = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Pixels of the drawing in one point of the figure.
const UNITS: f64 = 20.0;
/// Width of a figure, pt: 5 in, which fits a text column and a page of Markdown.
pub(crate) const WIDTH: f64 = 360.0;
pub(crate) const MARGIN: f64 = 6.0;
/// Length of a legend's line, and its distance from the words, pt.
const KEY: (f64, f64) = (14.0, 4.0);

/// Okabe and Ito's colours, told apart with every kind of colour vision; without yellow, which is
/// lost on white.
pub(crate) const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];
pub(crate) const GRID: RGBColor = RGBColor(222, 222, 222);
pub(crate) const GREY: RGBColor = RGBColor(80, 80, 80);
const WARNING: RGBColor = RGBColor(190, 0, 0);

/// A family of our own, so that the SVG's family can be exchanged without touching any other text.
const FAMILY: &str = "report-figure";
/// What a viewer is asked for: the font the layout was measured with, or one that is narrower.
const FAMILIES: &str = "DejaVu Sans, Verdana, Arial, sans-serif";
/// The font that every figure is measured with, and drawn with where it becomes pixels.
pub(crate) static FONT: &[u8] = include_bytes!("../assets/DejaVuSans.ttf");

pub(crate) fn px(pt: f64) -> i32 {
    (pt * UNITS).round() as i32
}

/// The inverse of [`px`].
pub(crate) fn pt(px: i32) -> f64 {
    f64::from(px) / UNITS
}

/// Text of `pt` points; plotters divides a font size by 1.24, which is undone here.
pub(crate) fn text(pt: f64, colour: RGBColor) -> TextStyle<'static> {
    (FAMILY, pt * UNITS * 1.24).into_font().color(&colour)
}

/// Axes with their names and the decimals of their ticks, x before y, over thin horizontal lines.
pub(crate) fn mesh(
    chart: &mut Chart,
    names: [&str; 2],
    [x_decimals, y_decimals]: [usize; 2],
) -> DrawResult {
    mesh_with(chart, names, [&|v| format!("{v:.x_decimals$}"), &|v| format!("{v:.y_decimals$}")])
}

/// As [`mesh`], with the texts of the ticks, x before y.
pub(crate) fn mesh_with(
    chart: &mut Chart,
    [x, y]: [&str; 2],
    [x_words, y_words]: [&dyn Fn(&f64) -> String; 2],
) -> DrawResult {
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID.stroke_width(px(0.4) as u32))
        .light_line_style(TRANSPARENT)
        .axis_style(BLACK.stroke_width(px(0.6) as u32))
        .set_all_tick_mark_size(px(2.5))
        .label_style(text(7.0, BLACK))
        .axis_desc_style(text(8.0, BLACK))
        .x_desc(x)
        .y_desc(y)
        .x_label_formatter(x_words)
        .y_label_formatter(y_words)
        .draw()
}

/// Smaller axes for one of several panels: as [`mesh`], and without room for words where `x` or `y`
/// has none.
pub(crate) fn panel<'a, 'b>(
    area: &Area<'b>,
    [x, y]: [Axis; 2],
    [x_words, y_words]: [&str; 2],
) -> Result<Chart<'a, 'b>, DrawingAreaErrorKind<std::io::Error>> {
    let [x_decimals, y_decimals] = [x.decimals, y.decimals];
    let room =
        |words: &str, with: f64, without: f64| px(if words.is_empty() { without } else { with });
    let mut chart = ChartBuilder::on(area)
        .margin(px(4.0))
        .margin_right(px(10.0)) // half of the last tick's label stands beyond the axis
        .x_label_area_size(room(x_words, 26.0, 11.0))
        .y_label_area_size(room(y_words, 36.0, 24.0))
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID.stroke_width(px(0.4) as u32))
        .light_line_style(TRANSPARENT)
        .axis_style(BLACK.stroke_width(px(0.6) as u32))
        .set_all_tick_mark_size(px(2.5))
        .label_style(text(6.5, BLACK))
        .axis_desc_style(text(7.0, BLACK))
        .x_desc(x_words)
        .y_desc(y_words)
        .x_label_formatter(&|v| ticks::words(*v, x_decimals))
        .y_label_formatter(&|v| ticks::words(*v, y_decimals))
        .draw()?;
    Ok(chart)
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dash {
    /// Without gaps.
    #[default]
    Solid,
    /// Long dashes.
    Dashed,
    /// Short dashes.
    Dotted,
}

impl Dash {
    /// Length of a dash and of the gap after it, px.
    pub(crate) fn lengths(self) -> Option<[i32; 2]> {
        match self {
            Dash::Solid => None,
            Dash::Dashed => Some([px(3.6), px(2.0)]),
            Dash::Dotted => Some([px(1.2), px(1.4)]),
        }
    }
}

/// An entry of the legend.
pub(crate) struct Key<'a> {
    pub(crate) name: &'a str,
    pub(crate) colour: RGBColor,
    pub(crate) mark: Mark,
}

/// What a key looks like.
#[derive(Clone, Copy)]
pub(crate) enum Mark {
    Line(Dash),
    Square,
    Dot,
}

impl<'a> Key<'a> {
    pub(crate) fn line(name: &'a str, colour: RGBColor) -> Key<'a> {
        Key { name, colour, mark: Mark::Line(Dash::Solid) }
    }

    /// Draws the mark, its left middle at `x`, `y`.
    fn draw(area: &Area, (x, y): (i32, i32), colour: RGBColor, mark: Mark) -> DrawResult {
        let style = colour.stroke_width(px(1.4) as u32);
        let ends = [(x, y), (x + px(KEY.0), y)];
        match mark {
            Mark::Line(dash) => match dash.lengths() {
                None => area.draw(&PathElement::new(ends, style)),
                Some([dash, gap]) => area.draw(&DashedPathElement::new(ends, dash, gap, style)),
            },
            Mark::Square => {
                let (middle, half) = (x + px(KEY.0 / 2.0), px(3.0));
                area.draw(&Rectangle::new(
                    [(middle - half, y - half), (middle + half, y + half)],
                    colour.filled(),
                ))
            }
            Mark::Dot => {
                area.draw(&Circle::new((x + px(KEY.0 / 2.0), y), px(2.2), colour.filled()))
            }
        }
    }
}

/// What stands above the axes.
pub(crate) struct Head<'a> {
    pub(crate) title: &'a str,
    /// Smaller lines under the title; empty ones are left out.
    pub(crate) subtitles: &'a [&'a str],
    /// A word of warning on a coloured bar across the figure.
    pub(crate) warning: Option<&'a str>,
    pub(crate) legend: Vec<Key<'a>>,
}

/// Draws the head, and `body` below it on `body_pt` points of height; returns the SVG or what the
/// library said.
pub(crate) fn figure(
    head: &Head,
    body_pt: f64,
    body: impl FnOnce(&Area) -> DrawResult,
) -> Result<String, String> {
    register_font(FAMILY, FontStyle::Normal, FONT)
        .map_err(|_| "the embedded font is not a font".to_owned())?;
    let layout = Layout::new(head);
    let size = (px(WIDTH) as u32, (layout.height + px(body_pt)) as u32);
    let mut svg = String::new();
    draw(&mut svg, size, &layout, body).map_err(|e| e.to_string())?;
    Ok(finish(&svg, size))
}

fn draw(
    svg: &mut String,
    size: (u32, u32),
    layout: &Layout,
    body: impl FnOnce(&Area) -> DrawResult,
) -> DrawResult {
    let root = SVGBackend::with_string(svg, size).into_drawing_area();
    root.fill(&WHITE)?;
    let (top, rest) = root.split_vertically(layout.height);
    layout.draw(&top)?;
    body(&rest)?;
    root.present()
}

/// States the physical size and the fonts, and rounds the joints of steep lines, which would stick
/// out as spikes.
fn finish(svg: &str, (width, height): (u32, u32)) -> String {
    let (width_pt, height_pt) = (f64::from(width) / UNITS, f64::from(height) / UNITS);
    svg.replacen(
        &format!("width=\"{width}\" height=\"{height}\""),
        &format!("width=\"{width_pt}pt\" height=\"{height_pt}pt\" stroke-linejoin=\"round\""),
        1,
    )
    .replace(&format!("font-family=\"{FAMILY}\""), &format!("font-family=\"{FAMILIES}\""))
}

/// The head, placed: all positions in pixels.
struct Layout {
    bar: Option<[(i32, i32); 2]>,
    texts: Vec<(String, (i32, i32), TextStyle<'static>)>,
    keys: Vec<((i32, i32), RGBColor, Mark)>,
    height: i32,
}

impl Layout {
    fn new(head: &Head) -> Layout {
        let mut layout = Layout { bar: None, texts: Vec::new(), keys: Vec::new(), height: 0 };
        if let Some(warning) = head.warning {
            let style = text(10.0, WHITE).pos(Pos::new(HPos::Center, VPos::Top));
            layout.height = px(6.0);
            layout.paragraph(warning, px(WIDTH / 2.0), 10.0, style);
            layout.height += px(4.0);
            layout.bar = Some([(0, 0), (px(WIDTH), layout.height)]);
        }
        layout.height += px(MARGIN);
        layout.paragraph(head.title, px(MARGIN), 12.0, text(9.0, BLACK));
        for line in head.subtitles {
            layout.paragraph(line, px(MARGIN), 9.5, text(7.0, GREY));
        }
        layout.height += px(3.0);
        layout.legend(&head.legend);
        layout.height += px(3.0);
        layout
    }

    fn paragraph(&mut self, words: &str, x: i32, line_pt: f64, style: TextStyle<'static>) {
        for line in wrap(words, px(WIDTH - 2.0 * MARGIN), &style) {
            self.texts.push((line, (x, self.height), style.clone()));
            self.height += px(line_pt);
        }
    }

    /// Keys and names side by side, in as many rows as they need: above the axes they hide no data.
    fn legend(&mut self, entries: &[Key]) {
        let style = text(7.5, BLACK);
        let (left, right) = (px(MARGIN), px(WIDTH - MARGIN));
        let indent = px(KEY.0 + KEY.1);
        let gap = px(if entries.len() > COLOURS.len() { 5.0 } else { 10.0 });
        let (mut x, mut row_pt) = (left, 0.0);
        for Key { name, colour, mark } in entries {
            let lines = wrap(name, right - left - indent, &style);
            let width = lines.iter().map(|line| measure(line, &style)).max().unwrap_or(0);
            if x > left && x + indent + width > right {
                self.height += px(row_pt);
                (x, row_pt) = (left, 0.0);
            }
            self.keys.push(((x, self.height + px(3.2)), *colour, *mark));
            for (k, line) in lines.iter().enumerate() {
                self.texts.push((
                    line.clone(),
                    (x + indent, self.height + k as i32 * px(10.0)),
                    style.clone(),
                ));
            }
            row_pt = f64::max(row_pt, 10.0 * lines.len() as f64 + 1.0);
            x += indent + width + gap;
        }
        self.height += px(row_pt);
    }

    fn draw(&self, area: &Area) -> DrawResult {
        if let Some(corners) = self.bar {
            area.draw(&Rectangle::new(corners, WARNING.filled()))?;
        }
        for &(at, colour, mark) in &self.keys {
            Key::draw(area, at, colour, mark)?;
        }
        for (line, position, style) in &self.texts {
            area.draw(&Text::new(line.as_str(), *position, style.clone()))?;
        }
        Ok(())
    }
}

/// White for 0 to the darkest blue for 1.
pub(crate) fn shade(share: f64) -> RGBColor {
    let to = |dark: f64| (255.0 + (dark - 255.0) * share.clamp(0.0, 1.0)).round() as u8;
    RGBColor(to(8.0), to(48.0), to(107.0))
}

/// Width of `line`, px.
pub(crate) fn measure(line: &str, style: &TextStyle) -> i32 {
    style.font.box_size(line).map_or(0, |(width, _)| width as i32)
}

/// `words` on one line of at most `width` pixels; what is too long loses its middle, because names
/// often differ at their end.
pub(crate) fn shortened(words: &str, width: i32, style: &TextStyle) -> String {
    let words = words.replace(char::is_control, " ");
    if measure(&words, style) <= width {
        return words;
    }
    let letters: Vec<char> = words.chars().take(500).collect();
    let tail: Vec<char> = words.chars().rev().take(500).collect();
    let cut = |kept: usize| {
        let start: String = letters.iter().take(kept.div_ceil(2)).collect();
        let end: String = tail[..kept / 2].iter().rev().collect();
        format!("{}…{}", start.trim_end(), end.trim_start())
    };
    let mut kept = letters.len().saturating_sub(1);
    while kept > 0 && measure(&cut(kept), style) > width {
        kept -= 1;
    }
    cut(kept)
}

/// Breaks `words` into lines of at most `width` pixels, between words, or within a word that is
/// wider.
fn wrap(words: &str, width: i32, style: &TextStyle) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in
        words.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty())
    {
        let end = lines.len() - 1;
        let joined =
            if lines[end].is_empty() { word.to_owned() } else { format!("{} {word}", lines[end]) };
        if measure(&joined, style) <= width {
            lines[end] = joined;
            continue;
        }
        lines.push(String::new());
        for c in word.chars() {
            let end = lines.len() - 1;
            if measure(&format!("{}{c}", lines[end]), style) > width {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                line.push(c);
            }
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}
