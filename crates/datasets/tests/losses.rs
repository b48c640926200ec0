//! Recordings of which a full disk, an interrupted copy or a crash left nothing: none is valid, and
//! each is named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{fs, path::Path};

use common::{aedat2, aedat31, clip, found, nmnist, proof, riff, sentence, shared, write};
use datasets::Name;

const NONE: [&str; 0] = [];

/// Whatever is put in place of one recording, the proof names it, and nothing else; so does whoever
/// reads it.
fn each_is_named(name: Name, root: &Path, file: &str, inputs: &[(&str, Vec<u8>)]) {
    let whole = fs::read(root.join(file)).unwrap();
    assert_eq!(proof(name, root)[0], NONE);
    for (what, bytes) in inputs {
        write(root, file, bytes);
        let [failures, _] = proof(name, root);
        assert_eq!(failures.len(), 1, "{what}: {failures:?}");
        assert!(failures[0].starts_with(&format!("ROOT/{file}: ")), "{what}: {failures:?}");
        let set = found(name, root);
        let path = root.join(file);
        let recording = set.train.iter().find(|one| one.source.path() == Some(&path)).unwrap();
        let read = match name {
            Name::SpeechCommands => recording.waveform().map(drop),
            _ => recording.events().map(drop),
        };
        assert!(read.is_err(), "{what}");
    }
    write(root, file, &whole);
    assert_eq!(proof(name, root)[0], NONE);
}

#[test]
fn a_recording_of_n_mnist() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for (half, count) in [("Train", 3), ("Test", 1)] {
        for digit in 0..10 {
            for index in 0..count {
                let number = index * 10 + digit + 1;
                let seed = number as u8 + 100 * u8::from(half == "Test");
                let file = format!("n-mnist/{half}/{digit}/{number:05}.bin");
                write(root, &file, &nmnist(seed, 300 + u32::from(seed)));
            }
        }
    }
    let half_zero = [nmnist(14, 300), vec![0; 4_096]].concat();
    let begins_zero = [vec![0; 515], nmnist(14, 300)].concat();
    let inputs = [
        ("no byte", vec![]),
        ("zeros", vec![0; 1_500]),
        ("a page of zeros at its end", half_zero),
        ("a sector of zeros at its beginning", begins_zero),
    ];
    each_is_named(Name::NMnist, root, "n-mnist/Train/3/00014.bin", &inputs);
    // a copy of a recording, in its half and in the other one, is another kind of nothing
    for (copy, half) in [("Train/4/00014.bin", "train"), ("Test/3/00099.bin", "test")] {
        fs::copy(root.join("n-mnist/Train/3/00014.bin"), root.join("n-mnist").join(copy)).unwrap();
        let said = format!(
            "ROOT/n-mnist/Train/3/00014.bin (train) and ROOT/n-mnist/{copy} ({half}) have the same content; remove one"
        );
        assert_eq!(proof(Name::NMnist, root)[0], [said]);
        fs::remove_file(root.join("n-mnist").join(copy)).unwrap();
    }
}

#[test]
fn a_recording_of_cifar10_dvs() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for (label, class) in Name::Cifar10Dvs.info().classes.iter().enumerate() {
        for number in 0..10 {
            let seed = 10 * label as u32 + number;
            let file = format!("dvs-cifar10/{class}/cifar10_{class}_{number}.aedat");
            write(root, &file, &aedat2(seed, 50 + seed));
        }
    }
    let header = aedat2(0, 0);
    let inputs = [
        ("no byte", vec![]),
        ("a header", header.clone()),
        ("zeros", vec![0; 4_000]),
        ("a header and zeros", [header, vec![0; 800]].concat()),
    ];
    each_is_named(Name::Cifar10Dvs, root, "dvs-cifar10/cat/cifar10_cat_3.aedat", &inputs);
}

#[test]
fn a_recording_of_gestures() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for (user, list) in
        [("user01_led", "trials_to_train.txt"), ("user02_led", "trials_to_test.txt")]
    {
        write(root, &format!("dvs-gesture/{list}"), format!("{user}.aedat").as_bytes());
        write(root, &format!("dvs-gesture/{user}.aedat"), &aedat31(400));
        let labels = b"class,startTime_usec,endTime_usec\n1,0,399000\n";
        write(root, &format!("dvs-gesture/{user}_labels.csv"), labels);
    }
    let whole = aedat31(400);
    let header = whole.windows(13).position(|part| part == b"END-HEADER\r\n\x01").unwrap() + 12;
    let inputs = [
        ("no byte", vec![]),
        ("a header", whole[..header].to_vec()),
        ("a packet without events", aedat31(0)),
        ("zeros", vec![0; 4_000]),
        ("a header and zeros", [&whole[..header], &[0; 2_800]].concat()),
        ("zeros behind its packet", [&whole[..], &[0; 2_800]].concat()),
    ];
    each_is_named(Name::DvsGesture, root, "dvs-gesture/user01_led.aedat", &inputs);
}

#[test]
fn a_clip_of_speech() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for word in ["yes", "no"] {
        for speaker in 0..6 {
            let file = format!("speech-commands/{word}/0000000{speaker}_nohash_0.wav");
            write(root, &file, &clip(speaker));
        }
    }
    let list = b"yes/00000005_nohash_0.wav\nno/00000005_nohash_0.wav\n";
    write(root, "speech-commands/testing_list.txt", list);
    write(root, "speech-commands/validation_list.txt", b"");
    let inputs = [
        ("no byte", vec![]),
        ("a header", clip(0)[..44].to_vec()),
        ("no sample", riff(&[], 0, b"", b"")),
        ("a length that was never written", riff(&[5; 16_000], 0, b"", b"")),
        ("a length of a stream", riff(&[5; 16_000], u32::MAX, b"", b"")),
        ("zeros", vec![0; 32_044]),
        ("samples of zeros", riff(&[0; 16_000], 32_000, b"", b"")),
        ("a cut", clip(0)[..20_000].to_vec()),
    ];
    each_is_named(Name::SpeechCommands, root, "speech-commands/yes/00000001_nohash_0.wav", &inputs);
}

#[test]
fn images_of_cifar() {
    let record = |labels: usize, value: u8| [vec![1; labels], vec![value; 3_072]].concat();
    for (name, labels, train, test) in [
        (Name::Cifar10, 1, "cifar10/data_batch_1.bin", "cifar10/test_batch.bin"),
        (Name::Cifar100, 2, "cifar100/train.bin", "cifar100/test.bin"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let whole = [record(labels, 5), record(labels, 6)].concat();
        write(root, train, &whole);
        write(root, test, &record(labels, 7));
        assert_eq!(proof(name, root)[0], NONE);
        for file in [train, test] {
            let kept = fs::read(root.join(file)).unwrap();
            for (what, bytes) in [
                ("no byte", vec![]),
                ("zeros", vec![0; whole.len()]),
                ("a record of zeros", [whole.clone(), vec![0; 3_072 + labels]].concat()),
                ("a cut", whole[..whole.len() - 1].to_vec()),
            ] {
                write(root, file, &bytes);
                let said = sentence(name, root);
                assert!(said.starts_with(&format!("ROOT/{file}: expected ")), "{what}: {said}");
            }
            write(root, file, &kept);
        }
        // the test file under the name of a train file
        fs::remove_file(root.join(train)).unwrap();
        fs::hard_link(root.join(test), root.join(train)).unwrap();
        let [failures, _] = proof(name, root);
        assert!(failures[0].ends_with("are one file under two names; remove one"), "{failures:?}");
    }
}

#[test]
fn files_of_mnist() {
    for name in ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz"] {
        for bytes in [vec![], vec![0; 10_008], vec![0; 47_040_016]] {
            let root = tempfile::tempdir().unwrap();
            for file in [
                "train-images-idx3-ubyte",
                "train-labels-idx1-ubyte",
                "t10k-images-idx3-ubyte",
                "t10k-labels-idx1-ubyte",
            ] {
                write(root.path(), &format!("mnist/{file}"), b"");
            }
            write(root.path(), &format!("mnist/{name}"), &bytes);
            let said = sentence(Name::Mnist, root.path());
            assert!(said.starts_with("ROOT/mnist/") && said.contains("-ubyte"), "{said}");
        }
    }
}

#[test]
fn the_stored_cases_hold() {
    let Some(case) = shared("cases/09-empty-recordings") else { return };
    for (root, name, file) in [
        ("a", Name::NMnist, "n-mnist/Train/3/00014.bin"),
        ("b", Name::Cifar10Dvs, "dvs-cifar10/cat/cifar10_cat_3.aedat"),
        ("c", Name::DvsGesture, "dvs-gesture/user01_led.aedat"),
        ("d", Name::SpeechCommands, "speech-commands/yes/00000001_nohash_0.wav"),
    ] {
        let [failures, _] = proof(name, &case.join(root));
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert!(failures[0].starts_with(&format!("ROOT/{file}: ")), "{failures:?}");
    }
}

/// The records of a file of events in another order, or more of them.
fn reordered<const SIZE: usize>(file: &[u8], header: usize) -> [(&'static str, Vec<u8>); 5] {
    let (head, data) = file.split_at(header);
    let records: Vec<[u8; SIZE]> = data.as_chunks().0.to_vec();
    let of = |records: Vec<[u8; SIZE]>| [head, records.as_flattened()].concat();
    let mut backwards = records.clone();
    backwards.reverse();
    let mut halves = records.clone();
    halves.rotate_left(records.len() / 2);
    let mut blocks = records.clone();
    blocks.chunks_mut(2).for_each(<[_]>::reverse);
    [
        ("backwards", of(backwards)),
        ("twice", of([&records[..], &records].concat())),
        ("three times", of([&records[..], &records, &records].concat())),
        ("its second half first", of(halves)),
        ("each two the other way round", of(blocks)),
    ]
}

/// Times that do not go on through a file: sorted, they would play another recording.
#[test]
fn times_go_on_through_a_recording() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for digit in 0..10 {
        write(root, &format!("n-mnist/Train/{digit}/1.bin"), &nmnist(digit, 300));
        write(root, &format!("n-mnist/Test/{digit}/2.bin"), &nmnist(digit + 10, 300));
        let class = Name::Cifar10Dvs.info().classes[usize::from(digit)];
        for number in 0..10 {
            let seed = 10 * u32::from(digit) + number;
            let file = format!("dvs-cifar10/{class}/cifar10_{class}_{number}.aedat");
            write(root, &file, &aedat2(seed, 50 + seed));
        }
    }
    let bin = fs::read(root.join("n-mnist/Train/3/1.bin")).unwrap();
    let file = "n-mnist/Train/3/1.bin";
    each_is_named(Name::NMnist, root, file, &reordered::<5>(&bin, 0));
    let twice =
        format!("ROOT/{file}: expected one recording in order of time, found the same bytes twice");
    write(root, file, &bin.repeat(2));
    assert!(proof(Name::NMnist, root)[0][0].starts_with(&twice));
    write(root, file, &bin);
    let file = "dvs-cifar10/cat/cifar10_cat_3.aedat";
    let aedat = fs::read(root.join(file)).unwrap();
    let header = aedat2(0, 0).len();
    each_is_named(Name::Cifar10Dvs, root, file, &reordered::<8>(&aedat, header));
    // a few events that a camera still held are no second recording
    let mut held = aedat2(7, 400);
    for record in held[header..].chunks_exact_mut(8).take(5) {
        record[5] = 0x20;
    }
    write(root, file, &held);
    assert_eq!(proof(Name::Cifar10Dvs, root)[0], NONE);
}

/// Recordings longer than their data set knows.
#[test]
fn recordings_are_no_longer_than_published() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for digit in 0..10 {
        write(root, &format!("n-mnist/Train/{digit}/1.bin"), &nmnist(digit, 300));
        write(root, &format!("n-mnist/Test/{digit}/2.bin"), &nmnist(digit + 10, 300));
    }
    assert_eq!(proof(Name::NMnist, root)[0], NONE);
    write(root, "n-mnist/Test/4/2.bin", &nmnist(14, 1_500));
    let [failures, _] = proof(Name::NMnist, root);
    let said = "ROOT/n-mnist/Test/4/2.bin: expected a recording of at most 1000000 µs, several times the published, found one of ";
    assert!(failures.len() == 1 && failures[0].starts_with(said), "{failures:?}");
    for word in ["yes", "no"] {
        for speaker in 0..8 {
            let file = format!("speech-commands/{word}/{speaker:08x}_nohash_0.wav");
            write(root, &file, &clip(word.len() as i16 * 10 + speaker));
        }
    }
    write(root, "speech-commands/testing_list.txt", b"yes/00000001_nohash_0.wav\n");
    write(root, "speech-commands/validation_list.txt", b"");
    assert_eq!(proof(Name::SpeechCommands, root)[0], NONE);
    for samples in [16_001, 30 * 16_000] {
        let sound = riff(&vec![3; samples], 2 * samples as u32, b"", b"");
        write(root, "speech-commands/no/00000003_nohash_0.wav", &sound);
        let [failures, _] = proof(Name::SpeechCommands, root);
        let said = format!(
            "ROOT/speech-commands/no/00000003_nohash_0.wav: expected at most 16000 samples, one second, as published, found {samples} samples"
        );
        assert!(failures.len() == 1 && failures[0].starts_with(&said), "{failures:?}");
    }
}
