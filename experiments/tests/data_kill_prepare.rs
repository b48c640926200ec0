//! `data prepare`, killed at 50 moments, leaves nothing that is taken for a cache, and the next
//! call makes the very same file.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use datasets::cache::Cache;
use sha2::{Digest, Sha256};

const KILLS: u32 = 50;

/// Numbers that look random and are the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// 600 recordings of N-MNIST of 1,500 events each.
fn write_recordings(root: &Path) {
    let mut random = Random(1);
    for index in 0..600 {
        let half = if index < 500 { "Train" } else { "Test" };
        let folder = root.join("N-MNIST").join(half).join((index % 10).to_string());
        fs::create_dir_all(&folder).unwrap();
        let mut bytes = Vec::new();
        for event in 0..1500 {
            let t_us = (event * 200 + random.below(200) as u32) | (random.below(2) as u32) << 23;
            bytes.extend([random.below(34) as u8, random.below(34) as u8]);
            bytes.extend(&t_us.to_be_bytes()[1..]);
        }
        fs::write(folder.join(format!("{index:05}.bin")), bytes).unwrap();
    }
}

fn prepare(root: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("data"));
    command
        .current_dir(root)
        .env_remove("SPIKEGRAD_CACHE")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.args([
        "prepare",
        "n-mnist",
        "--frames",
        "number:16",
        "--data",
        ".",
        "--cache",
        "cache",
    ]);
    command
}

/// The finished caches in a folder, with their SHA-256; none but good ones may have a cache's name.
fn caches(folder: &Path) -> Vec<String> {
    let mut digests = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "h5") {
            Cache::open(&path).unwrap().verify().unwrap();
            digests.push(format!("{:x}", Sha256::digest(fs::read(&path).unwrap())));
        }
    }
    digests
}

#[test]
fn killed_at_any_moment_the_next_call_makes_the_same_file() {
    let root = tempfile::tempdir().unwrap();
    write_recordings(root.path());
    let cache = root.path().join("cache");
    let start = Instant::now();
    assert!(prepare(root.path()).status().unwrap().success());
    let whole = start.elapsed();
    let undisturbed = caches(&cache);
    assert_eq!(undisturbed.len(), 1);
    let mut random = Random(2);
    let (mut unfinished, mut nothing, mut finished) = (0, 0, 0);
    for _ in 0..KILLS {
        fs::remove_dir_all(&cache).unwrap();
        let mut call = prepare(root.path()).spawn().unwrap();
        // a little past the end too: the load of the machine changes
        std::thread::sleep(Duration::from_micros(random.below(whole.as_micros() as u64 * 11 / 10)));
        call.kill().unwrap();
        call.wait().unwrap();
        let there = caches(&cache);
        let partial = fs::read_dir(&cache).into_iter().flatten().any(|entry| {
            entry.unwrap().path().extension().is_some_and(|extension| extension == "partial")
        });
        match (there.is_empty(), partial) {
            (false, _) => finished += 1,
            (true, true) => unfinished += 1,
            (true, false) => nothing += 1,
        }
        assert!(there.is_empty() || there == undisturbed);
        assert!(prepare(root.path()).status().unwrap().success());
        assert_eq!(caches(&cache), undisturbed);
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 1, "something unfinished was left");
    }
    eprintln!(
        "{KILLS} kills: {nothing} before the file, {unfinished} within it, {finished} after it"
    );
    assert!(unfinished > 0, "no kill met the writing");
}
