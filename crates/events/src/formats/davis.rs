//! AEDAT 2.0 with the addresses of the DAVIS cameras (DAVIS240C, DAVIS346, DAVIS640): events,
//! frames and motion in one file.
//!
//! Header and records as in [`super::aedat2`]. A record whose address has bit 31 is a sample of the
//! frame or of the motion sensor, one with bit 10 is an external signal; both are left out. Of the
//! others, y = bits 22–30, x = bits 12–21, ON = bit 11. Pixels are returned as addressed: jAER
//! counts y from the lower row. Source: `ImportAedatDataVersion1or2` of inilabs' AedatTools.

use super::aedat2::{self, Parts, address, contains, time_us};
use super::quote;
use crate::{Columns, Error};

/// Decodes the events of one recording.
///
/// # Errors
/// As [`aedat2::decode`], but it is a camera other than a DAVIS that is refused.
pub fn decode(bytes: &[u8]) -> Result<Columns, Error> {
    let Parts { camera, records } = aedat2::parts(bytes)?;
    if let Some((offset, camera)) = camera.filter(|(_, camera)| !is_davis(camera)) {
        return Err(Error::Format {
            format: "AEDAT 2.0 of a DAVIS",
            offset,
            expected: "no camera or a DAVIS".into(),
            found: format!("the camera {}", quote(camera)),
            advice: "its addresses mean other pixels: read it by its own format",
        });
    }
    let is_event = |record: &&[u8; 8]| address(record) & (1 << 31 | 1 << 10) == 0;
    let mut columns = Columns::with_capacity(records.iter().filter(is_event).count());
    columns.extend_some(records, |record| is_event(&record).then(|| event(record)));
    Ok(columns)
}

fn event(record: &[u8; 8]) -> (i64, u16, u16, bool) {
    let address = address(record);
    (
        time_us(record),
        (address >> 12 & 0x3ff) as u16,
        (address >> 22 & 0x1ff) as u16,
        address & 1 << 11 != 0,
    )
}

/// Whether the camera of that name addresses its pixels as described here: the family's first was
/// called SBRet10.
pub(super) fn is_davis(camera: &[u8]) -> bool {
    contains(camera, b"davis") || contains(camera, b"sbret")
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
            (vec![256; 2], vec![239, 5], vec![179, 0], vec![true, false])
        );
        let other = decode(b"# AEChip: a.DVS128\n").unwrap_err().to_string();
        assert!(
            other.contains("byte 0: expected no camera or a DAVIS, found the camera \"DVS128\""),
            "{other}"
        );
    }
}
