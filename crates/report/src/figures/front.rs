use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::labels::{local, word};
use super::{Caption, fail, page};
use crate::theme::{self, Area, COLOURS, Chart, Dash, DrawResult, Key, Mark, pt, px};
use crate::ticks::{self, Axis};
use crate::{Error, summary};

/// More points than this have no room for their names.
const MOST_POINTS: usize = 40;
/// Energies that the axis can show, µJ.
const ENERGIES: std::ops::RangeInclusive<f64> = 1e-12..=1e12;
const DOMINATED: RGBColor = RGBColor(140, 140, 140);
/// Radius of a point, pt.
const DOT: f64 = 2.4;
/// Size of a name's font, its height and its greatest width, pt.
const NAME: f64 = 7.0;
const LINE: f64 = 8.5;
const WIDEST: f64 = 120.0;

/// One method in [`front()`].
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The name that stands beside it.
    pub name: String,
    /// Accuracy of each seed in percent.
    pub accuracy_percent: Vec<f64>,
    /// Energy of one inference of each seed in µJ; a single value where seeds do not change it.
    pub energy_uj: Vec<f64>,
}

/// Accuracy (%) against energy an inference (µJ, logarithmic): a named point at the means of each
/// method, with bars of ± the sample standard deviation over its seeds, and the Pareto front as a
/// staircase: the best accuracy for at most that energy. The methods on it are blue, those that
/// another one surpasses in both are grey.
///
/// # Errors
/// [`Error::Figure`] when there is no point or more than 40, when a point has no value, an accuracy
/// that is not a percentage from 0 to 100 or an energy that is not from 1e-12 to 1e12 µJ;
/// [`Error::Draw`] when the drawing library fails.
pub fn front(points: &[Point], caption: &Caption) -> Result<String, Error> {
    check(points, caption)?;
    let spots: Vec<Spot> = points.iter().map(Spot::new).collect();
    let best: Vec<bool> =
        spots.iter().map(|one| !spots.iter().any(|other| other.surpasses(one))).collect();
    let mut legend = vec![
        Key { name: "on the Pareto front", colour: COLOURS[0], mark: Mark::Dot },
        Key { name: "surpassed in both", colour: DOMINATED, mark: Mark::Dot },
        Key {
            name: "best accuracy for that energy",
            colour: COLOURS[0],
            mark: Mark::Line(Dash::Dashed),
        },
    ];
    if best.iter().all(|best| *best) {
        legend.remove(1);
    }
    let several =
        points.iter().any(|one| one.accuracy_percent.len() > 1 || one.energy_uj.len() > 1);
    let meaning =
        if several { "point: mean of the seeds; bars: ± sample standard deviation" } else { "" };
    page(caption, meaning, legend, 210.0, |area| draw(area, &spots, &best))
}

fn check(points: &[Point], caption: &Caption) -> Result<(), Error> {
    if points.is_empty() || points.len() > MOST_POINTS {
        let found = points.len().to_string();
        return Err(fail(
            caption,
            format!("1 to {MOST_POINTS} points"),
            found,
            "spread them over several figures",
        ));
    }
    for Point { name, accuracy_percent, energy_uj } in points {
        for (what, values, expected, good) in [
            ("accuracy", accuracy_percent, "percentages from 0 to 100", 0.0..=100.0),
            ("energy", energy_uj, "energies from 1e-12 to 1e12 µJ", ENERGIES),
        ] {
            if values.is_empty() {
                let found = format!("none in \"{name}\"");
                return Err(fail(
                    caption,
                    format!("at least one {what}"),
                    found,
                    "leave the point out",
                ));
            }
            if let Some(bad) = values.iter().find(|value| !good.contains(value)) {
                let found = format!("{what} {bad} in \"{name}\"");
                return Err(fail(
                    caption,
                    expected,
                    found,
                    "mend the value, or leave the point out",
                ));
            }
        }
    }
    Ok(())
}

/// A point with its spread; energies as powers of ten.
struct Spot<'a> {
    name: &'a str,
    /// Lower end, mean, upper end.
    energy: [f64; 3],
    accuracy: [f64; 3],
}

impl Spot<'_> {
    fn new(point: &Point) -> Spot<'_> {
        let spread = |values: &[f64]| {
            let s = summary(values).map_or((0.0, 0.0), |s| (s.mean, s.sd.unwrap_or(0.0)));
            [s.0 - s.1, s.0, s.0 + s.1]
        };
        let least = point.energy_uj.iter().copied().fold(f64::INFINITY, f64::min);
        let [low, mean, high] = spread(&point.energy_uj);
        // a deviation above the mean has no lower end on this axis
        let low = if low > 0.1 * least { low } else { least };
        let accuracy = spread(&point.accuracy_percent).map(|value| value.clamp(0.0, 100.0));
        Spot { name: &point.name, energy: [low, mean, high].map(f64::log10), accuracy }
    }

    fn surpasses(&self, other: &Spot) -> bool {
        let ([_, energy, _], [_, accuracy, _]) = (self.energy, self.accuracy);
        let ([_, others_energy, _], [_, others, _]) = (other.energy, other.accuracy);
        energy <= others_energy
            && accuracy >= others
            && (energy < others_energy || accuracy > others)
    }
}

fn axes(spots: &[Spot]) -> [Axis; 2] {
    let range = |ends: fn(&Spot) -> [f64; 3]| {
        let all = spots.iter().flat_map(ends);
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), value| (a.min(value), b.max(value)))
    };
    let (low, high) = range(|spot| spot.energy);
    let (least, most) = range(|spot| spot.accuracy);
    let room = 0.08 * (most - least);
    [ticks::powers(low, high), ticks::percent((least - room).max(0.0), (most + room).min(100.0))]
}

fn draw(area: &Area, spots: &[Spot], best: &[bool]) -> DrawResult {
    let [x, y] = axes(spots);
    let decimals = y.decimals;
    let mut chart = ChartBuilder::on(area)
        .margin(px(4.0))
        .margin_right(px(12.0)) // half of the last tick's label stands beyond the axis
        .x_label_area_size(px(28.0))
        .y_label_area_size(px(38.0))
        .build_cartesian_2d(x, y)?;
    let labels: [&dyn Fn(&f64) -> String; 2] =
        [&|v| ticks::power(*v), &|v| format!("{v:.decimals$}")];
    theme::mesh_with(&mut chart, ["Energy per inference (µJ)", "Test accuracy (%)"], labels)?;
    let stairs = stairs(spots, best);
    let [dash, gap] = Dash::Dashed.lengths().unwrap_or([px(1.0); 2]);
    let line = COLOURS[0].mix(0.7).stroke_width(px(0.9) as u32);
    chart.draw_series(DashedLineSeries::new(stairs.clone(), dash, gap, line))?;
    for (spot, &best) in spots.iter().zip(best) {
        whiskers(&mut chart, spot, if best { COLOURS[0] } else { DOMINATED })?;
    }
    names(area, &chart, spots, &stairs)
}

/// The corners of the front, by rising energy.
fn stairs(spots: &[Spot], best: &[bool]) -> Vec<(f64, f64)> {
    let mut front: Vec<(f64, f64)> = spots
        .iter()
        .zip(best)
        .filter(|(_, best)| **best)
        .map(|(spot, _)| (spot.energy[1], spot.accuracy[1]))
        .collect();
    front.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut stairs: Vec<(f64, f64)> = Vec::new();
    for at in front {
        if let Some(&(_, height)) = stairs.last() {
            stairs.push((at.0, height));
        }
        stairs.push(at);
    }
    stairs
}

fn whiskers(chart: &mut Chart, spot: &Spot, colour: RGBColor) -> DrawResult {
    let ([left, x, right], [low, y, high]) = (spot.energy, spot.accuracy);
    let style = colour.stroke_width(px(0.7) as u32);
    chart.draw_series(
        [[(left, y), (right, y)], [(x, low), (x, high)]].map(|ends| PathElement::new(ends, style)),
    )?;
    chart.draw_series([Circle::new((x, y), px(DOT + 0.4), WHITE.filled())])?;
    chart.draw_series([Circle::new((x, y), px(DOT), colour.filled())])?;
    Ok(())
}

/// A rectangle, pt: left, top, right, bottom.
#[derive(Clone, Copy)]
struct Block([f64; 4]);

impl Block {
    fn around((x, y): (f64, f64), half: f64) -> Block {
        Block([x - half, y - half, x + half, y + half])
    }

    fn between(a: (f64, f64), b: (f64, f64), half: f64) -> Block {
        Block([a.0.min(b.0) - half, a.1.min(b.1) - half, a.0.max(b.0) + half, a.1.max(b.1) + half])
    }

    /// The area shared with another, pt².
    fn shared(self, other: Block) -> f64 {
        let (Block(a), Block(b)) = (self, other);
        (a[2].min(b[2]) - a[0].max(b[0])).max(0.0) * (a[3].min(b[3]) - a[1].max(b[1])).max(0.0)
    }

    fn size(self) -> f64 {
        let Block([left, top, right, bottom]) = self;
        (right - left) * (bottom - top)
    }
}

/// Writes each name where it covers least: greedily, those with the least room first.
fn names(area: &Area, chart: &Chart, spots: &[Spot], stairs: &[(f64, f64)]) -> DrawResult {
    let at = |point: (f64, f64)| {
        let (x, y) = local(area, chart.backend_coord(&point));
        (pt(x), pt(y))
    };
    let centres: Vec<(f64, f64)> =
        spots.iter().map(|spot| at((spot.energy[1], spot.accuracy[1]))).collect();
    // what a name must not cover, and how bad it is
    let mut taken: Vec<(Block, f64)> =
        centres.iter().map(|&centre| (Block::around(centre, DOT + 0.8), 6.0)).collect();
    for spot in spots {
        let ([left, x, right], [low, y, high]) = (spot.energy, spot.accuracy);
        taken.push((Block::between(at((left, y)), at((right, y)), 0.5), 3.0));
        taken.push((Block::between(at((x, low)), at((x, high)), 0.5), 3.0));
    }
    taken
        .extend(stairs.windows(2).map(|ends| (Block::between(at(ends[0]), at(ends[1]), 0.6), 3.0)));
    let (columns, rows) = chart.plotting_area().get_pixel_range();
    let corner = |x: i32, y: i32| local(area, (x, y));
    let [(left, top), (right, bottom)] =
        [corner(columns.start, rows.start), corner(columns.end, rows.end)];
    let page = Block([pt(left) + 1.0, pt(top), pt(right) + 8.0, pt(bottom) - 1.0]);
    let style = theme::text(NAME, BLACK);
    for (spot, &centre) in spots.iter().zip(&centres) {
        let words = theme::shortened(spot.name, px(WIDEST), &style);
        let width = pt(theme::measure(&words, &style));
        let cost = |block: Block| {
            let covered: f64 =
                taken.iter().map(|&(other, weight)| weight * block.shared(other)).sum();
            covered + 20.0 * (block.size() - block.shared(page))
        };
        let places = places(centre, width);
        let Some(place) =
            places.into_iter().min_by(|a, b| (a.1 + cost(a.0)).total_cmp(&(b.1 + cost(b.0))))
        else {
            continue;
        };
        let Block([left, top, ..]) = place.0;
        leader(area, centre, place.0)?;
        word(area, &words, (px(left), px(top + LINE / 2.0)), HPos::Left, style.clone())?;
        taken.push((place.0, 10.0));
    }
    Ok(())
}

/// A thin line from a point to a name that does not stand beside it.
fn leader(area: &Area, (x, y): (f64, f64), Block([left, top, right, bottom]): Block) -> DrawResult {
    let near = (x.clamp(left, right), y.clamp(top + 1.5, bottom - 1.5));
    let away = (near.0 - x).hypot(near.1 - y);
    if away < DOT + 5.0 {
        return Ok(());
    }
    let from =
        |reach: f64| (px(x + (near.0 - x) * reach / away), px(y + (near.1 - y) * reach / away));
    area.draw(&PathElement::new(
        [from(DOT + 0.8), from(away - 0.6)],
        DOMINATED.stroke_width(px(0.4) as u32),
    ))
}

/// Where a name of `width` may stand around a point, the best places first, each with what it costs
/// to be there.
fn places((x, y): (f64, f64), width: f64) -> Vec<(Block, f64)> {
    let mut places = Vec::new();
    for ring in 0..6 {
        let away = DOT + 1.8 + 3.0 * f64::from(ring);
        let (across, middle) = (width / 2.0, LINE / 2.0);
        let corner = 0.6 * away;
        for (k, (left, top)) in [
            (x + away, y - middle),
            (x + corner, y - LINE - corner),
            (x + corner, y + corner),
            (x - across, y - LINE - away),
            (x - across, y + away),
            (x - away - width, y - middle),
            (x - corner - width, y - LINE - corner),
            (x - corner - width, y + corner),
        ]
        .into_iter()
        .enumerate()
        {
            let block = Block([left, top, left + width, top + LINE]);
            places.push((block, 0.2 * k as f64 + 4.0 * f64::from(ring)));
        }
    }
    places
}
