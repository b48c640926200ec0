use crate::{Error, Events, Grid, Shape, frames};

/// Time surfaces `[T, H, W, 2]` at the times `at_us` (Lagorce et al. 2017, here over the whole
/// sensor): S(j, y, x, c) = exp(−(at_us\[j\] − t)/τ), t the time of the last event of pixel (y, x)
/// and polarity c not after at_us\[j\]; 0 where there is none. Channel 0 is OFF, channel 1 ON;
/// values lie in [0, 1].
///
/// The times are the caller's choice: every 10 ms, or where the frames of a [`crate::Framing`] end:
/// ```
/// # use events::{Columns, Events, Framing, Sensor, time_surface};
/// # let sensor = Sensor { width: 2, height: 1 };
/// # let (t_us, x) = (vec![0, 10, 30, 40], vec![0, 1, 0, 1]);
/// # let columns = Columns { t_us, x, y: vec![0; 4], on: vec![true; 4] };
/// # let events = Events::new(sensor, columns)?;
/// let ranges = Framing::Number { frames: 2 }.ranges(events.t_us())?;
/// let ends: Vec<i64> = ranges.iter().map(|range| events.t_us()[range.end - 1]).collect();
/// let surfaces = time_surface(&events, &ends, 10.0)?;
/// assert_eq!(surfaces.values()[..4], [0.0, (-1.0_f32).exp(), 0.0, 1.0]);
/// # Ok::<(), events::Error>(())
/// ```
///
/// # Errors
/// [`Error::NoFrames`] without a time, [`Error::Parameter`] for times that decrease or a `tau_us`
/// that is not finite and above 0, [`Error::TooLarge`] for surfaces that do not fit in memory.
pub fn time_surface(events: &Events, at_us: &[i64], tau_us: f64) -> Result<Grid<f32>, Error> {
    check(at_us, tau_us)?;
    let sensor = events.sensor();
    let shape = Shape {
        steps: at_us.len(),
        height: sensor.height.into(),
        width: sensor.width.into(),
        channels: 2,
    };
    let mut values = frames::filled(shape, 0.0_f32)?;
    let mut fired = frames::filled::<Option<i64>>(Shape { steps: 1, ..shape }, None)?;
    let mut next = 0;
    for (surface, &at) in values.chunks_exact_mut(fired.len().max(1)).zip(at_us) {
        while let Some(&t) = events.t_us().get(next).filter(|&&t| t <= at) {
            let (x, y, channel) =
                (events.x()[next], events.y()[next], usize::from(events.on()[next]));
            fired[(usize::from(y) * shape.width + usize::from(x)) * 2 + channel] = Some(t);
            next += 1;
        }
        for (value, fired) in surface.iter_mut().zip(&fired) {
            *value = fired.map_or(0.0, |t| (-(at.abs_diff(t) as f64) / tau_us).exp() as f32);
        }
    }
    Ok(Grid::of(shape, values))
}

fn check(at_us: &[i64], tau_us: f64) -> Result<(), Error> {
    if at_us.is_empty() {
        return Err(Error::NoFrames);
    }
    let what = "time surface";
    if !(tau_us.is_finite() && tau_us > 0.0) {
        let (expected, found) = ("tau_us finite and above 0".into(), tau_us.to_string());
        return Err(Error::Parameter {
            what,
            expected,
            found,
            advice: "give the decay in microseconds",
        });
    }
    match at_us.windows(2).find(|pair| pair[1] < pair[0]) {
        None => Ok(()),
        Some(pair) => Err(Error::Parameter {
            what,
            expected: "times that never decrease".into(),
            found: format!("{} µs after {} µs", pair[1], pair[0]),
            advice: "sort them",
        }),
    }
}
