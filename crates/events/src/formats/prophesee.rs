//! What Prophesee's files share: a header of lines `% <keyword> <value>`, up to `% end` or the
//! first other byte, and split times.
//!
//! Source: docs.prophesee.ai, "RAW File Format" and "DAT File Format".

use super::next_line;
use crate::{Error, Sensor};

/// What a header says.
#[derive(Default)]
pub(super) struct Header<'a> {
    /// The encoding of a RAW file: `2.0`, `3.0`, `EVT2`, `EVT21`, `EVT3`.
    pub encoding: Option<&'a [u8]>,
    /// What a DAT file contains: `CD events`.
    pub contents: Option<&'a [u8]>,
    /// The version of a DAT file.
    pub version: Option<&'a [u8]>,
    width: Option<u16>,
    height: Option<u16>,
    /// Bytes up to the data.
    pub len: usize,
}

impl<'a> Header<'a> {
    /// # Errors
    /// [`Error::Format`] under the name `format` when a header line does not end.
    pub fn parse(format: &'static str, bytes: &'a [u8]) -> Result<Self, Error> {
        let mut header = Self::default();
        while bytes[header.len..].starts_with(b"% ") {
            let next = next_line(bytes, header.len).ok_or_else(|| Error::Format {
                format,
                offset: header.len,
                expected: "a header line with an end".into(),
                found: "the end of the file".into(),
                advice: "the file is cut off: copy it again",
            })?;
            let line = bytes[header.len + 2..next].trim_ascii();
            header.len = next;
            if line == b"end" {
                break;
            }
            header.note(line);
        }
        Ok(header)
    }

    /// The sensor, where both sizes are stated and neither is zero.
    pub fn sensor(&self) -> Option<Sensor> {
        match (self.width, self.height) {
            (Some(width @ 1..), Some(height @ 1..)) => Some(Sensor { width, height }),
            _ => None,
        }
    }

    fn note(&mut self, line: &'a [u8]) {
        let space = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
        let (keyword, value) = (&line[..space], line[space..].trim_ascii());
        match keyword.to_ascii_lowercase().as_slice() {
            b"evt" => self.encoding = Some(value),
            b"version" => self.version = Some(value),
            b"data" => self.contents = value.strip_prefix(b"file containing ").or(self.contents),
            b"width" => self.width = number(value),
            b"height" => self.height = number(value),
            // 1280x720
            b"geometry" => {
                let mut sizes = value.split(|&byte| byte == b'x').map(number);
                (self.width, self.height) = (sizes.next().flatten(), sizes.next().flatten());
            }
            // EVT3;height=720;width=1280
            b"format" => {
                let mut fields = value.split(|&byte| byte == b';');
                self.encoding = fields.next();
                for field in fields {
                    match field.strip_prefix(b"width=") {
                        Some(width) => self.width = number(width),
                        None => {
                            self.height = field.strip_prefix(b"height=").map_or(self.height, number)
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

fn number(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A time whose high bits come in words of their own, and turn over.
pub(super) struct Clock {
    /// Bits that come with the events.
    low_bits: u32,
    /// Microseconds after which the high bits are zero again.
    turn_us: i64,
    turns_us: i64,
    /// Time of the latest high bits; `None` before the first, when no event can be dated.
    pub base_us: Option<i64>,
}

impl Clock {
    pub fn new(high_bits: u32, low_bits: u32) -> Self {
        Self { low_bits, turn_us: 1 << (high_bits + low_bits), turns_us: 0, base_us: None }
    }

    /// Sets the high bits. A step back by nearly a whole turn is a new turn, as in the vendor's
    /// sample decoder; any other is disorder.
    pub fn set(&mut self, high: i64) {
        let nearly = self.turn_us - (11 << self.low_bits);
        let base_us = self.turns_us.saturating_add(high << self.low_bits);
        let turned =
            self.base_us.is_some_and(|before_us| before_us.saturating_sub(base_us) >= nearly);
        let step_us = if turned { self.turn_us } else { 0 };
        self.turns_us = self.turns_us.saturating_add(step_us);
        self.base_us = Some(base_us.saturating_add(step_us));
    }
}
