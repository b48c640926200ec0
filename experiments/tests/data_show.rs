//! `data show` as a user meets it: what it draws, where, and what it says to bad input.
#![allow(clippy::unwrap_used)]

use assert_cmd::Command;
use std::path::{Path, PathBuf};

/// What a call said and how it ended.
struct Said {
    status: i32,
    stdout: String,
    stderr: String,
}

/// Calls `data show` in `dir`.
fn show(dir: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::cargo_bin("data").unwrap();
    let output = command.current_dir(dir).arg("show").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said {
        status: output.status.code().unwrap(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

impl Said {
    /// Drew the picture `png` of `dir`, said so, and left nothing else beside `before` files.
    #[track_caller]
    fn drew(&self, dir: &Path, png: &str, before: usize) -> Vec<u8> {
        assert_eq!((self.status, self.stdout.trim(), self.stderr.as_str()), (0, png, ""));
        assert_eq!(std::fs::read_dir(dir).unwrap().count(), before + 1);
        let bytes = std::fs::read(dir.join(png)).unwrap();
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.ends_with(b"IEND\xaeB`\x82"));
        assert!((10_000..400_000).contains(&bytes.len()), "{} bytes", bytes.len());
        bytes
    }

    /// Status 1 and one sentence with `words`.
    #[track_caller]
    fn is_one_sentence_with(&self, words: &[&str]) {
        let Said { status, stdout, stderr } = self;
        assert_eq!((*status, stdout.as_str(), stderr.lines().count()), (1, "", 1), "{stderr}");
        assert!(stderr.starts_with("error: ") && !stderr.contains("panicked"), "{stderr}");
        for word in words {
            assert!(stderr.contains(word), "expected \"{word}\" in: {stderr}");
        }
    }
}

/// A recording of 5-byte events: a dot that runs along row `y`, each position ON and then OFF.
fn dot(y: u8, positions: u8) -> Vec<u8> {
    let event = |x: u8, on: bool, t_us: u32| {
        let [_, high, middle, low] = (u32::from(on) << 23 | t_us).to_be_bytes();
        [x, y, high, middle, low]
    };
    (0..positions)
        .flat_map(|x| {
            [event(x, true, u32::from(x) * 1000), event(x, false, u32::from(x) * 1000 + 500)]
        })
        .flatten()
        .collect()
}

fn folder(recording: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("dot.bin"), recording).unwrap();
    dir
}

#[test]
fn draws_beside_the_current_folders_files_or_where_told() {
    let dir = folder(&dot(3, 30));
    let png = show(dir.path(), &["dot.bin"]).drew(dir.path(), "dot.png", 1);
    assert_eq!(
        show(dir.path(), &["dot.bin", "--out", "same.PNG"]).drew(dir.path(), "same.PNG", 2),
        png
    );
    let four = show(dir.path(), &["dot.bin", "--frames", "4", "--out", "four.png"]).drew(
        dir.path(),
        "four.png",
        3,
    );
    assert_ne!(four, png, "other frames");
    std::fs::write(dir.path().join("dot.bin"), dot(4, 30)).unwrap();
    let moved =
        show(dir.path(), &["dot.bin", "--out", "moved.png"]).drew(dir.path(), "moved.png", 4);
    assert_ne!(moved, png, "another recording");
}

#[test]
fn noise_is_left_out_and_said() {
    let mut noisy = dot(3, 34).repeat(20);
    noisy[5 * 77] = 250;
    let dir = folder(&noisy);
    let said = show(dir.path(), &["dot.bin"]);
    assert_eq!((said.status, said.stdout.trim()), (0, "dot.png"), "{}", said.stderr);
    let sentence = "dot.bin: left out 1 of 1360 events, outside the sensor of 34x34 pixels";
    let lines: Vec<&str> = said.stderr.lines().collect();
    assert_eq!((lines[0], lines.len()), (sentence, 2));
    assert!(lines[1].starts_with("dot.bin: its clock starts again 19 times, "), "{}", lines[1]);
    // a pixel of each event, whatever the order of their times: the picture of the clean recording
    // differs by that one event alone, so both are of one size
    let mut events = dot(3, 34).repeat(20);
    for (i, event) in events.chunks_exact_mut(5).enumerate() {
        let [_, high, middle, low] = (10 * i as u32).to_be_bytes();
        (event[2], event[3], event[4]) = (event[2] & 0x80 | high, middle, low);
    }
    let clean = folder(&events);
    show(clean.path(), &["dot.bin"]).drew(clean.path(), "dot.png", 1);
}

#[test]
fn fewer_events_than_frames_are_drawn() {
    let dir = folder(&dot(3, 1));
    show(dir.path(), &["dot.bin", "--frames", "128"]).drew(dir.path(), "dot.png", 1);
}

#[test]
fn what_is_no_recording_is_refused_in_a_sentence_and_nothing_is_written() {
    let dir = folder(&dot(3, 30)[..93]);
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    write("empty.bin", b"");
    write("header.aedat", b"#!AER-DAT2.0\r\n");
    write("cut.aedat", b"#!AER-DAT3.1\r\n#!END-HEADER\r\n\x01");
    let before = std::fs::read_dir(dir.path()).unwrap().count();
    show(dir.path(), &["dot.bin"]).is_one_sentence_with(&[
        "dot.bin",
        "byte 90",
        "the end of the file",
    ]);
    show(dir.path(), &["empty.bin"]).is_one_sentence_with(&["empty.bin", "an empty file"]);
    show(dir.path(), &["header.aedat"])
        .is_one_sentence_with(&["header.aedat", "at least one event, found none"]);
    show(dir.path(), &["cut.aedat"]).is_one_sentence_with(&["cut.aedat", "a packet header"]);
    show(dir.path(), &["absent.bin"])
        .is_one_sentence_with(&["absent.bin: expected to read it, found nothing of that name"]);
    show(dir.path(), &["."]).is_one_sentence_with(&[".: expected a file, found a folder"]);
    show(dir.path(), &["cut.aedat", "--format", "nmnist"]).is_one_sentence_with(&["cut.aedat"]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), before);
}

#[test]
fn no_recording_is_overwritten() {
    let dir = folder(&dot(3, 30));
    std::fs::rename(dir.path().join("dot.bin"), dir.path().join("dot.png")).unwrap();
    let out = |out: &str| show(dir.path(), &["dot.png", "--out", out]);
    show(dir.path(), &["dot.png"])
        .is_one_sentence_with(&["another file than the recording", "dot.png"]);
    out("./dot.png").is_one_sentence_with(&["another file than the recording"]);
    out("dot.bin").is_one_sentence_with(&["a name that ends in .png", "dot.bin"]);
    out("absent/dot.png").is_one_sentence_with(&["cannot write absent/dot.png", "mkdir -p absent"]);
    assert_eq!(std::fs::read(dir.path().join("dot.png")).unwrap(), dot(3, 30));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn wrong_flags_end_with_status_2() {
    let dir = folder(&dot(3, 30));
    for flags in [
        &["dot.bin", "--frames", "0"][..],
        &["dot.bin", "--frames", "129"],
        &["dot.bin", "--format", "x"],
        &[],
    ] {
        let said = show(dir.path(), flags);
        assert_eq!((said.status, said.stdout.as_str()), (2, ""), "{}", said.stderr);
    }
}

#[test]
fn real_recordings_are_drawn() {
    let shared = std::env::var_os("SPIKEGRAD_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let dir = tempfile::tempdir().unwrap();
    let mut pictures = Vec::new();
    for file in [
        "data/nmnist/extra/sample_nmnist.bin",
        "data/dvs128_gesture/clips_bs2/1.bs2",
        "golden/cifar10dvs_a.aedat",
    ] {
        let file = shared.join(file);
        if !file.is_file() {
            eprintln!("skipped: no {}", file.display());
            continue;
        }
        let out = format!("{}.png", pictures.len());
        let said = show(dir.path(), &[file.to_str().unwrap(), "--out", &out]);
        pictures.push(said.drew(dir.path(), &out, pictures.len()));
    }
    for (k, picture) in pictures.iter().enumerate() {
        assert!(!pictures[..k].contains(picture), "two recordings give one picture");
    }
}
