//! AEDAT 2.0 with the addresses of the DAVIS cameras (DAVIS240C, DAVIS346, DAVIS640): events,
//! frames and motion in one file.
//!
//! Header, records and clock as in [`super::aedat2`]. A record whose address has bit 31 is a sample
//! of the frame or of the motion sensor, one with bit 10 is an external signal (or an event that a
//! simulator labels as noise); both are left out. Of the others, y' = bits 22–30, x = bits 12–21,
//! ON = bit 11. jAER counts y' from the lowest row: y = height − 1 − y' where the header names a
//! camera whose height is known. Else nothing tells the height, and y = y', from below, as
//! addressed. Source: `ImportAedatDataVersion1or2` of inilabs' AedatTools.

use super::aedat2::{self, Addresses, RECORD, address, from_below, time_us};
use super::camera::{is_davis, size};
use super::decoder::{Decoder, cut_off, whole};
use super::turns::Turns;
use crate::{Columns, Error};
use sentence::quoted;

const FORMAT: &str = "AEDAT 2.0 of a DAVIS";

/// Decodes the events of one recording.
///
/// # Errors
/// As [`aedat2::decode`], but it is a camera other than a DAVIS that is refused.
pub fn decode(bytes: &[u8]) -> Result<Columns, Error> {
    let (mut decoder, header) = open(bytes)?;
    whole(&mut decoder, header, bytes)
}

pub(super) fn open(head: &[u8]) -> Result<(Events, usize), Error> {
    let aedat2::Header { camera, len } = aedat2::header(head)?;
    if let Some((offset, camera)) = camera.filter(|(_, camera)| !is_davis(camera)) {
        return Err(Error::Format {
            format: FORMAT,
            offset,
            expected: "no camera or a DAVIS".into(),
            found: format!("the camera {}", quoted(camera)),
            advice: "its addresses mean other pixels: read it by its own format",
        });
    }
    Addresses::of(&head[len..]).must_be_davis(len)?;
    let height = camera.and_then(|(_, camera)| size(camera)).map_or(0, |sensor| sensor.height);
    Ok((Events { height, turns: Turns::new(32), left_out: 0 }, len))
}

pub(super) struct Events {
    /// Rows of the sensor; 0 where nothing tells.
    height: u16,
    turns: Turns,
    left_out: usize,
}

fn is_event(record: &[u8; RECORD]) -> bool {
    address(record) & (1 << 31 | 1 << 10) == 0
}

impl Decoder for Events {
    fn room(&self, data: &[u8]) -> usize {
        data.as_chunks::<RECORD>().0.iter().filter(|record| is_event(record)).count()
    }

    fn take(&mut self, data: &[u8], _: usize, columns: &mut Columns) -> Result<usize, Error> {
        let (records, rest) = data.as_chunks::<RECORD>();
        let (before, height) = (columns.t_us.len(), self.height);
        columns.extend_some(records, |record| is_event(record).then(|| event(record, height)));
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

fn event(record: &[u8; RECORD], height: u16) -> (i64, u16, u16, bool) {
    let address = address(record);
    (
        time_us(record),
        (address >> 12 & 0x3ff) as u16,
        from_below((address >> 22 & 0x1ff) as u16, height),
        address & 1 << 11 != 0,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_events_are_kept() {
        let addresses = [179 << 22 | 239 << 12 | 1 << 11, 1 << 31 | 7 << 12, 1 << 10, 5 << 12];
        let records = addresses
            .iter()
            .flat_map(|address: &u32| [address.to_be_bytes(), [0, 0, 1, 0]].concat());
        let bytes: Vec<u8> = b"# AEChip: a.DAVIS240C\r\n".iter().copied().chain(records).collect();
        let columns = decode(&bytes).unwrap();
        assert_eq!(
            (columns.t_us, columns.x, columns.y, columns.on),
            (vec![256; 2], vec![239, 5], vec![0, 179], vec![true, false])
        );
        let other = decode(b"# AEChip: a.DVS128\n").unwrap_err().to_string();
        assert!(
            other.contains("byte 0: expected no camera or a DAVIS, found the camera \"DVS128\""),
            "{other}"
        );
    }

    #[test]
    fn without_a_known_camera_rows_stay_as_addressed() {
        let record = [(250_u32 << 22 | 17 << 12).to_be_bytes(), [0, 0, 0, 1]].concat();
        for header in ["#!AER-DAT2.0\r\n", "#!AER-DAT2.0\r\n# AEChip: a.DavisNew\r\n"] {
            let columns = decode(&[header.as_bytes(), &record].concat()).unwrap();
            assert_eq!((columns.x, columns.y), (vec![17], vec![250]));
        }
    }
}
