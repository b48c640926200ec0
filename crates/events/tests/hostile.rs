//! Whatever the bytes, decoders answer with events or a sentence, never with a panic or a flood of memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use events::formats::{aedat2, aedat31, nmnist};
use events::{EmptyWindow, Events, Framing, Sensor};
use proptest::prelude::*;

const DVS128: Sensor = Sensor { width: 128, height: 128 };

/// Bytes that get past a header, or do not.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let header =
        prop::sample::select(vec!["", "#", "#\n", "#!AER-DAT2.0\r\n", "#!AER-DAT3.1\r\n#!END-HEADER\r\n", "class\n"]);
    // little packets: mostly small fields, so that lengths often fit
    let word = prop_oneof![0_u32..12, any::<u32>(), Just(8), Just(1)];
    let words = prop::collection::vec(word, 0..60);
    let tail = prop::collection::vec(any::<u8>(), 0..8);
    (header, words, tail).prop_map(|(header, words, tail)| {
        let words = words.into_iter().flat_map(u32::to_le_bytes);
        header.bytes().chain(words).chain(tail).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn decoders_never_panic(bytes in bytes()) {
        let options = [aedat31::Slots::Number, aedat31::Slots::Capacity]
            .map(|slots| aedat31::Options { slots, keep_invalid: slots == aedat31::Slots::Number });
        let decoded = [nmnist::decode(&bytes), aedat2::decode(&bytes), aedat31::decode(&bytes, options[0]), aedat31::decode(&bytes, options[1])];
        for columns in decoded.into_iter().flatten() {
            prop_assert!(columns.count().unwrap() <= bytes.len() / 5);
            prop_assert!(columns.t_us.iter().all(|&t| t >= 0));
            if let Ok(events) = Events::sorted(DVS128, columns) {
                let time = Framing::Time { frames: 3, empty_window: EmptyWindow::ZeroFrame };
                for framing in [Framing::Number { frames: 3 }, time] {
                    let frames = framing.frames(&events).unwrap();
                    let counted: usize = frames.values().iter().map(|&count| usize::from(count)).sum();
                    prop_assert_eq!(counted, events.len());
                }
            }
        }
    }

    #[test]
    fn label_files_never_panic(bytes in bytes(), text in "class\n[0-9, \n]{0,60}") {
        for csv in [&bytes[..], text.as_bytes()] {
            for trial in aedat31::trials(csv).into_iter().flatten() {
                prop_assert!((1..=11).contains(&trial.class) && trial.start_us < trial.end_us);
            }
        }
    }
}
