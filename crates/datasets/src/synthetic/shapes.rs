use events::Sensor;
use events::camera::{Pixels, Region};
use rand::Rng;

use super::{
    exact::sin_cos,
    glyphs::{self, Capsule, Point, capsules, drawn_by_hand, region},
};

/// One turn of a closed loop in four directions, as CIFAR10-DVS moves its images: a centre's way
/// over the sensor in pixels.
const LOOP: [Point; 5] = [[-8.0, -8.0], [8.0, -8.0], [8.0, 8.0], [-8.0, 8.0], [-8.0, -8.0]];
const LEG_US: i64 = 300_000;
const LOOK_US: i64 = 4_000;

/// A bright shape before a 128×128 sensor, 1.2 s.
pub(crate) fn show(label: u32, rng: &mut impl Rng, pixels: &mut Pixels) {
    let radius = rng.random_range(2.0..4.0);
    let contrast = rng.random_range(0.85..1.85);
    let strokes = drawn_by_hand(&glyphs::shape(label), 72.0, [64.0; 2], rng);
    let canvas = Canvas::draw(pixels.sensor(), capsules(&strokes, radius, 1.5), contrast);
    pixels.settle(&[canvas.region(LOOP[0])], canvas.seen_from(LOOP[0]));
    for look in 1..=(LOOP.len() as i64 - 1) * LEG_US / LOOK_US {
        let offset = place(look * LOOK_US);
        pixels.look(look * LOOK_US, &[canvas.region(offset)], canvas.seen_from(offset));
    }
}

/// Where the loop is at `t_us`; each leg starts and stops softly, as a real drive does.
fn place(t_us: i64) -> Point {
    // the last microsecond of a leg belongs to it, so the last corner is reached
    let leg = (((t_us - 1) / LEG_US) as usize).min(LOOP.len() - 2);
    let part = (t_us - leg as i64 * LEG_US) as f32 / LEG_US as f32;
    let part = (1.0 - sin_cos(std::f32::consts::PI * part).1) / 2.0;
    let ([x0, y0], [x1, y1]) = (LOOP[leg], LOOP[leg + 1]);
    [x0 + (x1 - x0) * part, y0 + (y1 - y0) * part]
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

    fn draw(sensor: Sensor, lines: impl Iterator<Item = Capsule>, contrast: f32) -> Self {
        let side = |pixels: u16| (usize::from(pixels) + 2 * Self::MARGIN) * Self::FINE;
        let (width, height) = (side(sensor.width), side(sensor.height));
        let values = vec![0.0; width * height];
        let mut canvas = Self { width, height, values, low: [f32::MAX; 2], high: [f32::MIN; 2] };
        lines.for_each(|line| canvas.line(line, contrast));
        canvas
    }

    fn line(&mut self, line: Capsule, contrast: f32) {
        let (low, high) = line.bounds();
        let sample =
            |pixel: f32| ((pixel + Self::MARGIN as f32).max(0.0) * Self::FINE as f32) as usize;
        let pixel = |sample: usize| sample as f32 / Self::FINE as f32 - Self::MARGIN as f32;
        for v in sample(low[1])..(sample(high[1]) + 2).min(self.height) {
            for u in sample(low[0])..(sample(high[0]) + 2).min(self.width) {
                let value = &mut self.values[v * self.width + u];
                *value = value.max(contrast * line.cover([pixel(u), pixel(v)]));
            }
        }
        for axis in 0..2 {
            self.low[axis] = self.low[axis].min(low[axis]);
            self.high[axis] = self.high[axis].max(high[axis]);
        }
    }

    /// The pixels that a picture moved by `offset` covers, or covered one look before.
    fn region(&self, offset: Point) -> Region {
        region(
            [self.low[0] + offset[0] - 1.0, self.low[1] + offset[1] - 1.0],
            [self.high[0] + offset[0] + 1.0, self.high[1] + offset[1] + 1.0],
        )
    }

    /// Log intensity at each pixel when the picture is moved by `offset`: bilinear, with the same
    /// weights everywhere.
    fn seen_from(&self, offset: Point) -> impl Fn(usize, usize) -> f32 {
        let from = offset.map(|o| (Self::MARGIN as f32 - o).max(0.0) * Self::FINE as f32);
        let [u0, v0] = from.map(|f| f as usize);
        let [a, b] = from.map(f32::fract);
        move |x, y| {
            let (u, v) = (u0 + x * Self::FINE, v0 + y * Self::FINE);
            let pair =
                |v: usize| self.values.get(v * self.width + u..).and_then(|row| row.first_chunk());
            let (Some([p, q]), Some([r, s])) = (pair(v), pair(v + 1)) else { return 0.0 };
            (p + (q - p) * a) * (1.0 - b) + (r + (s - r) * a) * b
        }
    }
}
