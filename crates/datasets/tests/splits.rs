//! Orders and splits against those that the released loader produced, and folders as users have them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use datasets::{Error, Found, Name, Origin, Recordings, Source, find, reference_label, text_order_split};

/// The folder of shared reference data, or `None` (said aloud) where this machine has none.
fn shared(part: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("SPIKEGRAD_SHARED").map(PathBuf::from);
    let path = shared.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into()).join(part);
    if !path.exists() {
        eprintln!("SKIPPED: no {}", path.display());
        return None;
    }
    Some(path)
}

fn found(name: Name, root: &Path) -> Recordings {
    match find(name, root).unwrap() {
        Found::Recordings(set) => set,
        other => panic!("{other:?}"),
    }
}

fn write(root: &Path, file: &str, bytes: &[u8]) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn sentence(name: Name, root: &Path) -> String {
    find(name, root).expect_err("should be refused").to_string().replace(&root.display().to_string(), "ROOT")
}

#[test]
fn splits_and_labels_equal_the_released_loader() {
    let Some(path) = shared("golden/splits.json") else { return };
    let json: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();

    let cifar = &json["cifar10_dvs"];
    let expected: Vec<u64> = serde_json::from_value(cifar["test_file_numbers_of_every_class"].clone()).unwrap();
    let root = tempfile::tempdir().unwrap();
    for class in Name::Cifar10Dvs.info().classes {
        for number in 0..1000 {
            write(root.path(), &format!("CIFAR10-DVS/{class}/cifar10_{class}_{number}.aedat"), b"");
        }
    }
    let set = found(Name::Cifar10Dvs, root.path());
    assert_eq!((set.origin, set.train.len(), set.test.len()), (Origin::Complete, 9000, 1000));
    assert_eq!(set.split, "names of each class in text order: first 900 train, last 100 test");
    for (label, class) in cifar["classes_in_label_order"].as_array().unwrap().iter().enumerate() {
        let of_class = set.test.iter().filter(|recording| recording.label == label as u32);
        let numbers: Vec<u64> = of_class
            .map(|recording| {
                let Source::File(path) = &recording.source else { panic!("{recording:?}") };
                let stem = path.file_stem().unwrap().to_str().unwrap();
                stem.strip_prefix(&format!("cifar10_{}_", class.as_str().unwrap())).unwrap().parse().unwrap()
            })
            .collect();
        assert_eq!(numbers, expected, "{class}");
    }

    for (folder, label) in json["dvs128_gesture"]["folder_to_network_label"].as_object().unwrap() {
        assert_eq!(reference_label(folder.parse().unwrap()).map(u64::from), label.as_u64(), "{folder}");
    }
    assert_eq!(reference_label(11), None);
}

#[test]
fn incomplete_classes_are_split_in_tenths() {
    let names = (0..25).map(|i| format!("{i}.aedat")).collect();
    let (train, test) = text_order_split(names);
    assert_eq!((train.len(), test), (22, ["7.aedat", "8.aedat", "9.aedat"].map(String::from).to_vec()));
}

#[test]
fn the_sample_of_n_mnist_is_found_and_decodes() {
    let Some(root) = shared("data") else { return };
    let set = found(Name::NMnist, &root);
    assert_eq!((set.origin, set.train.len(), set.test.len()), (Origin::Sample, 1000, 100));
    let counts: Vec<usize> =
        set.train.iter().chain(&set.test).map(|recording| recording.events().unwrap().len()).collect();
    let mean = counts.iter().sum::<usize>() / counts.len();
    assert_eq!((counts.iter().min(), mean, counts.iter().max()), (Some(&1069), 4108, Some(&7152)));
    assert_eq!(found(Name::NMnist, &root.join("nmnist")).manifest_sha256, set.manifest_sha256);
    // ten converted clips without a split are not the publisher's data set
    assert!(
        matches!(find(Name::DvsGesture, &root).unwrap(), Found::Unusable { why, .. } if why.ends_with("found clips_bs2"))
    );
    assert!(matches!(find(Name::Cifar10Dvs, &root).unwrap(), Found::Absent));
}

#[test]
fn the_layout_of_gestures_gives_one_recording_a_trial() {
    let Some(golden) = shared("golden") else { return };
    let root = tempfile::tempdir().unwrap();
    for (from, to) in [("gesture_a.aedat", "user01_led.aedat"), ("gesture_a_labels.csv", "user01_led_labels.csv")] {
        let bytes = fs::read(golden.join(from)).unwrap();
        write(root.path(), &format!("DvsGesture/{to}"), &bytes);
        write(root.path(), &format!("DvsGesture/{}", to.replace("01", "24")), &bytes);
    }
    write(root.path(), "DvsGesture/trials_to_train.txt", b"user01_led.aedat\r\n\r\nuser02_lab.aedat\r\n");
    write(root.path(), "DvsGesture/trials_to_test.txt", b"user24_led.aedat\n");
    let set = found(Name::DvsGesture, root.path());
    let seen: Vec<(u32, u32, usize)> = set
        .train
        .iter()
        .map(|recording| {
            let Source::Cut { occurrence, .. } = recording.source else { panic!("{recording:?}") };
            (recording.label, occurrence, recording.events().unwrap().len())
        })
        .collect();
    assert_eq!(seen, [(0, 0, 24), (1, 0, 30), (7, 0, 18), (10, 0, 30), (1, 1, 23)]);
    assert_eq!((set.origin, set.test.len()), (Origin::Sample, 5));
    fs::remove_file(root.path().join("DvsGesture/user24_led_labels.csv")).unwrap();
    assert!(
        sentence(Name::DvsGesture, root.path())
            .starts_with("ROOT/DvsGesture/user24_led_labels.csv: expected to read it")
    );
}

#[test]
fn folders_that_cannot_be_right_are_refused_in_one_sentence() {
    let expected = "expected the folders Train and Test with <digit>/<number>.bin";
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    assert!(matches!(find(Name::NMnist, root).unwrap(), Found::Absent));
    fs::create_dir(root.join("nmnist")).unwrap();
    assert_eq!(
        sentence(Name::NMnist, root),
        format!("ROOT/nmnist: {expected}, found an empty folder; unpack the data set there, or remove the folder")
    );
    write(root, "nmnist/Train.zip", b"");
    assert!(
        matches!(find(Name::NMnist, root).unwrap(), Found::Unusable { why, .. } if why == format!("{expected}, found Train.zip"))
    );
    fs::create_dir_all(root.join("nmnist/Train/0")).unwrap();
    assert_eq!(
        sentence(Name::NMnist, root),
        format!("ROOT/nmnist: {expected}, found no folder Test; unpack both Train.zip and Test.zip there")
    );
    write(root, "nmnist/Test/3/00001.bin", &[0; 5]);
    assert_eq!(
        sentence(Name::NMnist, root),
        format!("ROOT/nmnist: {expected}, found no train recordings; unpack the data set again")
    );
    write(root, "nmnist/Train/10/00001.bin", &[0; 5]);
    assert_eq!(
        sentence(Name::NMnist, root),
        "ROOT/nmnist/Train/10: expected a folder named by a digit 0 to 9, found \"10\"; move it away, or name it by its label"
    );
    fs::rename(root.join("nmnist/Train/10"), root.join("nmnist/Train/1")).unwrap();
    let set = found(Name::NMnist, root);
    assert_eq!((set.train[0].label, set.test[0].label), (1, 3));
    write(root, "nmnist/Train/1/00001.bin", &[40, 0, 0, 0, 0]);
    assert_ne!(found(Name::NMnist, root).manifest_sha256, set.manifest_sha256);
    let outside = set.train[0].events();
    assert!(matches!(outside, Err(Error::Decode { source: events::Error::Outside { index: 0, x: 40, .. }, .. })));
    fs::create_dir(root.join("N-MNIST")).unwrap();
    assert_eq!(
        sentence(Name::NMnist, root),
        "ROOT: expected one folder with N-MNIST, found N-MNIST and nmnist; move all but one away"
    );
}
