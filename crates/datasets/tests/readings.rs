//! What a data set's recordings mean where its format alone does not say, and what of that its
//! caches are named by.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use datasets::cache::{Dtype, Key};
use datasets::{Found, Name, Recordings, decode_cifar10_dvs, find};
use events::Framing;
use events::formats::aedat2;

fn found(name: Name, root: &Path) -> Recordings {
    match find(name, root).unwrap() {
        Found::Recordings(recordings) => recordings,
        other => panic!("{}: {other:?}", root.display()),
    }
}

fn write(root: &Path, file: &str, bytes: &[u8]) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// AEDAT 2.0 without a camera.
fn aedat2_file(records: &[(u32, u32)]) -> Vec<u8> {
    let words = records.iter().flat_map(|&(address, t_us)| [address, t_us]);
    b"#!AER-DAT2.0\r\n".iter().copied().chain(words.flat_map(u32::to_be_bytes)).collect()
}

/// Ten recordings of CIFAR10-DVS, for nine tenths of them train.
fn cats(root: &Path, bytes: &[u8]) {
    for number in 0..10 {
        write(root, &format!("dvs-cifar10/cat/cifar10_cat_{number}.aedat"), bytes);
    }
}

#[test]
fn cifar10_dvs_keeps_the_axes_and_the_pulses_of_its_loader() {
    // y' = 100, x' = 3, OFF; then a pulse
    let bytes = aedat2_file(&[(100 << 8 | 3 << 1 | 1, 5), (0x8000, 6)]);
    let columns = decode_cifar10_dvs(&bytes).unwrap();
    assert_eq!((columns.x, columns.y), (vec![27, 127], vec![124, 127]));
    let format = aedat2::decode(&bytes).unwrap();
    assert_eq!((format.x, format.y), (vec![124], vec![27]), "the format: upright, no pulse");
}

/// The golden recordings, where this machine has them.
#[test]
fn cifar10_dvs_equals_the_stored_recordings() {
    let shared = std::env::var_os("SPIKEGRAD_SHARED").map(PathBuf::from);
    let shared =
        shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let Ok(bytes) = fs::read(shared.join("golden/cifar10dvs_a.aedat")) else {
        eprintln!("SKIPPED: no golden vectors in {}", shared.display());
        return;
    };
    let columns = decode_cifar10_dvs(&bytes).unwrap();
    // the first two records of the file: addresses 0x7f00 and 0x00ff
    assert_eq!((&columns.x[..2], &columns.y[..2]), (&[0, 127][..], &[127, 0][..]));
}

#[test]
fn a_simulators_recording_in_place_of_cifar10_dvs_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let davis = |x: u32, y: u32, on: u32| y << 22 | x << 12 | on << 11;
    let records = [(davis(0, 0, 1), 1000), (davis(345, 259, 0), 2000), (davis(200, 20, 1), 3000)];
    cats(root.path(), &aedat2_file(&records));
    let recordings = found(Name::Cifar10Dvs, root.path());
    let recording = recordings.train.iter().chain(&recordings.test).next().unwrap();
    let said = recording.events().unwrap_err().to_string();
    assert!(said.contains("cifar10_cat_0.aedat") && said.contains("no bits above 15"), "{said}");
}

#[test]
fn an_event_outside_is_named_by_its_place_in_the_file() {
    let root = tempfile::tempdir().unwrap();
    let event = |x: u8, t: u8| [x, 1, 0, 0, t];
    let bytes = [event(1, 90), event(2, 80), event(99, 10), event(3, 20)].concat();
    for half in ["Train", "Test"] {
        write(root.path(), &format!("n-mnist/{half}/0/00001.bin"), &bytes);
    }
    let said = found(Name::NMnist, root.path()).train[0].events().unwrap_err().to_string();
    assert!(said.contains("event 2: expected a pixel of the 34x34 sensor, found x = 99"), "{said}");
}

#[test]
fn a_cuts_event_outside_is_named_by_its_place_in_the_file() {
    let root = tempfile::tempdir().unwrap();
    let event = |x: u32, t: u32| [x << 17 | 1, t];
    let events = [event(1, 5), event(1, 50), event(1, 60), event(500, 55)];
    let head = [0x0001_0001, 8, 4, 0, 4, 4, 4];
    let words = head.iter().chain(events.as_flattened());
    let data: Vec<u8> = words.flat_map(|word| word.to_le_bytes()).collect();
    let file = [b"#!AER-DAT3.1\r\n#!END-HEADER\r\n", &data[..]].concat();
    let labels = b"class,startTime_usec,endTime_usec\n1,50,100\n";
    for (user, list) in [("user01", "trials_to_train.txt"), ("user24", "trials_to_test.txt")] {
        write(
            root.path(),
            &format!("dvs-gesture/{list}"),
            format!("{user}_led.aedat\n").as_bytes(),
        );
        write(root.path(), &format!("dvs-gesture/{user}_led.aedat"), &file);
        write(root.path(), &format!("dvs-gesture/{user}_led_labels.csv"), labels);
    }
    let said = found(Name::DvsGesture, root.path()).train[0].events().unwrap_err().to_string();
    assert!(said.contains("event 3: expected a pixel of the 128x128 sensor"), "{said}");
}

#[test]
fn a_cache_is_named_by_the_decoder_that_its_recordings_go_through_and_by_no_other() {
    let decoder = |recordings: &Recordings| {
        let framing = Framing::Number { frames: 4 };
        Key::of_recordings(recordings, framing, None, Dtype::U8).versions["decoder"]
    };
    let root = tempfile::tempdir().unwrap();
    for half in ["Train", "Test"] {
        write(root.path(), &format!("n-mnist/{half}/0/00001.bin"), &[1, 1, 0, 0, 1]);
    }
    cats(root.path(), &aedat2_file(&[(1, 1)]));
    for (user, list) in [("user01", "trials_to_train.txt"), ("user24", "trials_to_test.txt")] {
        let labels = b"class,startTime_usec,endTime_usec\n1,50,100\n";
        write(
            root.path(),
            &format!("dvs-gesture/{list}"),
            format!("{user}_led.aedat\n").as_bytes(),
        );
        let file = b"#!AER-DAT3.1\r\n#!END-HEADER\r\n";
        write(root.path(), &format!("dvs-gesture/{user}_led.aedat"), file);
        write(root.path(), &format!("dvs-gesture/{user}_led_labels.csv"), labels);
    }
    assert_eq!(decoder(&found(Name::NMnist, root.path())), 3);
    assert_eq!(decoder(&found(Name::Cifar10Dvs, root.path())), 3);
    assert_eq!(decoder(&found(Name::DvsGesture, root.path())), 1, "AEDAT 3.1 is read as before");
    let made = datasets::synthetic::recordings(Name::NMnist, 2, 2, 0);
    assert_eq!(decoder(&made), 1, "what is made goes through no decoder");
}
