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
pub mod nmnist;
mod prophesee;
mod sensor;
mod turns;

use std::io::Read;
use std::str::FromStr;

use serde::{Serialize, Serializer};

pub use chunks::Chunks;
pub use detect::detect;
pub(crate) use sensor::{Extent, count_outside};
pub use sensor::{SensorSource, sensor};

use crate::{Columns, Error};

/// A format that this crate decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The 5-byte events of N-MNIST's `.bin` and of `.bs2`: [`nmnist`].
    NMnist,
    /// AEDAT 2.0 of a DVS128 camera: [`aedat2`].
    Aedat2,
    /// AEDAT 2.0 of a DAVIS camera: [`davis`].
    Davis,
    /// AEDAT 3.1: [`aedat31`].
    Aedat31,
    /// Prophesee EVT 2.0: [`evt2`].
    Evt2,
    /// Prophesee EVT 2.1: [`evt21`].
    Evt21,
    /// Prophesee EVT 3.0: [`evt3`].
    Evt3,
    /// Prophesee DAT with CD events: [`dat`].
    Dat,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 8] = [
        Self::NMnist,
        Self::Aedat2,
        Self::Davis,
        Self::Aedat31,
        Self::Evt2,
        Self::Evt21,
        Self::Evt3,
        Self::Dat,
    ];

    /// The name by which a user asks for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NMnist => "nmnist",
            Self::Aedat2 => "aedat2",
            Self::Davis => "aedat2-davis",
            Self::Aedat31 => "aedat3.1",
            Self::Evt2 => "evt2",
            Self::Evt21 => "evt2.1",
            Self::Evt3 => "evt3",
            Self::Dat => "dat",
        }
    }

    /// Raised whenever this format's decoder gives other [`Columns`] for the same bytes, or
    /// [`crate::Events`] orders them otherwise: what was kept from before is then never taken for
    /// what would be decoded now. `tests/versions.rs` fails where it was forgotten.
    pub fn decoder_version(self) -> u32 {
        match self {
            // 2: clocks that turn over, overflow marks, pulses, rows from above; 3: clocks that are
            // set back, rows beyond the marks, special records
            Self::NMnist | Self::Aedat2 | Self::Davis | Self::Dat => 3,
            Self::Aedat31 | Self::Evt2 | Self::Evt21 | Self::Evt3 => 1,
        }
    }

    /// The names of all formats, for a sentence.
    pub(crate) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl FromStr for Format {
    type Err = Error;

    /// The format of that [`Format::name`].
    fn from_str(name: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|format| format.name() == name);
        known.ok_or_else(|| Error::UnknownFormat(name.to_owned()))
    }
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Decodes `bytes` as `format`, each decoder with its defaults.
///
/// # Errors
/// As the format's own `decode`.
pub fn decode(format: Format, bytes: &[u8]) -> Result<Columns, Error> {
    let decoder::Opened { mut decoder, header } = decoder::open(format, bytes)?;
    decoder::whole(&mut *decoder, header, bytes)
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
