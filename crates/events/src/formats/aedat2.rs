//! AEDAT 2.0 with the addresses of the DVS128 camera, as in CIFAR10-DVS.
//!
//! Header lines start with `#`; the first byte at a line start that is not `#` is data, so there
//! may be no header at all. Then records of 8 bytes, big-endian: u32 address, u32 time in µs
//! (unsigned). With x' = bits 1–7, y' = bits 8–14 and p' = bit 0 of the address, the event is x =
//! 127 − y', y = 127 − x', ON where p' = 0. Higher address bits are ignored, as by the reference.
//!
//! Every camera has addresses of its own, so a header whose `# AEChip:` line names another camera
//! is refused. Source: docs.inivation.com, "AEDAT 2.0".

use super::{next_line, quote, value_after};
use crate::{Columns, Error};

const FORMAT: &str = "AEDAT 2.0";
pub(super) const MAGIC: &[u8] = b"#!AER-DAT";
pub(super) const RECORD: usize = 8;

/// Decodes the events of one recording.
///
/// # Errors
/// [`Error::Format`] when the header names another version or another camera or does not end, or
/// the data are no whole number of records.
pub fn decode(bytes: &[u8]) -> Result<Columns, Error> {
    let Parts { camera, records } = parts(bytes)?;
    match camera {
        // DVS128 was first called Tmpdiff128
        Some((offset, camera)) if !contains(camera, b"128") => Err(Error::Format {
            format: FORMAT,
            offset,
            expected: "no camera or a DVS128".into(),
            found: format!("the camera {}", quote(camera)),
            advice: "its addresses mean other pixels, so this is no recording of CIFAR10-DVS: read it by its own format",
        }),
        _ => {
            let mut columns = Columns::with_capacity(records.len());
            columns.extend(records, event);
            Ok(columns)
        }
    }
}

fn event(record: &[u8; RECORD]) -> (i64, u16, u16, bool) {
    let address = address(record);
    let (raw_x, raw_y) = ((address >> 1 & 0x7f) as u16, (address >> 8 & 0x7f) as u16);
    (time_us(record), 127 - raw_y, 127 - raw_x, address & 1 == 0)
}

pub(super) fn address(&[a, b, c, d, ..]: &[u8; RECORD]) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

pub(super) fn time_us(&[.., a, b, c, d]: &[u8; RECORD]) -> i64 {
    u32::from_be_bytes([a, b, c, d]).into()
}

pub(super) fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

/// An AEDAT 2.0 file of any camera.
pub(super) struct Parts<'a> {
    /// The offset of the line that names the camera, and the name.
    pub camera: Option<(usize, &'a [u8])>,
    pub records: &'a [[u8; RECORD]],
}

pub(super) fn parts(bytes: &[u8]) -> Result<Parts<'_>, Error> {
    let Header { camera, len } = header(bytes)?;
    let (records, rest) = bytes[len..].as_chunks::<RECORD>();
    if rest.is_empty() {
        return Ok(Parts { camera, records });
    }
    Err(Error::Format {
        format: FORMAT,
        offset: bytes.len() - rest.len(),
        expected: format!("a record of {RECORD} bytes (address, time)"),
        found: format!("{} at the end of the file", rest.len()),
        advice: "the file is cut off or of another format: copy it again",
    })
}

pub(super) struct Header<'a> {
    pub camera: Option<(usize, &'a [u8])>,
    pub len: usize,
}

pub(super) fn header(bytes: &[u8]) -> Result<Header<'_>, Error> {
    if bytes.starts_with(MAGIC) && bytes.get(MAGIC.len()) != Some(&b'2') {
        return Err(Error::Format {
            format: FORMAT,
            offset: MAGIC.len(),
            expected: "version 2".into(),
            found: format!(
                "version {}",
                quote(&bytes[MAGIC.len()..bytes.len().min(MAGIC.len() + 3)])
            ),
            advice: "get the data set's original files, or decode with that version's decoder",
        });
    }
    let (mut start, mut camera) = (0, None);
    while bytes.get(start) == Some(&b'#') {
        let next = next_line(bytes, start).ok_or_else(|| Error::Format {
            format: FORMAT,
            offset: start,
            expected: "a header line with an end".into(),
            found: "the end of the file".into(),
            advice: "the file is cut off: copy it again",
        })?;
        // a name in full is a path of Java packages: eu.seebetter.ini.chips.davis.DAVIS240C
        let class = value_after(&bytes[start..next], "# AEChip:");
        let name = class.and_then(|class| class.rsplit(|&byte| byte == b'.').next());
        camera = camera.or(name.map(|name| (start, name)));
        start = next;
    }
    Ok(Header { camera, len: start })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_header_ends_where_a_line_does_not_start_with_a_hash() {
        let record = [0, 0, 0x7f, 0xff, 0, 0, 0, 7];
        for header in [
            "",
            "#!AER-DAT2.0\r\n",
            "#!AER-DAT2.0\r\n# a # b\r\n",
            "# AEChip: chip.retina.DVS128\r\n",
        ] {
            let columns = decode(&[header.as_bytes(), &record].concat()).unwrap();
            assert_eq!(
                (columns.t_us, columns.x, columns.y, columns.on),
                (vec![7], vec![0], vec![0], vec![false])
            );
        }
    }

    #[test]
    fn other_versions_other_cameras_and_endless_headers_are_refused() {
        let newer = decode(b"#!AER-DAT4.0\r\n").unwrap_err().to_string();
        assert!(newer.contains("byte 9: expected version 2, found version \"4.0\""), "{newer}");
        let davis =
            decode(b"#!AER-DAT2.0\r\n# AEChip: chips.davis.DAVIS240C\r\n").unwrap_err().to_string();
        assert!(
            davis.contains(
                "byte 14: expected no camera or a DVS128, found the camera \"DAVIS240C\""
            ),
            "{davis}"
        );
        let endless = decode(b"#!AER-DAT2.0\r\n# cut").unwrap_err().to_string();
        assert!(endless.contains("byte 14: expected a header line with an end"), "{endless}");
    }
}
