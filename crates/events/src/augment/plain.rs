use super::rebuild;
use crate::{Columns, Error, Events, Sensor, Shape, frames};

/// The window of `width` x `height` pixels whose top left pixel is (`x`, `y`): the window becomes
/// the sensor, x' = x_i − x, y' = y_i − y.
///
/// It may reach beyond the sensor, where no event is: (−4, −4) with the sensor's own size shifts a
/// recording four pixels right and down, as [`crate::transforms::crop`] does to frames padded with
/// zeros.
pub fn crop(events: &Events, x: i32, y: i32, width: u16, height: u16) -> Events {
    let inside = |at: u16, start: i32, size: u16| {
        u16::try_from(i64::from(at) - i64::from(start)).ok().filter(|&shifted| shifted < size)
    };
    let columns = rebuild(events, |t_us, at_x, at_y, on| {
        Some((t_us, inside(at_x, x, width)?, inside(at_y, y, height)?, on))
    });
    Events::of(Sensor { width, height }, columns)
}

/// Mirrors left and right: x' = W − 1 − x.
pub fn flip_horizontal(events: &Events) -> Events {
    let last = events.sensor().width.saturating_sub(1);
    Events::of(events.sensor(), rebuild(events, |t_us, x, y, on| Some((t_us, last - x, y, on))))
}

/// Exchanges ON and OFF.
pub fn flip_polarity(events: &Events) -> Events {
    Events::of(events.sensor(), rebuild(events, |t_us, x, y, on| Some((t_us, x, y, !on))))
}

/// Plays the recording backwards within its own span: t' = t_first + t_last − t, events of equal
/// time in reversed order.
///
/// Polarities stay. A brightening played backwards is a darkening, so the recording that a camera
/// would make of the film played backwards also needs [`flip_polarity`].
pub fn reverse_time(events: &Events) -> Events {
    let Columns { t_us, x, y, on } = events.columns();
    let (&[first, ..], &[.., last]) = (t_us.as_slice(), t_us.as_slice()) else {
        return events.clone();
    };
    // wrapping: the sum may overflow on the way, the result lies between the first and the last
    // time
    let mirrored = t_us.iter().rev().map(|&t| first.wrapping_add(last.wrapping_sub(t))).collect();
    fn reversed<T: Copy>(column: &[T]) -> Vec<T> {
        column.iter().rev().copied().collect()
    }
    Events::of(
        events.sensor(),
        Columns { t_us: mirrored, x: reversed(x), y: reversed(y), on: reversed(on) },
    )
}

/// A dead time per pixel: an event stays if t − t_kept ≥ `dt_us`, t_kept being the last event that
/// stayed at its pixel, of either polarity; the first of a pixel stays. 0 is the identity.
///
/// # Errors
/// [`Error::TooLarge`] for a sensor whose pixels do not fit in memory.
pub fn refractory(events: &Events, dt_us: u32) -> Result<Events, Error> {
    let Sensor { width, height } = events.sensor();
    let shape = Shape { steps: 1, height: height.into(), width: width.into(), channels: 1 };
    let mut kept = frames::filled::<Option<i64>>(shape, None)?;
    let columns = rebuild(events, |t_us, x, y, on| {
        let kept = &mut kept[usize::from(y) * shape.width + usize::from(x)];
        let stays = kept.is_none_or(|kept| t_us.abs_diff(kept) >= dt_us.into());
        stays.then(|| {
            *kept = Some(t_us);
            (t_us, x, y, on)
        })
    });
    Ok(Events::of(events.sensor(), columns))
}

/// Background activity filter (Delbruck 2008): an event stays if one of the eight pixels around it
/// had an event before it, in the order of the recording, at most `dt_us` earlier, of either
/// polarity and whether that one stays or not.
///
/// The first event of a recording therefore never stays, and with 0 only events that share their
/// microsecond with a neighbour do.
///
/// # Errors
/// [`Error::TooLarge`] for a sensor whose pixels do not fit in memory.
pub fn denoise(events: &Events, dt_us: u32) -> Result<Events, Error> {
    let Sensor { width, height } = events.sensor();
    // a border of one pixel, which never fires, spares the edges a case of their own
    let shape = Shape {
        steps: 1,
        height: usize::from(height) + 2,
        width: usize::from(width) + 2,
        channels: 1,
    };
    let mut fired = frames::filled::<Option<i64>>(shape, None)?;
    let columns = rebuild(events, |t_us, x, y, on| {
        let at = (usize::from(y) + 1) * shape.width + usize::from(x) + 1;
        let recent =
            |fired: &Option<i64>| fired.is_some_and(|fired| t_us.abs_diff(fired) <= dt_us.into());
        let (above, below) = (at - shape.width, at + shape.width);
        let sides = [fired[at - 1], fired[at + 1]];
        let supported = [&fired[above - 1..=above + 1], &sides, &fired[below - 1..=below + 1]];
        let stays = supported.into_iter().flatten().any(recent);
        fired[at] = Some(t_us);
        stays.then_some((t_us, x, y, on))
    });
    Ok(Events::of(events.sensor(), columns))
}
