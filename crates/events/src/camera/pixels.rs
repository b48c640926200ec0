use std::ops::Range;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Camera, exact};
use crate::{Columns, Error, Events, Sensor};

/// Pixels to look at; what lies outside the sensor is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Columns.
    pub x: Range<usize>,
    /// Rows.
    pub y: Range<usize>,
}

/// The pixels of a [`Camera`] at work: a sequence of looks at log intensity, then
/// [`Pixels::finish`].
///
/// ```
/// use events::{Sensor, camera::Camera};
/// use rand::SeedableRng;
///
/// let camera = Camera { mismatch: 0.0, threshold_on: 0.2, ..Camera::default() };
/// let mut pixels = camera.pixels(Sensor { width: 2, height: 1 }, 0);
/// pixels.settle(&[pixels.all()], |_, _| 0.0);
/// // one pixel grows brighter
/// pixels.look(1_000, &[pixels.all()], |x, _| if x == 1 { 0.3 } else { 0.0 });
/// let events = pixels.finish(&mut rand_chacha::ChaCha8Rng::seed_from_u64(0))?;
/// assert_eq!((events.t_us(), events.x(), events.on()), (&[666][..], &[1][..], &[true][..]));
/// # Ok::<(), events::Error>(())
/// ```
pub struct Pixels {
    camera: Camera,
    sensor: Sensor,
    pixels: Vec<Pixel>,
    now_us: i64,
    events: Vec<Event>,
}

/// t in µs, x, y, ON.
type Event = (i64, u16, u16, bool);

#[derive(Clone)]
struct Pixel {
    threshold_on: f32,
    threshold_off: f32,
    /// Log intensity that it compares with.
    reference: f32,
    /// Log intensity when last looked at.
    level: f32,
    /// End of the reset that it is held in, if it is.
    release_us: Option<i64>,
}

impl Camera {
    /// Its pixels before darkness (log intensity 0) at time 0; `seed` is the one camera among
    /// others that differ in their mismatch.
    pub fn pixels(&self, sensor: Sensor, seed: u64) -> Pixels {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // below a tenth of its mean a threshold would be noise, not a pixel
        let mut threshold =
            |mean: f32| mean * (1.0 + self.mismatch * exact::normal(&mut rng)).max(0.1);
        let mut pixel = || Pixel {
            threshold_on: threshold(self.threshold_on),
            threshold_off: threshold(self.threshold_off),
            reference: 0.0,
            level: 0.0,
            release_us: None,
        };
        let pixels =
            (0..usize::from(sensor.width) * usize::from(sensor.height)).map(|_| pixel()).collect();
        Pixels { camera: *self, sensor, pixels, now_us: 0, events: Vec::new() }
    }
}

impl Pixels {
    /// The sensor.
    pub fn sensor(&self) -> Sensor {
        self.sensor
    }

    /// The whole sensor.
    pub fn all(&self) -> Region {
        Region { x: 0..self.sensor.width.into(), y: 0..self.sensor.height.into() }
    }

    /// Gets used to a scene, given as log intensity at column and row: no pixel fires.
    pub fn settle(&mut self, regions: &[Region], log_intensity: impl Fn(usize, usize) -> f32) {
        self.each(regions, |_, x, y, pixel| {
            pixel.level = log_intensity(x, y);
            pixel.reference = pixel.level;
            pixel.release_us = None;
        });
    }

    /// Sees log intensity (at column and row) at `t_us`, later than the look before, inside
    /// `regions`; outside them nothing may have changed. Between two looks log intensity is taken
    /// to change linearly, which gives the events their times.
    pub fn look(
        &mut self,
        t_us: i64,
        regions: &[Region],
        log_intensity: impl Fn(usize, usize) -> f32,
    ) {
        let (from_us, span_us) = (self.now_us, t_us.saturating_sub(self.now_us));
        // at least 1 µs: a pixel without a pause could fire without end on a bad value
        let refractory_us = self.camera.refractory_us.max(1);
        self.each(regions, |events, x, y, pixel| {
            pixel.see(log_intensity(x, y), from_us, span_us, refractory_us, |t_us, on| {
                events.push((t_us, x as u16, y as u16, on));
            });
        });
        self.now_us = t_us.max(from_us);
    }

    fn each(
        &mut self,
        regions: &[Region],
        mut visit: impl FnMut(&mut Vec<Event>, usize, usize, &mut Pixel),
    ) {
        let (width, height) = (usize::from(self.sensor.width), usize::from(self.sensor.height));
        for Region { x, y } in regions {
            let x = x.start.min(width)..x.end.min(width);
            for y in y.start.min(height)..y.end.min(height) {
                let row = &mut self.pixels[y * width..][..width];
                for (x, pixel) in row.iter_mut().enumerate().take(x.end).skip(x.start) {
                    visit(&mut self.events, x, y, pixel);
                }
            }
        }
    }

    /// The events in order of time, noise added: each kind a Poisson process over the whole sensor.
    ///
    /// # Errors
    /// None that the looks can cause; [`Error`] as [`Events::new`] gives it.
    pub fn finish(mut self, rng: &mut impl Rng) -> Result<Events, Error> {
        let Sensor { width, height } = self.sensor;
        for (hz, on) in [(self.camera.noise_on_hz, true), (self.camera.noise_off_hz, false)] {
            let mean_us = 1e6 / (hz * self.pixels.len() as f64);
            let mut t_us = 0.0;
            while mean_us > 0.0 && mean_us.is_finite() {
                t_us -= mean_us * exact::ln(1.0 - rng.random::<f64>());
                if t_us >= self.now_us as f64 {
                    break;
                }
                self.events.push((
                    t_us as i64,
                    rng.random_range(0..width),
                    rng.random_range(0..height),
                    on,
                ));
            }
        }
        // by all four fields, so that equal times have one order on every machine
        self.events.sort_unstable();
        let mut columns = Columns::with_capacity(self.events.len());
        for (t_us, x, y, on) in self.events {
            columns.push(t_us, x, y, on);
        }
        Events::new(self.sensor, columns)
    }
}

impl Pixel {
    /// The level goes from where it is to `to`, linearly from `from_us` on and for `span_us`;
    /// `fire` hears of each event.
    fn see(
        &mut self,
        to: f32,
        from_us: i64,
        span_us: i64,
        refractory_us: i64,
        mut fire: impl FnMut(i64, bool),
    ) {
        if to == self.level && self.release_us.is_none() {
            return;
        }
        let from = self.level;
        let slope = (to - from) / span_us as f32;
        self.level = to;
        let mut part_us = 0.0;
        loop {
            if let Some(release_us) = self.release_us {
                if release_us.saturating_sub(from_us) >= span_us {
                    return;
                }
                part_us = release_us.saturating_sub(from_us).max(0) as f32;
                self.reference = from + slope * part_us;
                self.release_us = None;
            }
            let on = to > self.reference;
            let target = self.reference + if on { self.threshold_on } else { -self.threshold_off };
            let crossed = if on { to >= target } else { to <= target };
            if !crossed {
                return;
            }
            part_us = ((target - from) / slope).max(part_us).min(span_us as f32);
            let t_us = from_us + part_us as i64;
            fire(t_us, on);
            self.release_us = Some(t_us.saturating_add(refractory_us));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SENSOR: Sensor = Sensor { width: 8, height: 8 };
    const QUIET: Camera = Camera {
        threshold_on: 0.2,
        threshold_off: 0.2,
        mismatch: 0.0,
        refractory_us: 100,
        noise_on_hz: 0.0,
        noise_off_hz: 0.0,
    };

    /// The events of a ramp to `level` and back in steps, each of `step_us`.
    fn ramp(camera: Camera, seed: u64, levels: &[f32], step_us: i64) -> Events {
        let mut pixels = camera.pixels(SENSOR, seed);
        let all = [pixels.all()];
        pixels.settle(&all, |_, _| 0.0);
        for (step, &level) in (1..).zip(levels) {
            pixels.look(step * step_us, &all, |_, _| level);
        }
        pixels.finish(&mut ChaCha8Rng::seed_from_u64(seed)).unwrap()
    }

    #[test]
    fn events_lie_where_the_line_between_two_looks_crosses_the_threshold() {
        let events = ramp(QUIET, 0, &[0.5, 0.0], 10_000);
        // up: 0.2 at 4,000 µs; held to 4,100 (level 0.205), 0.405 at 8,100, held to 8,200 (0.41);
        // down from 0.5: 0.21 at 15,800
        let mut times: Vec<(i64, bool)> =
            events.t_us().iter().copied().zip(events.on().iter().copied()).collect();
        times.dedup();
        let expected = [(4_000, true), (8_100, true), (15_800, false), (19_900, false)];
        assert_eq!(times.len(), expected.len(), "{times:?}");
        for ((t, on), (t0, on0)) in times.iter().zip(expected) {
            assert!((t - t0).abs() <= 1 && *on == on0, "{times:?}");
        }
        assert_eq!(events.len(), 4 * 64);
    }

    #[test]
    fn a_step_fires_once_because_the_pixel_is_held_in_reset() {
        let long = Camera { refractory_us: 20_000, ..QUIET };
        assert_eq!(ramp(long, 0, &[1.0, 1.0, 1.0], 1_000).len(), 64);
        // one look later than the reset, the reference is the new level: going back fires OFF
        let back = ramp(Camera { refractory_us: 1_500, ..QUIET }, 0, &[1.0, 1.0, 1.0, 0.0], 1_000);
        assert_eq!(back.on().iter().filter(|&&on| !on).count(), 64);
    }

    #[test]
    fn a_pixel_that_is_not_looked_at_stays_as_it_was() {
        let looks = |regions: &dyn Fn(i64) -> Vec<Region>| {
            let mut pixels = QUIET.pixels(SENSOR, 0);
            pixels.settle(&[pixels.all()], |_, _| 0.0);
            for step in 1..40 {
                // column 3 moves in the first ten steps, column 5 after the twentieth
                let level = |x: usize, _: usize| match x {
                    3 => 0.09 * step.min(10) as f32,
                    5 => 0.11 * (step - 20).max(0) as f32,
                    _ => 0.0,
                };
                pixels.look(step * 1_000, &regions(step), level);
            }
            pixels.finish(&mut ChaCha8Rng::seed_from_u64(0)).unwrap()
        };
        let column = |x: usize| Region { x: x..x + 1, y: 0..8 };
        let whole = looks(&|_| vec![Region { x: 0..99, y: 0..99 }]);
        let parts = looks(&|step| if step <= 10 { vec![column(3)] } else { vec![column(5)] });
        assert!(!whole.is_empty());
        assert_eq!(whole, parts);
    }

    #[test]
    fn thresholds_differ_between_pixels_and_cameras_but_not_between_recordings() {
        let camera = Camera { mismatch: 0.2, ..QUIET };
        let [one, again, other] = [7, 7, 8].map(|seed| ramp(camera, seed, &[0.5], 10_000));
        assert_eq!(one, again);
        assert_ne!(one, other);
        let mut firsts = one.t_us().to_vec();
        firsts.dedup();
        assert!(firsts.len() > 64, "{} distinct times", firsts.len());
    }

    #[test]
    fn noise_has_its_rates() {
        let camera = Camera { noise_on_hz: 5.0, noise_off_hz: 1.0, ..QUIET };
        let events = ramp(camera, 3, &[0.0], 10_000_000);
        let on = events.on().iter().filter(|&&on| on).count();
        // 3,200 and 640 expected; four deviations either side
        assert!((2_974..3_427).contains(&on), "{on} ON");
        assert!((539..742).contains(&(events.len() - on)), "{} OFF", events.len() - on);
    }

    #[test]
    fn bad_values_neither_panic_nor_hang() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
            let camera = Camera { refractory_us: i64::MIN, ..QUIET };
            let events = ramp(camera, 0, &[bad, 0.0, bad, bad], 50);
            assert!(events.len() <= 64 * 4 * 51, "{bad}: {}", events.len());
        }
        let rates =
            Camera { noise_on_hz: f64::NAN, noise_off_hz: -1.0, threshold_on: f32::NAN, ..QUIET };
        assert!(ramp(rates, 0, &[1.0], 1_000).is_empty());
    }
}
