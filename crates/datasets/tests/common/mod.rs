//! What the tests share: reference data, and folders as users have them.
#![allow(dead_code)] // each test uses its part

use std::{
    fs,
    path::{Path, PathBuf},
};

use datasets::{Found, Name, Recordings, find};

/// The folder of shared reference data, or `None` (said aloud) where this machine has none.
pub fn shared(part: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("SPIKEGRAD_SHARED").map(PathBuf::from);
    let path = shared
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into())
        .join(part);
    if !path.exists() {
        eprintln!("SKIPPED: no {}", path.display());
        return None;
    }
    Some(path)
}

pub fn recordings(found: Found) -> Recordings {
    match found {
        Found::Recordings(set) => set,
        other => panic!("{other:?}"),
    }
}

pub fn found(name: Name, root: &Path) -> Recordings {
    recordings(find(name, root).unwrap())
}

pub fn write(root: &Path, file: &str, bytes: &[u8]) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// What is said about a data set that should be refused.
pub fn sentence(name: Name, root: &Path) -> String {
    find(name, root)
        .expect_err("should be refused")
        .to_string()
        .replace(&root.display().to_string(), "ROOT")
}

/// The WAV file of one channel at 16 kHz whose data chunk says `declared` bytes, with other chunks
/// before and behind the data.
pub fn riff(samples: &[i16], declared: u32, before: &[u8], behind: &[u8]) -> Vec<u8> {
    let format = [
        &16u32.to_le_bytes()[..],
        &[1, 0, 1, 0],
        &16_000u32.to_le_bytes(),
        &32_000u32.to_le_bytes(),
        &[2, 0, 16, 0],
    ];
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let head = [&b"WAVEfmt "[..], &format.concat(), before, b"data", &declared.to_le_bytes()];
    let body = [&head.concat()[..], &data, behind].concat();
    [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
}

/// A whole clip of one second, another one for another seed.
pub fn clip(seed: i16) -> Vec<u8> {
    let samples: Vec<i16> = (0..16_000).map(|i| (i * 37 % 3_000) as i16 + seed).collect();
    riff(&samples, 32_000, b"", b"")
}

/// Events of N-MNIST, others for another seed.
pub fn nmnist(seed: u8, events: u32) -> Vec<u8> {
    let event = |i: u32| {
        let [_, high, middle, low] = (i * 1_000).to_be_bytes();
        let [x, y] = [7u32, 5].map(|step| ((i * step + u32::from(seed)) % 34) as u8);
        [x, y, (i as u8 & 1) << 7 | high, middle, low]
    };
    (0..events).flat_map(event).collect()
}

/// AEDAT 3.1 with an event each millisecond.
pub fn aedat31(events: u32) -> Vec<u8> {
    let mut bytes = b"#!AER-DAT3.1\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n\x01\0\x01\0".to_vec();
    for field in [8, 4, 0, events, events, events] {
        bytes.extend(u32::to_le_bytes(field));
    }
    for i in 0..events {
        bytes.extend(((i * 7 % 128) << 17 | (i * 5 % 128) << 2 | (i & 1) << 1 | 1).to_le_bytes());
        bytes.extend((i * 1_000).to_le_bytes());
    }
    bytes
}

/// AEDAT 2.0 with an event each half millisecond, others for another seed.
pub fn aedat2(seed: u32, events: u32) -> Vec<u8> {
    let mut bytes = b"#!AER-DAT2.0\r\n# header\r\n".to_vec();
    for i in 0..events {
        let address = ((i * 7 + seed) % 128) << 8 | (i * 5 % 128) << 1 | i & 1;
        bytes.extend(address.to_be_bytes());
        bytes.extend((i * 500).to_be_bytes());
    }
    bytes
}

/// What the proof of a data set says: failures, notes, with ROOT for the root.
pub fn proof(name: Name, root: &Path) -> [Vec<String>; 2] {
    let datasets::Proof { failures, notes } = datasets::prove(&found(name, root), &|| ());
    let plain = |text: &String| text.replace(&root.display().to_string(), "ROOT");
    [failures, notes].map(|list| list.iter().map(plain).collect())
}
