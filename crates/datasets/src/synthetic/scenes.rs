use std::f32::consts::{PI, TAU};

use rand::Rng;

use super::camera::{Camera, Region};

/// A point or a vector in pixels, [x, y], y downwards.
type Point = [f32; 2];

/// N-MNIST's three saccades, a centre's way over the sensor in pixels: the triangle that the events of real recordings follow.
const SACCADES: [Point; 4] = [[-2.0, -2.25], [0.0, 2.25], [2.0, -2.25], [-2.0, -2.25]];
/// One turn of a closed loop in four directions.
const LOOP: [Point; 5] = [[-8.0, -8.0], [8.0, -8.0], [8.0, 8.0], [-8.0, 8.0], [-8.0, -8.0]];
/// Width of a stroke's soft edge in pixels.
const EDGE: f32 = 1.5;

/// A digit before a 34x34 sensor, 300 ms.
pub(super) fn digit(label: u32, rng: &mut impl Rng, camera: &mut Camera) {
    let radius = rng.random_range(0.9..1.6);
    moving_glyph(&digit_strokes(label), 20.0, radius, &SACCADES, 100_000, 2_000, rng, camera);
}

/// A shape before a 128x128 sensor, 1.2 s.
pub(super) fn shape(label: u32, rng: &mut impl Rng, camera: &mut Camera) {
    let radius = rng.random_range(2.0..4.0);
    moving_glyph(&shape_strokes(label), 72.0, radius, &LOOP, 300_000, 4_000, rng, camera);
}

/// Draws `strokes` (in a box of side 1 about the origin) `size` pixels high, and moves them along `corners`, `leg_us` for each leg.
fn moving_glyph(
    strokes: &[Vec<Point>],
    size: f32,
    radius: f32,
    corners: &[Point],
    leg_us: i64,
    step_us: i64,
    rng: &mut impl Rng,
    camera: &mut Camera,
) {
    let contrast = rng.random_range(0.85..1.85);
    let canvas = Canvas::draw(camera, &placed(strokes, size, rng, camera), radius, contrast);
    camera.settle(&[canvas.region(corners[0])], canvas.seen_from(corners[0]));
    for step in 1..=(corners.len() as i64 - 1) * leg_us / step_us {
        let t_us = step * step_us;
        // the last microsecond of a leg belongs to it, so the last corner is reached
        let leg = (((t_us - 1) / leg_us) as usize).min(corners.len() - 2);
        let part = (t_us - leg as i64 * leg_us) as f32 / leg_us as f32;
        let part = (1.0 - (PI * part).cos()) / 2.0; // starts and stops softly, as the real camera does
        let ([x0, y0], [x1, y1]) = (corners[leg], corners[leg + 1]);
        let offset = [x0 + (x1 - x0) * part, y0 + (y1 - y0) * part];
        camera.look(t_us, &[canvas.region(offset)], canvas.seen_from(offset));
    }
}

/// The strokes in pixels under a random scale, rotation, slant, shift and a little shake of each point.
fn placed(strokes: &[Vec<Point>], size: f32, rng: &mut impl Rng, camera: &Camera) -> Vec<Vec<Point>> {
    let mut between = |limit: f32| rng.random_range(-limit..limit);
    let scale = [size * (1.0 + between(0.12)), size * (1.0 + between(0.12))];
    let (angle, slant) = (between(0.15), between(0.2));
    let sensor = camera.sensor();
    let shift = size * 0.06;
    let centre = [f32::from(sensor.width) / 2.0 + between(shift), f32::from(sensor.height) / 2.0 + between(shift)];
    let (sin, cos) = angle.sin_cos();
    let mut place = |&[x, y]: &Point| {
        let (x, y) = (x + between(0.02), y + between(0.02));
        let (x, y) = ((x - slant * y) * scale[0], y * scale[1]);
        [x * cos - y * sin + centre[0], x * sin + y * cos + centre[1]]
    };
    strokes.iter().map(|stroke| stroke.iter().map(&mut place).collect()).collect()
}

/// A still picture of log intensity, finer and larger than the sensor, so that a shift is a lookup.
struct Canvas {
    width: usize,
    height: usize,
    values: Vec<f32>,
    /// Corners of the box around all strokes, in pixels.
    low: Point,
    high: Point,
}

impl Canvas {
    /// Samples per pixel and axis.
    const FINE: usize = 2;
    /// Pixels around the sensor: more than any path leads away.
    const MARGIN: usize = 12;

    fn draw(camera: &Camera, strokes: &[Vec<Point>], radius: f32, contrast: f32) -> Self {
        let side = |pixels: u16| (usize::from(pixels) + 2 * Self::MARGIN) * Self::FINE;
        let (width, height) = (side(camera.sensor().width), side(camera.sensor().height));
        let values = vec![0.0; width * height];
        let mut canvas = Self { width, height, values, low: [f32::MAX; 2], high: [f32::MIN; 2] };
        for stroke in strokes {
            for ends in stroke.windows(2) {
                canvas.capsule(Capsule { ends: [ends[0], ends[1]], radius, contrast });
            }
        }
        canvas
    }

    fn capsule(&mut self, capsule: Capsule) {
        let (low, high) = capsule.bounds();
        let sample = |pixel: f32| ((pixel + Self::MARGIN as f32).max(0.0) * Self::FINE as f32) as usize;
        for v in sample(low[1])..(sample(high[1]) + 2).min(self.height) {
            for u in sample(low[0])..(sample(high[0]) + 2).min(self.width) {
                let pixel = |sample: usize| sample as f32 / Self::FINE as f32 - Self::MARGIN as f32;
                let value = &mut self.values[v * self.width + u];
                *value = value.max(capsule.log_intensity([pixel(u), pixel(v)]));
            }
        }
        for axis in 0..2 {
            self.low[axis] = self.low[axis].min(low[axis]);
            self.high[axis] = self.high[axis].max(high[axis]);
        }
    }

    /// The pixels that a picture moved by `offset` covers, or covered one step before.
    fn region(&self, offset: Point) -> Region {
        let [low, high] = [self.low, self.high].map(|corner| [corner[0] + offset[0], corner[1] + offset[1]]);
        region(low, high, 1.0)
    }

    /// Log intensity at each pixel when the picture is moved by `offset`: bilinear, with the same weights everywhere.
    fn seen_from(&self, offset: Point) -> impl Fn(usize, usize) -> f32 {
        let from = offset.map(|o| (Self::MARGIN as f32 - o).max(0.0) * Self::FINE as f32);
        let [u0, v0] = from.map(|f| f as usize);
        let [a, b] = from.map(f32::fract);
        move |x, y| {
            let (u, v) = (u0 + x * Self::FINE, v0 + y * Self::FINE);
            let pair = |v: usize| self.values.get(v * self.width + u..).and_then(|row| row.first_chunk());
            let (Some([p, q]), Some([r, s])) = (pair(v), pair(v + 1)) else { return 0.0 };
            (p + (q - p) * a) * (1.0 - b) + (r + (s - r) * a) * b
        }
    }
}

/// A bright stroke with round ends on a dark ground.
#[derive(Clone, Copy)]
struct Capsule {
    ends: [Point; 2],
    radius: f32,
    contrast: f32,
}

impl Capsule {
    /// 0 on the ground, `contrast` inside, with a soft edge between.
    fn log_intensity(&self, [x, y]: Point) -> f32 {
        let [[x0, y0], [x1, y1]] = self.ends;
        let (dx, dy) = (x1 - x0, y1 - y0);
        let length2 = (dx * dx + dy * dy).max(1e-9);
        let along = (((x - x0) * dx + (y - y0) * dy) / length2).clamp(0.0, 1.0);
        let (ox, oy) = (x - x0 - along * dx, y - y0 - along * dy);
        let distance = (ox * ox + oy * oy).sqrt();
        self.contrast * ((self.radius - distance) / EDGE + 0.5).clamp(0.0, 1.0)
    }

    fn bounds(&self) -> (Point, Point) {
        let [[x0, y0], [x1, y1]] = self.ends;
        let reach = self.radius + EDGE;
        ([x0.min(x1) - reach, y0.min(y1) - reach], [x0.max(x1) + reach, y0.max(y1) + reach])
    }

    /// The pixels that it covers now or covered as `was`.
    fn swept_from(&self, was: &Self) -> Region {
        let ((low, high), (low0, high0)) = (self.bounds(), was.bounds());
        let low = [low[0].min(low0[0]), low[1].min(low0[1])];
        region(low, [high[0].max(high0[0]), high[1].max(high0[1])], 0.0)
    }
}

/// Two arms before a 128x128 sensor, 1.2 s; what class it is lies in how they move.
pub(super) fn gesture(label: u32, rng: &mut impl Rng, camera: &mut Camera) {
    const STEP_US: i64 = 2_000;
    const DURATION_US: i64 = 1_200_000;
    let turn = TAU * rng.random_range(1.3_f32..2.2) * 1e-6 * STEP_US as f32;
    let start = rng.random_range(0.0..TAU);
    let free = [0; 4].map(|_| rng.random_range(0.4_f32..1.6));
    let scale = rng.random_range(0.85..1.15);
    let [dx, dy] = [0; 2].map(|_| rng.random_range(-6.0_f32..6.0));
    let (radius, contrast) = (rng.random_range(3.0..5.0), rng.random_range(0.8..1.6));
    let arms = |step: i64| {
        arms(label, start + turn * step as f32, free).map(|ends| {
            let ends = ends.map(|[x, y]| [64.0 + x * scale + dx, 64.0 + y * scale + dy]);
            Capsule { ends, radius, contrast }
        })
    };
    let mut before = arms(0);
    for step in 0..=DURATION_US / STEP_US {
        let now = arms(step);
        let log_intensity = |x: usize, y: usize| {
            let pixel = [x as f32, y as f32];
            now[0].log_intensity(pixel).max(now[1].log_intensity(pixel))
        };
        let pairs = || now.iter().zip(&before);
        if step == 0 {
            let regions: Vec<Region> = pairs().map(|(arm, was)| arm.swept_from(was)).collect();
            camera.settle(&regions, log_intensity);
        } else {
            let moved = pairs().filter(|(arm, was)| arm.ends != was.ends);
            let regions: Vec<Region> = moved.map(|(arm, was)| arm.swept_from(was)).collect();
            camera.look(step * STEP_US, &regions, log_intensity);
        }
        before = now;
    }
}

/// The person's right arm, then the left, from shoulder or elbow to hand, about the sensor's centre, at phase `p` of the motion.
fn arms(label: u32, p: f32, free: [f32; 4]) -> [[Point; 2]; 2] {
    let mirror = |arm: [Point; 2]| arm.map(|[x, y]| [-x, y]);
    let resting = [[-22.0, -8.0], [-26.0, 28.0]]; // the person faces the camera: right arm on the left
    let from = |[x, y]: Point, length: f32, angle: f32| [[x, y], [x + length * angle.cos(), y + length * angle.sin()]];
    let wave = from([-26.0, 0.0], 34.0, -PI / 2.0 + 0.6 * p.sin());
    let circle = |p: f32| from([-22.0, -4.0], 32.0, p); // clockwise as displayed, y being downwards
    let roll = |p: f32| [-18.0, 18.0].map(|x| [x + 10.0 * p.cos(), 10.0 * p.sin()]);
    let drum = |p: f32| [[-28.0, -4.0], [-12.0, 14.0 + 14.0 * p.sin()]];
    match label {
        0 => {
            let clap = [[-28.0, 20.0], [-4.0 - 10.0 * (1.0 + p.cos()), 0.0]];
            [clap, mirror(clap)]
        }
        1 => [wave, mirror(resting)],
        2 => [resting, mirror(wave)],
        3 => [circle(p), mirror(resting)],
        4 => [circle(-p), mirror(resting)],
        5 => [resting, mirror(circle(-p))], // a mirror turns the sense of rotation
        6 => [resting, mirror(circle(p))],
        7 => [roll(p), roll(p + PI)],
        8 => [drum(p), mirror(drum(p + PI))],
        9 => [[[-30.0, 4.0], [-4.0, 18.0 + 9.0 * (2.0 * p).sin()]], [[22.0, -8.0], [38.0 + 3.0 * p.sin(), 6.0]]],
        _ => {
            let [a, b, c, d] = free;
            let hand =
                |a: f32, b: f32| [[-22.0, -6.0], [-22.0 + 24.0 * (a * p).sin(), -6.0 + 24.0 * (b * p + 1.0).cos()]];
            [hand(a, b), mirror(hand(c, d))]
        }
    }
}

fn region(low: Point, high: Point, margin: f32) -> Region {
    let range = |low: f32, high: f32| (low - margin).max(0.0) as usize..(high + margin).max(0.0) as usize + 2;
    Region { x: range(low[0], high[0]), y: range(low[1], high[1]) }
}

fn arc([x, y]: Point, [rx, ry]: Point, from: f32, to: f32) -> Vec<Point> {
    let points = ((to - from).abs() * 2.5 / PI * 2.0).ceil() as usize + 2;
    let angle = |i: usize| PI * (from + (to - from) * i as f32 / (points - 1) as f32);
    (0..points).map(|i| [x + rx * angle(i).cos(), y + ry * angle(i).sin()]).collect()
}

/// Angles of arcs in units of π from the right, downwards first.
fn digit_strokes(label: u32) -> Vec<Vec<Point>> {
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
        6 => vec![arc([0.12, 0.15], [0.39, 0.61], 1.45, 1.0), arc([0.0, 0.2], [0.27, 0.26], 0.0, 2.0)],
        7 => vec![vec![[-0.3, -0.44], [0.3, -0.44], [-0.08, 0.47]]],
        8 => vec![arc([0.0, -0.23], [0.22, 0.22], 0.0, 2.0), arc([0.0, 0.22], [0.27, 0.24], 0.0, 2.0)],
        _ => vec![arc([0.0, -0.2], [0.25, 0.26], 0.0, 2.0), vec![[0.25, -0.2], [0.22, 0.1], [0.08, 0.47]]],
    }
}

fn shape_strokes(label: u32) -> Vec<Vec<Point>> {
    // corners of a star polygon: every `skip`-th of `n` points on a circle, from the top
    let polygon = |n: usize, skip: usize, radius: f32| -> Vec<Point> {
        let angle = |i: usize| TAU * (i * skip) as f32 / n as f32 - PI / 2.0;
        (0..=n).map(|i| [radius * angle(i).cos(), radius * angle(i).sin()]).collect()
    };
    let line = |angle: f32| {
        let (y, x) = (PI * angle).sin_cos();
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
                .map(|s| [s * 0.5 * (13.0 * s).cos(), s * 0.5 * (13.0 * s).sin()])
                .collect(),
        ],
        8 => vec![vec![[-0.5, -0.3], [-0.25, 0.3], [0.0, -0.3], [0.25, 0.3], [0.5, -0.3]]],
        _ => vec![polygon(4, 1, 0.5), polygon(4, 1, 0.22)],
    }
}
