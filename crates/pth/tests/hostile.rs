//! Whatever the bytes, the answer is one sentence or the very tensors, in memory that the bytes
//! bound. The short version of the target `pth` in `fuzz/`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use pth::{File, LARGEST_PICKLE, described};
use std::collections::BTreeMap;

const FILES: [&[u8]; 9] = [
    include_bytes!("data/plain-2.pth"),
    include_bytes!("data/plain-3.pth"),
    include_bytes!("data/plain-4.pth"),
    include_bytes!("data/plain-5.pth"),
    include_bytes!("data/lightning-2.pth"),
    include_bytes!("data/lightning-3.pth"),
    include_bytes!("data/lightning-4.pth"),
    include_bytes!("data/lightning-5.pth"),
    include_bytes!("data/tiny.pth"),
];
/// Most memory that this whole process may ever have held: the largest pickle's values, and some.
const MOST_MIB: u64 = 96 * (LARGEST_PICKLE as u64 >> 20) + 128;

/// Names, shapes and bits of all floating-point tensors, or a sentence.
type Read = Result<BTreeMap<String, (Vec<usize>, Option<Vec<u64>>)>, String>;

fn read(bytes: &[u8]) -> Read {
    let mut file = File::read(bytes).map_err(|error| error.to_string())?;
    let all: Vec<_> = file.tensors().clone().into_iter().collect();
    let mut read = BTreeMap::new();
    for (name, tensor) in all {
        let values = match file.values(&name) {
            Ok(values) => Some(values.iter().map(|value| value.to_bits()).collect()),
            Err(error) if error.to_string().contains("is of LongStorage") => None,
            Err(error) => return Err(error.to_string()),
        };
        read.insert(name, (tensor.shape, values));
    }
    Ok(read)
}

/// Random numbers of a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % n.max(1)
    }
}

/// One damage of a file: bits flipped, cut short, a part out, doubled, zeroed, or another's.
fn damaged(good: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bad = good.to_vec();
    let from = random.below(bad.len());
    let to = (from + 1 + random.below(64)).min(bad.len());
    match random.below(6) {
        0 => (0..1 + random.below(3)).for_each(|_| {
            let at = random.below(bad.len());
            bad[at] ^= 1 << random.below(8);
        }),
        1 => bad.truncate(from),
        2 => drop(bad.drain(from..to)),
        3 => {
            let part = bad[from..to].to_vec();
            bad.splice(from..from, part);
        }
        4 => bad[from..to].fill(0),
        _ => {
            let at = random.below(other.len());
            let part = &other[at..(at + to - from).min(other.len())];
            bad.splice(from..to, part.iter().copied());
        }
    }
    bad
}

#[track_caller]
fn bounded() {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return };
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    assert!(kib >> 10 <= MOST_MIB, "{kib} KiB held, at most {MOST_MIB} MiB are promised");
}

#[test]
fn a_damaged_file_is_a_sentence_or_the_same_tensors() {
    let mut random = Random(1);
    let mut refused = 0;
    for (i, good) in FILES.iter().enumerate() {
        let expected = read(good).unwrap();
        for _ in 0..300 {
            let bad = damaged(good, FILES[(i + 1) % FILES.len()], &mut random);
            match read(&bad) {
                Ok(found) => assert_eq!(found, expected),
                Err(said) => {
                    assert!(said.len() < 600 && !said.contains('\n'), "{said}");
                    refused += 1;
                }
            }
        }
    }
    assert!((2000..2700).contains(&refused), "{refused} of 2700 refused");
    bounded();
}

#[test]
fn a_damaged_pickle_is_a_sentence_or_tensors() {
    let mut random = Random(2);
    for good in FILES {
        // the first file of the archive, stored
        let pickle = &good[30 + "archive/data.pkl".len()..];
        let expected = described(pickle).unwrap().len();
        let mut same = 0;
        for _ in 0..300 {
            let bad = damaged(pickle, FILES[0], &mut random);
            match described(&bad) {
                Ok(tensors) => same += usize::from(tensors.len() == expected),
                Err(error) => assert!(error.to_string().len() < 600, "{error}"),
            }
        }
        assert!(same > 0, "damage behind the pickle is none");
    }
    bounded();
}

/// Pickles that make others overflow their stack, ask for gigabytes, or never end.
#[test]
fn pickles_made_to_hurt_are_sentences() {
    let many = |opcode: &[u8], n: usize| [b"\x80\x04", &opcode.repeat(n)[..], b"."].concat();
    let most = LARGEST_PICKLE - 8;
    let mut all: Vec<Vec<u8>> = [b"(", b"]", b"}", b")", b"N", b"2", b"t"]
        .iter()
        .flat_map(|opcode| [many(*opcode, 1122), many(*opcode, most)])
        .collect();
    // a tuple of a tuple of a …, twice itself each time; the same by the memo
    all.push([b"\x80\x04)", &b"\x85".repeat(most - 8)[..], b"."].concat());
    all.push([b"\x80\x04)", &b"2\x86".repeat(most / 2 - 8)[..], b"."].concat());
    all.push([b"\x80\x04)\x94", &b"h\0h\0\x86q\0".repeat(most / 8)[..], b"."].concat());
    // lists in lists, dicts that hold themselves, calls of calls
    all.push([b"\x80\x04", &b"]".repeat(1000)[..], &b"a".repeat(999), b"."].concat());
    all.push(b"\x80\x04}q\0\x8c\x05modelh\0s.".to_vec());
    all.push([b"\x80\x04cos\nsystem\n", &b")R".repeat(100_000)[..], b"."].concat());
    let parameter = b"ctorch._utils\n_rebuild_parameter\nq\0";
    all.push([b"\x80\x04}\x8c\x01a", &parameter[..], b")", &b"\x85R2".repeat(3), b"s."].concat());
    // lengths and places that no file has
    for head in [&b"X"[..], b"T", b"B", b"\x8b", b"r", b"j"] {
        all.push([b"\x80\x04)", head, b"\xff\xff\xff\xff", b"."].concat());
        all.push([b"\x80\x04)", head, b"\xff\xff\xff\x7f", b"."].concat());
    }
    for head in [&b"\x8d"[..], b"\x8e", b"\x96", b"\x95"] {
        all.push([b"\x80\x04)", head, b"\xff\xff\xff\xff\xff\xff\xff\xff", b"."].concat());
        all.push([b"\x80\x04)", head, b"\0\0\0\0\x01\0\0\0", b"."].concat());
    }
    for pickle in &all {
        let said = described(pickle).unwrap_err().to_string();
        assert!(said.len() < 600 && !said.contains('\n'), "{said}");
    }
    assert!(all.len() >= 40, "{}", all.len());
    bounded();
}

/// An archive whose files are packed, lie in one place or claim more than there is.
#[test]
fn archives_made_to_hurt_are_sentences() {
    let tiny = FILES[8];
    let names = |bytes: &[u8], signature: &[u8]| -> Vec<usize> {
        (0..bytes.len() - 4).filter(|&at| bytes[at..].starts_with(signature)).collect()
    };
    let directory = names(tiny, b"PK\x01\x02");
    assert_eq!(directory.len(), 4);
    let changed = |at: usize, bytes: &[u8]| {
        let mut bad = tiny.to_vec();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        read(&bad).unwrap_err()
    };
    for &entry in &directory[..3] {
        // method, sizes, place
        changed(entry + 10, &[8, 0]);
        for size in [[0xff, 0xff, 0xff, 0x7f], [0, 0, 0, 0x40], [1, 0, 0, 0]] {
            changed(entry + 20, &size);
            changed(entry + 24, &size);
            changed(entry + 42, &size);
        }
    }
    assert!(changed(directory[1] + 42, &[0, 0, 0, 0]).contains("damaged or cut short"));
    let end = names(tiny, b"PK\x05\x06")[0];
    for count in [[0xff, 0xff], [0xfe, 0xff], [0, 0]] {
        let mut bad = tiny.to_vec();
        bad[end + 8..end + 10].copy_from_slice(&count);
        bad[end + 10..end + 12].copy_from_slice(&count);
        read(&bad).unwrap_err();
    }
    // thousands of ends, each of which might be the one
    let ends = read(&[tiny, &b"PK\x05\x06".repeat(10_000)].concat());
    assert!(ends.is_err() || ends == read(tiny));
    read(&[b"PK\x03\x04", &b"PK\x01\x02".repeat(10_000)[..]].concat()).unwrap_err();
    bounded();
}
