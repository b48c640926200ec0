//! Prophesee EVT 2.0: little-endian words of 32 bits after the RAW header.
//!
//! The highest 4 bits are the type. 0 and 1 are an OFF and an ON event: bits 22–27 the low bits of
//! the time, x = bits 11–21, y = bits 0–10. 8 sets the 28 high bits of the time in µs, which turns
//! over after 2³⁴ µs. Other types (triggers, vendor's extensions) are skipped, and so are events
//! before the first high bits: they have no time. Source: docs.prophesee.ai, "EVT 2.0 Format", and
//! the vendor's sample decoder.

use super::decoder::{Decoder, cut_off, whole};
use super::prophesee::{Clock, Header, must_be};
use crate::{Columns, Error};

const FORMAT: &str = "EVT 2.0";
const WORD: usize = 4;
/// The names of the encoding in a header.
pub(super) const NAMES: [&str; 2] = ["2.0", "EVT2"];

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
    Ok((Events { clock: Clock::new(28, 6) }, header.len))
}

/// Whether words of that type, the highest 4 bits, exist.
pub(super) fn has_type(kind: u8) -> bool {
    matches!(kind, 0 | 1 | 8 | 10 | 14 | 15)
}

pub(super) struct Events {
    clock: Clock,
}

impl Decoder for Events {
    fn room(&self, data: &[u8]) -> usize {
        data.as_chunks::<WORD>().0.iter().filter(|word| word[3] >> 4 <= 1).count()
    }

    fn take(&mut self, data: &[u8], _: usize, columns: &mut Columns) -> Result<usize, Error> {
        let (words, rest) = data.as_chunks::<WORD>();
        columns.extend_some(words, |&word| self.event(u32::from_le_bytes(word)));
        Ok(data.len() - rest.len())
    }

    fn end(&self, rest: usize, offset: usize) -> Result<(), Error> {
        cut_off(FORMAT, "a word of 4 bytes", rest, offset)
    }
}

impl Events {
    fn event(&mut self, word: u32) -> Option<(i64, u16, u16, bool)> {
        match (word >> 28, self.clock.base_us) {
            (8, _) => {
                self.clock.set(i64::from(word & 0xfff_ffff));
                None
            }
            (polarity @ (0 | 1), Some(base_us)) => {
                let t_us = base_us.saturating_add(i64::from(word >> 22 & 0x3f));
                Some((t_us, (word >> 11 & 0x7ff) as u16, (word & 0x7ff) as u16, polarity == 1))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(words: &[u32]) -> Vec<u8> {
        b"% evt 2.0\n% end\n"
            .iter()
            .copied()
            .chain(words.iter().flat_map(|word| word.to_le_bytes()))
            .collect()
    }

    #[test]
    fn words_become_events() {
        let event = |on: u32, low: u32, x: u32, y: u32| on << 28 | low << 22 | x << 11 | y;
        let last = 0xfff_ffff;
        let words = [
            event(1, 3, 9, 9),
            8 << 28 | last,
            event(1, 63, 639, 479),
            10 << 28,
            8 << 28,
            event(0, 1, 2047, 0),
        ];
        let columns = decode(&file(&words)).unwrap();
        assert_eq!(columns.t_us, [(1 << 34) - 1, (1 << 34) + 1], "the clock turns over");
        assert_eq!(
            (columns.x, columns.y, columns.on),
            (vec![639, 2047], vec![479, 0], vec![true, false])
        );
    }

    #[test]
    fn cut_files_and_other_encodings_are_refused() {
        let cut = decode(&file(&[0])[..18]).unwrap_err().to_string();
        assert!(
            cut.contains("EVT 2.0, byte 16: expected a word of 4 bytes, found 2 at the end"),
            "{cut}"
        );
        let other =
            decode(b"% format EVT3;height=720;width=1280\n% end\n").unwrap_err().to_string();
        assert!(other.contains("found \"EVT3\""), "{other}");
        let endless = decode(b"% evt 2.0\n% cut").unwrap_err().to_string();
        assert!(endless.contains("byte 10: expected a header line with an end"), "{endless}");
    }
}
