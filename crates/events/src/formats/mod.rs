//! Decoders, one format a file: bytes → [`crate::Columns`] in file order, or an error with byte
//! offset, expectation and finding.
//!
//! [`detect`] tells the formats apart by their content, [`decode`] reads the one it is given. No
//! decoder trusts a length field, and each reserves exactly what its events take, 13 bytes apiece:
//! at most 3.25 times the bytes it is given (5-byte events 2.6, EVT 2.0 3.25, the others 1.63). The
//! exceptions are EVT 3.0, whose word of 2 bytes can say up to 12 events, and EVT 2.1, whose word
//! of 8 bytes up to 32: see [`evt3`] and [`evt21`]. [`Chunks`] decodes a file of any size and
//! format in bounded memory, a piece at a time.

pub mod aedat2;
pub mod aedat31;
mod camera;
mod chunks;
pub mod dat;
pub mod davis;
mod decoder;
mod detect;
pub mod evt2;
pub mod evt21;
pub mod evt3;
mod format;
pub mod nmnist;
mod prophesee;
mod sensor;
mod turns;

use std::io::Read;
use std::str::FromStr;

pub use chunks::Chunks;
pub use detect::detect;
pub use format::Format;
pub(crate) use sensor::{Extent, count_outside};
pub use sensor::{SensorSource, sensor};

use crate::{Columns, Error};
use decoder::{Decoder, Opened, whole};

impl FromStr for Format {
    type Err = Error;

    /// The format of that [`Format::name`].
    fn from_str(name: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|format| format.name() == name);
        known.ok_or_else(|| Error::UnknownFormat(name.to_owned()))
    }
}

/// Decodes `bytes` as `format`, each decoder with its defaults.
///
/// # Errors
/// As the format's own `decode`.
pub fn decode(format: Format, bytes: &[u8]) -> Result<Columns, Error> {
    let Opened { mut decoder, header } = open(format, bytes)?;
    whole(&mut *decoder, header, bytes)
}

/// Reads `source` to its end and decodes it as `format`; the bytes are held beside the events until
/// it returns.
///
/// # Errors
/// As [`decode`], and [`Error::Read`].
pub fn read(format: Format, mut source: impl Read) -> Result<Columns, Error> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes)?;
    // reading doubles the room; given back, so that bytes and events together stay within 4 times
    // the source (EVT 2.0: 4.25)
    bytes.shrink_to_fit();
    decode(format, &bytes)
}

/// Reads the header of a file that starts with `head`; `head` is all of it, or at least its first
/// [`HEAD`] bytes.
///
/// # Errors
/// [`Error::Format`] where the header is not that of `format`.
fn open(format: Format, head: &[u8]) -> Result<Opened, Error> {
    fn boxed<D: Decoder + 'static>((decoder, header): (D, usize)) -> Opened {
        Opened { decoder: Box::new(decoder), header }
    }
    Ok(match format {
        Format::NMnist => boxed((nmnist::Events::default(), 0)),
        Format::Aedat2 => boxed(aedat2::open(head, aedat2::Options::default())?),
        Format::Davis => boxed(davis::open(head)?),
        Format::Aedat31 => boxed(aedat31::open(head, aedat31::Options::default())?),
        Format::Evt2 => boxed(evt2::open(head)?),
        Format::Evt21 => boxed(evt21::open(head)?),
        Format::Evt3 => boxed(evt3::open(head)?),
        Format::Dat => boxed(dat::open(head)?),
    })
}

/// What is looked at, at most, to tell a file's format and to read its header.
const HEAD: usize = 4 << 20;

/// Whether a line of a header begins at `start`: the mark of such lines and text up to its end. The
/// same byte in front of anything else is data.
fn is_header_line(bytes: &[u8], start: usize, mark: &[u8]) -> bool {
    let rest = bytes.get(start..).unwrap_or_default();
    let line = &rest[..rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len())];
    let is_control = |&byte: &u8| byte < b' ' && !matches!(byte, b'\t' | b'\r') || byte == 0x7f;
    line.starts_with(mark) && !line.iter().any(is_control)
}

/// Offset of the byte after the line that starts at `start`; `None` if the line does not end.
fn next_line(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    rest.iter().position(|&byte| byte == b'\n').map(|n| start + n + 1)
}

/// What follows `key` in a header line, or `None`.
fn value_after<'a>(line: &'a [u8], key: &str) -> Option<&'a [u8]> {
    line.strip_prefix(key.as_bytes()).map(<[u8]>::trim_ascii)
}
