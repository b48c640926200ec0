use std::ops::Range;

use crate::{Columns, Error, Sensor, Shape};

/// Values on `[T, H, W, C]`, channels last: value (t, y, x, c) stands at `((t·H + y)·W + x)·C + c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid<T> {
    shape: Shape,
    values: Vec<T>,
}

/// Event counts `[T, H, W, 2]`: channel 0 counts OFF events, channel 1 ON events; neither
/// normalised nor clipped.
pub type Frames = Grid<u16>;

impl<T> Grid<T> {
    /// A grid of `shape` with `values` in the order of the type's equation.
    ///
    /// # Errors
    /// [`Error::Shape`] when the number of values is not that of the shape.
    pub fn new(shape: Shape, values: Vec<T>) -> Result<Self, Error> {
        if shape.len() == Some(values.len()) {
            Ok(Self { shape, values })
        } else {
            Err(Error::Shape { shape, values: values.len() })
        }
    }

    /// For callers inside the crate that made `values` by the shape.
    pub(crate) fn of(shape: Shape, values: Vec<T>) -> Self {
        debug_assert_eq!(shape.len(), Some(values.len()));
        Self { shape, values }
    }

    /// The sizes of the axes.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The values.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// The values, without a copy.
    pub fn into_values(self) -> Vec<T> {
        self.values
    }
}

/// Counts the events of each range into one frame: `[ranges, height, width, 2]`.
///
/// The columns may be in any order and the ranges may overlap or leave gaps, as the reference's do
/// on unsorted recordings; a recording that passed [`crate::Events`] goes through
/// [`crate::Framing::frames`], which calls this.
///
/// # Errors
/// Unequal columns, a range outside them, an event outside the sensor, a count above 65535, or
/// frames too large for memory.
pub fn accumulate(
    sensor: Sensor,
    columns: &Columns,
    ranges: &[Range<usize>],
) -> Result<Frames, Error> {
    let events = columns.count()?;
    let Sensor { width, height } = sensor;
    let shape =
        Shape { steps: ranges.len(), height: height.into(), width: width.into(), channels: 2 };
    let frame_len = shape.height * shape.width * 2;
    let mut counts = filled(shape, 0_u16)?;
    for (frame, range) in ranges.iter().enumerate() {
        let Range { start, end } = range.clone();
        if start > end || end > events {
            return Err(Error::Range { frame, events, start, end });
        }
        let counts = &mut counts[frame * frame_len..][..frame_len];
        for index in range.clone() {
            let (x, y, channel) =
                (columns.x[index], columns.y[index], usize::from(columns.on[index]));
            if x >= width || y >= height {
                return Err(Error::Outside { index, x, y, width, height });
            }
            let count = &mut counts[(usize::from(y) * shape.width + usize::from(x)) * 2 + channel];
            // not ok_or: its argument would be built and dropped for every event, which takes
            // longer than the counting
            let Some(more) = count.checked_add(1) else {
                return Err(Error::Overflow { frame, x, y, channel });
            };
            *count = more;
        }
    }
    Ok(Grid::of(shape, counts))
}

/// `shape` full of `value`, or an error instead of an abort where memory does not suffice.
pub(crate) fn filled<T: Copy>(shape: Shape, value: T) -> Result<Vec<T>, Error> {
    let len = shape.len().ok_or(Error::TooLarge(shape))?;
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| Error::TooLarge(shape))?;
    values.resize(len, value);
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENSOR: Sensor = Sensor { width: 3, height: 2 };

    fn same_pixel(events: usize) -> Columns {
        Columns {
            t_us: vec![0; events],
            x: vec![2; events],
            y: vec![1; events],
            on: vec![true; events],
        }
    }

    #[test]
    fn one_count_too_many_names_the_pixel() {
        let columns = same_pixel(65536);
        assert!(accumulate(SENSOR, &columns, std::slice::from_ref(&(0..65535))).is_ok());
        let overflow = accumulate(SENSOR, &columns, &[0..1, 0..65536]);
        assert!(matches!(overflow, Err(Error::Overflow { frame: 1, x: 2, y: 1, channel: 1 })));
    }

    #[test]
    fn a_range_past_the_recording_is_refused() {
        let past = accumulate(SENSOR, &same_pixel(4), std::slice::from_ref(&(2..5)));
        assert!(matches!(past, Err(Error::Range { frame: 0, events: 4, start: 2, end: 5 })));
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let ranges = vec![0..0; 1 << 20];
        let sensor = Sensor { width: u16::MAX, height: u16::MAX };
        assert!(matches!(
            accumulate(sensor, &Columns::default(), &ranges),
            Err(Error::TooLarge(_))
        ));
    }
}
