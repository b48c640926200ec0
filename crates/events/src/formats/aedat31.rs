//! AEDAT 3.1 polarity packets and their csv of trials, as in DVS128 Gesture.
//!
//! Header lines start with `#` and end with the line `#!END-HEADER`. Then packets, little-endian:
//! u16 type, u16 source, u32 event size, u32 time offset, u32 time overflow, u32 capacity, u32
//! number, u32 valid; then capacity · size bytes. Type 1 holds polarity events of 8 bytes: u32 data
//! with x = bits 17–31, y = bits 2–16, ON = bit 1, valid = bit 0, and u32 time in µs, to which the
//! overflow adds its bits from 31 upwards. Packets of other types are skipped by their length.

use super::decoder::{Decoder, whole};
use super::next_line;
use crate::{Columns, Error};
use sentence::quoted;

const FORMAT: &str = "AEDAT 3.1";
const HEADER: usize = 28;
const POLARITY: u16 = 1;
const EVENT: usize = 8;
const CUT_OFF: &str = "the file is cut off: copy it again";

/// What to take from a polarity packet. The default is what the format means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which slots of a packet are events.
    pub slots: Slots,
    /// Whether events whose valid bit is cleared are kept. The reference ignores the bit, so the
    /// default is true.
    pub keep_invalid: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { slots: Slots::Number, keep_invalid: true }
    }
}

/// Which slots of a packet are events. Real files have number = capacity, so the two agree on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slots {
    /// The first `number` slots: those that the camera filled.
    Number,
    /// All `capacity` slots, as the reference does: zero padding becomes events at t = 0.
    Capacity,
}

/// Decodes the polarity events of one recording.
///
/// # Errors
/// [`Error::Format`] without an `#!END-HEADER` line, on a packet that is cut off, or one whose
/// fields contradict each other.
pub fn decode(bytes: &[u8], options: Options) -> Result<Columns, Error> {
    let (mut decoder, header) = open(bytes, options)?;
    whole(&mut decoder, header, bytes)
}

pub(super) fn open(head: &[u8], options: Options) -> Result<(Events, usize), Error> {
    Ok((Events { options, packet: None }, header_len(head)?))
}

/// One recorded gesture: the events with `start_us <= t < end_us` show `class`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The file's class, 1 to 11.
    pub class: u8,
    /// First microsecond.
    pub start_us: i64,
    /// First microsecond after the trial.
    pub end_us: i64,
}

/// Decodes a `_labels.csv`: the line `class,startTime_usec,endTime_usec`, then one trial a line, in
/// file order. Trials may overlap.
///
/// # Errors
/// [`Error::Format`] with the offset of the line that is no title or no trial.
pub fn trials(csv: &[u8]) -> Result<Vec<Trial>, Error> {
    let wrong = |offset, expected: &str, line: &[u8]| Error::Format {
        format: "gesture labels csv",
        offset,
        expected: expected.into(),
        found: quoted(line),
        advice: "copy the publisher's file again",
    };
    let title = lines(csv).next().map_or(&b""[..], |(_, title)| title);
    // an editor may have put a byte order mark before it
    let title = title.strip_prefix(b"\xef\xbb\xbf").unwrap_or(title);
    if !title.starts_with(b"class") {
        return Err(wrong(0, "the title line class,startTime_usec,endTime_usec", title));
    }
    let rows = || lines(csv).skip(1).filter(|(_, line)| !line.is_empty());
    if let Some((offset, line)) = rows().find(|(_, line)| trial(line).is_none()) {
        return Err(wrong(offset, "class 1 to 11, start, later end, in whole microseconds", line));
    }
    let mut trials = Vec::with_capacity(rows().count());
    trials.extend(rows().filter_map(|(_, line)| trial(line)));
    Ok(trials)
}

/// The lines with their offsets, without the white space around them.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let line_start = start;
        start = next_line(text, start).unwrap_or(text.len());
        (line_start < start).then(|| (line_start, text[line_start..start].trim_ascii()))
    })
}

fn trial(line: &[u8]) -> Option<Trial> {
    let mut fields = std::str::from_utf8(line).ok()?.split(',').map(str::trim);
    let class = fields.next()?.parse().ok().filter(|class| (1..=11).contains(class))?;
    let start_us = i64::from(fields.next()?.parse::<u32>().ok()?);
    let end_us = i64::from(fields.next()?.parse::<u32>().ok()?);
    (fields.next().is_none() && start_us < end_us).then_some(Trial { class, start_us, end_us })
}

/// Whether this is the last header line, however it is spaced and written.
fn is_end(line: &[u8]) -> bool {
    let mark = line.strip_prefix(b"#!").unwrap_or_default();
    mark.trim_ascii().eq_ignore_ascii_case(b"END-HEADER")
}

/// Bytes up to the first packet.
pub(super) fn header_len(bytes: &[u8]) -> Result<usize, Error> {
    let mut start = 0;
    while bytes.get(start) == Some(&b'#') {
        let Some(next) = next_line(bytes, start) else { break };
        if is_end(&bytes[start..next]) {
            return Ok(next);
        }
        start = next;
    }
    Err(Error::Format {
        format: FORMAT,
        offset: start,
        expected: "another header line, up to #!END-HEADER".into(),
        found: if start < bytes.len() {
            "something else".into()
        } else {
            "the end of the file".into()
        },
        advice: "without that line the start of the data is unknown: copy the file again, or check its format",
    })
}

pub(super) struct Events {
    options: Options,
    /// The packet whose payload is not at its end yet.
    packet: Option<Packet>,
}

impl Decoder for Events {
    fn room(&self, data: &[u8]) -> usize {
        // as many events as the bytes could hold; what packets of other types leave of it is never
        // touched
        data.len() / EVENT
    }

    fn take(&mut self, data: &[u8], offset: usize, columns: &mut Columns) -> Result<usize, Error> {
        let mut at = 0;
        loop {
            let rest = &data[at..];
            match &mut self.packet {
                None => {
                    let Some((head, _)) = rest.split_first_chunk() else { return Ok(at) };
                    self.packet = Some(Packet::parse(head, offset + at, self.options)?);
                    at += HEADER;
                }
                Some(packet) => {
                    let taken = packet.take(rest, self.options, columns);
                    at += taken;
                    match packet.left {
                        0 => self.packet = None,
                        _ if taken == 0 => return Ok(at),
                        _ => {}
                    }
                }
            }
        }
    }

    fn end(&self, rest: usize, offset: usize) -> Result<(), Error> {
        let (offset, expected, rest) = match &self.packet {
            Some(packet) => packet.missing(rest),
            None if rest == 0 => return Ok(()),
            None => (offset, format!("a packet header of {HEADER} bytes"), rest as u64),
        };
        Err(Error::Format {
            format: FORMAT,
            offset,
            expected,
            found: format!("{rest} at the end of the file"),
            advice: CUT_OFF,
        })
    }
}

/// A packet whose header was read.
struct Packet {
    offset: usize,
    size: u32,
    capacity: u32,
    /// Slots that are events and not read yet.
    slots: u32,
    /// What the packet's overflow adds to its times.
    high_us: i64,
    /// Bytes of the payload that are not read yet.
    left: u64,
}

impl Packet {
    fn parse(head: &[u8; HEADER], offset: usize, options: Options) -> Result<Self, Error> {
        let word =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (size, overflow, capacity, number) = (word(4), word(12), word(16), word(20));
        let contradiction = |at, expected: String, found: u32| Error::Format {
            format: FORMAT,
            offset: offset + at,
            expected,
            found: found.to_string(),
            advice: "the packet header is damaged: copy the file again",
        };
        let is_polarity = u16::from_le_bytes([head[0], head[1]]) == POLARITY;
        if is_polarity && size as usize != EVENT {
            return Err(contradiction(4, format!("polarity events of {EVENT} bytes"), size));
        }
        if is_polarity && number > capacity {
            let expected = format!("a number of events within the capacity {capacity}");
            return Err(contradiction(20, expected, number));
        }
        let slots = match options.slots {
            _ if !is_polarity => 0,
            Slots::Number => number,
            Slots::Capacity => capacity,
        };
        let left = u64::from(size) * u64::from(capacity);
        Ok(Self { offset, size, capacity, slots, high_us: i64::from(overflow) << 31, left })
    }

    /// Takes what `data` holds of the payload, whole events at a time; returns how many bytes.
    fn take(&mut self, data: &[u8], options: Options, columns: &mut Columns) -> usize {
        let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
        let events = (here / EVENT).min(self.slots as usize);
        if events > 0 {
            self.events(&data[..events * EVENT], options, columns);
            self.slots -= events as u32;
        }
        let taken = if self.slots == 0 { here } else { events * EVENT };
        self.left -= taken as u64;
        taken
    }

    fn events(&self, slots: &[u8], options: Options, columns: &mut Columns) {
        let slots = slots.as_chunks::<4>().0.as_chunks::<2>().0;
        let event = |slot: &_| event(slot, self.high_us);
        if options.keep_invalid {
            columns.extend(slots, event);
        } else {
            columns.extend_some(slots, |slot| (slot[0][0] & 1 == 1).then(|| event(slot)));
        }
    }

    /// Where the payload begins, what belongs there, and the bytes that are there, `rest` of them
    /// not taken.
    fn missing(&self, rest: usize) -> (usize, String, u64) {
        let Self { size, capacity, .. } = *self;
        let length = u64::from(size) * u64::from(capacity);
        let expected = format!("{length} bytes ({capacity} events of {size})");
        (self.offset + HEADER, expected, length - self.left + rest as u64)
    }
}

/// One slot of a polarity packet; `high` is what the packet's overflow adds to the time.
fn event(&[data, time]: &[[u8; 4]; 2], high: i64) -> (i64, u16, u16, bool) {
    let (data, time) = (u32::from_le_bytes(data), u32::from_le_bytes(time));
    (i64::from(time) | high, (data >> 17) as u16, (data >> 2 & 0x7fff) as u16, data >> 1 & 1 == 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn packet(kind: u16, size: u32, capacity: u32, number: u32, payload: &[u8]) -> Vec<u8> {
        let words = [size, 4, 0, capacity, number, number].map(u32::to_le_bytes).concat();
        let kind = [kind, 1].map(u16::to_le_bytes).concat();
        [b"#!AER-DAT3.1\r\n#!END-HEADER\r\n", &kind[..], &words, payload].concat()
    }

    #[test]
    fn length_fields_are_not_trusted() {
        for (bytes, sentence) in [
            (packet(1, 8, u32::MAX, 1, &[0; 8]), "byte 56: expected 34359738360 bytes"),
            (packet(9, u32::MAX, u32::MAX, 0, &[]), "byte 56: expected 18446744065119617025 bytes"),
            (
                packet(1, 8, 1, 2, &[0; 8]),
                "byte 48: expected a number of events within the capacity 1, found 2",
            ),
            (packet(1, 9, 0, 0, &[]), "byte 32: expected polarity events of 8 bytes, found 9"),
            (packet(1, 8, 0, 0, &[7]), "byte 56: expected a packet header of 28 bytes, found 1"),
        ] {
            let error = decode(&bytes, Options::default()).unwrap_err().to_string();
            assert!(error.contains(sentence), "{error}");
        }
    }

    #[test]
    fn wrong_trials_name_their_line() {
        let titled =
            |rows: &str| trials(format!("class,startTime_usec,endTime_usec\n{rows}").as_bytes());
        assert_eq!(titled("11, 5,9\r\n\n").unwrap(), [Trial { class: 11, start_us: 5, end_us: 9 }]);
        for row in ["0,1,2", "12,1,2", "1,2,2", "1,-1,2", "1,2", "1,2,3,4", "x,1,2"] {
            let error = titled(&format!("1,2,3\n{row}\n")).unwrap_err().to_string();
            assert!(
                error.contains("byte 40: expected class 1 to 11") && error.contains(row),
                "{error}"
            );
        }
        assert!(trials(b"1,2,3\n").unwrap_err().to_string().contains("title line"));
        assert!(trials(b"").is_err());
    }
}
