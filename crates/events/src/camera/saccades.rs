use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Pixels, Region, exact};
use crate::Sensor;

/// Side of an image in pixels.
const SIDE: usize = 28;
/// Side of the sensor in pixels.
const SENSOR: usize = 34;
/// Pixels around the sensor that a path may lead the image away.
const MARGIN: usize = 8;
/// Side of the canvas: sensor and margins.
const CANVAS: usize = SENSOR + 2 * MARGIN;

/// The path of the image, a point every 10 ms.
const PATH: [[f32; 2]; 32] = [
    [-2.18, -2.0],
    [-2.3, -1.8],
    [-2.2, -1.57],
    [-2.4, -0.93],
    [-2.45, 0.12],
    [-2.52, 1.6],
    [-1.97, 2.77],
    [-1.38, 3.42],
    [-1.3, 3.8],
    [-1.2, 3.62],
    [-1.15, 3.7],
    [-1.0, 3.6],
    [-0.82, 3.42],
    [-0.42, 3.5],
    [0.17, 2.6],
    [1.0, 1.6],
    [1.57, 0.2],
    [2.2, -0.8],
    [2.18, -1.3],
    [2.35, -1.38],
    [2.5, -1.25],
    [2.65, -1.53],
    [2.65, -1.35],
    [2.67, -1.65],
    [1.8, -1.57],
    [0.88, -1.5],
    [-0.12, -1.55],
    [-1.2, -1.45],
    [-1.68, -1.57],
    [-2.08, -1.55],
    [-2.1, -1.7],
    [-2.02, -1.7],
];

/// The protocol of N-MNIST: a 28×28 image on a screen, dark ink on a bright ground, before a camera
/// that makes three saccades.
///
/// Orchard, Jayawant, Cohen, Thakor, Frontiers in Neuroscience 9:437, 2015. The default is what
/// comes nearest to the first 1,000 train recordings. There the file's ON bit stands where a
/// digit's ink moves away, and pixels at rest leak ON events, as every event camera's do: so the
/// ink is dark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saccades {
    /// Share of the ground's light that full ink takes away, below 1. Tuned.
    pub contrast: f32,
    /// Radius in pixels at which the blur by optics and screen ends, as (1 − (d/r)²)³. Tuned.
    pub blur_px: f32,
    /// Sensor pixels per image pixel. Tuned.
    pub scale: f32,
    /// Time in µs between two looks of the camera. Chosen: the image moves by less than a third of
    /// a pixel.
    pub look_us: i64,
    /// Time in µs between two points of the path.
    pub knot_us: i64,
    /// Place of the image's centre relative to the sensor's, [x, y] in pixels, y downwards, joined
    /// by a Catmull-Rom spline. Measured.
    pub path: Vec<[f32; 2]>,
}

impl Default for Saccades {
    fn default() -> Self {
        Self {
            contrast: 0.95,
            blur_px: 1.6,
            scale: 1.0,
            look_us: 2_000,
            knot_us: 10_000,
            path: PATH.to_vec(),
        }
    }
}

impl Saccades {
    /// The sensor's part that sees the image.
    pub const SENSOR: Sensor = Sensor { width: SENSOR as u16, height: SENSOR as u16 };

    /// Length in µs.
    pub fn duration_us(&self) -> i64 {
        (self.path.len().saturating_sub(1) as i64).saturating_mul(self.knot_us)
    }

    /// Shows `image` (ink 0 to 255, row by row) to `pixels`, which should be those of
    /// [`Saccades::SENSOR`], for the whole path.
    pub fn show(&self, image: &[u8; SIDE * SIDE], pixels: &mut Pixels) {
        let canvas = Canvas(self.log_intensity(image));
        let ink = canvas.ink();
        let look_us = self.look_us.max(1);
        let mut before = self.place(0);
        pixels.settle(&[pixels.all()], canvas.seen_from(before));
        for look in 1..=self.duration_us() / look_us {
            let now = self.place(look * look_us);
            pixels.look(look * look_us, &[ink.swept(before, now)], canvas.seen_from(now));
            before = now;
        }
    }

    /// Place of the image at `t_us`.
    fn place(&self, t_us: i64) -> [f32; 2] {
        let knot_us = self.knot_us.max(1);
        let k = t_us / knot_us;
        let s = (t_us - k * knot_us) as f32 / knot_us as f32;
        let last = self.path.len() as i64 - 1;
        let knot =
            |k: i64| self.path.get(k.clamp(0, last.max(0)) as usize).copied().unwrap_or_default();
        let [a, b, c, d] = [k - 1, k, k + 1, k + 2].map(knot);
        let axis = |i: usize| {
            let (a, b, c, d) = (a[i], b[i], c[i], d[i]);
            b + 0.5
                * s
                * (c - a + s * (2.0 * a - 5.0 * b + 4.0 * c - d + s * (3.0 * (b - c) + d - a)))
        };
        [axis(0), axis(1)]
    }

    /// Log intensity of the image in the middle of a canvas, ln(1 − blurred ink): 0 on the ground.
    fn log_intensity(&self, image: &[u8; SIDE * SIDE]) -> Vec<f32> {
        let ink: Vec<f32> = (0..256).map(|value| self.contrast * ink(value as u8)).collect();
        let weights = self.weights();
        let mut rows = vec![0.0; SIDE * CANVAS];
        for (row, pixels) in rows.chunks_exact_mut(CANVAS).zip(image.chunks_exact(SIDE)) {
            for (out, weights) in row.iter_mut().zip(&weights) {
                *out =
                    weights.iter().zip(pixels).map(|(w, &pixel)| w * ink[usize::from(pixel)]).sum();
            }
        }
        let mut canvas = Vec::with_capacity(CANVAS * CANVAS);
        for weights in &weights {
            for x in 0..CANVAS {
                let blurred: f32 =
                    weights.iter().enumerate().map(|(y, w)| w * rows[y * CANVAS + x]).sum();
                // complete darkness has no logarithm
                canvas.push(exact::ln(f64::from((1.0 - blurred).max(1e-3))) as f32);
            }
        }
        canvas
    }

    /// What each of the image's 28 rows (or columns) gives to each of the canvas's.
    fn weights(&self) -> Vec<[f32; SIDE]> {
        let (scale, radius) = (self.scale, self.blur_px.max(0.6 * self.scale));
        let kernel = |d: f32| {
            let inside = (1.0 - (d / radius) * (d / radius)).max(0.0);
            inside * inside * inside
        };
        // as if the image went on without end, so that the ground's weight is counted
        let total: f32 = (-99..100).map(|k| kernel(k as f32 * scale)).sum();
        let centre = (CANVAS - 1) as f32 / 2.0;
        let weight =
            |u: usize, i: usize| kernel(u as f32 - centre - scale * (i as f32 - 13.5)) / total;
        (0..CANVAS).map(|u| std::array::from_fn(|i| weight(u, i))).collect()
    }
}

/// Share of the light that a screen's pixel of `value` takes away: 1 − (1 − value)^2.25. Square
/// roots are rounded exactly, and the power lies by the 2.2 of an sRGB screen.
fn ink(value: u8) -> f32 {
    let shown = f32::from(u8::MAX - value) / f32::from(u8::MAX);
    1.0 - shown * shown * shown.sqrt().sqrt()
}

/// Log intensity of a still image, larger than the sensor by [`MARGIN`] on each side.
struct Canvas(Vec<f32>);

/// Columns and rows of the canvas that hold all ink.
struct Ink {
    x: Range<usize>,
    y: Range<usize>,
}

impl Canvas {
    fn ink(&self) -> Ink {
        let (mut low, mut high) = ([CANVAS; 2], [0; 2]);
        for (at, _) in self.0.iter().enumerate().filter(|(_, level)| **level != 0.0) {
            for (axis, place) in [at % CANVAS, at / CANVAS].into_iter().enumerate() {
                low[axis] = low[axis].min(place);
                high[axis] = high[axis].max(place + 1);
            }
        }
        Ink { x: low[0]..high[0], y: low[1]..high[1] }
    }

    /// Log intensity at each pixel when the image is moved by `offset`: bilinear, with the same
    /// weights everywhere.
    fn seen_from(&self, offset: [f32; 2]) -> impl Fn(usize, usize) -> f32 {
        let from = offset.map(reach);
        let [u0, v0] = from.map(|f| f as usize);
        let [a, b] = from.map(f32::fract);
        move |x, y| {
            let at = (v0 + y) * CANVAS + u0 + x;
            let pair = |at: usize| self.0.get(at..).and_then(|row| row.first_chunk());
            let (Some([p, q]), Some([r, s])) = (pair(at), pair(at + CANVAS)) else { return 0.0 };
            (p + (q - p) * a) * (1.0 - b) + (r + (s - r) * a) * b
        }
    }
}

impl Ink {
    /// The pixels of the sensor that ink may touch on its way from one offset to another.
    fn swept(&self, from: [f32; 2], to: [f32; 2]) -> Region {
        let axis = |ink: &Range<usize>, i: usize| {
            let (a, b) = (reach(from[i]), reach(to[i]));
            // a pixel takes part of the canvas's sample at its own place and of the next one
            let start = ink.start.saturating_sub(a.max(b) as usize + 1);
            start..ink.end.saturating_sub(a.min(b) as usize)
        };
        Region { x: axis(&self.x, 0), y: axis(&self.y, 1) }
    }
}

/// Where on the canvas the sensor's first column (or row) lies when the image is moved by `offset`:
/// never beyond the canvas.
fn reach(offset: f32) -> f32 {
    (MARGIN as f32 - offset).clamp(0.0, (2 * MARGIN) as f32 - 1.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::{Events, camera::Camera};

    /// A bar, 3 wide and 15 high.
    fn bar() -> [u8; SIDE * SIDE] {
        std::array::from_fn(|at| {
            if (12..15).contains(&(at % SIDE)) && (6..21).contains(&(at / SIDE)) { 255 } else { 0 }
        })
    }

    fn record(saccades: &Saccades, image: &[u8; SIDE * SIDE]) -> Events {
        let camera = Camera { noise_on_hz: 0.0, noise_off_hz: 0.0, ..Camera::default() };
        let mut pixels = camera.pixels(Saccades::SENSOR, 1);
        saccades.show(image, &mut pixels);
        pixels.finish(&mut ChaCha8Rng::seed_from_u64(1)).unwrap()
    }

    #[test]
    fn dark_ink_fires_off_where_it_comes_and_on_where_it_goes() {
        let right = Saccades {
            path: vec![[-3.0, 0.0], [3.0, 0.0]],
            knot_us: 100_000,
            ..Saccades::default()
        };
        let events = record(&right, &bar());
        // the bar's middle goes from column 13.5 to 19.5: its right side comes into the last
        // columns, its left side leaves the first
        let count = |on: bool, columns: Range<u16>| {
            let of = events
                .x()
                .iter()
                .zip(events.on())
                .filter(|&(x, &o)| o == on && columns.contains(x));
            of.count()
        };
        assert!(count(true, 10..14) > 3 * count(false, 10..14));
        assert!(count(false, 19..23) > 3 * count(true, 19..23));
        assert!(events.t_us().iter().all(|t| (0..=100_000).contains(t)));
    }

    #[test]
    fn the_swept_pixels_are_all_that_change() {
        let saccades = Saccades {
            path: vec![[-9.0, 0.3], [4.2, 9.0], [0.0, -20.0], [1.0, 1.0]],
            ..Saccades::default()
        };
        let camera = Camera::default();
        let mut pixels = camera.pixels(Saccades::SENSOR, 1);
        let all = [pixels.all()];
        let canvas = Canvas(saccades.log_intensity(&bar()));
        pixels.settle(&all, canvas.seen_from(saccades.place(0)));
        for look in 1..=saccades.duration_us() / saccades.look_us {
            pixels.look(
                look * saccades.look_us,
                &all,
                canvas.seen_from(saccades.place(look * saccades.look_us)),
            );
        }
        let mut swept = camera.pixels(Saccades::SENSOR, 1);
        saccades.show(&bar(), &mut swept);
        let [all, swept] =
            [pixels, swept].map(|p| p.finish(&mut ChaCha8Rng::seed_from_u64(1)).unwrap());
        assert_eq!(all, swept);
        assert!(all.len() > 500, "{} events", all.len());
    }

    #[test]
    fn an_empty_image_or_an_empty_path_fires_nothing() {
        assert!(record(&Saccades::default(), &[0; SIDE * SIDE]).is_empty());
        assert!(record(&Saccades { path: Vec::new(), ..Saccades::default() }, &bar()).is_empty());
        let still = Saccades { path: vec![[1.0, 1.0]; 4], ..Saccades::default() };
        assert!(record(&still, &bar()).is_empty());
    }

    #[test]
    fn bad_constants_neither_panic_nor_hang() {
        for bad in [f32::NAN, f32::INFINITY, -1.0, 0.0] {
            let saccades = Saccades {
                contrast: bad,
                blur_px: bad,
                scale: bad,
                path: vec![[bad; 2], [0.0; 2]],
                ..Saccades::default()
            };
            record(&saccades, &bar());
        }
        record(&Saccades { look_us: 0, knot_us: 10, ..Saccades::default() }, &bar());
        record(&Saccades { look_us: -5, knot_us: -5, ..Saccades::default() }, &bar());
    }
}
