//! How large a recording's sensor was.

use serde::Serialize;

use super::prophesee::Header;
use super::{Format, aedat2, aedat31, camera, next_line, value_after};
use crate::{Columns, Sensor};

/// How a sensor's size is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SensorSource {
    /// The file's header states it, or names the camera.
    Header,
    /// The format belongs to one camera.
    Format,
    /// The smallest usual sensor that the events fit: 34x34 (N-MNIST), then 128x128 (DVS128).
    Assumed,
}

/// The sensor of the recording `bytes`, which decodes as `format` to `columns`, and how it is
/// known; `None` if nothing tells.
pub fn sensor(format: Format, bytes: &[u8], columns: &Columns) -> Option<(Sensor, SensorSource)> {
    let mut extent = Extent::default();
    extent.add(columns);
    known(format, bytes).or_else(|| extent.assumed(format))
}

/// The sensor as format and header tell it, by the first bytes of the file.
pub(super) fn known(format: Format, head: &[u8]) -> Option<(Sensor, SensorSource)> {
    let header = match format {
        Format::NMnist => None,
        Format::Aedat2 => {
            return Some((Sensor { width: 128, height: 128 }, SensorSource::Format));
        }
        Format::Davis => {
            aedat2::header(head).ok()?.camera.and_then(|(_, camera)| camera::size(camera))
        }
        Format::Aedat31 => source(head).and_then(camera::size),
        Format::Evt2 | Format::Evt21 | Format::Evt3 | Format::Dat => {
            Header::parse(format.name(), head).ok()?.sensor()
        }
    };
    header.map(|sensor| (sensor, SensorSource::Header))
}

/// The camera of an AEDAT 3.1 header: the line `#Source 1: DVS128`.
fn source(bytes: &[u8]) -> Option<&[u8]> {
    let (mut start, end) = (0, aedat31::header_len(bytes).ok()?);
    while start < end {
        let next = next_line(bytes, start)?;
        if let Some(source) = value_after(&bytes[start..next], "#Source ") {
            return Some(source);
        }
        start = next;
    }
    None
}

/// One event in so many may lie outside the sensor that all others fit: cameras on USB make such
/// noise.
const NOISE: usize = 256;

/// Usual sensors: N-MNIST's window on the ATIS, DVS128, DAVIS240, ATIS, DAVIS346, VGA, HD, and all
/// that 11 bits address.
const USUAL: [Sensor; 8] = [
    Sensor { width: 34, height: 34 },
    Sensor { width: 128, height: 128 },
    Sensor { width: 240, height: 180 },
    Sensor { width: 304, height: 240 },
    Sensor { width: 346, height: 260 },
    Sensor { width: 640, height: 480 },
    Sensor { width: 1280, height: 720 },
    Sensor { width: 2048, height: 2048 },
];

/// How far the pixels of a recording reach.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extent {
    events: usize,
    /// Events outside each usual sensor.
    outside: [usize; USUAL.len()],
}

impl Extent {
    /// Sees the events of one piece.
    pub fn add(&mut self, columns: &Columns) {
        self.events += columns.x.len();
        for (outside, sensor) in self.outside.iter_mut().zip(USUAL) {
            *outside += count_outside(sensor, columns);
        }
    }

    /// The smallest usual sensor that all events fit, but for noise; the largest if none does.
    pub fn smallest(&self) -> Sensor {
        let fits = |&(outside, _): &(usize, Sensor)| outside <= self.events / NOISE;
        let mut usual = self.outside.into_iter().zip(USUAL);
        usual.find(fits).map_or(USUAL[USUAL.len() - 1], |(_, sensor)| sensor)
    }

    /// The sensor of a format that has no header and two usual sensors.
    pub fn assumed(&self, format: Format) -> Option<(Sensor, SensorSource)> {
        let sensor = self.smallest();
        let is_assumed = format == Format::NMnist && self.events > 0 && sensor.width <= 128;
        is_assumed.then_some((sensor, SensorSource::Assumed))
    }

    /// Events outside `sensor`, if it is one of the usual.
    pub fn outside(&self, sensor: Sensor) -> Option<usize> {
        let place = USUAL.iter().position(|&usual| usual == sensor)?;
        Some(self.outside[place])
    }
}

/// Events whose pixel is not on `sensor`.
pub(crate) fn count_outside(sensor: Sensor, columns: &Columns) -> usize {
    let Sensor { width, height } = sensor;
    let largest = |column: &[u16]| column.iter().copied().fold(0, u16::max);
    if largest(&columns.x) < width && largest(&columns.y) < height {
        return 0;
    }
    columns.x.iter().zip(&columns.y).filter(|&(&x, &y)| x >= width || y >= height).count()
}
