use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::labels::{Names, along, every, outline, word};
use super::{Caption, fail, page};
use crate::Error;
use crate::recording::thousands;
use crate::theme::{self, Area, DrawResult, MARGIN, WIDTH, pt, px, shade};
use crate::ticks;

/// More classes than this have no room.
const MOST_CLASSES: usize = 500;
/// Room for the words on the left, and for the scale on the right, pt.
const WORDS: f64 = 12.0;
const SCALE: f64 = 50.0;
/// Largest side of the matrix and of a cell, pt.
const SIDE: f64 = 270.0;
const CELL: f64 = 46.0;
/// Longest name, pt.
const NAME: f64 = 110.0;
const TOP: f64 = 4.0;

/// Samples by true class (row) and predicted class (column): a cell's colour is its share of the
/// true class, and the count stands in it where there is room. Where names have no room, every 2nd,
/// 5th, 10th … class is named.
///
/// # Errors
/// [`Error::Figure`] when there is no class or more than 500, or when `counts` is not square with a
/// row for each class; [`Error::Draw`] when the drawing library fails.
pub fn confusion(
    classes: &[String],
    counts: &[Vec<u64>],
    caption: &Caption,
) -> Result<String, Error> {
    let n = classes.len();
    if n == 0 || n > MOST_CLASSES {
        return Err(fail(
            caption,
            format!("1 to {MOST_CLASSES} classes"),
            n.to_string(),
            "join classes",
        ));
    }
    let odd = counts.iter().find(|row| row.len() != n).map(|row| format!("a row of {}", row.len()));
    let found = if counts.len() == n { odd } else { Some(format!("{} rows", counts.len())) };
    if let Some(found) = found {
        let expected = format!("{n} rows of {n} counts");
        return Err(fail(caption, expected, found, "give a row and a column for each class"));
    }
    let sum = |counts: &mut dyn Iterator<Item = u64>| counts.map(|count| count as f64).sum::<f64>();
    let all = sum(&mut counts.iter().flatten().copied());
    let right = sum(&mut (0..n).map(|k| counts[k][k]));
    let share = if all > 0.0 {
        format!("; {:.1} % on the diagonal", 100.0 * right / all)
    } else {
        String::new()
    };
    let meaning =
        format!("{} samples{share}; colour: share of the true class", thousands(all as usize));
    let place = Place::new(classes);
    page(caption, &meaning, Vec::new(), place.body_pt(), |area| place.draw(area, counts))
}

/// Where the matrix and its names stand, pt.
struct Place<'a> {
    classes: &'a [String],
    left: f64,
    side: f64,
    names: Names,
}

impl Place<'_> {
    fn new(classes: &[String]) -> Place<'_> {
        let style = theme::text(6.5, BLACK);
        let width =
            |name: &String| pt(theme::measure(&theme::shortened(name, px(NAME), &style), &style));
        let left = MARGIN + WORDS + classes.iter().map(width).fold(0.0, f64::max) + 5.0;
        let n = classes.len() as f64;
        let side = (WIDTH - left - SCALE).min(SIDE).min(CELL * n);
        Place { classes, left, side, names: Names::new(classes, side / n, NAME) }
    }

    fn body_pt(&self) -> f64 {
        TOP + self.side + 4.0 + self.names.height_pt + 20.0
    }

    /// The edge before row or column `k`, px from the matrix' corner.
    fn edge(&self, k: usize) -> i32 {
        px(self.side * k as f64 / self.classes.len() as f64)
    }

    fn draw(&self, area: &Area, counts: &[Vec<u64>]) -> DrawResult {
        let (left, top, side) = (px(self.left), px(TOP), px(self.side));
        self.cells(area, counts)?;
        let frame = [(left, top), (left + side, top + side)];
        outline(area, frame, 0.5)?;
        let centre = |k: usize| (self.edge(k) + self.edge(k + 1)) / 2;
        self.names.draw(area, |k| left + centre(k), top + side + px(3.0))?;
        let small = theme::text(6.5, BLACK);
        for k in (0..self.classes.len()).step_by(every(self.side / self.classes.len() as f64, 6.5))
        {
            let name = theme::shortened(&self.classes[k], px(NAME), &small);
            word(area, &name, (left - px(3.0), top + centre(k)), HPos::Right, small.clone())?;
        }
        let style = theme::text(8.0, BLACK);
        let below = px(TOP + self.side + 4.0 + self.names.height_pt + 9.0);
        // a matrix narrower than its words must not push them off the page
        word(area, "Predicted class", (left + side / 2, below), HPos::Center, style.clone())?;
        along(area, "True class", (px(MARGIN + 4.0), top + (side / 2).max(px(20.0))), style)?;
        scale(area, (self.left + self.side + 10.0, TOP, self.side.min(110.0)))
    }

    fn cells(&self, area: &Area, counts: &[Vec<u64>]) -> DrawResult {
        let (left, top) = (px(self.left), px(TOP));
        let size_pt = self.text_pt(counts);
        for (row, line) in counts.iter().enumerate() {
            let all = line.iter().map(|&count| count as f64).sum::<f64>().max(1.0);
            for (column, &count) in line.iter().enumerate() {
                let share = count as f64 / all;
                let [x, y] = [left + self.edge(column), top + self.edge(row)];
                let [right, bottom] = [left + self.edge(column + 1), top + self.edge(row + 1)];
                if count > 0 {
                    // neighbours overlap a little, or a viewer that smooths edges would show the
                    // ground between them
                    let beside = line.get(column + 1).is_some_and(|&next| next > 0);
                    let below = counts.get(row + 1).is_some_and(|next| next[column] > 0);
                    let corner = (right + 4 * i32::from(beside), bottom + 4 * i32::from(below));
                    area.draw(&Rectangle::new([(x, y), corner], shade(share).filled()))?;
                }
                if let Some(size_pt) = size_pt {
                    let ink = if count == 0 {
                        RGBColor(170, 170, 170)
                    } else if share > 0.5 {
                        WHITE
                    } else {
                        BLACK
                    };
                    let middle = ((x + right) / 2, (y + bottom) / 2);
                    word(
                        area,
                        &count.to_string(),
                        middle,
                        HPos::Center,
                        theme::text(size_pt, ink),
                    )?;
                }
            }
        }
        Ok(())
    }

    /// The size of font in which every count fits into its cell, if one does.
    fn text_pt(&self, counts: &[Vec<u64>]) -> Option<f64> {
        let cell = self.side / counts.len() as f64;
        let longest = counts.iter().flatten().max()?.to_string();
        [7.5, 7.0, 6.5, 6.0, 5.5, 5.0].into_iter().find(|&size_pt| {
            let width = pt(theme::measure(&longest, &theme::text(size_pt, BLACK)));
            width <= 0.86 * cell && 1.2 * size_pt <= cell
        })
    }
}

/// What the colours mean, upwards; place and height in points.
fn scale(area: &Area, (left_pt, top_pt, height_pt): (f64, f64, f64)) -> DrawResult {
    const STEPS: usize = 160;
    let axis = ticks::from_zero(100.0, if height_pt < 60.0 { 2 } else { 5 });
    let y = |share: f64| px(top_pt + height_pt * (1.0 - share));
    let (left, right) = (px(left_pt), px(left_pt + 7.0));
    for step in 0..STEPS {
        let [from, to] = [step, step + 1].map(|step| step as f64 / STEPS as f64);
        let overlap = if step == 0 { 0 } else { 4 };
        area.draw(&Rectangle::new(
            [(left, y(to)), (right, y(from) + overlap)],
            shade((from + to) / 2.0).filled(),
        ))?;
    }
    outline(area, [(left, y(1.0)), (right, y(0.0))], 0.4)?;
    for tick in &axis.ticks {
        let at = y(tick / 100.0);
        area.draw(&PathElement::new(
            [(right, at), (right + px(2.0), at)],
            BLACK.stroke_width(px(0.4) as u32),
        ))?;
        word(
            area,
            &format!("{tick:.0} %"),
            (right + px(3.5), at),
            HPos::Left,
            theme::text(6.5, BLACK),
        )?;
    }
    Ok(())
}
