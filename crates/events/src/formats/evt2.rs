//! Prophesee EVT 2.0: little-endian words of 32 bits after the RAW header.
//!
//! The highest 4 bits are the type. 0 and 1 are an OFF and an ON event: bits 22–27 the low bits of
//! the time, x = bits 11–21, y = bits 0–10. 8 sets the 28 high bits of the time in µs, which turns
//! over after 2³⁴ µs. Other types (triggers, vendor's extensions) are skipped, and so are events
//! before the first high bits: they have no time. Source: docs.prophesee.ai, "EVT 2.0 Format", and
//! the vendor's sample decoder.

use super::prophesee::{Clock, Header};
use super::quote;
use crate::{Columns, Error};

const FORMAT: &str = "EVT 2.0";
const WORD: usize = 4;

/// Decodes the events of one recording.
///
/// # Errors
/// [`Error::Format`] when the header names another encoding or does not end, or the data are no
/// whole number of words.
pub fn decode(bytes: &[u8]) -> Result<Columns, Error> {
    let header = Header::parse(FORMAT, bytes)?;
    if let Some(encoding) =
        header.encoding.filter(|encoding| ![&b"2.0"[..], b"EVT2"].contains(encoding))
    {
        return Err(Error::Format {
            format: FORMAT,
            offset: 0,
            expected: "a header with \"evt 2.0\" or \"format EVT2\"".into(),
            found: quote(encoding),
            advice: "decode it by that encoding",
        });
    }
    let (words, rest) = bytes[header.len..].as_chunks::<WORD>();
    if !rest.is_empty() {
        return Err(Error::Format {
            format: FORMAT,
            offset: bytes.len() - rest.len(),
            expected: format!("a word of {WORD} bytes"),
            found: format!("{} at the end of the file", rest.len()),
            advice: "the file is cut off or of another format: copy it again",
        });
    }
    Ok(events(words))
}

fn events(words: &[[u8; WORD]]) -> Columns {
    let mut columns = Columns::with_capacity(words.iter().filter(|word| word[3] >> 4 <= 1).count());
    let mut clock = Clock::new(28, 6);
    columns.extend_some(words, |&word| {
        let word = u32::from_le_bytes(word);
        match (word >> 28, clock.base_us) {
            (8, _) => {
                clock.set(i64::from(word & 0xfff_ffff));
                None
            }
            (polarity @ (0 | 1), Some(base_us)) => {
                let t_us = base_us.saturating_add(i64::from(word >> 22 & 0x3f));
                Some((t_us, (word >> 11 & 0x7ff) as u16, (word & 0x7ff) as u16, polarity == 1))
            }
            _ => None,
        }
    });
    columns
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
