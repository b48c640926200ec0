//! MNIST and CIFAR: numbers that others know, and files that cannot be right.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{fs, io::Write, path::Path};

use common::{found, sentence, shared, write};
use datasets::{Found, Name, Origin, Recording, find};
use flate2::{Compression, write::GzEncoder};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Recordings of each class, and the sum of each channel's pixels.
fn sums(recordings: &[Recording], classes: usize) -> (Vec<usize>, Vec<u64>) {
    let (mut counts, mut sums) = (vec![0; classes], vec![0; 3]);
    for recording in recordings {
        counts[recording.label as usize] += 1;
        let image = recording.image().unwrap();
        for pixel in image.values().chunks_exact(image.shape().channels) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += u64::from(value);
            }
        }
    }
    (counts, sums)
}

#[test]
fn mnist_is_complete() {
    let Some(root) = shared("data") else { return };
    let set = found(Name::Mnist, &root);
    assert_eq!((set.origin, set.train.len(), set.test.len()), (Origin::Complete, 60_000, 10_000));
    let (counts, pixels) = sums(&set.train, 10);
    assert_eq!(counts, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    // mean 33.318, as published
    assert_eq!(pixels[0], 1_567_298_545);
    let (counts, pixels) = sums(&set.test, 10);
    assert_eq!(counts, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    assert_eq!(pixels[0], 264_923_200);
    let first: Vec<u32> = set.train[..10].iter().map(|recording| recording.label).collect();
    assert_eq!(first, [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    let shape = set.train[0].image().unwrap().shape();
    assert_eq!((shape.steps, shape.height, shape.width, shape.channels), (1, 28, 28, 1));
    let wrong = set.train[0].events().unwrap_err().to_string();
    assert_eq!(wrong, "mnist: expected events, found a data set of images; ask for images");
    assert!(set.train[0].waveform().is_err() && set.train[0].columns().is_err());
}

/// A folder with all of MNIST, one file of it replaced.
fn with(root: &Path, file: &str, bytes: &[u8]) -> String {
    for entry in fs::read_dir(shared("data/mnist").unwrap()).unwrap() {
        let entry = entry.unwrap();
        let target = root.join("mnist").join(entry.file_name());
        fs::create_dir_all(root.join("mnist")).unwrap();
        fs::copy(entry.path(), target).unwrap();
    }
    write(root, &format!("mnist/{file}"), bytes);
    sentence(Name::Mnist, root)
}

#[test]
fn what_is_not_mnist_is_refused() {
    let Some(real) = shared("data/mnist") else { return };
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let packed = fs::read(real.join("t10k-images-idx3-ubyte.gz")).unwrap();
    let file = "t10k-images-idx3-ubyte.gz";

    let said = with(root, file, &packed[..packed.len() / 2]);
    assert!(
        said.starts_with(
            "ROOT/mnist/t10k-images-idx3-ubyte.gz: expected a whole gzip file, found bytes that do not unpack"
        ),
        "{said}"
    );
    let said = with(root, file, b"not an archive");
    assert!(
        said.contains("expected an idx header of bytes of size [10000, 28, 28] ([00, 00, 08, 03, 00, 00, 27, 10, "),
        "{said}"
    );

    let labels = "train-labels-idx1-ubyte.gz";
    let header = [0, 0, 8, 1, 0, 0, 0xea, 0x60];
    let mut all = [&header[..], &[7; 60_000]].concat();
    let said = with(root, labels, &gzip(&all));
    assert!(
        said.contains("expected MNIST's train-labels-idx1-ubyte with the MD5 a25bea736e30d166cdddb491f175f624, found"),
        "{said}"
    );
    assert!(
        said.ends_with("so another data set or a damaged file; move it away and fetch mnist"),
        "{said}"
    );
    all[8 + 5_000] = 200;
    // one label beyond the classes is another content too
    let said = with(root, labels, &gzip(&all));
    assert!(said.contains("with the MD5 a25bea736e30d166cdddb491f175f624, found"), "{said}");
    assert!(said.ends_with("move it away and fetch mnist"), "{said}");
    let said = with(root, labels, &gzip(&all[..all.len() - 1]));
    assert!(said.contains("expected 60008 bytes, found 60007; "), "{said}");
    all.push(0);
    assert!(with(root, labels, &gzip(&all)).contains("expected 60008 bytes, found more; "));
    // a header that promises four thousand million labels
    let said = with(root, labels, &gzip(&[0, 0, 8, 1, 0xff, 0xff, 0xff, 0xff]));
    assert!(said.contains("expected an idx header"), "{said}");
    // a bomb: 256 MiB of zeros behind a header that is right
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    bomb.write_all(&header).unwrap();
    for _ in 0..256 {
        bomb.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let said = with(root, labels, &bomb.finish().unwrap());
    assert!(said.contains("expected 60008 bytes, found more; "), "{said}");
    fs::remove_file(root.join("mnist").join(labels)).unwrap();
    assert!(
        sentence(Name::Mnist, root).contains("found no train-labels-idx1-ubyte; fetch mnist again")
    );
}

#[test]
fn mnist_unpacked_and_in_another_loaders_folder() {
    let Some(real) = shared("data/mnist") else { return };
    let root = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(real).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = Vec::new();
        std::io::copy(
            &mut flate2::read::GzDecoder::new(fs::File::open(&path).unwrap()),
            &mut bytes,
        )
        .unwrap();
        write(
            root.path(),
            &format!("MNIST/raw/{}", path.file_stem().unwrap().to_str().unwrap()),
            &bytes,
        );
    }
    assert_eq!(found(Name::Mnist, root.path()).origin, Origin::Complete);
    assert!(matches!(find(Name::Cifar10, root.path()).unwrap(), Found::Absent));
}

#[test]
fn samples_of_cifar() {
    let Some(root) = shared("data") else { return };
    let set = found(Name::Cifar10, &root);
    assert_eq!((set.origin, set.train.len(), set.test.len()), (Origin::Sample, 8_000, 3_000));
    let (counts, pixels) = sums(&set.train, 10);
    assert_eq!(counts, [796, 766, 820, 784, 822, 793, 814, 785, 807, 813]);
    // means 125.12, 122.71, 113.26 beside the 125.31, 122.95, 113.87 published for all 50,000
    assert_eq!(
        pixels,
        [513_462_905 + 511_535_831, 503_187_932 + 502_069_053, 464_435_031 + 463_383_266]
    );
    let (counts, pixels) = sums(&set.test, 10);
    assert_eq!((counts, pixels), (vec![300; 10], vec![387_293_410, 380_916_161, 353_681_043]));
    // the first image of the published train set, a frog
    let image = set.train[0].image().unwrap();
    assert_eq!((set.train[0].label, &image.values()[..6]), (6, &[59, 62, 63, 43, 46, 45][..]));

    let set = found(Name::Cifar100, &root);
    assert_eq!((set.origin, set.train.len(), set.test.len()), (Origin::Sample, 3_000, 1_000));
    let (counts, pixels) = sums(&set.train, 100);
    assert_eq!((counts, pixels), (vec![30; 100], vec![397_840_678, 379_127_128, 341_274_837]));
    assert_eq!(Name::Cifar100.info().classes[set.train[0].label as usize], "table");
}

#[test]
fn classes_are_those_of_the_publisher() {
    for (name, file) in [
        (Name::Cifar10, "cifar10/batches.meta.txt"),
        (Name::Cifar100, "cifar100/fine_label_names.txt"),
    ] {
        let Some(path) = shared("data").map(|data| data.join(file)) else { return };
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text.split_whitespace().collect::<Vec<_>>(), name.info().classes);
    }
}

#[test]
fn cifar_records_are_checked() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let records = |count: usize, size: usize| vec![3; count * size];
    write(root, "cifar10/cifar-10-batches-bin/test_batch.bin", &records(2, 3073));
    assert!(sentence(Name::Cifar10, root).contains("found no train recordings"));
    write(root, "cifar10/cifar-10-batches-bin/data_batch_3.bin", &records(5, 3073));
    let set = found(Name::Cifar10, root);
    assert_eq!((set.origin, set.train.len(), set.test.len()), (Origin::Sample, 5, 2));

    let mut wrong = records(5, 3073);
    wrong[4 * 3073] = 200;
    write(root, "cifar10/cifar-10-batches-bin/data_batch_3.bin", &wrong);
    assert_eq!(
        sentence(Name::Cifar10, root),
        "ROOT/cifar10/cifar-10-batches-bin/data_batch_3.bin: expected a label below 10 in record 4 (from 0), found 200; \
         it is damaged or another file: fetch it again"
    );
    write(root, "cifar10/cifar-10-batches-bin/data_batch_3.bin", &wrong[1..]);
    assert!(
        sentence(Name::Cifar10, root)
            .contains("expected 1 to 10000 whole records of 3073 bytes, found 15364 bytes")
    );
    let long =
        fs::File::create(root.join("cifar10/cifar-10-batches-bin/data_batch_3.bin")).unwrap();
    long.set_len(3073 * 1_000_000_000).unwrap();
    assert!(sentence(Name::Cifar10, root).contains("found 3073000000000 bytes"));

    write(root, "cifar100/train.bin", &records(1, 3074));
    write(root, "cifar100/test.bin", &[vec![20, 0], records(1, 3072)].concat());
    assert!(
        sentence(Name::Cifar100, root)
            .contains("expected a coarse label below 20 in record 0 (from 0), found 20")
    );
    write(root, "cifar100/test.bin", &[vec![19, 100], records(1, 3072)].concat());
    assert!(
        sentence(Name::Cifar100, root)
            .contains("expected a fine label below 100 in record 0 (from 0), found 100")
    );
}

/// Fashion-MNIST and KMNIST have files of MNIST's names and sizes, and as many images of each
/// class.
#[test]
fn labels_of_a_look_alike_are_told() {
    for (file, each) in [("train-labels-idx1-ubyte", 6_000), ("t10k-labels-idx1-ubyte", 1_000)] {
        let Some(folder) = shared("data/mnist") else { return };
        let root = tempfile::tempdir().unwrap();
        for name in
            ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"]
        {
            let name = format!("{name}-ubyte.gz");
            if !name.starts_with(file) {
                write(
                    root.path(),
                    &format!("mnist/{name}"),
                    &fs::read(folder.join(&name)).unwrap(),
                );
            }
        }
        let count = 10 * each as u32;
        let labels: Vec<u8> = (0..count).map(|index| (index * 7 % 10) as u8).collect();
        let bytes = [&[0, 0, 8, 1][..], &count.to_be_bytes(), &labels].concat();
        write(root.path(), &format!("mnist/{file}"), &bytes);
        let said = sentence(Name::Mnist, root.path());
        let told = format!(
            "found {each} labels of each class, as Fashion-MNIST and KMNIST have, whose files have the same names"
        );
        assert!(
            said.starts_with(&format!("ROOT/mnist/{file}: ")) && said.contains(&told),
            "{said}"
        );
    }
}
