use serde::Serialize;

use super::prophesee::Header;
use super::{Format, aedat2, aedat31, davis, next_line, nmnist, quote, value_after};
use crate::{Columns, Error, Sensor};

/// Tells a recording's format by its content; a file's name plays no part.
///
/// 1. `#!AER-DAT` and a version: 2 is AEDAT 2.0, of a DAVIS if the header names one; 3.1 is AEDAT
///    3.1; others are refused.
/// 2. A line of text that starts with `% ` begins a Prophesee header: it must name CD events, EVT
///    2.0 or EVT 3.0.
/// 3. Else there is no mark, and the data must be plausible. [`Format::Aedat2`]: a whole number of
///    records (after `#` lines, if any) with zero address bits above 15. [`Format::NMnist`]: events
///    of 5 bytes; a cut last one is left for [`super::decode`] to refuse if 16 stand before it.
///    Both: at least one, at most 1 in 8 earlier than the one before it, at most half a copy of the
///    one before it, and not all of the file printable text.
///
/// # Errors
/// [`Error::Unrecognised`] lists the formats; [`Error::Format`] where a mark names a version or
/// encoding that is not decoded here.
pub fn detect(bytes: &[u8]) -> Result<Format, Error> {
    if bytes.starts_with(aedat2::MAGIC) {
        aedat(bytes)
    } else if bytes.starts_with(b"% ")
        && is_text(&bytes[..next_line(bytes, 0).unwrap_or(bytes.len())])
    {
        prophesee(bytes)
    } else {
        unmarked(bytes)
    }
}

fn aedat(bytes: &[u8]) -> Result<Format, Error> {
    let version = &bytes[aedat2::MAGIC.len()..];
    if version.starts_with(b"3.1") {
        return Ok(Format::Aedat31);
    }
    if !version.starts_with(b"2") {
        return Err(Error::Format {
            format: "AEDAT",
            offset: aedat2::MAGIC.len(),
            expected: "version 2.0 or 3.1".into(),
            found: format!("version {}", quote(&version[..version.len().min(3)])),
            advice: "convert the recording to one of these, for example with the camera's own software",
        });
    }
    let of_davis = aedat2::header(bytes)?.camera.is_some_and(|(_, camera)| davis::is_davis(camera));
    Ok(if of_davis { Format::Davis } else { Format::Aedat2 })
}

fn prophesee(bytes: &[u8]) -> Result<Format, Error> {
    const FORMAT: &str = "Prophesee header";
    let header = Header::parse(FORMAT, bytes)?;
    let unknown = |found: String| Error::Format {
        format: FORMAT,
        offset: 0,
        expected: "CD events, or evt 2.0 or 3.0".into(),
        found,
        advice: "convert the recording to one of these with the vendor's tools, or name its format",
    };
    match (header.contents, header.encoding) {
        // older files say Event2D
        (Some(contents), _) if contents.starts_with(b"CD") || contents.starts_with(b"Event2") => {
            Ok(Format::Dat)
        }
        (Some(contents), _) => Err(unknown(quote(contents))),
        (None, Some(b"2.0" | b"EVT2")) => Ok(Format::Evt2),
        (None, Some(b"3.0" | b"EVT3")) => Ok(Format::Evt3),
        (None, Some(encoding)) => Err(unknown(quote(encoding))),
        (None, None) => Err(unknown("neither".into())),
    }
}

fn unmarked(bytes: &[u8]) -> Result<Format, Error> {
    if !is_text(bytes) {
        if let Ok(aedat2::Parts { records, .. }) = aedat2::parts(bytes)
            && records.iter().all(|record| aedat2::address(record) >> 16 == 0)
            && plausible(records, aedat2::time_us)
        {
            return Ok(Format::Aedat2);
        }
        let (events, rest) = bytes.as_chunks::<{ nmnist::EVENT }>();
        if (rest.is_empty() || events.len() >= 16) && plausible(events, nmnist::time_us) {
            return Ok(Format::NMnist);
        }
    }
    Err(Error::Unrecognised(match bytes {
        [] => "an empty file".into(),
        _ if is_text(bytes) => format!("text, {}", quote(bytes)),
        _ => {
            format!("{} bytes that start with {}", bytes.len(), quote(&bytes[..bytes.len().min(8)]))
        }
    }))
}

fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'))
}

/// See [`detect`].
fn plausible<const SIZE: usize>(events: &[[u8; SIZE]], time_us: fn(&[u8; SIZE]) -> i64) -> bool {
    let steps = events.len().saturating_sub(1);
    let pairs = || events.iter().zip(events.iter().skip(1));
    let backwards = pairs().filter(|(before, event)| time_us(event) < time_us(before)).count();
    let copies = pairs().filter(|(before, event)| event == before).count();
    !events.is_empty() && backwards <= steps / 8 && copies <= steps / 2
}

/// How a sensor's size is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SensorSource {
    /// The file's header states it, or names the camera.
    Header,
    /// The format belongs to one camera.
    Format,
    /// The smallest usual sensor that all events fit: 34x34 (N-MNIST), then 128x128 (DVS128).
    Assumed,
}

/// The sensor of the recording `bytes`, which decodes as `format` to `columns`, and how it is
/// known; `None` if nothing tells.
pub fn sensor(format: Format, bytes: &[u8], columns: &Columns) -> Option<(Sensor, SensorSource)> {
    let header = match format {
        Format::NMnist => return assumed(columns).map(|sensor| (sensor, SensorSource::Assumed)),
        Format::Aedat2 => return Some((square(128), SensorSource::Format)),
        Format::Davis => aedat2::header(bytes).ok()?.camera.and_then(|(_, camera)| size(camera)),
        Format::Aedat31 => source(bytes).and_then(size),
        Format::Evt2 | Format::Evt3 | Format::Dat => {
            Header::parse(format.name(), bytes).ok()?.sensor()
        }
    };
    header.map(|sensor| (sensor, SensorSource::Header))
}

fn square(side: u16) -> Sensor {
    Sensor { width: side, height: side }
}

fn assumed(columns: &Columns) -> Option<Sensor> {
    let last = columns.x.iter().chain(&columns.y).max()?;
    [34, 128].into_iter().find(|side| last < side).map(square)
}

/// The camera of an AEDAT 3.1 header: the line `#Source 1: DVS128`.
fn source(bytes: &[u8]) -> Option<&[u8]> {
    let (mut start, end) = (0, aedat31::header_len(bytes).ok()?);
    while start < end {
        let next = next_line(bytes, start)?;
        if let Some(source) = value_after(&bytes[start..next], "#Source ") {
            return Some(source);
        }
        start = next;
    }
    None
}

/// The size of the camera of that name.
fn size(camera: &[u8]) -> Option<Sensor> {
    const SIZES: [(&[u8], u16, u16); 4] = [
        (b"DVS128", 128, 128),
        (b"DAVIS240", 240, 180),
        (b"DAVIS346", 346, 260),
        (b"DAVIS640", 640, 480),
    ];
    let known = SIZES.into_iter().find(|(name, ..)| aedat2::contains(camera, name));
    known.map(|(_, width, height)| Sensor { width, height })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
            assert_eq!(
                sensor(format, bytes, &super::super::decode(format, bytes).unwrap()),
                size,
                "{text}"
            );
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
            (b"% evt 2.1\n", "expected CD events, or evt 2.0 or 3.0, found \"2.1\""),
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
                error.contains("nmnist, aedat2, aedat2-davis, aedat3.1, evt2, evt3, dat"),
                "{error}"
            );
        }
    }
}
