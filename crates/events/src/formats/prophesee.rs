//! What Prophesee's files share: a header of lines `% <keyword> <value>`, up to `% end` or the
//! first line that is no such text, and split times.
//!
//! Source: docs.prophesee.ai, "RAW File Format" and "DAT File Format"; `generic_header.cpp` and
//! `psee_raw_file_header.cpp` of OpenEB (Apache-2.0).

use super::{camera, is_header_line, next_line};
use crate::{Error, Sensor};
use sentence::quoted;

/// What a header says.
#[derive(Default)]
pub(super) struct Header<'a> {
    /// The encoding of a RAW file: `2.0`, `3.0`, `EVT2`, `EVT21`, `EVT3`.
    pub encoding: Option<&'a [u8]>,
    /// What a DAT file contains: `CD events`.
    pub contents: Option<&'a [u8]>,
    /// The version of a DAT file.
    pub version: Option<&'a [u8]>,
    /// Whether the halves of a word of EVT 2.1 are in the older order.
    pub legacy: bool,
    endianness: Option<&'a [u8]>,
    width: Option<u16>,
    height: Option<u16>,
    /// Sizes by what names the camera, from the surest hint to the least sure.
    of_system: Option<Sensor>,
    of_name: Option<Sensor>,
    of_generation: Option<Sensor>,
    /// Bytes up to the data.
    pub len: usize,
}

impl<'a> Header<'a> {
    /// # Errors
    /// [`Error::Format`] under the name `format` when a header line does not end.
    pub fn parse(format: &'static str, bytes: &'a [u8]) -> Result<Self, Error> {
        let mut header = Self::default();
        let mut system = None;
        // a word of data may begin with the byte of '%' too, but is not followed by a line of text
        while is_header_line(bytes, header.len, b"%") {
            let next = next_line(bytes, header.len).ok_or_else(|| Error::Format {
                format,
                offset: header.len,
                expected: "a header line with an end".into(),
                found: "the end of the file".into(),
                advice: "the file is cut off: copy it again",
            })?;
            let line = bytes[header.len + 1..next].trim_ascii();
            header.len = next;
            if line.eq_ignore_ascii_case(b"end") {
                break;
            }
            header.note(line, &mut system);
        }
        header.of_system = system.and_then(camera::of_system);
        // OpenEB: systems before this one keep the older order, unless the file says otherwise
        header.legacy |=
            header.endianness.is_none() && system.is_some_and(|id| 0 < id && id < 0x37);
        Ok(header)
    }

    /// The sensor: both sizes where they are stated and neither is zero, else those of the camera
    /// that the header names.
    pub fn sensor(&self) -> Option<Sensor> {
        match (self.width, self.height) {
            (Some(width @ 1..), Some(height @ 1..)) => Some(Sensor { width, height }),
            _ => self.of_system.or(self.of_name).or(self.of_generation),
        }
    }

    fn note(&mut self, line: &'a [u8], system: &mut Option<u16>) {
        let space = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        let (keyword, value) = (&line[..space], line[space..].trim_ascii());
        match keyword.to_ascii_lowercase().as_slice() {
            b"evt" => self.encoding = self.encoding.or(Some(value)),
            b"version" => self.version = Some(value),
            b"data" => self.contents = value.strip_prefix(b"file containing ").or(self.contents),
            b"width" => self.width = number(value),
            b"height" => self.height = number(value),
            b"system_id" => *system = number(value),
            b"plugin_name" | b"sensor_name" => {
                self.of_name = camera::of_prophesee(value).or(self.of_name);
            }
            b"sensor_generation" => self.of_generation = camera::of_generation(value),
            b"endianness" => self.order(value),
            // 1280x720
            b"geometry" => {
                let mut sizes = value.split(|byte| matches!(byte, b'x' | b'X')).map(number);
                (self.width, self.height) = (sizes.next().flatten(), sizes.next().flatten());
            }
            b"format" => self.note_format(value),
            _ => {}
        }
    }

    /// `EVT3;height=720;width=1280`
    fn note_format(&mut self, value: &'a [u8]) {
        let mut fields = value.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        self.encoding = fields.next();
        for field in fields {
            let Some(equals) = field.iter().position(|&byte| byte == b'=') else { continue };
            let (key, value) = (field[..equals].trim_ascii(), field[equals + 1..].trim_ascii());
            match key.to_ascii_lowercase().as_slice() {
                b"width" => self.width = number(value),
                b"height" => self.height = number(value),
                b"endianness" => self.order(value),
                _ => {}
            }
        }
    }

    fn order(&mut self, endianness: &'a [u8]) {
        self.endianness = Some(endianness);
        self.legacy = endianness.eq_ignore_ascii_case(b"legacy");
    }
}

fn number(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.trim().parse().ok()
}

/// Whether a header's encoding is one of `names`, in whatever case.
pub(super) fn is_one_of(encoding: &[u8], names: &[&str]) -> bool {
    names.iter().any(|name| encoding.eq_ignore_ascii_case(name.as_bytes()))
}

/// Refuses a header that names another encoding than one of `names`.
pub(super) fn must_be(
    format: &'static str,
    header: &Header<'_>,
    names: &[&str],
) -> Result<(), Error> {
    match header.encoding.filter(|encoding| !is_one_of(encoding, names)) {
        None => Ok(()),
        Some(encoding) => Err(Error::Format {
            format,
            offset: 0,
            expected: format!("a header with \"evt {}\" or \"format {}\"", names[0], names[1]),
            found: quoted(encoding),
            advice: "decode it by that encoding",
        }),
    }
}

/// A time whose high bits come in words of their own, and turn over.
#[derive(Clone)]
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
