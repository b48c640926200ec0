//! Prophesee EVT 3.0: little-endian words of 16 bits after the RAW header, each changing one part
//! of a state.
//!
//! The highest 4 bits are the type. 0 sets y (bits 0–10). 2 is one event at x (bits 0–10), ON =
//! bit 11. 3 sets x and ON for the vectors that follow: 4 (bits 0–11) and 5 (bits 0–7) are an event
//! at x + i for each bit i, and move x on by 12 or 8. 8 sets the 12 high bits of the time in µs
//! (the low ones become 0), 6 the 12 low ones; it turns over after 2²⁴ µs. Other types are skipped,
//! and so is everything before the first high bits. Source: docs.prophesee.ai, "EVT 3.0 Format",
//! and the vendor's sample decoder.
//!
//! Memory: the events are counted first and exactly their room is reserved. A vector packs up to 12
//! events, which take 13 bytes each in [`Columns`], into 2 bytes, so they can take 78 times the
//! file's size: no decoder that returns events can take less.

use super::decoder::{Decoder, cut_off, whole};
use super::prophesee::{Clock, Header, must_be};
use crate::{Columns, Error};

const FORMAT: &str = "EVT 3.0";
const WORD: usize = 2;
/// Columns that the format can address.
const WIDTH: u16 = 2048;
/// The names of the encoding in a header.
pub(super) const NAMES: [&str; 2] = ["3.0", "EVT3"];

/// Decodes the events of one recording.
///
/// # Errors
/// [`Error::Format`] when the header names another encoding or does not end, the data are no whole
/// number of words, or a vector reaches beyond x = 2047.
pub fn decode(bytes: &[u8]) -> Result<Columns, Error> {
    let (mut decoder, header) = open(bytes)?;
    whole(&mut decoder, header, bytes)
}

pub(super) fn open(head: &[u8]) -> Result<(State, usize), Error> {
    let header = Header::parse(FORMAT, head)?;
    must_be(FORMAT, &header, &NAMES)?;
    Ok((State::new(), header.len))
}

/// Whether words of that type, the highest 4 bits, exist.
pub(super) fn has_type(kind: u8) -> bool {
    matches!(kind, 0 | 2..=8 | 10 | 14 | 15)
}

#[derive(Clone)]
pub(super) struct State {
    clock: Clock,
    low_us: i64,
    y: u16,
    /// Of the next vector.
    x: u16,
    on: bool,
}

impl State {
    fn new() -> Self {
        Self { clock: Clock::new(12, 12), low_us: 0, y: 0, x: 0, on: false }
    }

    /// Calls `event` with time, x, y and polarity of each event; `offset` is that of the first
    /// word.
    fn run(
        &mut self,
        words: &[[u8; WORD]],
        offset: usize,
        mut event: impl FnMut(i64, u16, u16, bool),
    ) -> Result<(), Error> {
        for (index, &word) in words.iter().enumerate() {
            let word = u16::from_le_bytes(word);
            let (kind, bits) = (word >> 12, word & 0xfff);
            if kind == 8 {
                self.clock.set(bits.into());
                self.low_us = 0;
            }
            let Some(base_us) = self.clock.base_us else { continue };
            let t_us = base_us.saturating_add(self.low_us);
            match kind {
                0 => self.y = bits & 0x7ff,
                2 => event(t_us, bits & 0x7ff, self.y, bits >> 11 == 1),
                3 => (self.x, self.on) = (bits & 0x7ff, bits >> 11 == 1),
                4 | 5 => {
                    let (valid, length) = if kind == 4 { (bits, 12) } else { (bits & 0xff, 8) };
                    let end = self.x.saturating_add(16 - valid.leading_zeros() as u16);
                    if valid != 0 && end > WIDTH {
                        return Err(beyond(offset + index * WORD, end - 1));
                    }
                    for i in (0..length).filter(|i| valid >> i & 1 == 1) {
                        event(t_us, self.x + i, self.y, self.on);
                    }
                    self.x = self.x.saturating_add(length);
                }
                6 => self.low_us = bits.into(),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Decoder for State {
    fn room(&self, data: &[u8]) -> usize {
        let mut events = 0;
        // an error comes again where the events are taken
        let counted = self.clone().run(data.as_chunks::<WORD>().0, 0, |_, _, _, _| events += 1);
        counted.map_or(0, |()| events)
    }

    fn take(&mut self, data: &[u8], offset: usize, columns: &mut Columns) -> Result<usize, Error> {
        let (words, rest) = data.as_chunks::<WORD>();
        self.run(words, offset, |t_us, x, y, on| columns.push(t_us, x, y, on))?;
        Ok(data.len() - rest.len())
    }

    fn end(&self, rest: usize, offset: usize) -> Result<(), Error> {
        cut_off(FORMAT, "a word of 2 bytes", rest, offset)
    }
}

fn beyond(offset: usize, x: u16) -> Error {
    Error::Format {
        format: FORMAT,
        offset,
        expected: format!("a vector within {WIDTH} columns"),
        found: format!("an event at x = {x}"),
        advice: "the file is damaged or of another format: copy it again",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(words: &[u16]) -> Vec<u8> {
        b"% evt 3.0\n"
            .iter()
            .copied()
            .chain(words.iter().flat_map(|word| word.to_le_bytes()))
            .collect()
    }

    #[test]
    fn words_become_events() {
        let words = [
            0x2001, // before the first time: left out
            0x8fff,
            0x6fff,
            719,
            0x2800 | 1279, // t = 2²⁴ − 1, one ON event
            0x8000,
            0x3000 | 100,
            0x4801,
            0x6002,
            0x5081,
            0xa000,
            0x5001, // a new turn, vectors at 100, 112 and 120
        ];
        let columns = decode(&file(&words)).unwrap();
        let turn = 1 << 24;
        assert_eq!(columns.t_us, [turn - 1, turn, turn, turn + 2, turn + 2, turn + 2]);
        assert_eq!(columns.x, [1279, 100, 111, 112, 119, 120]);
        assert_eq!(
            (columns.y, columns.on),
            (vec![719; 6], vec![true, false, false, false, false, false])
        );
    }

    #[test]
    fn cut_files_and_vectors_off_the_sensor_are_refused() {
        let cut = decode(&file(&[0])[..11]).unwrap_err().to_string();
        assert!(
            cut.contains("EVT 3.0, byte 10: expected a word of 2 bytes, found 1 at the end"),
            "{cut}"
        );
        let words =
            [vec![0x8000, 0x3000 | 2040, 0x5001], vec![0x5000; 9000], vec![0x5001]].concat();
        let off = decode(&file(&words)).unwrap_err().to_string();
        assert!(off.contains("byte 18016: expected a vector within 2048 columns"), "{off}");
    }
}
