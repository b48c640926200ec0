//! Whatever the bytes, decoders answer with events or a sentence, never with a panic or a flood of
//! memory.
//!
//! The short version of the targets in `fuzz/`: invented files, and real ones with bits flipped,
//! parts cut out and parts swapped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Cursor;
use std::path::PathBuf;

use events::formats::{self, Chunks, Format, aedat2, aedat31};
use events::{Columns, EmptyWindow, Error, Events, Framing, Overview, Sensor, Summary};
use proptest::prelude::*;
use proptest::sample::Index;

const DVS128: Sensor = Sensor { width: 128, height: 128 };

/// Bytes that get past a header, or do not.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let header = prop::sample::select(vec![
        "",
        "#",
        "#\n",
        "#!AER-DAT2.0\r\n",
        "#!AER-DAT2.0\r\n# AEChip: DAVIS240C\r\n",
        "#!AER-DAT2.0\r\n# AEChip: DVS128\r\n#End Of ASCII Header\r\n",
        "% evt 2.1\n% endianness legacy\n% end\n",
        "#!AER-DAT3.1\r\n#!END-HEADER\r\n",
        "% evt 2.0\n",
        "% evt 3.0\n% end\n",
        "% Data file containing CD events\n\x0c\x08",
        "class\n",
    ]);
    // little packets: mostly small fields, so that lengths often fit; high bits of times in either
    // order of bytes
    let word =
        prop_oneof![0_u32..12, any::<u32>(), Just(8), Just(1), Just(0x8000_8000), Just(0x80)];
    let words = prop::collection::vec(word, 0..60);
    let tail = prop::collection::vec(any::<u8>(), 0..8);
    (header, words, tail).prop_map(|(header, words, tail)| {
        let words = words.into_iter().flat_map(u32::to_le_bytes);
        header.bytes().chain(words).chain(tail).collect()
    })
}

/// The first bytes of real files and of the small ones made for the reference; none where this
/// machine has none.
fn seeds() -> Vec<Vec<u8>> {
    let shared = std::env::var_os("SPIKEGRAD_SHARED").map(PathBuf::from);
    let shared =
        shared.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into());
    let files = [
        "golden/nmnist_a.bin",
        "golden/cifar10dvs_a.aedat",
        "golden/cifar10dvs_noheader.aedat",
        "golden/gesture_a.aedat",
        "golden/gesture_edges.aedat",
        "golden/gesture_a_labels.csv",
        "data/nmnist/Train/5/00001.bin",
        "data/dvs128_gesture/clips_bs2/1.bs2",
    ];
    let seeds = files.iter().filter_map(|file| {
        let read = std::fs::read(shared.join(file));
        read.inspect_err(|_| eprintln!("SKIPPED: no {file} in {}", shared.display())).ok()
    });
    seeds.map(|bytes| bytes[..bytes.len().min(4096)].to_vec()).collect()
}

/// What is true of all columns that `format` decodes from `bytes`.
fn hold(format: Format, bytes: &[u8], columns: Columns) -> Result<(), TestCaseError> {
    // an event takes 4 bytes and more, but for vectors: 12 of 2 bytes, or 32 of 8
    let most = match format {
        Format::Evt3 => bytes.len() * 6,
        Format::Evt21 => bytes.len() * 4,
        _ => bytes.len() / 4,
    };
    let count = columns.count().unwrap();
    prop_assert!(count <= most);
    prop_assert!(
        columns.t_us.capacity() <= most
            && columns.x.capacity() <= most
            && columns.on.capacity() <= most
    );
    prop_assert!(columns.t_us.iter().all(|&t| t >= 0));
    let summary = Summary::of(format, formats::sensor(format, bytes, &columns), &columns).unwrap();
    let chunks = Chunks::open(Cursor::new(bytes), bytes.len() as u64, Some(format)).unwrap();
    let read = Summary::read(chunks).unwrap();
    // what no event was made of is counted where the file is read
    let seen = Summary { left_out: read.left_out, ..summary.clone() };
    prop_assert_eq!(&read, &seen);
    prop_assert!(read.left_out.is_none_or(|left_out| left_out + count <= bytes.len() / 5));
    // its frames are as large as the addresses reach, which takes longer than all the rest
    if count % 8 == 1 {
        hold_overview(format, bytes, count)?;
    }
    prop_assert!(summary.on + summary.off == count && summary.duplicates.unwrap() < count.max(1));
    if let Ok(events) = Events::sorted(DVS128, columns) {
        let time = Framing::Time { frames: 3, empty_window: EmptyWindow::ZeroFrame };
        for framing in [Framing::Number { frames: 3 }, time] {
            let frames = framing.frames(&events).unwrap();
            let counted: usize = frames.values().iter().map(|&count| usize::from(count)).sum();
            prop_assert_eq!(counted, events.len());
        }
    }
    Ok(())
}

/// What is true of a picture of `count` events.
fn hold_overview(format: Format, bytes: &[u8], count: usize) -> Result<(), TestCaseError> {
    let open = || Chunks::open(Cursor::new(bytes), bytes.len() as u64, Some(format));
    match Overview::read(open, 3) {
        Ok(seen) => prop_assert_eq!(seen.events + seen.left_out, count),
        Err(error) => prop_assert!(matches!(error, Error::NoEvents | Error::TooLarge(_))),
    }
    Ok(())
}

fn survive(bytes: &[u8]) -> Result<(), TestCaseError> {
    for format in Format::ALL {
        if let Ok(columns) = formats::decode(format, bytes) {
            hold(format, bytes, columns)?;
        }
    }
    if let Ok(columns) = aedat2::decode_with(bytes, aedat2::Options { keep_sync: true }) {
        columns.count().unwrap();
    }
    let all = aedat31::Options { slots: aedat31::Slots::Capacity, keep_invalid: false };
    if let Ok(columns) = aedat31::decode(bytes, all) {
        prop_assert!(columns.count().unwrap() <= bytes.len() / 4);
    }
    for trial in aedat31::trials(bytes).into_iter().flatten() {
        prop_assert!((1..=11).contains(&trial.class) && trial.start_us < trial.end_us);
    }
    // what is recognised need not decode, but reading it says the same as decoding it
    if let Ok(format) = formats::detect(bytes) {
        let (decoded, read) = (formats::decode(format, bytes), formats::read(format, bytes));
        prop_assert_eq!(
            decoded.map_err(|error| error.to_string()),
            read.map_err(|error| error.to_string())
        );
    }
    Ok(())
}

/// One damage: bits flipped, a part cut out, or a part of another seed put in.
#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    Cut(Index, Index),
    Splice(Index, Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<Index>(), 1_u8..).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Damage::Cut(from, to)),
        (any::<Index>(), any::<Index>(), any::<Index>())
            .prop_map(|(at, seed, from)| Damage::Splice(at, seed, from)),
    ]
}

fn damaged(mut bytes: Vec<u8>, damage: &Damage, seeds: &[Vec<u8>]) -> Vec<u8> {
    if bytes.is_empty() {
        return bytes;
    }
    match damage {
        Damage::Flip(at, bits) => *at.get_mut(&mut bytes) ^= bits,
        Damage::Cut(from, to) => {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            bytes.drain(from.min(to)..from.max(to));
        }
        Damage::Splice(at, seed, from) => {
            let other = seed.get(seeds);
            bytes.truncate(at.index(bytes.len()));
            bytes.extend_from_slice(&other[from.index(other.len())..]);
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn invented_files_never_panic(bytes in bytes()) {
        survive(&bytes)?;
    }

    #[test]
    fn label_files_never_panic(text in "class\n[0-9, \n]{0,60}") {
        survive(text.as_bytes())?;
    }
}

#[test]
fn damaged_real_files_never_panic() {
    let seeds = seeds();
    if seeds.is_empty() {
        return;
    }
    let strategy = (any::<Index>(), prop::collection::vec(damage(), 1..5));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(1500));
    let ran = runner.run(&strategy, |(seed, damages)| {
        let bytes = damages
            .iter()
            .fold(seed.get(&seeds).clone(), |bytes, damage| damaged(bytes, damage, &seeds));
        survive(&bytes)
    });
    ran.unwrap();
}
