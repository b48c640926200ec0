use std::io::{Read, Seek, SeekFrom};

use super::decoder::{Decoder, Opened};
use super::{Format, HEAD, SensorSource, detect::detect_in, nmnist, open, sensor};
use crate::{Columns, Error, Sensor};

/// Bytes that are decoded at once: at most 400,000 events, of EVT 3.0.
const PIECE: usize = 64 << 10;

/// A recording that is decoded a piece at a time, so that memory does not grow with the file: 4 MiB
/// of bytes and at most 5 MiB of events.
///
/// ```
/// use events::formats::{Chunks, Format};
///
/// let bytes = [3, 4, 0x80, 0, 9].repeat(100_000); // x = 3, y = 4, ON, t = 9 µs
/// let mut chunks = Chunks::open(std::io::Cursor::new(&bytes[..]), 500_000, Some(Format::NMnist))?;
/// let mut events = 0;
/// while let Some(columns) = chunks.next()? {
///     events += columns.count()?;
/// }
/// assert_eq!(events, 100_000);
/// # Ok::<(), events::Error>(())
/// ```
pub struct Chunks<R> {
    source: R,
    format: Format,
    sensor: Option<(Sensor, SensorSource)>,
    decoder: Box<dyn Decoder>,
    /// What was read and not decoded: the bytes from `start` on, at `offset` of the file.
    buffer: Vec<u8>,
    start: usize,
    offset: usize,
    ended: bool,
    columns: Columns,
}

impl<R: Read + Seek> Chunks<R> {
    /// Reads the head of `source`, of `len` bytes, and tells its format by it unless `format` is
    /// given. A source whose format has no header is read through once: a byte at its end may say
    /// what the first ones mean.
    ///
    /// # Errors
    /// As [`super::detect`] and [`super::decode`] for a header, [`Error::Read`], and a header
    /// of more than 4 MiB.
    pub fn open(mut source: R, len: u64, format: Option<Format>) -> Result<Self, Error> {
        let mut buffer = Vec::new();
        source.by_ref().take(HEAD as u64).read_to_end(&mut buffer)?;
        let format = format.map_or_else(|| detect_in(&buffer, len), Ok)?;
        let Opened { mut decoder, header } = open(format, &buffer)?;
        let ended = buffer.len() < HEAD;
        if header == buffer.len() && !ended {
            return Err(Error::Format {
                format: format.name(),
                offset: 0,
                expected: format!("a header of less than {HEAD} bytes"),
                found: "a longer one".into(),
                advice: "the file is damaged: copy it again",
            });
        }
        if decoder.looks_ahead() {
            look(&mut *decoder, &mut source, header)?;
            source.seek(SeekFrom::Start(buffer.len() as u64))?;
        }
        let sensor = sensor::known(format, &buffer);
        let columns = Columns::default();
        Ok(Self {
            source,
            format,
            sensor,
            decoder,
            buffer,
            start: header,
            offset: header,
            ended,
            columns,
        })
    }

    /// The format that was given, or that the content shows.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The sensor and how it is known, where format or header tell it.
    pub fn sensor(&self) -> Option<(Sensor, SensorSource)> {
        self.sensor
    }

    /// Records so far that are none of a pixel's events and were left out: pulses, samples of
    /// frames, marks of the clock. `None` where the format's are not counted.
    pub fn left_out(&self) -> Option<usize> {
        self.decoder.left_out()
    }

    /// The next events, in the order of the file; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Format`] where the bytes do not follow the format, [`Error::Read`].
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend what it holds")]
    pub fn next(&mut self) -> Result<Option<&Columns>, Error> {
        self.columns.clear();
        while self.columns.t_us.is_empty() {
            let rest = &self.buffer[self.start..];
            let piece = &rest[..rest.len().min(PIECE)];
            let taken = self.decoder.take(piece, self.offset, &mut self.columns)?;
            self.start += taken;
            self.offset += taken;
            if taken == 0 && self.ended {
                self.decoder.end(rest.len(), self.offset)?;
                return Ok(None);
            }
            if taken == 0 {
                self.refill()?;
            }
        }
        Ok(Some(&self.columns))
    }

    /// Moves what is left to the front and reads on behind it.
    fn refill(&mut self) -> Result<(), Error> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let room = HEAD - self.buffer.len();
        self.source.by_ref().take(room as u64).read_to_end(&mut self.buffer)?;
        self.ended = self.buffer.len() < HEAD;
        Ok(())
    }
}

/// Shows a decoder all data of a source.
fn look(
    decoder: &mut dyn Decoder,
    source: &mut (impl Read + Seek),
    header: usize,
) -> Result<(), Error> {
    source.seek(SeekFrom::Start(header as u64))?;
    // of whole records: those that look ahead have 5 bytes
    let piece = PIECE / nmnist::EVENT * nmnist::EVENT;
    let mut data = Vec::with_capacity(piece);
    loop {
        data.clear();
        source.by_ref().take(piece as u64).read_to_end(&mut data)?;
        decoder.look(&data);
        if data.len() < piece {
            return Ok(());
        }
    }
}
