//! The decoders are written to be fast; here are the formats' definitions, an event at a time,
//! which they must equal.
#![allow(clippy::unwrap_used)]

use events::formats::aedat31::{Options, Slots};
use events::formats::{self, Chunks, Format, aedat2, aedat31, dat, davis, nmnist};
use events::{Columns, Error};
use proptest::collection::vec;
use proptest::prelude::*;
use std::io::Cursor;

// More than two of the blocks that the decoders work in.
const RECORDS: usize = 2500;

fn plain<const N: usize>(
    records: &[[u8; N]],
    event: impl Fn(u64) -> (u64, u64, u64, u64),
) -> Columns {
    let mut columns = Columns::default();
    for record in records {
        let word = record.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
        let (t_us, x, y, on) = event(word);
        columns.push(t_us as i64, x as u16, y as u16, on == 1);
    }
    columns
}

fn bits(word: u64, from: u32, number: u32) -> u64 {
    word >> from & ((1 << number) - 1)
}

/// One packet, its `capacity` all the records and its `number` those given.
fn packet(overflow: u32, number: usize, records: &[[u8; 8]]) -> Vec<u8> {
    let capacity = records.len() as u32;
    let words =
        [0x0001_0001, 8, 4, overflow, capacity, number as u32, number as u32].map(u32::to_le_bytes);
    [words.as_flattened(), records.as_flattened()].concat()
}

/// Puts back the turns of a clock of `clock` bits.
fn turned(t_us: &mut [i64], clock: u32) {
    let (range, mut turns, mut before) = (1 << clock, 0, 0);
    let least = range - 60_000_000.min(range / 2);
    for t_us in t_us {
        match *t_us - before {
            step if step < -least => turns += 1,
            step if step > least && turns > 0 => turns -= 1,
            _ => {}
        }
        before = *t_us;
        *t_us += turns * range;
    }
}

fn in_pieces(format: Format, bytes: &[u8]) -> Result<Columns, Error> {
    let mut chunks = Chunks::open(Cursor::new(bytes), bytes.len() as u64, Some(format))?;
    let mut all = Columns::default();
    while let Some(columns) = chunks.next()? {
        all.t_us.extend(&columns.t_us);
        all.x.extend(&columns.x);
        all.y.extend(&columns.y);
        all.on.extend(&columns.on);
    }
    Ok(all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nmnist_is_x_y_polarity_and_time(
        mut records in vec(any::<[u8; 5]>(), 0..RECORDS),
        of_atis in any::<bool>(),
    ) {
        if of_atis {
            records.iter_mut().for_each(|record| record[1] = record[1].min(240));
        }
        let is_mark = |record: &[u8; 5]| record[1] == 240 && of_atis;
        let is_larger = records.iter().any(|record| record[1] > 240);
        prop_assume!(of_atis || is_larger || !records.iter().any(|record| record[1] == 240));
        let marked: Vec<usize> = (0..records.len()).filter(|&i| is_mark(&records[i])).collect();
        let events: Vec<[u8; 5]> = records.iter().copied().filter(|record| !is_mark(record)).collect();
        let mut defined = plain(&events, |word| (bits(word, 0, 23), bits(word, 32, 8), bits(word, 24, 8), bits(word, 23, 1)));
        turned(&mut defined.t_us, 23);
        let places = (0..records.len()).filter(|&i| !is_mark(&records[i]));
        for (t_us, place) in defined.t_us.iter_mut().zip(places) {
            *t_us += 8192 * marked.iter().filter(|&&mark| mark < place).count() as i64;
        }
        prop_assert_eq!(nmnist::decode(records.as_flattened()).unwrap(), defined);
    }

    #[test]
    fn aedat2_is_an_address_from_the_lower_right_and_a_time(
        mut records in vec(any::<[u8; 8]>(), 0..RECORDS),
        keep_sync in any::<bool>(),
    ) {
        for record in &mut records {
            // addresses of 16 bits, some special, and times around a turn
            (record[0], record[1]) = (if record[0] < 9 { 0x80 } else { 0 }, 0);
            record[4] = if record[4] & 1 == 0 { 0 } else { 0xff };
        }
        let events: Vec<[u8; 8]> = records
            .iter()
            .copied()
            .filter(|record| record[0] == 0 && (keep_sync || record[2] & 0x80 == 0))
            .collect();
        let mut defined = plain(&events, |word| {
            (bits(word, 0, 32), 127 - bits(word, 33, 7), 127 - bits(word, 40, 7), 1 - bits(word, 32, 1))
        });
        turned(&mut defined.t_us, 32);
        let options = aedat2::Options { keep_sync };
        prop_assert_eq!(aedat2::decode_with(records.as_flattened(), options).unwrap(), defined);
    }

    #[test]
    fn davis_is_an_address_from_below_and_a_time(mut records in vec(any::<[u8; 8]>(), 0..RECORDS)) {
        for record in &mut records {
            // bits 0 to 9 of an event are zero
            (record[2], record[3]) = (record[2] & 0xfc, 0);
            record[4] = if record[4] & 1 == 0 { 0 } else { 0xff };
        }
        let events: Vec<[u8; 8]> =
            records.iter().copied().filter(|r| r[0] & 0x80 == 0 && r[2] & 4 == 0).collect();
        let mut defined = plain(&events, |word| {
            let (row, height) = (bits(word, 54, 9), 260);
            let y = if row < height { height - 1 - row } else { row };
            (bits(word, 0, 32), bits(word, 44, 10), y, bits(word, 43, 1))
        });
        turned(&mut defined.t_us, 32);
        let header = b"#!AER-DAT2.0\r\n# AEChip: eu.davis.DAVIS346B\r\n#End Of ASCII Header\r\n";
        prop_assert_eq!(davis::decode(&[&header[..], records.as_flattened()].concat()).unwrap(), defined);
    }

    #[test]
    fn dat_is_a_time_and_a_word(mut records in vec(any::<[u8; 8]>(), 0..RECORDS)) {
        for record in &mut records {
            record[3] = if record[3] & 1 == 0 { 0 } else { 0xff };
        }
        let mut defined = plain(&records, |word| {
            let word = word.swap_bytes();
            (bits(word, 0, 32), bits(word, 32, 14), bits(word, 46, 14), bits(word, 60, 1))
        });
        turned(&mut defined.t_us, 32);
        let bytes = [b"% Version 2\n% end\n\x0c\x08", records.as_flattened()].concat();
        prop_assert_eq!(dat::decode(&bytes).unwrap(), defined);
    }

    /// Of every format, pieces of a file give the events of the whole.
    #[test]
    fn pieces_give_what_the_whole_gives(
        data in vec(any::<u8>(), 0..400_000),
        (format, header) in prop::sample::select(vec![
            (Format::NMnist, ""),
            (Format::Aedat2, ""),
            (Format::Davis, "#!AER-DAT2.0\r\n# AEChip: DAVIS240C\r\n#End Of ASCII Header\r\n"),
            (Format::Aedat31, "#!AER-DAT3.1\r\n#!END-HEADER\r\n"),
            (Format::Evt2, "% evt 2.0\n% end\n"),
            (Format::Evt21, "% evt 2.1\n% end\n"),
            (Format::Evt3, "% evt 3.0\n% end\n"),
            (Format::Dat, "% Version 2\n% end\n\x0c\x08"),
        ]),
    ) {
        let mut data = data;
        for record in data.chunks_exact_mut(8) {
            match format {
                Format::Aedat2 => (record[0], record[1]) = (0, 0),
                Format::Davis => (record[2], record[3]) = (record[2] & 0xfc, 0),
                _ => {}
            }
        }
        if format == Format::Aedat31 {
            let records = data.as_chunks::<8>().0;
            let (first, second) = records.split_at(records.len() / 3);
            data = [packet(1, first.len(), first), packet(2, second.len() / 2, second)].concat();
        }
        let bytes = [header.as_bytes(), &data].concat();
        let whole = formats::decode(format, &bytes).map_err(|error| error.to_string());
        let pieces = in_pieces(format, &bytes).map_err(|error| error.to_string());
        prop_assert_eq!(pieces, whole);
    }

    #[test]
    fn aedat31_is_the_slots_of_its_packets(
        packets in vec((any::<u32>(), vec(any::<[u8; 8]>(), 0..RECORDS / 2), any::<prop::sample::Index>()), 0..4),
        slots in prop_oneof![Just(Slots::Number), Just(Slots::Capacity)],
        keep_invalid in any::<bool>(),
    ) {
        let mut bytes = b"#!AER-DAT3.1\r\n#!END-HEADER\r\n".to_vec();
        let mut defined = Columns::default();
        for (overflow, records, number) in &packets {
            let number = number.index(records.len() + 1);
            bytes.extend(packet(*overflow, number, records));
            let taken = if slots == Slots::Number { number } else { records.len() };
            let taken: Vec<[u8; 8]> = records[..taken].iter().copied().filter(|r| keep_invalid || r[0] & 1 == 1).collect();
            // plain() reads a record from its first byte down, and this format is little-endian.
            let events = plain(&taken, |word| {
                let word = word.swap_bytes();
                let t_us = bits(word, 32, 32) | u64::from(*overflow) << 31;
                (t_us, bits(word, 17, 15), bits(word, 2, 15), bits(word, 1, 1))
            });
            defined.t_us.extend(events.t_us);
            defined.x.extend(events.x);
            defined.y.extend(events.y);
            defined.on.extend(events.on);
        }
        prop_assert_eq!(aedat31::decode(&bytes, Options { slots, keep_invalid }).unwrap(), defined);
    }
}
