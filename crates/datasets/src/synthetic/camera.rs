use std::ops::Range;

use events::{Columns, Error, Events, Sensor};
use rand::Rng;

/// Change of the natural logarithm of intensity that makes a pixel fire: chosen, within the range of event cameras.
const THRESHOLD: f32 = 0.2;
/// Noise events per pixel and second: chosen, about one event in a hundred.
const NOISE_HZ: f64 = 0.1;

/// An event camera: each pixel fires when its log intensity has moved by a threshold since its last event.
pub(super) struct Camera {
    sensor: Sensor,
    /// Per pixel: log intensity at its last event, and when last looked at.
    pixels: Vec<(f32, f32)>,
    now_us: i64,
    events: Vec<Event>,
}

/// t in µs, x, y, ON.
type Event = (i64, u16, u16, bool);

/// Pixels to look at.
pub(super) struct Region {
    pub x: Range<usize>,
    pub y: Range<usize>,
}

impl Camera {
    /// A camera before darkness (log intensity 0), at time 0.
    pub fn new(sensor: Sensor) -> Self {
        let pixels = vec![(0.0, 0.0); usize::from(sensor.width) * usize::from(sensor.height)];
        Self { sensor, pixels, now_us: 0, events: Vec::new() }
    }

    pub fn sensor(&self) -> Sensor {
        self.sensor
    }

    /// Gets used to a scene: no pixel fires.
    pub fn settle(&mut self, regions: &[Region], log_intensity: impl Fn(usize, usize) -> f32) {
        self.each(regions, |_, x, y, pixel| {
            let now = log_intensity(x, y);
            *pixel = (now, now);
        });
    }

    /// Sees `log_intensity` at `t_us`, inside `regions`; outside them nothing may have changed. Between two looks intensity is
    /// taken to change linearly, which gives the events their times.
    pub fn look(&mut self, t_us: i64, regions: &[Region], log_intensity: impl Fn(usize, usize) -> f32) {
        let now_us = self.now_us;
        self.each(regions, |events, x, y, (level, last)| {
            let now = log_intensity(x, y);
            while (now - *level).abs() >= THRESHOLD {
                let on = now > *level;
                *level += if on { THRESHOLD } else { -THRESHOLD };
                let part = ((*level - *last) / (now - *last)).clamp(0.0, 1.0);
                let event_us = now_us + ((t_us - now_us) as f32 * part) as i64;
                events.push((event_us, x as u16, y as u16, on));
            }
            *last = now;
        });
        self.now_us = t_us;
    }

    fn each(&mut self, regions: &[Region], mut visit: impl FnMut(&mut Vec<Event>, usize, usize, &mut (f32, f32))) {
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

    /// The events in order of time, noise added.
    pub fn into_events(mut self, rng: &mut impl Rng) -> Result<Events, Error> {
        let Sensor { width, height } = self.sensor;
        let expected = NOISE_HZ * self.pixels.len() as f64 * self.now_us as f64 * 1e-6;
        for _ in 0..expected.round() as usize {
            let t_us = rng.random_range(0..self.now_us.max(1));
            self.events.push((t_us, rng.random_range(0..width), rng.random_range(0..height), rng.random()));
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
