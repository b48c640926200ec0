use serde::Serialize;

use crate::formats::{Format, SensorSource};
use crate::{Columns, Error, Sensor};

/// What is in one recording, in numbers that two decoders can compare; serialised, one JSON object
/// with the fields in this order.
///
/// The sums are exact whole numbers. That of the times can exceed 2⁵³, so a reader that keeps JSON
/// numbers as doubles rounds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The name of the format.
    pub format: Format,
    /// The size of the sensor, if anything tells.
    pub sensor: Option<Sensor>,
    /// How the sensor is known.
    pub sensor_from: Option<SensorSource>,
    /// Number of events.
    pub events: usize,
    /// Events of pixels that grew brighter.
    pub on: usize,
    /// Events of pixels that grew darker.
    pub off: usize,
    /// Time of the first event in the file, in µs; `None` without events.
    pub t_first_us: Option<i64>,
    /// Time of the last event in the file, in µs, even if an earlier one is later.
    pub t_last_us: Option<i64>,
    /// Sum of the columns of all events.
    pub sum_x: u64,
    /// Sum of the rows of all events.
    pub sum_y: u64,
    /// Sum of the times of all events, in µs.
    pub sum_t_us: i128,
    /// Events whose time, column, row and polarity are all those of an earlier event.
    pub duplicates: usize,
    /// Events that are earlier than the one just before them.
    pub out_of_order: usize,
}

impl Summary {
    /// Summarises `columns` as a decoder returned them. Takes 16 bytes an event while it looks for
    /// duplicates.
    ///
    /// # Errors
    /// [`Error::Columns`] when the columns differ in length.
    pub fn of(
        format: Format,
        sensor: Option<(Sensor, SensorSource)>,
        columns: &Columns,
    ) -> Result<Self, Error> {
        let events = columns.count()?;
        let Columns { t_us, x, y, on } = columns;
        let ons = on.iter().filter(|&&on| on).count();
        Ok(Self {
            format,
            sensor: sensor.map(|(sensor, _)| sensor),
            sensor_from: sensor.map(|(_, source)| source),
            events,
            on: ons,
            off: events - ons,
            t_first_us: t_us.first().copied(),
            t_last_us: t_us.last().copied(),
            sum_x: x.iter().map(|&x| u64::from(x)).sum(),
            sum_y: y.iter().map(|&y| u64::from(y)).sum(),
            sum_t_us: t_us.iter().map(|&t_us| i128::from(t_us)).sum(),
            duplicates: duplicates(columns),
            out_of_order: t_us.windows(2).filter(|pair| pair[1] < pair[0]).count(),
        })
    }
}

/// Sorted, equal events are neighbours.
fn duplicates(columns: &Columns) -> usize {
    let pixels = columns.x.iter().zip(&columns.y).zip(&columns.on);
    let key = |(&t_us, ((&x, &y), &on)): (&i64, ((&u16, &u16), &bool))| {
        u128::from(t_us.cast_unsigned()) << 64
            | u128::from(x) << 32
            | u128::from(y) << 16
            | u128::from(on)
    };
    let mut keys: Vec<u128> = columns.t_us.iter().zip(pixels).map(key).collect();
    keys.sort_unstable();
    keys.windows(2).filter(|pair| pair[0] == pair[1]).count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_field_is_counted() {
        let columns = Columns {
            t_us: vec![5, i64::MAX, 5, 5, 5, 4],
            x: vec![1, 2, 1, 1, 1, u16::MAX],
            y: vec![3, 3, 3, 3, 4, 0],
            on: vec![true, true, true, false, true, true],
        };
        let sensor = Some((Sensor { width: 9, height: 8 }, SensorSource::Header));
        let json =
            serde_json::to_string(&Summary::of(Format::Dat, sensor, &columns).unwrap()).unwrap();
        let expected = r#"{"format":"dat","sensor":{"width":9,"height":8},"sensor_from":"header","events":6,"on":5,"off":1,"t_first_us":5,"t_last_us":4,"sum_x":65541,"sum_y":16,"sum_t_us":9223372036854775831,"duplicates":1,"out_of_order":2}"#;
        assert_eq!(json, expected);
    }

    #[test]
    fn without_events_there_is_no_first_time() {
        let summary = Summary::of(Format::NMnist, None, &Columns::default()).unwrap();
        let json = serde_json::to_value(&summary).unwrap();
        assert!(
            json["t_first_us"].is_null() && json["sensor"].is_null() && json["sum_t_us"] == 0,
            "{json}"
        );
    }

    #[test]
    fn a_sum_beyond_64_bits_is_exact() {
        let columns =
            Columns { t_us: vec![i64::MAX; 4], x: vec![0; 4], y: vec![0; 4], on: vec![true; 4] };
        let json =
            serde_json::to_string(&Summary::of(Format::Dat, None, &columns).unwrap()).unwrap();
        assert!(json.contains(r#""sum_t_us":36893488147419103228,"#), "{json}");
    }
}
