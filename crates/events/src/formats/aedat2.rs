//! AEDAT 2.0 with the addresses of the DVS128 camera, as in CIFAR10-DVS.
//!
//! Header lines start with `#`; the first byte at a line start that is not `#` is data, so there may be no header at all. Then
//! records of 8 bytes, big-endian: u32 address, u32 time in µs (unsigned). With x' = bits 1–7, y' = bits 8–14 and p' = bit 0 of the
//! address, the event is x = 127 − y', y = 127 − x', ON where p' = 0. Higher address bits are ignored, as by the reference.

use std::io::Read;

use super::{next_line, read_all};
use crate::{Columns, Error};

const FORMAT: &str = "AEDAT 2.0";
const RECORD: usize = 8;

/// Reads `source` to its end and decodes it; see [`decode`].
///
/// # Errors
/// As [`decode`], and [`Error::Read`].
pub fn read(source: impl Read) -> Result<Columns, Error> {
    decode(&read_all(source)?)
}

/// Decodes the events of one recording.
///
/// # Errors
/// [`Error::Format`] when the header names another version or does not end, or the data are no whole number of records.
pub fn decode(bytes: &[u8]) -> Result<Columns, Error> {
    let start = header_len(bytes)?;
    let (records, rest) = bytes[start..].as_chunks::<RECORD>();
    if !rest.is_empty() {
        return Err(Error::Format {
            format: FORMAT,
            offset: bytes.len() - rest.len(),
            expected: format!("a record of {RECORD} bytes (address, time)"),
            found: format!("{} at the end of the file", rest.len()),
            advice: "the file is cut off or of another format: copy it again",
        });
    }
    let mut columns = Columns::with_capacity(records.len());
    columns.extend(records, event);
    Ok(columns)
}

fn event(&[a, b, c, d, e, f, g, h]: &[u8; RECORD]) -> (i64, u16, u16, bool) {
    let address = u32::from_be_bytes([a, b, c, d]);
    let (raw_x, raw_y) = ((address >> 1 & 0x7f) as u16, (address >> 8 & 0x7f) as u16);
    (u32::from_be_bytes([e, f, g, h]).into(), 127 - raw_y, 127 - raw_x, address & 1 == 0)
}

fn header_len(bytes: &[u8]) -> Result<usize, Error> {
    const MAGIC: &[u8] = b"#!AER-DAT";
    if bytes.starts_with(MAGIC) && bytes.get(MAGIC.len()) != Some(&b'2') {
        let version = bytes[MAGIC.len()..].iter().take(3);
        return Err(Error::Format {
            format: FORMAT,
            offset: MAGIC.len(),
            expected: "version 2".into(),
            found: format!("version \"{}\"", version.map(|b| b.escape_ascii().to_string()).collect::<String>()),
            advice: "get the data set's original files, or decode with that version's decoder",
        });
    }
    let mut start = 0;
    while bytes.get(start) == Some(&b'#') {
        start = next_line(bytes, start).ok_or_else(|| Error::Format {
            format: FORMAT,
            offset: start,
            expected: "a header line with an end".into(),
            found: "the end of the file".into(),
            advice: "the file is cut off: copy it again",
        })?;
    }
    Ok(start)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_header_ends_where_a_line_does_not_start_with_a_hash() {
        let record = [0, 0, 0x7f, 0xff, 0, 0, 0, 7];
        for header in ["", "#!AER-DAT2.0\r\n", "#!AER-DAT2.0\r\n# a # b\r\n"] {
            let columns = decode(&[header.as_bytes(), &record].concat()).unwrap();
            assert_eq!((columns.t_us, columns.x, columns.y, columns.on), (vec![7], vec![0], vec![0], vec![false]));
        }
    }

    #[test]
    fn other_versions_and_endless_headers_are_refused() {
        let newer = decode(b"#!AER-DAT4.0\r\n").unwrap_err().to_string();
        assert!(newer.contains("byte 9: expected version 2, found version \"4.0\""), "{newer}");
        let endless = decode(b"#!AER-DAT2.0\r\n# cut").unwrap_err().to_string();
        assert!(endless.contains("byte 14: expected a header line with an end"), "{endless}");
    }
}
