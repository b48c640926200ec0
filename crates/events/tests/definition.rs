//! The decoders are written to be fast; here are the formats' definitions, an event at a time,
//! which they must equal.
#![allow(clippy::unwrap_used)]

use events::Columns;
use events::formats::aedat31::{Options, Slots};
use events::formats::{aedat2, aedat31, nmnist};
use proptest::collection::vec;
use proptest::prelude::*;

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nmnist_is_x_y_polarity_and_time(records in vec(any::<[u8; 5]>(), 0..RECORDS)) {
        let defined = plain(&records, |word| (bits(word, 0, 23), bits(word, 32, 8), bits(word, 24, 8), bits(word, 23, 1)));
        prop_assert_eq!(nmnist::decode(records.as_flattened()).unwrap(), defined);
    }

    #[test]
    fn aedat2_is_a_turned_address_and_a_time(mut records in vec(any::<[u8; 8]>(), 0..RECORDS)) {
        if let Some(first) = records.first_mut() {
            first[0] &= 0x7f;
            first[0] |= 0x40; // no '#', which would begin a header
        }
        let defined = plain(&records, |word| {
            (bits(word, 0, 32), 127 - bits(word, 40, 7), 127 - bits(word, 33, 7), 1 - bits(word, 32, 1))
        });
        prop_assert_eq!(aedat2::decode(records.as_flattened()).unwrap(), defined);
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
