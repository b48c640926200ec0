//! Cameras by the names that files give them.

use crate::Sensor;

/// Sizes by a part of the name, the more special first. The DAVIS family: inivation's data sheets
/// and jAER's chip classes (the DAVIS240 was first called SBRet10).
const NAMED: [(&str, u16, u16); 12] = [
    ("DVS128", 128, 128),
    ("Tmpdiff128", 128, 128),
    ("DAVIS128", 128, 128),
    ("DAVIS208", 208, 192),
    ("DAVIS240", 240, 180),
    ("SBRet10", 240, 180),
    ("SBRet20", 240, 180),
    ("SBRet21", 240, 180),
    ("DAVIS346", 346, 260),
    ("DAVISRGBW640", 640, 480),
    ("CDAVIS", 640, 480),
    ("DAVIS640", 640, 480),
];

/// The size of the camera of that name.
pub(super) fn size(camera: &[u8]) -> Option<Sensor> {
    let known = NAMED.into_iter().find(|(name, ..)| contains(camera, name.as_bytes()));
    known.map(|(_, width, height)| Sensor { width, height })
}

/// Whether the camera of that name addresses its pixels as [`super::davis`] describes.
pub(super) fn is_davis(camera: &[u8]) -> bool {
    contains(camera, b"davis") || contains(camera, b"sbret")
}

/// Whether the camera of that name is a DVS128, which was first called Tmpdiff128.
pub(super) fn is_dvs128(camera: &[u8]) -> bool {
    contains(camera, b"128") && !is_davis(camera)
}

/// Whether `word` is in `text`, in whatever case.
fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

const VGA: Sensor = Sensor { width: 640, height: 480 };
const HD: Sensor = Sensor { width: 1280, height: 720 };
const GENX: Sensor = Sensor { width: 320, height: 320 };

/// The sensor of the Prophesee camera with that `system_ID`. Source: `device_system_id.h` and
/// `psee_raw_file_header.cpp` of OpenEB (Apache-2.0).
pub(super) fn of_system(id: u16) -> Option<Sensor> {
    match id {
        // Gen 3.0 and 3.1
        0x15 | 0x17 | 0x19 | 0x1c | 0x1d | 0x21..=0x23 | 0x28 | 0x29 => Some(VGA),
        // the same cameras behind a bridge
        0x97 | 0x99 | 0xa1 | 0xa2 => Some(VGA),
        // Gen 4.0, 4.1 and IMX636, IMX646
        0x1a | 0x1e..=0x20 | 0x27 | 0x2e | 0x30..=0x32 | 0x35 | 0x3a | 0x42 | 0x9a => Some(HD),
        0x3b | 0x40 => Some(GENX),
        _ => None,
    }
}

/// The sensor that the name of a plugin, a sensor or a generation tells, as
/// `hal_plugin_gen31_fx3`, `IMX636` or `4.1`.
pub(super) fn of_prophesee(name: &[u8]) -> Option<Sensor> {
    // the more special first: "genx320" has "gen" in it, "imx636" a 3
    const PARTS: [(&str, Sensor); 6] = [
        ("genx320", GENX),
        ("gen320", GENX),
        ("imx636", HD),
        ("imx646", HD),
        ("gen4", HD),
        ("gen3", VGA),
    ];
    PARTS.into_iter().find(|(part, _)| contains(name, part.as_bytes())).map(|(_, sensor)| sensor)
}

/// The sensor of a `sensor_generation`, as `3.1`.
pub(super) fn of_generation(generation: &[u8]) -> Option<Sensor> {
    match generation {
        b"3.0" | b"3.1" => Some(VGA),
        b"4.0" | b"4.1" | b"4.2" => Some(HD),
        b"320.0" | b"320.1" => Some(GENX),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_tell_sizes() {
        let square = |side| Some(Sensor { width: side, height: side });
        assert_eq!(size(b"DAVIS240C"), Some(Sensor { width: 240, height: 180 }));
        assert_eq!(size(b"Davis346blue"), Some(Sensor { width: 346, height: 260 }));
        assert_eq!(size(b"DavisNew"), None);
        assert_eq!(of_prophesee(b"hal_plugin_gen31_fx3"), Some(VGA));
        assert_eq!(of_prophesee(b"hal_plugin_gen41_evk3"), Some(HD));
        assert_eq!(of_prophesee(b"hal_plugin_imx636_evk4"), Some(HD));
        assert_eq!(of_prophesee(b"GenX320"), square(320));
        assert_eq!(of_prophesee(b"hal_plugin_prophesee"), None);
        assert_eq!(
            (of_system(28), of_system(48), of_system(64)),
            (Some(VGA), Some(HD), square(320))
        );
        assert_eq!(of_system(1), None);
        assert_eq!((of_generation(b"3.1"), of_generation(b"5.0")), (Some(VGA), None));
    }
}
