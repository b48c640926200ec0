//! Orders and splits against those that the released loader produced, and folders as users have
//! them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{collections::BTreeSet, fs, path::Path};

use common::{found, recordings, sentence, shared, write};
use datasets::{
    Error, Found, Name, Origin, Recording, Recordings, Source, Split, find, find_with,
    reference_label, text_order_split,
};

/// Class and number of each recording of CIFAR10-DVS.
fn numbers(half: &[Recording]) -> Vec<(u32, u32)> {
    let number = |recording: &Recording| {
        let stem = recording.source.path().unwrap().file_stem().unwrap().to_str().unwrap();
        (recording.label, stem.rsplit('_').next().unwrap().parse().unwrap())
    };
    half.iter().map(number).collect()
}

/// CIFAR10-DVS with empty files of the published names.
fn empty_cifar10_dvs(root: &Path, per_class: u32) {
    for class in Name::Cifar10Dvs.info().classes {
        for number in 0..per_class {
            write(root, &format!("CIFAR10-DVS/{class}/cifar10_{class}_{number}.aedat"), b"");
        }
    }
}

#[test]
fn splits_and_labels_equal_the_released_loader() {
    let Some(path) = shared("golden/splits.json") else { return };
    let json: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();

    let cifar = &json["cifar10_dvs"];
    let expected: Vec<u64> =
        serde_json::from_value(cifar["test_file_numbers_of_every_class"].clone()).unwrap();
    let root = tempfile::tempdir().unwrap();
    empty_cifar10_dvs(root.path(), 1000);
    let set = found(Name::Cifar10Dvs, root.path());
    assert_eq!((set.origin, set.train.len(), set.test.len()), (Origin::Complete, 9000, 1000));
    assert_eq!(set.split, "names of each class in text order: first 900 train, last 100 test");
    for (label, class) in cifar["classes_in_label_order"].as_array().unwrap().iter().enumerate() {
        assert_eq!(class, Name::Cifar10Dvs.info().classes[label]);
        let of_class = |(class, number)| (class == label as u32).then_some(u64::from(number));
        let numbers: Vec<u64> = numbers(&set.test).into_iter().filter_map(of_class).collect();
        assert_eq!(numbers, expected, "{class}");
    }

    for (folder, label) in json["dvs128_gesture"]["folder_to_network_label"].as_object().unwrap() {
        assert_eq!(
            reference_label(folder.parse().unwrap()).map(u64::from),
            label.as_u64(),
            "{folder}"
        );
    }
    assert_eq!(reference_label(11), None);
}

#[test]
fn incomplete_classes_are_split_in_tenths() {
    let names = (0..25).map(|i| format!("{i}.aedat")).collect();
    let (train, test) = text_order_split(names);
    assert_eq!(
        (train.len(), test),
        (22, ["7.aedat", "8.aedat", "9.aedat"].map(String::from).to_vec())
    );
}

#[test]
fn the_sample_of_n_mnist_is_found_and_decodes() {
    let Some(root) = shared("data") else { return };
    let set = found(Name::NMnist, &root);
    assert_eq!((set.origin, set.train.len(), set.test.len()), (Origin::Sample, 1000, 100));
    let counts: Vec<usize> = set
        .train
        .iter()
        .chain(&set.test)
        .map(|recording| recording.events().unwrap().len())
        .collect();
    let mean = counts.iter().sum::<usize>() / counts.len();
    assert_eq!((counts.iter().min(), mean, counts.iter().max()), (Some(&1069), 4108, Some(&7152)));
    assert_eq!(found(Name::NMnist, &root.join("nmnist")).manifest_sha256, set.manifest_sha256);
    assert!(matches!(find(Name::Cifar10Dvs, &root).unwrap(), Found::Absent));
}

#[test]
fn other_splits_of_cifar10_dvs() {
    let root = tempfile::tempdir().unwrap();
    empty_cifar10_dvs(root.path(), 110);
    let split = |split| recordings(find_with(Name::Cifar10Dvs, root.path(), split).unwrap());
    let all: BTreeSet<_> =
        (0..10).flat_map(|class| (0..110).map(move |number| (class, number))).collect();
    let halves = |set: &Recordings| {
        [&set.train, &set.test].map(|half| numbers(half).into_iter().collect::<BTreeSet<_>>())
    };
    let whole = |set: &Recordings, sizes: (usize, usize)| {
        let [train, test] = halves(set);
        assert_eq!((set.train.len(), set.test.len()), sizes);
        assert_eq!(&train | &test, all);
        assert!((&train & &test).is_empty());
    };
    let first100 = split(Split::First100);
    whole(&first100, (100, 1000));
    assert!(numbers(&first100.test).iter().all(|&(_, number)| number < 100));
    let tebn = split(Split::Tebn);
    assert_eq!((&tebn.train, &tebn.test), (&first100.train, &first100.test));
    assert_eq!(
        tebn.split,
        "TEBN's: of each class, numbers 0 to 99 test, the rest train (incomplete folders)"
    );
    let seeded = split(Split::Seeded(7));
    whole(&seeded, (990, 110));
    for class in 0..10 {
        assert_eq!(numbers(&seeded.test).iter().filter(|(label, _)| *label == class).count(), 11);
    }
    assert_eq!(split(Split::Seeded(7)).test, seeded.test);
    assert_ne!(split(Split::Seeded(8)).test, seeded.test);
    // as a ChaCha8 written in Python draws them: another machine, or a later version, must draw the
    // same
    assert_eq!(
        numbers(&seeded.test)[..11].iter().map(|(_, number)| *number).collect::<Vec<_>>(),
        SEEDED_7
    );
    // the same files, however they are split
    assert_eq!(seeded.manifest_sha256, split(Split::Reference).manifest_sha256);
    assert_eq!(
        find_with(Name::Cifar10Dvs, root.path(), Split::Published).unwrap_err().to_string(),
        "expected a split of dvs-cifar10 (reference, first100, tebn, seeded:N), found \"published\"; use one of those"
    );
    write(root.path(), "CIFAR10-DVS/cat/other.aedat", b"");
    let said = find_with(Name::Cifar10Dvs, root.path(), Split::First100).unwrap_err().to_string();
    assert!(said.contains("cifar10_<class>_<number>.aedat, found \"other.aedat\""), "{said}");
}

const SEEDED_7: [u32; 11] = [106, 23, 26, 39, 5, 61, 66, 74, 75, 78, 91];

#[test]
fn ten_clips_of_gestures_are_a_sample_without_a_split() {
    let Some(root) = shared("data") else { return };
    let set = found(Name::DvsGesture, &root);
    assert_eq!((set.origin, set.train.len()), (Origin::Sample, 10));
    assert_eq!(set.train, set.test);
    assert_eq!(set.split, "no split: 10 clips, tested on what they were trained on");
    let counts: Vec<(u32, usize)> =
        set.train.iter().map(|clip| (clip.label, clip.events().unwrap().len())).collect();
    assert_eq!(
        counts.iter().map(|(label, _)| *label).collect::<Vec<_>>(),
        (0..10).collect::<Vec<u32>>()
    );
    assert_eq!(counts.iter().map(|(_, events)| *events).min(), Some(63_471));
    assert_eq!(counts.iter().map(|(_, events)| *events).max(), Some(181_179));
    assert!(
        find_with(Name::DvsGesture, &root, Split::Published)
            .unwrap_err()
            .to_string()
            .contains("without a split")
    );
}

#[test]
fn labels_of_clips_lead_nowhere_else() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    write(root, "secret.bs2", &[0; 5]);
    write(root, "dvs_gesture/clips_bs2/1.bs2", &[0; 5]);
    for line in
        ["../../secret.bs2,1,x", "1.bs2,0,x", "1.bs2,12,x", "2.bs2,1,x", "1.bs2", ".,1,x", ""]
    {
        write(
            root,
            "dvs_gesture/clips_bs2/labels.csv",
            format!("file,class,name\n{line}\n").as_bytes(),
        );
        let expected =
            "expected \"file,class,name\" with a file of this folder and a class 1 to 11 in line 2";
        let said = sentence(Name::DvsGesture, root);
        assert!(said.contains(expected) && said.contains(&format!("found \"{line}\"")), "{said}");
    }
}

#[test]
fn simulated_recordings_say_so() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    write(root, "nmnist/Train/3/00001.bin", &[0; 5]);
    write(root, "nmnist/Test/3/00001.bin", &[0; 5]);
    let real = found(Name::NMnist, root);
    write(root, "nmnist/SIMULATED.json", b"{}");
    let simulated = found(Name::NMnist, root);
    assert_eq!((real.origin, simulated.origin), (Origin::Sample, Origin::Synthetic));
    assert_eq!(simulated.split, "simulated recordings (SIMULATED.json): Train and Test folders");
    assert_ne!(real.manifest_sha256, simulated.manifest_sha256);
}

#[test]
fn names_in_the_lists_of_gestures_lead_nowhere_else() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for folder in ["", "DvsGesture"] {
        write(&root.join(folder), "secret.aedat", b"");
    }
    write(root, "DvsGesture/trials_to_test.txt", b"");
    let absolute = root.join("secret.aedat").display().to_string();
    for name in ["../secret.aedat", "../DvsGesture/secret.aedat", "..", &absolute] {
        write(root, "DvsGesture/trials_to_train.txt", format!("{name}\n").as_bytes());
        let said = find(Name::DvsGesture, root).unwrap_err().to_string();
        assert!(
            said.contains("trials_to_train.txt: expected names of files of this folder"),
            "{said}"
        );
        assert!(said.contains(&format!("found \"{name}\"; correct the line")), "{said}");
    }
}

#[test]
fn the_layout_of_gestures_gives_one_recording_a_trial() {
    let Some(golden) = shared("golden") else { return };
    let root = tempfile::tempdir().unwrap();
    for (from, to) in
        [("gesture_a.aedat", "user01_led.aedat"), ("gesture_a_labels.csv", "user01_led_labels.csv")]
    {
        let bytes = fs::read(golden.join(from)).unwrap();
        write(root.path(), &format!("DvsGesture/{to}"), &bytes);
        write(root.path(), &format!("DvsGesture/{}", to.replace("01", "24")), &bytes);
    }
    write(
        root.path(),
        "DvsGesture/trials_to_train.txt",
        b"user01_led.aedat\r\n\r\nuser02_lab.aedat\r\n",
    );
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
    // one file decoded once gives the same events as a file decoded for each cut
    let groups: Vec<_> = set.train.chunk_by(Recording::same_file).collect();
    assert_eq!(groups.len(), 1);
    let columns = groups[0][0].columns().unwrap();
    for recording in groups[0] {
        assert_eq!(recording.cut(&columns).unwrap(), recording.events().unwrap());
    }
    assert!(!set.train[0].same_file(&set.test[0]));
    let wrong = set.train[0].image().unwrap_err().to_string();
    assert_eq!(wrong, "dvs-gesture: expected images, found a data set of events; ask for events");
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
        format!(
            "ROOT/nmnist: {expected}, found an empty folder; unpack the data set there, or remove the folder"
        )
    );
    write(root, "nmnist/Train.zip", b"");
    assert!(
        matches!(find(Name::NMnist, root).unwrap(), Found::Unusable { why, .. } if why == format!("{expected}, found Train.zip"))
    );
    fs::create_dir_all(root.join("nmnist/Train/0")).unwrap();
    assert_eq!(
        sentence(Name::NMnist, root),
        format!(
            "ROOT/nmnist: {expected}, found no folder Test; unpack both Train.zip and Test.zip there"
        )
    );
    write(root, "nmnist/Test/3/00001.bin", &[0; 5]);
    assert_eq!(
        sentence(Name::NMnist, root),
        format!(
            "ROOT/nmnist: {expected}, found no train recordings; unpack the data set again, or choose another split"
        )
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
    assert!(matches!(
        outside,
        Err(Error::Decode { source: events::Error::Outside { index: 0, x: 40, .. }, .. })
    ));
    fs::create_dir(root.join("N-MNIST")).unwrap();
    assert_eq!(
        sentence(Name::NMnist, root),
        "ROOT: expected one folder with N-MNIST, found N-MNIST and nmnist; move all but one away"
    );
}
