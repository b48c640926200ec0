//! AEDAT 2.0 with the addresses of the DVS128 camera, as in CIFAR10-DVS.
//!
//! Header lines start with `#` and are text; the line `#End Of ASCII Header` is the last one, else
//! the first byte at a line start that is not `#` is data, so there may be no header at all. Then
//! records of 8 bytes, big-endian: u32 address, u32 time in µs (unsigned; it starts again at zero
//! after 71.6 min, which [`Turns`](super::turns) puts back). With x' = bits 1–7, y' = bits 8–14 and
//! p' = bit 0 of the address, the event is x = 127 − x', y = 127 − y', ON where p' = 0: the camera
//! counts columns from the right and rows from below. A record with bit 15 (a pulse at the
//! connector) or bit 31 (jAER's special events) is no pixel and left out. Other high bits make an
//! address outside the sensor.
//!
//! Every camera has addresses of its own, so a header whose `# AEChip:` line names another camera
//! is refused, and so are records whose addresses are plainly not those of a DVS128. Source:
//! docs.inivation.com, "AEDAT 2.0"; jAER's `DVS128` and `SYNC_EVENT_BITMASK`.

use super::camera::is_dvs128;
use super::decoder::{Decoder, cut_off, whole};
use super::turns::Turns;
use super::{HEAD, is_header_line, next_line, value_after};
use crate::{Columns, Error};
use sentence::quoted;

const FORMAT: &str = "AEDAT 2.0";
pub(super) const MAGIC: &[u8] = b"#!AER-DAT";
pub(super) const RECORD: usize = 8;
/// One record in so many may have an address of no pixel: cameras on USB make such noise.
const NOISE: usize = 64;
const SYNC: u32 = 1 << 15;
pub(super) const SPECIAL: u32 = 1 << 31;

/// What to take from the records. The default is what the format means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether a record with bit 15 is read as a pixel. The released loader of CIFAR10-DVS ignores
    /// the bit; the camera means a pulse at its connector.
    pub keep_sync: bool,
}

/// Decodes the events of one recording.
///
/// # Errors
/// [`Error::Format`] when the header names another version or another camera or does not end, the
/// data are no whole number of records, or their addresses are no DVS128's.
pub fn decode(bytes: &[u8]) -> Result<Columns, Error> {
    decode_with(bytes, Options::default())
}

/// As [`decode`], with `options`.
///
/// # Errors
/// As [`decode`].
pub fn decode_with(bytes: &[u8], options: Options) -> Result<Columns, Error> {
    let (mut decoder, header) = open(bytes, options)?;
    whole(&mut decoder, header, bytes)
}

pub(super) fn open(head: &[u8], options: Options) -> Result<(Events, usize), Error> {
    let Header { camera, len } = header(head)?;
    if let Some((offset, camera)) = camera.filter(|(_, camera)| !is_dvs128(camera)) {
        return Err(Error::Format {
            format: FORMAT,
            offset,
            expected: "no camera or a DVS128".into(),
            found: format!("the camera {}", quoted(camera)),
            advice: "its addresses mean other pixels, so this is no recording of CIFAR10-DVS: read it by its own format",
        });
    }
    Addresses::of(&head[len..]).must_be_dvs128(len)?;
    Ok((Events { options, turns: Turns::new(32), left_out: 0 }, len))
}

pub(super) struct Events {
    options: Options,
    turns: Turns,
    left_out: usize,
}

impl Events {
    fn is_event(&self, record: &[u8; RECORD]) -> bool {
        let others = if self.options.keep_sync { SPECIAL } else { SPECIAL | SYNC };
        address(record) & others == 0
    }
}

impl Decoder for Events {
    fn room(&self, data: &[u8]) -> usize {
        data.as_chunks::<RECORD>().0.iter().filter(|record| self.is_event(record)).count()
    }

    fn take(&mut self, data: &[u8], _: usize, columns: &mut Columns) -> Result<usize, Error> {
        let (records, rest) = data.as_chunks::<RECORD>();
        let before = columns.t_us.len();
        columns.extend_some(records, |record| self.is_event(record).then(|| event(record)));
        self.left_out += records.len() - (columns.t_us.len() - before);
        self.turns.date_all(&mut columns.t_us[before..]);
        Ok(data.len() - rest.len())
    }

    fn left_out(&self) -> Option<usize> {
        Some(self.left_out)
    }

    fn end(&self, rest: usize, offset: usize) -> Result<(), Error> {
        cut_off(FORMAT, "a record of 8 bytes (address, time)", rest, offset)
    }
}

fn event(record: &[u8; RECORD]) -> (i64, u16, u16, bool) {
    let address = address(record);
    let raw_x = (address >> 1 & 0x7f) as u16;
    // bits from 16 upwards stay above the row: an address of theirs is outside, and no pixel
    let raw_y = ((address & !SYNC) >> 8).min(u16::MAX.into()) as u16;
    (time_us(record), 127 - raw_x, from_below(raw_y, 128), address & 1 == 0)
}

/// Row `raw_y` of a camera of `height` rows that counts them from below; what lies outside stays
/// where it is.
pub(super) fn from_below(raw_y: u16, height: u16) -> u16 {
    if raw_y < height { height - 1 - raw_y } else { raw_y }
}

pub(super) fn address(&[a, b, c, d, ..]: &[u8; RECORD]) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

pub(super) fn time_us(&[.., a, b, c, d]: &[u8; RECORD]) -> i64 {
    u32::from_be_bytes([a, b, c, d]).into()
}

/// What the addresses of a file's first records show of its camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    records: usize,
    /// Records of pixels with a bit above 15: none of a DVS128's, most of a DAVIS's.
    above_15: usize,
    /// Records with bit 31 and another above 15: samples of a DAVIS's frames.
    of_frames: usize,
    /// Records that are events of a DAVIS or of its other parts: bits 0 to 9 are zero where bit 31
    /// is.
    of_davis: usize,
}

impl Addresses {
    /// Looks at the records at the start of `data`, no further than a head of a file reaches.
    pub fn of(data: &[u8]) -> Self {
        let records = data[..data.len().min(HEAD)].as_chunks::<RECORD>().0;
        let count = |is: fn(u32) -> bool| records.iter().filter(|&r| is(address(r))).count();
        Self {
            records: records.len(),
            above_15: count(|address| address & SPECIAL == 0 && address >> 16 != 0),
            of_frames: count(|address| address & SPECIAL != 0 && (address & !SPECIAL) >> 16 != 0),
            of_davis: count(|address| address & SPECIAL != 0 || address & 0x3ff == 0),
        }
    }

    /// Whether they are a DVS128's where nothing else tells the camera.
    pub fn are_dvs128(self) -> bool {
        self.above_15 + self.of_frames <= self.records / NOISE
    }

    pub fn are_davis(self) -> bool {
        self.records - self.of_davis <= self.records / NOISE
    }

    pub fn must_be_dvs128(self, offset: usize) -> Result<(), Error> {
        if self.above_15 <= self.records / NOISE {
            return Ok(());
        }
        Err(Error::Format {
            format: FORMAT,
            offset,
            expected: "addresses of a DVS128, which use no bits above 15".into(),
            found: format!("{} of the first {} with such bits", self.above_15, self.records),
            advice: "this is no DVS128: name the camera's format, as --format aedat2-davis for a DAVIS",
        })
    }

    pub fn must_be_davis(self, offset: usize) -> Result<(), Error> {
        if self.are_davis() {
            return Ok(());
        }
        let others = self.records - self.of_davis;
        Err(Error::Format {
            format: "AEDAT 2.0 of a DAVIS",
            offset,
            expected: "addresses of a DAVIS, whose bits 0 to 9 are zero".into(),
            found: format!("{others} of the first {} with such bits", self.records),
            advice: "this is no DAVIS: name the camera's format, as --format aedat2 for a DVS128",
        })
    }
}

pub(super) struct Header<'a> {
    /// The offset of the line that names the camera, and the name.
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
                quoted(&bytes[MAGIC.len()..bytes.len().min(MAGIC.len() + 3)])
            ),
            advice: "get the data set's original files, or decode with that version's decoder",
        });
    }
    let mut header = Header { camera: None, len: 0 };
    // an address may begin with the byte of '#' too, but is not followed by a line of text
    while is_header_line(bytes, header.len, b"#") {
        let start = header.len;
        let next = next_line(bytes, start).ok_or_else(|| Error::Format {
            format: FORMAT,
            offset: start,
            expected: "a header line with an end".into(),
            found: "the end of the file".into(),
            advice: "the file is cut off: copy it again",
        })?;
        header.len = next;
        let line = &bytes[start..next];
        if ends_header(line) {
            break;
        }
        // a name in full is a path of Java packages: eu.seebetter.ini.chips.davis.DAVIS240C
        let class = value_after(line[1..].trim_ascii_start(), "AEChip:");
        let name = class.and_then(|class| class.rsplit(|&byte| byte == b'.').next());
        header.camera = header.camera.or(name.map(|name| (start, name)));
    }
    Ok(header)
}

/// Whether this is jAER's last header line, however it is spaced and written.
fn ends_header(line: &[u8]) -> bool {
    line[1..].trim_ascii().eq_ignore_ascii_case(b"End Of ASCII Header")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RECORD_7: [u8; 8] = [0, 0, 0x7f, 0xff, 0, 0, 0, 7];

    #[test]
    fn the_header_ends_where_a_line_does_not_start_with_a_hash() {
        for header in [
            "",
            "#!AER-DAT2.0\r\n",
            "#!AER-DAT2.0\r\n# a # b\r\n",
            "# AEChip: chip.retina.DVS128\r\n",
            "#!AER-DAT2.0\r\n# Grüße\r\n",
            "#!AER-DAT2.0\n#End Of ASCII Header\n",
        ] {
            let columns = decode(&[header.as_bytes(), &RECORD_7].concat()).unwrap();
            assert_eq!(
                (columns.t_us, columns.x, columns.y, columns.on),
                (vec![7], vec![0], vec![0], vec![false])
            );
        }
    }

    #[test]
    fn nothing_behind_the_end_mark_is_header() {
        for mark in
            ["#End Of ASCII Header\r\n", "# end of ascii header \n", "#END OF ASCII HEADER\n"]
        {
            let header = format!("#!AER-DAT2.0\r\n{mark}").into_bytes();
            assert_eq!(
                super::header(&[&header, &b"# text\r\n"[..]].concat()).unwrap().len,
                header.len()
            );
        }
    }

    #[test]
    fn pulses_are_no_pixels_and_high_bits_no_pixels_of_the_sensor() {
        let record = |address: u32| [address.to_be_bytes(), [0, 0, 0, 1]].concat();
        let usual = record(3 << 8 | 5 << 1).repeat(200);
        let bytes = [usual, record(SYNC), record(SPECIAL | 1), record(1 << 24 | 3 << 8)].concat();
        let columns = decode(&bytes).unwrap();
        assert_eq!((columns.x.len(), columns.y[0], columns.y[200]), (201, 124, u16::MAX));
        let kept = decode_with(&bytes, Options { keep_sync: true }).unwrap();
        assert_eq!((kept.x.len(), kept.x[200], kept.y[200]), (202, 127, 127));
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
