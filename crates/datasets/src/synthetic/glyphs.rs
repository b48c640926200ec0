//! Glyphs as strokes in a box of side 1 about the origin, and the brush that draws them.

use std::f32::consts::{PI, TAU};

use events::camera::Region;
use rand::Rng;

use super::exact::sin_cos;

/// A point or a vector, [x, y], y downwards.
pub(super) type Point = [f32; 2];

/// A line with round ends and a soft edge, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Capsule {
    pub ends: [Point; 2],
    pub radius: f32,
    /// Width of the soft edge.
    pub edge: f32,
}

impl Capsule {
    /// 1 inside, 0 outside, and a slope between.
    pub fn cover(&self, [x, y]: Point) -> f32 {
        let [[x0, y0], [x1, y1]] = self.ends;
        let (dx, dy) = (x1 - x0, y1 - y0);
        let length2 = (dx * dx + dy * dy).max(1e-9);
        let along = (((x - x0) * dx + (y - y0) * dy) / length2).clamp(0.0, 1.0);
        let (ox, oy) = (x - x0 - along * dx, y - y0 - along * dy);
        let distance = (ox * ox + oy * oy).sqrt();
        ((self.radius - distance) / self.edge + 0.5).clamp(0.0, 1.0)
    }

    /// Corners of the box outside of which it covers nothing.
    pub fn bounds(&self) -> (Point, Point) {
        let [[x0, y0], [x1, y1]] = self.ends;
        let reach = self.radius + self.edge;
        ([x0.min(x1) - reach, y0.min(y1) - reach], [x0.max(x1) + reach, y0.max(y1) + reach])
    }

    /// The pixels that it covers now or covered as `was`.
    pub fn swept_from(&self, was: &Self) -> Region {
        let ((low, high), (low0, high0)) = (self.bounds(), was.bounds());
        let low = [low[0].min(low0[0]), low[1].min(low0[1])];
        region(low, [high[0].max(high0[0]), high[1].max(high0[1])])
    }
}

/// The pixels of the box between two corners.
pub(super) fn region(low: Point, high: Point) -> Region {
    let range = |low: f32, high: f32| low.max(0.0) as usize..high.max(0.0) as usize + 2;
    Region { x: range(low[0], high[0]), y: range(low[1], high[1]) }
}

/// The strokes as a hand would draw them `size` pixels high about `centre`: under a random scale,
/// rotation, slant and shift, and a little shake of each point.
pub(super) fn drawn_by_hand(
    strokes: &[Vec<Point>],
    size: f32,
    centre: Point,
    rng: &mut impl Rng,
) -> Vec<Vec<Point>> {
    let mut between = |limit: f32| rng.random_range(-limit..limit);
    let scale = [size * (1.0 + between(0.12)), size * (1.0 + between(0.12))];
    let (angle, slant) = (between(0.15), between(0.2));
    let centre = centre.map(|c| c + between(size * 0.06));
    let (sin, cos) = sin_cos(angle);
    let mut place = |&[x, y]: &Point| {
        let (x, y) = (x + between(0.02), y + between(0.02));
        let (x, y) = ((x - slant * y) * scale[0], y * scale[1]);
        [x * cos - y * sin + centre[0], x * sin + y * cos + centre[1]]
    };
    strokes.iter().map(|stroke| stroke.iter().map(&mut place).collect()).collect()
}

/// The lines between the points of strokes.
pub(super) fn capsules(
    strokes: &[Vec<Point>],
    radius: f32,
    edge: f32,
) -> impl Iterator<Item = Capsule> {
    let ends = strokes.iter().flat_map(|stroke| stroke.windows(2));
    ends.map(move |ends| Capsule { ends: [ends[0], ends[1]], radius, edge })
}

/// The point of an ellipse about a centre at an angle from the right, downwards first.
pub(super) fn on_ellipse([x, y]: Point, [rx, ry]: Point, angle: f32) -> Point {
    let (sin, cos) = sin_cos(angle);
    [x + rx * cos, y + ry * sin]
}

/// The digit 0 to 9.
pub(super) fn digit(label: u32) -> Vec<Vec<Point>> {
    match label {
        0 => vec![arc([0.0, 0.0], [0.3, 0.46], 0.0, 2.0)],
        1 => vec![vec![[-0.15, -0.3], [0.03, -0.47], [0.03, 0.47]]],
        2 => {
            let mut stroke = arc([0.0, -0.2], [0.27, 0.26], 1.0, 2.2);
            stroke.extend([[-0.28, 0.46], [0.3, 0.46]]);
            vec![stroke]
        }
        3 => {
            let mut stroke = arc([-0.03, -0.24], [0.26, 0.23], 1.15, 2.5);
            stroke.extend(arc([-0.03, 0.22], [0.3, 0.24], 1.5, 2.85));
            vec![stroke]
        }
        4 => vec![vec![[0.12, 0.47], [0.12, -0.46], [-0.3, 0.16], [0.32, 0.16]]],
        5 => {
            let mut stroke = vec![[0.27, -0.46], [-0.2, -0.46]];
            stroke.extend(arc([-0.02, 0.17], [0.29, 0.28], 1.25, 2.85));
            vec![stroke]
        }
        6 => vec![
            arc([0.12, 0.15], [0.39, 0.61], 1.45, 1.0),
            arc([0.0, 0.2], [0.27, 0.26], 0.0, 2.0),
        ],
        7 => vec![vec![[-0.3, -0.44], [0.3, -0.44], [-0.08, 0.47]]],
        8 => vec![
            arc([0.0, -0.23], [0.22, 0.22], 0.0, 2.0),
            arc([0.0, 0.22], [0.27, 0.24], 0.0, 2.0),
        ],
        _ => vec![
            arc([0.0, -0.2], [0.25, 0.26], 0.0, 2.0),
            vec![[0.25, -0.2], [0.22, 0.1], [0.08, 0.47]],
        ],
    }
}

/// The stand-ins for the ten classes of CIFAR10-DVS.
pub(super) fn shape(label: u32) -> Vec<Vec<Point>> {
    // corners of a star polygon: every `skip`-th of `n` points on a circle, from the top
    let polygon = |n: usize, skip: usize, radius: f32| -> Vec<Point> {
        let angle = |i: usize| TAU * (i * skip) as f32 / n as f32 - PI / 2.0;
        (0..=n).map(|i| on_ellipse([0.0; 2], [radius; 2], angle(i))).collect()
    };
    let line = |angle: f32| {
        let (y, x) = sin_cos(PI * angle);
        vec![[-0.5 * x, -0.5 * y], [0.5 * x, 0.5 * y]]
    };
    match label {
        0 => vec![polygon(3, 1, 0.5)],
        1 => vec![polygon(4, 1, 0.5)],
        2 => vec![polygon(5, 2, 0.5)],
        3 => vec![arc([0.0, 0.0], [0.45, 0.45], 0.0, 2.0)],
        4 => vec![line(0.0), line(0.5)],
        5 => vec![line(1.0 / 6.0), line(0.5), line(5.0 / 6.0)],
        6 => vec![line(0.0), vec![[0.2, -0.3], [0.5, 0.0], [0.2, 0.3]]],
        7 => vec![
            (0..40)
                .map(|i| i as f32 / 39.0)
                .map(|s| on_ellipse([0.0; 2], [0.5 * s; 2], 13.0 * s))
                .collect(),
        ],
        8 => vec![vec![[-0.5, -0.3], [-0.25, 0.3], [0.0, -0.3], [0.25, 0.3], [0.5, -0.3]]],
        _ => vec![polygon(4, 1, 0.5), polygon(4, 1, 0.22)],
    }
}

/// An arc of an ellipse; angles in units of π from the right, downwards first.
fn arc([x, y]: Point, [rx, ry]: Point, from: f32, to: f32) -> Vec<Point> {
    let points = ((to - from).abs() * 2.5 / PI * 2.0).ceil() as usize + 2;
    let angle = |i: usize| PI * (from + (to - from) * i as f32 / (points - 1) as f32);
    (0..points).map(|i| on_ellipse([x, y], [rx, ry], angle(i))).collect()
}
