//! Prophesee DAT with CD events (brightness changes): a header, two bytes (event type, event size),
//! then little-endian events.
//!
//! An event is u32 time in µs and u32 data with x = bits 0–13, y = bits 14–27, ON = bit 28. Source:
//! docs.prophesee.ai, "DAT File Format"; version 2, the only one described there.

use super::prophesee::Header;
use super::quote;
use crate::{Columns, Error};

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
    let header = Header::parse(FORMAT, bytes)?;
    let wrong = |offset, expected: String, found, advice| Error::Format {
        format: FORMAT,
        offset,
        expected,
        found,
        advice,
    };
    if let Some(version) = header.version.filter(|&version| version != b"2") {
        return Err(wrong(
            0,
            "version 2".into(),
            quote(version),
            "convert the file with the vendor's tools",
        ));
    }
    let Some((&[kind, size], data)) = bytes[header.len..].split_first_chunk() else {
        let left = bytes.len() - header.len;
        let found = format!("{left} at the end of the file");
        return Err(wrong(
            header.len,
            "2 bytes, event type and size".into(),
            found,
            "the file is cut off: copy it again",
        ));
    };
    if size != EVENT as u8 || !TYPES.contains(&kind) {
        let expected = format!("events of type 0 or 12 and {EVENT} bytes");
        let found = format!("type {kind} and {size} bytes");
        return Err(wrong(
            header.len,
            expected,
            found,
            "only CD events are decoded: check the file",
        ));
    }
    let (events, rest) = data.as_chunks::<EVENT>();
    if !rest.is_empty() {
        let found = format!("{} at the end of the file", rest.len());
        let offset = bytes.len() - rest.len();
        return Err(wrong(
            offset,
            format!("an event of {EVENT} bytes"),
            found,
            "the file is cut off: copy it again",
        ));
    }
    let mut columns = Columns::with_capacity(events.len());
    columns.extend(events.as_flattened().as_chunks::<4>().0.as_chunks::<2>().0, event);
    Ok(columns)
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
