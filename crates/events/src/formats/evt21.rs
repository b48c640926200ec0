//! Prophesee EVT 2.1: little-endian words of 64 bits after the RAW header, EVT 2.0 with a vector of
//! events in each word.
//!
//! The highest 4 bits are the type. 0 and 1 are OFF and ON events: bits 54–59 the low bits of the
//! time, x = bits 43–53, y = bits 32–42, and an event at x + i for each bit i of bits 0–31. 8 sets
//! the 28 high bits of the time in µs (bits 32–59), which turns over after 2³⁴ µs. Other types are
//! skipped, and so are events before the first high bits. Cameras before 2022 write the two halves
//! of a word in the other order; the header says `endianness legacy`, or names such a camera by its
//! `system_ID`. Source: docs.prophesee.ai, "EVT 2.1 Format"; `evt21_decoder.h`,
//! `evt21_event_types.h` and `psee_raw_file_header.cpp` of OpenEB (Apache-2.0).
//!
//! Memory: a word of 8 bytes holds up to 32 events of 13 bytes each, so events can take 52 times
//! the file's size.

use super::decoder::{Decoder, cut_off, whole};
use super::prophesee::{Clock, Header, must_be};
use crate::{Columns, Error};

const FORMAT: &str = "EVT 2.1";
const WORD: usize = 8;
/// The names of the encoding in a header.
pub(super) const NAMES: [&str; 2] = ["2.1", "EVT21"];

/// Decodes the events of one recording.
///
/// # Errors
/// [`Error::Format`] when the header names another encoding or does not end, or the data are no
/// whole number of words.
pub fn decode(bytes: &[u8]) -> Result<Columns, Error> {
    let (mut decoder, header) = open(bytes)?;
    whole(&mut decoder, header, bytes)
}

pub(super) fn open(head: &[u8]) -> Result<(Events, usize), Error> {
    let header = Header::parse(FORMAT, head)?;
    must_be(FORMAT, &header, &NAMES)?;
    Ok((Events { legacy: header.legacy, clock: Clock::new(28, 6) }, header.len))
}

#[derive(Clone)]
pub(super) struct Events {
    /// Whether the half with the type comes first.
    legacy: bool,
    clock: Clock,
}

impl Events {
    fn run(&mut self, words: &[[u8; WORD]], mut event: impl FnMut(i64, u16, u16, bool)) {
        for &word in words {
            let word = u64::from_le_bytes(word);
            let word = if self.legacy { word.rotate_left(32) } else { word };
            let (head, valid) = ((word >> 32) as u32, word as u32);
            match (head >> 28, self.clock.base_us) {
                (8, _) => self.clock.set(i64::from(head & 0xfff_ffff)),
                (polarity @ (0 | 1), Some(base_us)) => {
                    let t_us = base_us.saturating_add(i64::from(head >> 22 & 0x3f));
                    let (x, y) = ((head >> 11 & 0x7ff) as u16, (head & 0x7ff) as u16);
                    for i in (0..32).filter(|i| valid >> i & 1 == 1) {
                        event(t_us, x + i, y, polarity == 1);
                    }
                }
                _ => {}
            }
        }
    }
}

impl Decoder for Events {
    fn room(&self, data: &[u8]) -> usize {
        let mut events = 0;
        self.clone().run(data.as_chunks().0, |_, _, _, _| events += 1);
        events
    }

    fn take(&mut self, data: &[u8], _: usize, columns: &mut Columns) -> Result<usize, Error> {
        let (words, rest) = data.as_chunks();
        self.run(words, |t_us, x, y, on| columns.push(t_us, x, y, on));
        Ok(data.len() - rest.len())
    }

    fn end(&self, rest: usize, offset: usize) -> Result<(), Error> {
        cut_off(FORMAT, "a word of 8 bytes", rest, offset)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn event(on: u64, low: u64, x: u64, y: u64, valid: u64) -> u64 {
        on << 60 | low << 54 | x << 43 | y << 32 | valid
    }

    fn file(header: &str, words: &[u64]) -> Vec<u8> {
        let words = words.iter().flat_map(|word| word.to_le_bytes());
        header.bytes().chain(words).collect()
    }

    #[test]
    fn words_become_events() {
        let high = |time: u64| 8 << 60 | time << 32;
        let words = [
            event(1, 1, 1, 1, 1), // before the first time: left out
            high(0xfff_ffff),
            event(1, 63, 1248, 719, 1 << 31 | 1),
            10 << 60,
            high(0),
            event(0, 1, 2, 3, 0b110),
        ];
        let turn = 1_i64 << 34;
        let halves = words.map(|word| word.rotate_left(32));
        for (header, words) in [
            ("% evt 2.1\n% end\n", words),
            ("% format EVT21;height=720;width=1280\n% end\n", words),
            ("% evt 2.1\n% endianness legacy\n% end\n", halves),
            ("% format EVT21;endianness=legacy\n% end\n", halves),
            ("% evt 2.1\n% system_ID 48\n% end\n", halves),
            ("% evt 2.1\n% system_ID 48\n% endianness little\n% end\n", words),
        ] {
            let columns = decode(&file(header, &words)).unwrap();
            assert_eq!(columns.t_us, [turn - 1, turn - 1, turn + 1, turn + 1], "{header}");
            assert_eq!((columns.x, columns.y), (vec![1248, 1279, 3, 4], vec![719, 719, 3, 3]));
            assert_eq!(columns.on, [true, true, false, false]);
        }
    }

    #[test]
    fn cut_files_and_other_encodings_are_refused() {
        let cut = decode(&file("% evt 2.1\n", &[0])[..12]).unwrap_err().to_string();
        assert!(cut.contains("EVT 2.1, byte 10: expected a word of 8 bytes, found 2"), "{cut}");
        let other = decode(b"% evt 3.0\n% end\n").unwrap_err().to_string();
        assert!(other.contains("found \"3.0\""), "{other}");
    }
}
