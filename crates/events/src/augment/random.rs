//! The random transforms; their parameters have passed [`super::EventTransform::check`].

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;

use super::{crop, rebuild};
use crate::{Columns, Error, Events, Sensor};

/// Uniform in [0, 1), 53 bits. Our own lines instead of a library's distributions, so that a key
/// means the same events for ever.
pub(super) fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Uniform in 0..n for n ≥ 1; the bias of a product without rejection is below n / 2⁶⁴.
fn below(rng: &mut ChaCha8Rng, n: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(n)) >> 64) as u64
}

/// Two independent standard normal numbers (Box and Muller 1958).
fn normals(rng: &mut ChaCha8Rng) -> (f64, f64) {
    // 1 − u lies in (0, 1], where the logarithm is finite
    let radius = (-2.0 * (1.0 - uniform(rng)).ln()).sqrt();
    let (sin, cos) = (std::f64::consts::TAU * uniform(rng)).sin_cos();
    (radius * cos, radius * sin)
}

pub(super) fn random_crop(
    events: &Events,
    padding: u16,
    width: u16,
    height: u16,
    rng: &mut ChaCha8Rng,
) -> Result<Events, Error> {
    let sensor = events.sensor();
    let mut start = |sensor_size: u16, size: u16| {
        // at most 196,606: nothing overflows and no cast loses anything
        let places = i32::from(sensor_size) + 2 * i32::from(padding) - i32::from(size) + 1;
        (places > 0).then(|| below(rng, places as u64) as i32 - i32::from(padding))
    };
    match (start(sensor.width, width), start(sensor.height, height)) {
        (Some(x), Some(y)) => Ok(crop(events, x, y, width, height)),
        _ => Err(Error::Parameter {
            what: "random_crop",
            expected: format!(
                "a window that fits the {}x{} sensor padded by {padding}",
                sensor.width, sensor.height
            ),
            found: format!("{width}x{height}"),
            advice: "take a smaller window or more padding",
        }),
    }
}

pub(super) fn drop_events(events: &Events, probability: f64, rng: &mut ChaCha8Rng) -> Events {
    let columns =
        rebuild(events, |t_us, x, y, on| (uniform(rng) >= probability).then_some((t_us, x, y, on)));
    Events::of(events.sensor(), columns)
}

pub(super) fn drop_time(events: &Events, share: f64, rng: &mut ChaCha8Rng) -> Events {
    let (&[first, ..], &[.., last]) = (events.t_us(), events.t_us()) else { return events.clone() };
    // the microseconds of the recording, both ends included, so that share 1 takes all of them
    let span = last.abs_diff(first).saturating_add(1);
    let length = ((share * span as f64).round() as u64).min(span);
    let start = below(rng, (span - length).saturating_add(1));
    let dropped = start..start + length;
    let columns = rebuild(events, |t_us, x, y, on| {
        (!dropped.contains(&t_us.abs_diff(first))).then_some((t_us, x, y, on))
    });
    Events::of(events.sensor(), columns)
}

pub(super) fn drop_area(events: &Events, share: f64, rng: &mut ChaCha8Rng) -> Events {
    let Sensor { width, height } = events.sensor();
    let mut side = |size: u16| {
        let length = (f64::from(size) * share.sqrt()).round() as u64;
        let start = below(rng, u64::from(size) - length + 1);
        start..start + length
    };
    let (columns, rows) = (side(width), side(height));
    let inside = |x: u16, y: u16| columns.contains(&x.into()) && rows.contains(&y.into());
    let columns = rebuild(events, |t_us, x, y, on| (!inside(x, y)).then_some((t_us, x, y, on)));
    Events::of(events.sensor(), columns)
}

pub(super) fn jitter_space(events: &Events, std_px: f64, rng: &mut ChaCha8Rng) -> Events {
    let Sensor { width, height } = events.sensor();
    let moved = |at: u16, by: f64, size: u16| {
        let at = f64::from(at) + (std_px * by).round();
        (at >= 0.0 && at < f64::from(size)).then_some(at as u16)
    };
    let columns = rebuild(events, |t_us, x, y, on| {
        let (right, down) = normals(rng);
        Some((t_us, moved(x, right, width)?, moved(y, down, height)?, on))
    });
    Events::of(events.sensor(), columns)
}

pub(super) fn jitter_time(
    events: &Events,
    std_us: f64,
    rng: &mut ChaCha8Rng,
) -> Result<Events, Error> {
    let columns = rebuild(events, |t_us, x, y, on| {
        let by = (std_us * normals(rng).0).round() as i64;
        Some((t_us.saturating_add(by), x, y, on))
    });
    Events::sorted(events.sensor(), columns)
}

pub(super) fn uniform_noise(
    events: &Events,
    count: u32,
    rng: &mut ChaCha8Rng,
) -> Result<Events, Error> {
    let (&[first, ..], &[.., last]) = (events.t_us(), events.t_us()) else {
        return Ok(events.clone());
    };
    let span = last.abs_diff(first).saturating_add(1);
    let Sensor { width, height } = events.sensor();
    let mut columns = reserved(events, count)?;
    for _ in 0..count {
        // wrapping: the offset may exceed an i64, the sum is at most the last time
        let t_us = first.wrapping_add_unsigned(below(rng, span));
        let (x, y) = (below(rng, width.into()) as u16, below(rng, height.into()) as u16);
        columns.push(t_us, x, y, rng.next_u32() % 2 == 1);
    }
    Events::sorted(events.sensor(), columns)
}

/// The columns of `events` with room for `more`, or an error instead of an abort where memory does
/// not suffice.
fn reserved(events: &Events, more: u32) -> Result<Columns, Error> {
    let mut columns = events.columns().clone();
    let Columns { t_us, x, y, on } = &mut columns;
    let more = more as usize;
    let room = t_us
        .try_reserve(more)
        .and(x.try_reserve(more))
        .and(y.try_reserve(more))
        .and(on.try_reserve(more));
    match room {
        Ok(()) => Ok(columns),
        Err(_) => Err(Error::Parameter {
            what: "uniform_noise",
            expected: "a count that fits in memory".into(),
            found: more.to_string(),
            advice: "add fewer events",
        }),
    }
}
