use crate::{Error, Events, Grid, Shape, frames};

/// A voxel grid `[bins, H, W, 2]` (Zhu et al. 2019): each event is shared between the two bins
/// nearest in time, V(b, y, x, c) = Σ k(b − t*), k(a) = max(0, 1 − |a|), over the events of pixel
/// (y, x) and polarity c, with t* = (bins − 1)·(t − t_first)/(t_last − t_first).
///
/// Channel 0 sums the OFF events and channel 1 the ON events, so that what reads frames reads this
/// too; the paper's signed grid is channel 1 − channel 0. Every event weighs 1 in total. Without a
/// span (one bin, or all at one time) everything is in bin 0.
///
/// # Errors
/// [`Error::NoFrames`] for 0 bins, [`Error::TooLarge`] for a grid that does not fit in memory.
pub fn voxel_grid(events: &Events, bins: usize) -> Result<Grid<f32>, Error> {
    if bins == 0 {
        return Err(Error::NoFrames);
    }
    let sensor = events.sensor();
    let shape = Shape {
        steps: bins,
        height: sensor.height.into(),
        width: sensor.width.into(),
        channels: 2,
    };
    let mut values = frames::filled(shape, 0.0_f32)?;
    let (&[first, ..], &[.., last]) = (events.t_us(), events.t_us()) else {
        return Ok(Grid::of(shape, values));
    };
    let span = last.abs_diff(first).max(1) as f64;
    let bin_len = shape.height * shape.width * 2;
    let pixels = events.x().iter().zip(events.y()).zip(events.on());
    for (&t, ((&x, &y), &on)) in events.t_us().iter().zip(pixels) {
        let position = (bins - 1) as f64 * (t.abs_diff(first) as f64 / span);
        let bin = position as usize;
        let later = (position - bin as f64) as f32;
        let at =
            bin * bin_len + (usize::from(y) * shape.width + usize::from(x)) * 2 + usize::from(on);
        values[at] += 1.0 - later;
        if later > 0.0 {
            values[at + bin_len] += later;
        }
    }
    Ok(Grid::of(shape, values))
}
