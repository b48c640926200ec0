//! Caches are told apart by [`Format::decoder_version`] and [`FRAMING_VERSION`], so other values
//! must never come under an old number.
//!
//! When a test here fails, the same bytes or events gave other values than before. If that was
//! meant, raise the version that the test names, and put the new digest beside it; if not, mend
//! what changed. A new format or framing only adds a line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use events::formats::{self, Format};
use events::transforms::resize_nearest;
use events::{Columns, EmptyWindow, Events, FRAMING_VERSION, Frames, Framing, Sensor};

/// FNV-1a of 64 bits.
fn digest(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Bytes without a pattern: the high ones of a linear congruential generator.
fn noise(count: usize) -> Vec<u8> {
    let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    std::iter::successors(Some(1_u32), next)
        .skip(1)
        .take(count)
        .map(|state| (state >> 24) as u8)
        .collect()
}

/// AEDAT 2.0 records with only those bits of their addresses that a camera uses.
fn masked(mut records: Vec<u8>, mask: u32) -> Vec<u8> {
    for record in records.chunks_exact_mut(8) {
        record.iter_mut().zip(mask.to_be_bytes()).for_each(|(byte, mask)| *byte &= mask);
    }
    records
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A small recording with every kind of word that its decoder keeps.
fn file(format: Format) -> Vec<u8> {
    let (header, data) = match format {
        Format::NMnist => ("", noise(5 * 40)),
        Format::Aedat2 => {
            let data = masked(noise(8 * 40), 0x0000_ffff);
            ("#!AER-DAT2.0\r\n# AEChip: DVS128\r\n#End Of ASCII Header\r\n", data)
        }
        Format::Davis => {
            let data = masked(noise(8 * 80), 0xffff_fc00);
            ("#!AER-DAT2.0\r\n# AEChip: DAVIS240C\r\n#End Of ASCII Header\r\n", data)
        }
        Format::Aedat31 => {
            let packet = [[1, 0, 1, 0].to_vec(), words(&[8, 4, 1, 40, 40, 40])].concat();
            let event = |bytes: &[u8]| [&[bytes[0]], &bytes[1..7], &[bytes[7] & 0x7f]].concat();
            let events = noise(8 * 40).chunks(8).flat_map(event).collect();
            ("#!AER-DAT3.1\r\n#!END-HEADER\r\n", [packet, events].concat())
        }
        Format::Evt2 => {
            let words = words(&[
                0x8000_0002,
                0x0123_4567,
                0x1fc0_1805,
                0x0040_0001,
                0xa000_0001,
                0x8000_0003,
                0x1080_2003,
                0x1234_5678,
                0x0fff_ffff,
                0x1000_0000,
            ]);
            ("% evt 2.0\n% end\n", words)
        }
        Format::Evt21 => {
            let words = words(&[
                0,
                0x8000_0002,
                0x8000_0005,
                0x0123_4567,
                3,
                0x1fc0_1805,
                0,
                0xa000_0001,
                0,
                0x8000_0003,
                0x0100_0000,
                0x1080_2003,
            ]);
            ("% evt 2.1\n% end\n", words)
        }
        Format::Evt3 => {
            let words: [u16; 12] = [
                0x8001, 0x0011, 0x2805, 0x6123, 0x2007, 0x3810, 0x4fa5, 0x50c3, 0x0012, 0x8002,
                0x3020, 0x4801,
            ];
            ("% evt 3.0\n% end\n", words.iter().flat_map(|word| word.to_le_bytes()).collect())
        }
        Format::Dat => ("% version 2\n% end\n", [vec![12, 8], noise(8 * 40)].concat()),
    };
    [header.as_bytes(), &data].concat()
}

fn bytes_of(columns: &Columns) -> Vec<u8> {
    let times = columns.t_us.iter().flat_map(|t_us| t_us.to_le_bytes());
    let pixels = columns.x.iter().chain(&columns.y).flat_map(|place| place.to_le_bytes());
    times.chain(pixels).chain(columns.on.iter().map(|&on| on.into())).collect()
}

#[test]
fn decoded_bytes_change_only_with_the_decoder_version() {
    let found = Format::ALL.map(|format| {
        let columns = formats::decode(format, &file(format)).unwrap();
        assert!(columns.t_us.len() > 4, "{format:?}: only {} events", columns.t_us.len());
        let in_file_order = bytes_of(&columns);
        let sorted = Events::sorted(Sensor { width: u16::MAX, height: u16::MAX }, columns).unwrap();
        let digest = digest(in_file_order.into_iter().chain(bytes_of(sorted.columns())));
        (format.name(), format.decoder_version(), digest)
    });
    let expected = [
        ("nmnist", 3, 16_827_473_784_086_259_307),
        ("aedat2", 3, 15_520_574_750_470_317_805),
        ("aedat2-davis", 3, 2_818_578_238_651_194_693),
        ("aedat3.1", 1, 15_250_645_591_461_923_877),
        ("evt2", 1, 9_381_511_210_699_814_491),
        ("evt2.1", 1, 5_286_658_392_608_382_361),
        ("evt3", 1, 16_336_758_901_981_418_149),
        ("dat", 3, 6_341_396_956_946_327_627),
    ];
    assert_eq!(found, expected, "raise the format's decoder_version: see the top of this file");
}

fn bytes_of_frames(frames: &Frames) -> Vec<u8> {
    let events::Shape { steps, height, width, channels } = frames.shape();
    let shape = [steps, height, width, channels].map(|size| size as u16);
    shape.iter().chain(frames.values()).flat_map(|count| count.to_le_bytes()).collect()
}

#[test]
fn framed_events_change_only_with_the_framing_version() {
    let sensor = Sensor { width: 34, height: 34 };
    let noise = noise(5 * 300);
    // times in uneven steps, with gaps
    let bytes = noise.chunks(5).enumerate().flat_map(|(index, byte)| {
        let t_us = (index * 40 + index / 100 * 3000 + usize::from(byte[4] % 40)) as u32;
        let [_, a, b, c] = (t_us | u32::from(byte[2] & 1) << 23).to_be_bytes();
        [byte[0] % 34, byte[1] % 34, a, b, c]
    });
    let bytes: Vec<u8> = bytes.collect();
    let events = Events::new(sensor, formats::nmnist::decode(&bytes).unwrap()).unwrap();
    let few = Events::new(sensor, formats::nmnist::decode(&bytes[..15]).unwrap()).unwrap();
    let framings = [
        Framing::Number { frames: 7 },
        Framing::Time { frames: 3, empty_window: EmptyWindow::Error },
        Framing::Time { frames: 16, empty_window: EmptyWindow::ZeroFrame },
        Framing::Duration { us: 1700 },
    ];
    let mut frames = framings.map(|framing| framing.frames(&events).unwrap()).to_vec();
    frames.extend([
        framings[0].frames(&few).unwrap(),
        resize_nearest(&frames[0], 17, 17),
        resize_nearest(&frames[0], 50, 20),
    ]);
    let found: Vec<u64> = frames.iter().map(|frames| digest(bytes_of_frames(frames))).collect();
    let expected = [
        15_859_211_101_222_722_400,
        761_128_298_402_162_340,
        13_843_341_409_908_567_847,
        17_307_512_118_200_532_350,
        6_046_231_881_183_896_097,
        15_802_809_909_262_725_632,
        9_462_720_191_913_919_743,
    ];
    assert_eq!(
        (FRAMING_VERSION, &found[..]),
        (1, &expected[..]),
        "raise FRAMING_VERSION: see the top of this file"
    );
}
