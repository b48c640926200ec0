use std::io::{Read, Seek};

use serde::Serialize;

use crate::duplicates::Duplicates;
use crate::formats::{Chunks, Extent, Format, SensorSource, count_outside};
use crate::{Columns, Error, Order, Sensor};

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
    /// Which row is row 0.
    pub first_row: FirstRow,
    /// Number of events.
    pub events: usize,
    /// Events of pixels that grew brighter.
    pub on: usize,
    /// Events of pixels that grew darker.
    pub off: usize,
    /// Events whose pixel is not on the sensor, as noise on a cable makes them; `None` where no
    /// sensor is known.
    pub outside_sensor: Option<usize>,
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
    /// Events whose time, column, row and polarity are all those of an earlier event; `None` where
    /// an event comes so much too late (millions of events) that this is unknown.
    pub duplicates: Option<usize>,
    /// Events that are earlier than the one just before them.
    pub out_of_order: usize,
    /// Times that the clock starts again in the file, which a clock that turns over does not: see
    /// [`Order`]. The parts before and behind lie over each other in time.
    pub clock_restarts: usize,
    /// Records that are none of a pixel's events and were left out: pulses, samples of frames,
    /// marks of the clock. `None` where they are not counted.
    pub left_out: Option<usize>,
}

/// Which row of the picture is row 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstRow {
    /// The uppermost, as [`Sensor`] promises.
    Top,
    /// The lowest: a camera that counts from below, of a height that nothing tells.
    Bottom,
}

impl FirstRow {
    /// Of a recording in `format` whose sensor is known or not.
    pub fn of(format: Format, sensor_is_known: bool) -> Self {
        match format {
            Format::Davis if !sensor_is_known => Self::Bottom,
            _ => Self::Top,
        }
    }
}

impl Summary {
    /// Summarises `columns` as a decoder returned them. Takes 16 bytes an event, at most 64 MiB,
    /// while it looks for duplicates.
    ///
    /// # Errors
    /// [`Error::Columns`] when the columns differ in length.
    pub fn of(
        format: Format,
        sensor: Option<(Sensor, SensorSource)>,
        columns: &Columns,
    ) -> Result<Self, Error> {
        let mut tally = Tally::new(sensor.map(|(sensor, _)| sensor), columns.count()?);
        tally.add(columns);
        Ok(tally.summary(format, sensor))
    }

    /// Summarises a recording of any size, a piece at a time: in at most 80 MiB.
    ///
    /// # Errors
    /// As [`Chunks::next`].
    pub fn read<R: Read + Seek>(mut chunks: Chunks<R>) -> Result<Self, Error> {
        let (format, known) = (chunks.format(), chunks.sensor());
        let mut tally = Tally::new(known.map(|(sensor, _)| sensor), 0);
        let mut extent = Extent::default();
        while let Some(columns) = chunks.next()? {
            tally.add(columns);
            if known.is_none() {
                extent.add(columns);
            }
        }
        let assumed = extent.assumed(format);
        if let (None, Some((sensor, _))) = (known, assumed) {
            tally.outside = extent.outside(sensor);
        }
        let left_out = chunks.left_out();
        Ok(Self { left_out, ..tally.summary(format, known.or(assumed)) })
    }
}

/// The numbers of a summary as far as the events were seen.
struct Tally {
    sensor: Option<Sensor>,
    events: usize,
    on: usize,
    outside: Option<usize>,
    first_us: Option<i64>,
    last_us: Option<i64>,
    sum_x: u64,
    sum_y: u64,
    sum_t_us: i128,
    duplicates: Duplicates,
    order: Order,
}

impl Tally {
    fn new(sensor: Option<Sensor>, events: usize) -> Self {
        Self {
            sensor,
            events: 0,
            on: 0,
            outside: sensor.map(|_| 0),
            first_us: None,
            last_us: None,
            sum_x: 0,
            sum_y: 0,
            sum_t_us: 0,
            duplicates: Duplicates::new(events),
            order: Order::default(),
        }
    }

    /// Sees the next events; the columns are of one length.
    fn add(&mut self, columns: &Columns) {
        let Columns { t_us, x, y, on } = columns;
        let (Some(&first_us), Some(&last_us)) = (t_us.first(), t_us.last()) else { return };
        self.events += t_us.len();
        self.on += on.iter().filter(|&&on| on).count();
        if let (Some(sensor), Some(outside)) = (self.sensor, &mut self.outside) {
            *outside += count_outside(sensor, columns);
        }
        self.order.add(t_us);
        self.first_us = self.first_us.or(Some(first_us));
        self.last_us = Some(last_us);
        self.sum_x += x.iter().map(|&x| u64::from(x)).sum::<u64>();
        self.sum_y += y.iter().map(|&y| u64::from(y)).sum::<u64>();
        self.sum_t_us += t_us.iter().map(|&t_us| i128::from(t_us)).sum::<i128>();
        self.duplicates.add(columns);
    }

    fn summary(self, format: Format, sensor: Option<(Sensor, SensorSource)>) -> Summary {
        Summary {
            format,
            sensor: sensor.map(|(sensor, _)| sensor),
            sensor_from: sensor.map(|(_, source)| source),
            first_row: FirstRow::of(format, sensor.is_some()),
            events: self.events,
            on: self.on,
            off: self.events - self.on,
            outside_sensor: self.outside,
            t_first_us: self.first_us,
            t_last_us: self.last_us,
            sum_x: self.sum_x,
            sum_y: self.sum_y,
            sum_t_us: self.sum_t_us,
            duplicates: self.duplicates.count(),
            out_of_order: self.order.backwards,
            clock_restarts: self.order.restarts,
            left_out: None,
        }
    }
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
        let expected = r#"{"format":"dat","sensor":{"width":9,"height":8},"sensor_from":"header","first_row":"top","events":6,"on":5,"off":1,"outside_sensor":1,"t_first_us":5,"t_last_us":4,"sum_x":65541,"sum_y":16,"sum_t_us":9223372036854775831,"duplicates":1,"out_of_order":2,"clock_restarts":0,"left_out":null}"#;
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
