//! `data inspect` as a user meets it: one JSON object, or one sentence.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::{Value, json};

/// What a call said and how it ended.
struct Said {
    status: i32,
    stdout: String,
    stderr: String,
}

fn inspect(file: &Path, flags: &[&str]) -> Said {
    let mut command = Command::cargo_bin("data").unwrap();
    let output = command.arg("inspect").arg(file).args(flags).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said {
        status: output.status.code().unwrap(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

fn inspect_bytes(bytes: &[u8], flags: &[&str]) -> Said {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("recording");
    std::fs::write(&file, bytes).unwrap();
    inspect(&file, flags)
}

impl Said {
    #[track_caller]
    fn object(&self) -> Value {
        assert_eq!((self.status, self.stderr.as_str()), (0, ""));
        serde_json::from_str(&self.stdout).unwrap()
    }

    #[track_caller]
    fn is_one_sentence_with(&self, words: &[&str]) {
        let Said { status, stdout, stderr } = self;
        assert_eq!((*status, stdout.as_str(), stderr.lines().count()), (1, "", 1), "{stderr}");
        assert!(stderr.starts_with("error: "), "{stderr}");
        for word in words {
            assert!(stderr.contains(word), "expected \"{word}\" in: {stderr}");
        }
    }
}

/// A file of the shared samples, or `None` (said aloud) where this machine has none.
fn shared(file: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("SPIKEGRAD_SHARED").map(PathBuf::from);
    let file = shared
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into())
        .join(file);
    if !file.is_file() {
        eprintln!("SKIPPED: no {}", file.display());
        return None;
    }
    Some(file)
}

/// Two events: (3, 4) ON at 9 µs, (140, 5) OFF at 7 µs.
const TWO: [u8; 10] = [3, 4, 0x80, 0, 9, 140, 5, 0, 0, 7];

#[test]
fn all_fields_come_in_their_order() {
    let said = inspect_bytes(&TWO, &["--format", "nmnist"]);
    let expected = json!({
        "format": "nmnist", "sensor": null, "sensor_from": null, "first_row": "top", "events": 2, "on": 1, "off": 1,
        "outside_sensor": null, "t_first_us": 9, "t_last_us": 7, "sum_x": 143, "sum_y": 9, "sum_t_us": 16, "duplicates": 0, "out_of_order": 1, "clock_restarts": 0, "left_out": 0,
    });
    let object = said.object();
    assert_eq!(object, expected);
    let order = |object: &Value| object.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(order(&object), order(&expected));
}

#[test]
fn bad_files_get_one_sentence() {
    let file = "recording: ";
    inspect_bytes(&[], &[]).is_one_sentence_with(&[file, "found an empty file"]);
    inspect_bytes(&[], &["--format", "nmnist"])
        .is_one_sentence_with(&[file, "found an empty file"]);
    let formats = "nmnist, aedat2, aedat2-davis, aedat3.1, evt2, evt2.1, evt3, dat";
    inspect_bytes(&[0; 4096], &[]).is_one_sentence_with(&[file, formats, "4096 bytes"]);
    inspect_bytes(b"These are my notes.\n", &[]).is_one_sentence_with(&[
        file,
        formats,
        "found text",
    ]);
    inspect_bytes(&TWO[..9], &["--format", "nmnist"]).is_one_sentence_with(&[
        file,
        "byte 5",
        "found 4 at the end",
    ]);
    inspect_bytes(b"#!AER-DAT4.0\r\n", &[]).is_one_sentence_with(&[
        file,
        "byte 9",
        "version \"4.0\"",
    ]);
    inspect(Path::new("no such file"), &[]).is_one_sentence_with(&["no such file: "]);
    let unknown = inspect_bytes(&TWO, &["--format", "avi"]);
    assert_eq!((unknown.status, unknown.stdout.as_str()), (2, ""), "{}", unknown.stderr);
    assert!(unknown.stderr.contains(formats), "{}", unknown.stderr);
}

#[test]
fn real_recordings_are_summed_right() {
    // by a script that reads the bytes one by one
    let recording = |events: u64,
                     on: u64,
                     time: [i64; 2],
                     sums: [u64; 3],
                     duplicates: u64,
                     side: u16| {
        json!({
            "format": "nmnist", "sensor": {"width": side, "height": side}, "sensor_from": "assumed",
            "first_row": "top", "outside_sensor": 0, "events": events, "on": on, "off": events - on, "t_first_us": time[0], "t_last_us": time[1],
            "sum_x": sums[0], "sum_y": sums[1], "sum_t_us": sums[2], "duplicates": duplicates, "out_of_order": 0, "clock_restarts": 0, "left_out": 0,
        })
    };
    for (file, expected) in [
        (
            "data/nmnist/Train/5/00001.bin",
            recording(4681, 2328, [893, 305_924], [76_115, 82_306, 625_535_240], 3, 34),
        ),
        (
            "data/dvs128_gesture/clips_bs2/1.bs2",
            recording(
                63_471,
                32_164,
                [28, 1_449_996],
                [3_955_662, 5_423_391, 47_085_651_631],
                2599,
                128,
            ),
        ),
    ] {
        let Some(path) = shared(file) else { continue };
        assert_eq!(inspect(&path, &[]).object(), expected, "{file}");
        let cut = &std::fs::read(&path).unwrap()[..4094];
        inspect_bytes(cut, &[]).is_one_sentence_with(&["byte 4090", "the file is cut off"]);
    }
}

#[test]
fn a_davis_recording_is_read_as_such_and_not_as_cifar10_dvs() {
    let Some(path) = shared("data/aedat2_example/IMU_translBoxes.aedat") else { return };
    let davis = inspect(&path, &[]).object();
    assert_eq!((&davis["format"], &davis["events"]), (&json!("aedat2-davis"), &json!(162_771)));
    assert_eq!(
        (&davis["sensor"], &davis["sensor_from"]),
        (&json!({"width": 240, "height": 180}), &json!("header"))
    );
    inspect(&path, &["--format", "aedat2"])
        .is_one_sentence_with(&["expected no camera or a DVS128", "DAVIS240C"]);
}

/// A camera's noise: one of 2,000 addresses is beyond the sensor.
#[test]
fn events_outside_the_sensor_are_counted() {
    let header = b"#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.davis.Davis346blue\r\n";
    let address = |i: u32| match i {
        1234 => 306 << 22 | 345 << 12,
        _ => (i * 11 % 260) << 22 | (i * 7 % 346) << 12,
    };
    let records = (0..2000).flat_map(|i| [address(i), 100 * i]).flat_map(u32::to_be_bytes);
    let object = inspect_bytes(&[&header[..], &records.collect::<Vec<_>>()].concat(), &[]).object();
    assert_eq!((&object["events"], &object["outside_sensor"]), (&json!(2000), &json!(1)));
}

/// A clock that was set back is said aloud, beside the object.
#[test]
fn a_clock_that_starts_again_is_said() {
    let record = |i: u32| [(i % 128) << 1, 500 * (i % 40)];
    let records = |events: u32| -> Vec<u8> {
        let words = (0..events).flat_map(record).flat_map(u32::to_be_bytes);
        b"#!AER-DAT2.0\r\n# AEChip: DVS128\r\n".iter().copied().chain(words).collect()
    };
    for (events, restarts, words) in [(40, 0, ""), (60, 1, "again once"), (120, 2, "again 2 times")]
    {
        let said = inspect_bytes(&records(events), &[]);
        let object: Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(object["clock_restarts"], json!(restarts));
        assert!(said.stderr.contains(words) && said.stderr.is_empty() == words.is_empty());
    }
}

#[test]
fn formats_that_are_not_decoded_are_named() {
    inspect_bytes(b"Event Stream\x02\0\0\x01", &[])
        .is_one_sentence_with(&["an Event Stream (.es) file, which is not decoded here"]);
}

#[test]
fn an_image_is_told() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[10, 20, 30, 20, 60, 30]).unwrap();
    writer.finish().unwrap();
    let told = inspect_bytes(&bytes, &[]).object();
    let expected = serde_json::json!({
        "format": "png", "width": 2, "height": 1, "channels": 3, "bits": 8, "means": [15.0, 40.0, 30.0]
    });
    assert_eq!(told, expected);
    inspect_bytes(&bytes[..40], &[]).is_one_sentence_with(&["a PNG image", "ends too early"]);
}

/// 27 million events in a file of 128 MiB that takes no room: within 300 MiB of data, where all
/// events at once take 800.
#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(dir.path().join("zeros.bin")).unwrap();
    file.set_len(5 * 27_000_000).unwrap();
    let data = assert_cmd::cargo::cargo_bin("data");
    let limited = |limit_kib: u32, arguments: &str| {
        let command = format!("ulimit -d {limit_kib}; exec \"$0\" {arguments} --format nmnist");
        let mut shell = std::process::Command::new("bash");
        shell.current_dir(dir.path()).args(["-c", &command]).arg(&data).output().unwrap()
    };
    for arguments in ["inspect zeros.bin", "show zeros.bin --frames 4"] {
        let said = limited(300 << 10, arguments);
        assert!(said.status.success(), "{arguments}: {}", String::from_utf8_lossy(&said.stderr));
    }
    // the limit is one: too little is too little
    assert!(!limited(16 << 10, "inspect zeros.bin").status.success());
    let said = limited(300 << 10, "inspect zeros.bin");
    let object: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(object["events"], json!(27_000_000));
    assert_eq!(object["duplicates"], json!(26_999_999));
}
