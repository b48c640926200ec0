//! TensorBoard's event files, written by hand: a record is a length, the checksum of the length, a
//! protocol buffer and its checksum (TensorFlow's `tfevents` format: TFRecord frames of
//! `tensorflow.Event`).

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::{Error, Histogram, write};

/// A file of scalars and histograms over steps for TensorBoard: for looking at a run while it goes
/// on. What a run is judged by is in its [`crate::Record`].
///
/// A file grows while a run goes on, so it is not written whole or not at all: a program that is
/// killed leaves a last record that is cut short, and TensorBoard stops in front of it. A run that
/// is resumed creates another file in the same folder by [`EventFile::restart`], and TensorBoard
/// reads all of a folder as one run.
///
/// Values are in the form that PyTorch writes (`simple_value` and `histo`): TensorBoard shows both
/// forms alike, and other readers know only this one.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: BufWriter<File>,
}

/// What the first record of a file says; readers refuse other versions.
const VERSION: &str = "brain.Event:2";
/// `SessionLog.SessionStatus.START`, which asks readers of version 2 to drop later steps.
const SESSION_START: u64 = 1;
/// What the name of every event file begins with.
const PREFIX: &str = "events.out.tfevents.";
/// The n of a name has one digit, so that names and numbers have one order.
const LAST_OF_A_SECOND: u64 = 9;
/// Seconds that fill the ten digits of a name.
const LATEST_SECOND: u64 = 9_999_999_999;

impl EventFile {
    /// Creates `events.out.tfevents.<seconds>.spikegrad.<n>` in `dir`, with the first n whose name
    /// is free, and `dir` where it is absent. `wall_time` is now, in seconds since 1970.
    ///
    /// # Errors
    /// [`Error::Write`] when the folder cannot be made or may not be written, or is full.
    pub fn create(dir: &Path, wall_time: f64) -> Result<EventFile, Error> {
        std::fs::create_dir_all(dir)
            .map_err(|cause| write::explain(&dir.join(PREFIX.trim_end_matches('.')), &cause))?;
        // TensorBoard reads the files of a folder in the order of their names: behind all that are
        // there, also where another machine's clock was ahead
        let latest = latest(dir);
        let mut seconds = (wall_time.max(0.0) as u64).max(latest.map_or(0, |(seconds, _)| seconds));
        let mut k = latest.filter(|latest| latest.0 == seconds).map_or(0, |(_, k)| k + 1);
        loop {
            if k > LAST_OF_A_SECOND {
                (seconds, k) = (seconds + 1, 0);
            }
            let path = dir.join(format!("{PREFIX}{seconds:010}.spikegrad.{k}"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists => k += 1,
                Err(cause) => return Err(write::explain(&path, &cause)),
                Ok(file) => {
                    let mut events = EventFile { path, file: BufWriter::new(file) };
                    let mut version = Message::default();
                    version.double(1, wall_time).bytes(3, VERSION.as_bytes());
                    events.record(&version)?;
                    events.flush()?;
                    return Ok(events);
                }
            }
        }
    }

    /// As [`EventFile::create`], for a run that begins, or goes on, with `step`: readers drop what
    /// earlier files of the folder hold of this step and later ones, so that a run that was killed
    /// after its last checkpoint shows no step twice.
    ///
    /// # Errors
    /// As [`EventFile::create`].
    pub fn restart(dir: &Path, wall_time: f64, step: u64) -> Result<EventFile, Error> {
        let mut events = EventFile::create(dir, wall_time)?;
        let mut start = Message::default();
        start.integer(1, SESSION_START);
        let mut event = Message::default();
        event.double(1, wall_time).integer(2, step).bytes(7, &start.0);
        events.record(&event)?;
        events.flush()?;
        Ok(events)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds one value of the curve `tag`, such as `test/accuracy`, rounded to single precision; NaN
    /// and infinity are values too. `wall_time` is in seconds since 1970.
    ///
    /// # Errors
    /// [`Error::Write`] when the disk is full or the folder is gone.
    pub fn scalar(
        &mut self,
        tag: &str,
        step: u64,
        wall_time: f64,
        value: f64,
    ) -> Result<(), Error> {
        let mut message = Message::default();
        message.bytes(1, tag.as_bytes()).float(2, value as f32);
        self.value(step, wall_time, &message)
    }

    /// Adds one histogram of the series `tag`. Its least and greatest value are the outermost
    /// edges, and its sum and sum of squares, which TensorBoard does not draw, are those of the
    /// centres of the bins. `wall_time` is in seconds since 1970.
    ///
    /// # Errors
    /// [`Error::Content`] unless the edges are finite and rise, one more than there are counts;
    /// [`Error::Write`] when the disk is full or the folder is gone.
    pub fn histogram(
        &mut self,
        tag: &str,
        step: u64,
        wall_time: f64,
        histogram: &Histogram,
    ) -> Result<(), Error> {
        let Some((least, limits)) = histogram.edges.split_first().filter(|_| has_bins(histogram))
        else {
            return Err(Error::Content {
                path: self.path.clone(),
                expected: format!(
                    "finite, rising edges in \"{tag}\", one more than counts, and at least one count"
                ),
                found: format!(
                    "{} edges and {} counts",
                    histogram.edges.len(),
                    histogram.counts.len()
                ),
                advice: "mend the histogram, or leave it out",
            });
        };
        let greatest = limits.last().unwrap_or(least);
        let counts: Vec<f64> = histogram.counts.iter().map(|&count| count as f64).collect();
        let centres = histogram.edges.windows(2).map(|bin| bin[0] / 2.0 + bin[1] / 2.0);
        let (sum, squares) =
            centres.zip(&counts).fold((0.0, 0.0), |(sum, squares), (centre, count)| {
                (sum + count * centre, squares + count * centre * centre)
            });
        let mut bins = Message::default();
        bins.double(1, *least).double(2, *greatest).double(3, counts.iter().sum());
        bins.double(4, sum).double(5, squares).doubles(6, limits).doubles(7, &counts);
        let mut message = Message::default();
        message.bytes(1, tag.as_bytes()).bytes(5, &bins.0);
        self.value(step, wall_time, &message)
    }

    /// Hands everything to the operating system, so that a TensorBoard that is open shows it.
    ///
    /// # Errors
    /// [`Error::Write`] when the disk is full or the folder is gone.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.file.flush().map_err(|cause| write::explain(&self.path, &cause))
    }

    /// An event with one `Summary.Value`.
    fn value(&mut self, step: u64, wall_time: f64, value: &Message) -> Result<(), Error> {
        let mut summary = Message::default();
        summary.bytes(1, &value.0);
        let mut event = Message::default();
        event.double(1, wall_time).integer(2, step).bytes(5, &summary.0);
        self.record(&event)
    }

    fn record(&mut self, event: &Message) -> Result<(), Error> {
        frame(&mut self.file, &event.0).map_err(|cause| write::explain(&self.path, &cause))
    }
}

fn has_bins(Histogram { edges, counts }: &Histogram) -> bool {
    let rising = edges.windows(2).all(|pair| pair[0] < pair[1]);
    !counts.is_empty()
        && edges.len() == counts.len() + 1
        && rising
        && edges.iter().all(|edge| edge.is_finite())
}

/// Seconds and n of the last of our files in a folder.
fn latest(dir: &Path) -> Option<(u64, u64)> {
    let of_name = |name: &str| {
        let (seconds, n) = name.strip_prefix(PREFIX)?.split_once(".spikegrad.")?;
        let seconds = seconds.parse().ok().filter(|&seconds| seconds < LATEST_SECOND)?;
        Some((seconds, n.parse().ok().filter(|&n| n <= LAST_OF_A_SECOND)?))
    };
    let entries = std::fs::read_dir(dir).ok()?;
    entries.flatten().filter_map(|entry| of_name(entry.file_name().to_str()?)).max()
}

/// One TFRecord.
fn frame(to: &mut impl Write, data: &[u8]) -> io::Result<()> {
    let length = (data.len() as u64).to_le_bytes();
    to.write_all(&length)?;
    to.write_all(&masked(crc32c(&length)).to_le_bytes())?;
    to.write_all(data)?;
    to.write_all(&masked(crc32c(data)).to_le_bytes())
}

/// CRC-32C (Castagnoli), bit by bit: a record has some hundred bytes, and there are few an epoch.
fn crc32c(data: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
    !data.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

/// TFRecord's masking: the checksum of data that hold their own checksum would be a constant.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xA282_EAD8)
}

/// A protocol buffer being written: fields by number.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) -> &mut Message {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    fn key(&mut self, field: u64, wire: u64) -> &mut Message {
        self.varint(field << 3 | wire)
    }

    fn integer(&mut self, field: u64, value: u64) -> &mut Message {
        self.key(field, 0).varint(value)
    }

    fn double(&mut self, field: u64, value: f64) -> &mut Message {
        self.key(field, 1).0.extend(value.to_le_bytes());
        self
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) -> &mut Message {
        self.key(field, 2).varint(bytes.len() as u64).0.extend(bytes);
        self
    }

    fn doubles(&mut self, field: u64, values: &[f64]) -> &mut Message {
        let packed: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.bytes(field, &packed)
    }

    fn float(&mut self, field: u64, value: f32) -> &mut Message {
        self.key(field, 5).0.extend(value.to_le_bytes());
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        let rising: Vec<u8> = (0..32).collect();
        let falling: Vec<u8> = (0..32).rev().collect();
        for (data, crc) in [
            (&[][..], 0),
            (b"123456789", 0xE306_9283),
            (&[0; 32], 0x8A91_36AA),
            (&[0xFF; 32], 0x62A8_AB43),
            (&rising, 0x46DD_794E),
            (&falling, 0x113F_DB5C),
        ] {
            assert_eq!(crc32c(data), crc, "{data:02X?}");
        }
    }

    #[test]
    fn long_numbers_take_seven_bits_a_byte() {
        for (value, bytes) in [(0, &[0][..]), (127, &[127]), (128, &[0x80, 1]), (300, &[0xAC, 2])] {
            assert_eq!(Message::default().varint(value).0, bytes);
        }
        assert_eq!(Message::default().varint(u64::MAX).0, [[0xFF; 9].as_slice(), &[1]].concat());
    }
}
