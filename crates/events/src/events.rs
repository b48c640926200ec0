use serde::{Deserialize, Serialize};

use crate::Error;

/// The size of an event sensor in pixels: x is in `0..width`, y in `0..height`, y downwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sensor {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// Records decoded before the next column has its turn: few enough for them and their column to
/// stay in a first-level cache.
const BLOCK: usize = 1024;

/// Decoded events as a file holds them: four columns, in file order, not yet checked against a
/// sensor.
///
/// Decoders return it, because a file may be out of order and knows its sensor at best by
/// convention.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Times in microseconds.
    pub t_us: Vec<i64>,
    /// Columns of the pixels.
    pub x: Vec<u16>,
    /// Rows of the pixels.
    pub y: Vec<u16>,
    /// Polarities: true = ON, the pixel grew brighter.
    pub on: Vec<bool>,
}

impl Columns {
    /// Empty columns with room for `events`.
    pub fn with_capacity(events: usize) -> Self {
        Self {
            t_us: Vec::with_capacity(events),
            x: Vec::with_capacity(events),
            y: Vec::with_capacity(events),
            on: Vec::with_capacity(events),
        }
    }

    /// Removes all events and keeps their room.
    pub fn clear(&mut self) {
        self.t_us.clear();
        self.x.clear();
        self.y.clear();
        self.on.clear();
    }

    /// Appends one event.
    pub fn push(&mut self, t_us: i64, x: u16, y: u16, on: bool) {
        self.t_us.push(t_us);
        self.x.push(x);
        self.y.push(y);
        self.on.push(on);
    }

    /// Appends one event (t in µs, x, y, ON) for each record.
    ///
    /// Column after column, a block of records at a time: each pass writes one array without asking
    /// for its capacity again, and computes of `event` only what that column needs. Four pushes an
    /// event take several times as long.
    pub(crate) fn extend<R>(&mut self, records: &[R], event: impl Fn(&R) -> (i64, u16, u16, bool)) {
        for block in records.chunks(BLOCK) {
            self.t_us.extend(block.iter().map(|record| event(record).0));
            self.x.extend(block.iter().map(|record| event(record).1));
            self.y.extend(block.iter().map(|record| event(record).2));
            self.on.extend(block.iter().map(|record| event(record).3));
        }
    }

    /// As [`Columns::extend`], for records that may be no event.
    pub(crate) fn extend_some<R>(
        &mut self,
        records: &[R],
        mut event: impl FnMut(&R) -> Option<(i64, u16, u16, bool)>,
    ) {
        let mut block = [(0, 0, 0, false); BLOCK];
        for records in records.chunks(BLOCK) {
            let mut events = 0;
            for (slot, event) in block.iter_mut().zip(records.iter().filter_map(&mut event)) {
                *slot = event;
                events += 1;
            }
            self.extend(&block[..events], |&event| event);
        }
    }

    /// Number of events.
    ///
    /// # Errors
    /// [`Error::Columns`] when the columns differ in length.
    pub fn count(&self) -> Result<usize, Error> {
        let (t_us, x, y, on) = (self.t_us.len(), self.x.len(), self.y.len(), self.on.len());
        if x == t_us && y == t_us && on == t_us {
            Ok(t_us)
        } else {
            Err(Error::Columns { t_us, x, y, on })
        }
    }

    /// The events with `start_us <= t < end_us`, in file order, times unchanged.
    ///
    /// It is a mask over the whole recording, not a slice: trials may overlap and times may be out
    /// of order.
    pub fn between(&self, start_us: i64, end_us: i64) -> Self {
        let pixels = self.x.iter().zip(&self.y).zip(&self.on);
        let mut cut = Self::default();
        for (&t_us, ((&x, &y), &on)) in self.t_us.iter().zip(pixels) {
            if (start_us..end_us).contains(&t_us) {
                cut.push(t_us, x, y, on);
            }
        }
        cut
    }
}

/// A recording that can be trusted: every event lies on the sensor and time never runs backwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    sensor: Sensor,
    columns: Columns,
}

impl Events {
    /// Checks `columns` against `sensor`.
    ///
    /// # Errors
    /// Unequal columns, an event outside the sensor, or time running backwards; the first offender
    /// is named.
    pub fn new(sensor: Sensor, columns: Columns) -> Result<Self, Error> {
        columns.count()?;
        inside(sensor, &columns)?;
        in_order(&columns.t_us)?;
        Ok(Self { sensor, columns })
    }

    /// As [`Events::new`], for formats that allow disorder: sorts by time, events of equal time
    /// stay in file order.
    ///
    /// # Errors
    /// Unequal columns, or an event outside the sensor (its index counts in file order).
    pub fn sorted(sensor: Sensor, columns: Columns) -> Result<Self, Error> {
        let events = columns.count()?;
        inside(sensor, &columns)?;
        if columns.t_us.is_sorted() {
            return Ok(Self { sensor, columns });
        }
        let mut order: Vec<usize> = (0..events).collect();
        order.sort_by_key(|&i| columns.t_us[i]);
        let mut sorted = Columns::with_capacity(events);
        sorted.extend(&order, |&i| (columns.t_us[i], columns.x[i], columns.y[i], columns.on[i]));
        Ok(Self { sensor, columns: sorted })
    }

    /// For transforms inside the crate that keep the order of time and stay on the sensor.
    pub(crate) fn of(sensor: Sensor, columns: Columns) -> Self {
        debug_assert!(Self::new(sensor, columns.clone()).is_ok());
        Self { sensor, columns }
    }

    /// The sensor.
    pub fn sensor(&self) -> Sensor {
        self.sensor
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.columns.t_us.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.columns.t_us.is_empty()
    }

    /// Times in microseconds, never decreasing.
    pub fn t_us(&self) -> &[i64] {
        &self.columns.t_us
    }

    /// Columns of the pixels.
    pub fn x(&self) -> &[u16] {
        &self.columns.x
    }

    /// Rows of the pixels.
    pub fn y(&self) -> &[u16] {
        &self.columns.y
    }

    /// Polarities: true = ON.
    pub fn on(&self) -> &[bool] {
        &self.columns.on
    }

    /// The four columns together.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }
}

// Both checks ask first whether there is an offender, in a loop without exits that the compiler
// vectorises, and only then where.
fn inside(sensor: Sensor, columns: &Columns) -> Result<(), Error> {
    let Sensor { width, height } = sensor;
    let largest = |column: &[u16]| column.iter().copied().fold(0, u16::max);
    if largest(&columns.x) < width && largest(&columns.y) < height {
        return Ok(());
    }
    let outside = columns.x.iter().zip(&columns.y).position(|(&x, &y)| x >= width || y >= height);
    match outside {
        Some(index) => {
            Err(Error::Outside { index, x: columns.x[index], y: columns.y[index], width, height })
        }
        None => Ok(()),
    }
}

fn in_order(t_us: &[i64]) -> Result<(), Error> {
    if t_us.is_sorted() {
        return Ok(());
    }
    match t_us.windows(2).position(|pair| pair[1] < pair[0]) {
        Some(i) => Err(Error::Backwards { index: i + 1, t_us: t_us[i + 1], previous_us: t_us[i] }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENSOR: Sensor = Sensor { width: 4, height: 3 };

    fn columns(t_us: &[i64], x: &[u16], y: &[u16]) -> Columns {
        Columns { t_us: t_us.to_vec(), x: x.to_vec(), y: y.to_vec(), on: vec![true; t_us.len()] }
    }

    #[test]
    fn refuses_what_it_cannot_trust_and_names_it() {
        let unequal = Events::new(SENSOR, columns(&[1, 2], &[0], &[0, 0]));
        assert!(matches!(unequal, Err(Error::Columns { t_us: 2, x: 1, y: 2, on: 2 })));
        let outside = Events::new(SENSOR, columns(&[1, 2], &[3, 0], &[2, 3]));
        assert!(matches!(outside, Err(Error::Outside { index: 1, x: 0, y: 3, .. })));
        let backwards = Events::new(SENSOR, columns(&[1, 5, 4], &[0; 3], &[0; 3]));
        assert!(matches!(backwards, Err(Error::Backwards { index: 2, t_us: 4, previous_us: 5 })));
    }

    #[test]
    fn sorting_is_stable() -> Result<(), Error> {
        let events = Events::sorted(SENSOR, columns(&[5, 1, 5, 1], &[0, 1, 2, 3], &[0; 4]))?;
        assert_eq!((events.t_us(), events.x()), (&[1, 1, 5, 5][..], &[1, 3, 0, 2][..]));
        Ok(())
    }

    #[test]
    fn an_event_outside_is_named_by_its_place_in_the_file() {
        let outside = Events::sorted(SENSOR, columns(&[5, 1, 3], &[0, 9, 0], &[0; 3]));
        assert!(matches!(outside, Err(Error::Outside { index: 1, x: 9, .. })));
        let outside = Events::sorted(SENSOR, columns(&[5, 6, 3], &[0, 0, 9], &[0; 3]));
        assert!(matches!(outside, Err(Error::Outside { index: 2, x: 9, .. })));
    }

    #[test]
    fn a_cut_is_half_open() {
        let cut = columns(&[1, 2, 3, 2], &[0, 1, 2, 3], &[0; 4]).between(2, 3);
        assert_eq!(cut.x, [1, 3]);
    }
}
