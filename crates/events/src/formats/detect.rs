use super::decoder::Decoder;
use super::nmnist::Events;
use super::prophesee::{Header, is_one_of};
use super::turns::Turns;
use super::{Format, HEAD, aedat2, camera, dat, evt2, evt3, evt21, is_header_line, nmnist};
use crate::Error;
use sentence::quoted;

/// Tells a recording's format by its content; a file's name plays no part, and no more than the
/// first 4 MiB are looked at.
///
/// 1. `#!AER-DAT` and a version: 2 is AEDAT 2.0, 3.1 is AEDAT 3.1; others are refused. AEDAT 2.0 is
///    of a DAVIS if the header names one. If it names no camera, the addresses tell: no bits above
///    15 are a DVS128's, zeros in bits 0 to 9 a DAVIS's, anything else is refused.
/// 2. A line of text that starts with `% ` begins a Prophesee header: it must name EVT 2.0, 2.1 or
///    3.0, or stand before the two bytes that announce CD events.
/// 3. Else there is no mark, and the data must be plausible. [`Format::Aedat2`]: a whole number of
///    records (after `#` lines, if any) with zero address bits above 15. [`Format::NMnist`]: events
///    of 5 bytes; a cut last one is left for [`super::decode`] to refuse if 16 stand before it.
///    Both: at least one, at most 1 in 8 earlier than the one before it, at most half a copy of the
///    one before it, and not all of the file printable text.
///
/// # Errors
/// [`Error::Unrecognised`] lists the formats; [`Error::Format`] where a mark names a version or
/// encoding that is not decoded here, or what follows is not of it.
pub fn detect(bytes: &[u8]) -> Result<Format, Error> {
    detect_in(&bytes[..bytes.len().min(HEAD)], bytes.len() as u64)
}

/// As [`detect`], for a file of `len` bytes that starts with `head`.
pub(super) fn detect_in(head: &[u8], len: u64) -> Result<Format, Error> {
    if head.starts_with(aedat2::MAGIC) {
        aedat(head)
    } else if is_header_line(head, 0, b"%") {
        prophesee(head)
    } else {
        unmarked(head, len)
    }
}

fn aedat(head: &[u8]) -> Result<Format, Error> {
    let version = &head[aedat2::MAGIC.len()..];
    if version.starts_with(b"3.1") {
        return Ok(Format::Aedat31);
    }
    if !version.starts_with(b"2") {
        return Err(Error::Format {
            format: "AEDAT",
            offset: aedat2::MAGIC.len(),
            expected: "version 2.0 or 3.1".into(),
            found: format!("version {}", quoted(&version[..version.len().min(3)])),
            advice: "convert the recording to one of these, for example with the camera's own software",
        });
    }
    of_camera(head, &aedat2::header(head)?)
}

/// The format of AEDAT 2.0 by the camera, or by its addresses.
fn of_camera(head: &[u8], header: &aedat2::Header<'_>) -> Result<Format, Error> {
    let addresses = aedat2::Addresses::of(&head[header.len..]);
    match header.camera {
        Some((_, name)) if camera::is_davis(name) => {
            addresses.must_be_davis(header.len)?;
            Ok(Format::Davis)
        }
        // another camera is refused by the decoder, which knows the line
        Some((_, name)) if !camera::is_dvs128(name) => Ok(Format::Aedat2),
        None if !addresses.are_dvs128() && addresses.are_davis() => Ok(Format::Davis),
        _ => {
            addresses.must_be_dvs128(header.len)?;
            Ok(Format::Aedat2)
        }
    }
}

const PROPHESEE: &str = "Prophesee header";

fn prophesee(head: &[u8]) -> Result<Format, Error> {
    let header = Header::parse(PROPHESEE, head)?;
    let data = &head[header.len..];
    let unknown = |found: String| Error::Format {
        format: PROPHESEE,
        offset: 0,
        expected: "CD events, or evt 2.0, 2.1 or 3.0".into(),
        found,
        advice: "convert the recording to one of these with the vendor's tools, or name its format",
    };
    match header.encoding {
        Some(name) if is_one_of(name, &evt2::NAMES) => {
            // the type is in the highest bits of the last byte of each word
            let types = data.as_chunks::<4>().0.iter().map(|word| word[3] >> 4);
            has_types(types, header.len, "EVT 2.0", evt2::has_type)?;
            Ok(Format::Evt2)
        }
        Some(name) if is_one_of(name, &evt21::NAMES) => {
            // in the older order the type ends the first half of a word
            let half = if header.legacy { 4 } else { 8 };
            let types = data.as_chunks::<8>().0.iter().map(|word| word[half - 1] >> 4);
            has_types(types, header.len, "EVT 2.1", evt2::has_type)?;
            Ok(Format::Evt21)
        }
        Some(name) if is_one_of(name, &evt3::NAMES) => {
            let types = data.as_chunks::<2>().0.iter().map(|word| word[1] >> 4);
            has_types(types, header.len, "EVT 3.0", evt3::has_type)?;
            Ok(Format::Evt3)
        }
        Some(name) => Err(unknown(quoted(name))),
        // CD events, as the two bytes announce them or, where those say otherwise or are cut off,
        // as the header does: the decoder then says what is wrong
        None if dat::announced(data) => Ok(Format::Dat),
        None => match header.contents {
            Some(contents) if is_cd(contents) => Ok(Format::Dat),
            Some(contents) => Err(unknown(quoted(contents))),
            None => Err(unknown("neither".into())),
        },
    }
}

/// Whether these are the vendor's words for CD events, older and newer.
fn is_cd(contents: &[u8]) -> bool {
    ["CD", "Event2", "EventCD"].iter().any(|name| contents.starts_with(name.as_bytes()))
}

/// Refuses data of which more than 1 in 8 words has a type that the encoding does not have: the
/// header is another file's.
fn has_types(
    types: impl ExactSizeIterator<Item = u8>,
    offset: usize,
    format: &'static str,
    has: fn(u8) -> bool,
) -> Result<(), Error> {
    let count = types.len();
    let unknown = types.filter(|&kind| !has(kind)).count();
    if unknown <= count / 8 {
        return Ok(());
    }
    Err(Error::Format {
        format,
        offset,
        expected: "words of its types, as the header says".into(),
        found: format!("{unknown} of the first {count} of none of them"),
        advice: "the data are of another format than the header: name it, or copy the file again",
    })
}

fn unmarked(head: &[u8], len: u64) -> Result<Format, Error> {
    if !is_text(head) {
        if let Some(format) = as_aedat2(head, len) {
            return Ok(format);
        }
        let events = head.as_chunks::<{ nmnist::EVENT }>().0;
        let whole = len.is_multiple_of(nmnist::EVENT as u64);
        let mut clock = Events::default();
        clock.look(head);
        if (whole || events.len() >= 16) && plausible(events, |event| clock.date(event)) {
            return Ok(Format::NMnist);
        }
    }
    Err(Error::Unrecognised(match head {
        [] => "an empty file".into(),
        _ if let Some(name) = foreign(head) => name.to_owned(),
        _ if is_text(head) => format!("text, {}", quoted(head)),
        _ => format!("{len} bytes that start with {}", quoted(&head[..head.len().min(8)])),
    }))
}

/// AEDAT 2.0 without its mark.
fn as_aedat2(head: &[u8], len: u64) -> Option<Format> {
    let header = aedat2::header(head).ok()?;
    if !(len - header.len as u64).is_multiple_of(aedat2::RECORD as u64) {
        return None;
    }
    let records = head[header.len..].as_chunks::<{ aedat2::RECORD }>().0;
    let mut clock = Turns::new(32);
    if !plausible(records, |record| Some(clock.date(aedat2::time_us(record)))) {
        return None;
    }
    match header.len {
        // nothing but the addresses speaks for it, so all of them must
        0 => {
            let pixel = |record| aedat2::address(record) & !aedat2::SPECIAL;
            let are_16_bits = records.iter().all(|record| pixel(record) >> 16 == 0);
            are_16_bits.then_some(Format::Aedat2)
        }
        _ => of_camera(head, &header).ok(),
    }
}

/// Formats of recordings that are known by their first bytes, and not decoded here.
fn foreign(head: &[u8]) -> Option<&'static str> {
    const FOREIGN: [(&[u8], &str); 5] = [
        (b"Event Stream", "an Event Stream (.es) file, which is not decoded here"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file, which is not decoded here"),
        (b"#ROSBAG", "a ROS bag, which is not decoded here"),
        (b"PK\x03\x04", "a zip archive (or .npz), which is to be unpacked first"),
        (b"\x1f\x8b", "a gzip archive, which is to be unpacked first"),
    ];
    FOREIGN.into_iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| name)
}

fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'))
}

/// See [`detect`]; `date` gives the time of a record, or `None` if it is no event.
fn plausible<const SIZE: usize>(
    records: &[[u8; SIZE]],
    mut date: impl FnMut(&[u8; SIZE]) -> Option<i64>,
) -> bool {
    let (mut events, mut backwards, mut before) = (0, 0, None);
    for t_us in records.iter().filter_map(&mut date) {
        backwards += usize::from(before.is_some_and(|before| t_us < before));
        before = Some(t_us);
        events += 1;
    }
    let copies = records.windows(2).filter(|pair| pair[0] == pair[1]).count();
    let steps = records.len().saturating_sub(1);
    events > 0 && backwards <= steps / 8 && copies <= steps / 2
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{SensorSource, decode, sensor};
    use super::*;
    use crate::Sensor;

    fn square(side: u16) -> Sensor {
        Sensor { width: side, height: side }
    }

    const DAT: &[u8] = b"% Data file containing CD events\n% Width 640\n% Height 480\n\x0c\x08";

    #[test]
    fn marks_tell_the_format_and_the_sensor() {
        let known = |width, height| Some((Sensor { width, height }, SensorSource::Header));
        for (bytes, format, size) in [
            (&b"#!AER-DAT2.0\r\n"[..], Format::Aedat2, Some((square(128), SensorSource::Format))),
            (b"#!AER-DAT2.0\r\n# AEChip: eu.davis.DAVIS240C\r\n", Format::Davis, known(240, 180)),
            (b"#!AER-DAT2.0\r\n# AEChip: eu.davis.DavisNew\r\n", Format::Davis, None),
            (
                b"#!AER-DAT3.1\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n",
                Format::Aedat31,
                known(128, 128),
            ),
            (b"#!AER-DAT3.1\r\n#!END-HEADER\r\n", Format::Aedat31, None),
            (b"% evt 2.0\n% width 640\n% height 480\n", Format::Evt2, known(640, 480)),
            (b"% evt 3.0\n% geometry 1280x720\n% end\n", Format::Evt3, known(1280, 720)),
            (b"% format EVT3;height=720;width=1280\n% end\n", Format::Evt3, known(1280, 720)),
            (b"% evt 3.0\n% geometry 0x70000\n", Format::Evt3, None),
            (DAT, Format::Dat, known(640, 480)),
        ] {
            let text = bytes.escape_ascii();
            assert_eq!(detect(bytes).unwrap(), format, "{text}");
            assert_eq!(sensor(format, bytes, &decode(format, bytes).unwrap()), size, "{text}");
        }
    }

    #[test]
    fn foreign_versions_are_named() {
        for (bytes, sentence) in [
            (
                &b"#!AER-DAT4.0\r\n"[..],
                "AEDAT, byte 9: expected version 2.0 or 3.1, found version \"4.0\"",
            ),
            (b"#!AER-DAT3.0\r\n", "found version \"3.0\""),
            (b"#!AER-DAT", "found version \"\""),
            (b"% evt 4.0\n", "expected CD events, or evt 2.0, 2.1 or 3.0, found \"4.0\""),
            (b"% Data file containing triggers\n", "found \"triggers\""),
            (b"% date 2020\n", "found neither"),
            (b"% date", "byte 0: expected a header line with an end"),
        ] {
            let error = detect(bytes).unwrap_err().to_string();
            assert!(error.contains(sentence), "{error}");
        }
    }

    /// 5-byte events at the given times, each on another pixel.
    fn events(times: &[u32]) -> Vec<u8> {
        let event = |(i, t): (usize, &u32)| [&[i as u8, 200], &t.to_be_bytes()[1..]].concat();
        times.iter().enumerate().flat_map(event).collect()
    }

    #[test]
    fn unmarked_events_must_be_plausible() {
        let sorted: Vec<u32> = (0..40).map(|i| i * 300).collect();
        let mut disorder = sorted.clone();
        for i in [5, 10, 15, 20] {
            disorder[i] = 1;
        }
        assert_eq!(detect(&events(&sorted)).unwrap(), Format::NMnist);
        let like_a_header = [b"% \0\0\0", &events(&sorted)[..]].concat();
        assert_eq!(detect(&like_a_header).unwrap(), Format::NMnist, "x = 37, y = 32 is no header");
        assert_eq!(
            detect(&events(&sorted)[..197]).unwrap(),
            Format::NMnist,
            "cut: decode says where"
        );
        assert_eq!(
            detect(&events(&disorder)).unwrap(),
            Format::NMnist,
            "4 of 39 steps run backwards"
        );
        disorder[25] = 1;
        let (jumping, backwards) = (events(&disorder), events(&[9, 8, 7, 6]));
        let text = b"Hello, this is no recording at all.\r\n     ";
        for garbage in [
            &[][..],
            &[0; 40],
            &[0; 35],
            &[0xff; 64],
            &text[..40],
            &jumping,
            &backwards,
            &events(&sorted)[..43],
        ] {
            let error = detect(garbage).unwrap_err().to_string();
            assert!(
                error.contains("nmnist, aedat2, aedat2-davis, aedat3.1, evt2, evt2.1, evt3, dat"),
                "{error}"
            );
        }
    }
}
