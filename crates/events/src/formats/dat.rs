//! Prophesee DAT with CD events (brightness changes): a header, two bytes (event type, event size),
//! then little-endian events.
//!
//! An event is u32 time in µs and u32 data with x = bits 0–13, y = bits 14–27, ON = bit 28. The
//! time starts again at zero after 71.6 min, which [`Turns`](super::turns) puts back. What a header
//! says of its contents differs from writer to writer, so only the two bytes behind it count.
//! Source: docs.prophesee.ai, "DAT File Format"; version 2, the only one described there.

use super::decoder::{Decoder, cut_off, whole};
use super::prophesee::Header;
use super::turns::Turns;
use crate::{Columns, Error};
use sentence::quoted;

const FORMAT: &str = "DAT";
const EVENT: usize = 8;
/// Event2d and EventCd.
const TYPES: [u8; 2] = [0, 12];

/// Decodes the events of one recording.
///
/// # Errors
/// [`Error::Format`] when the header names another version or does not end, the events are no CD
/// events of 8 bytes, or the data are no whole number of events.
pub fn decode(bytes: &[u8]) -> Result<Columns, Error> {
    let (mut decoder, header) = open(bytes)?;
    whole(&mut decoder, header, bytes)
}

/// Whether the bytes behind a header announce CD events.
pub(super) fn announced(data: &[u8]) -> bool {
    matches!(data, &[kind, size, ..] if TYPES.contains(&kind) && usize::from(size) == EVENT)
}

pub(super) fn open(head: &[u8]) -> Result<(Events, usize), Error> {
    let header = Header::parse(FORMAT, head)?;
    let wrong = |offset, expected: &str, found, advice| Error::Format {
        format: FORMAT,
        offset,
        expected: expected.to_owned(),
        found,
        advice,
    };
    if let Some(version) = header.version.filter(|&version| version != b"2") {
        let advice = "convert the file with the vendor's tools";
        return Err(wrong(0, "version 2", quoted(version), advice));
    }
    let data = &head[header.len..];
    let &[kind, size, ..] = data else {
        let found = format!("{} at the end of the file", data.len());
        let expected = "2 bytes, event type and size";
        return Err(wrong(header.len, expected, found, "the file is cut off: copy it again"));
    };
    if !announced(data) {
        let found = format!("type {kind} and {size} bytes");
        let advice = "only CD events are decoded: check the file";
        return Err(wrong(header.len, "events of type 0 or 12 and 8 bytes", found, advice));
    }
    Ok((Events { turns: Turns::new(32) }, header.len + 2))
}

pub(super) struct Events {
    turns: Turns,
}

impl Decoder for Events {
    fn room(&self, data: &[u8]) -> usize {
        data.len() / EVENT
    }

    fn take(&mut self, data: &[u8], _: usize, columns: &mut Columns) -> Result<usize, Error> {
        let (events, rest) = data.as_chunks::<EVENT>();
        let before = columns.t_us.len();
        columns.extend(events.as_flattened().as_chunks::<4>().0.as_chunks::<2>().0, event);
        self.turns.date_all(&mut columns.t_us[before..]);
        Ok(data.len() - rest.len())
    }

    fn end(&self, rest: usize, offset: usize) -> Result<(), Error> {
        cut_off(FORMAT, "an event of 8 bytes", rest, offset)
    }
}

fn event(&[time, data]: &[[u8; 4]; 2]) -> (i64, u16, u16, bool) {
    let data = u32::from_le_bytes(data);
    (
        u32::from_le_bytes(time).into(),
        (data & 0x3fff) as u16,
        (data >> 14 & 0x3fff) as u16,
        data >> 28 & 1 == 1,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HEADER: &[u8] =
        b"% Data file containing CD events\n% Version 2\n% Width 640\n% Height 480\n";

    fn file(kind: u8, size: u8, events: &[[u32; 2]]) -> Vec<u8> {
        let events = events.iter().flatten().flat_map(|word| word.to_le_bytes());
        HEADER.iter().copied().chain([kind, size]).chain(events).collect()
    }

    #[test]
    fn words_become_events() {
        let bytes = file(12, 8, &[[5, 1 << 28 | 479 << 14 | 639], [u32::MAX, 1 << 14 | 2]]);
        let columns = decode(&bytes).unwrap();
        assert_eq!((columns.t_us, columns.on), (vec![5, 4_294_967_295], vec![true, false]));
        assert_eq!((columns.x, columns.y), (vec![639, 2], vec![479, 1]));
    }

    #[test]
    fn what_is_no_cd_event_is_refused() {
        let at = HEADER.len();
        for (bytes, sentence) in [
            (
                HEADER.to_vec(),
                format!("DAT, byte {at}: expected 2 bytes, event type and size, found 0"),
            ),
            (
                file(14, 8, &[]),
                format!("byte {at}: expected events of type 0 or 12 and 8 bytes, found type 14"),
            ),
            (
                file(0, 16, &[]),
                format!(
                    "byte {at}: expected events of type 0 or 12 and 8 bytes, found type 0 and 16"
                ),
            ),
            (
                file(0, 8, &[[1, 2]])[..at + 7].to_vec(),
                format!("byte {}: expected an event of 8 bytes, found 5", at + 2),
            ),
            (b"% Version 1\n".to_vec(), "expected version 2, found \"1\"".into()),
        ] {
            let error = decode(&bytes).unwrap_err().to_string();
            assert!(error.contains(&sentence), "{error}");
        }
    }
}
