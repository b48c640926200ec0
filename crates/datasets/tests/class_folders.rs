//! CIFAR as PNG files in folders of classes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

#[cfg(unix)]
use std::os::unix::fs::symlink;
use std::{fs, path::Path};

use common::{found, proof, sentence, write};
use datasets::{Form, Found, Name, Origin, Values, find};
use png::{BitDepth, ColorType, Encoder};

/// A PNG file.
fn png(size: (u32, u32), kind: ColorType, depth: BitDepth, values: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, size.0, size.1);
    encoder.set_color(kind);
    encoder.set_depth(depth);
    if kind == ColorType::Indexed {
        encoder.set_palette(vec![9, 8, 7, 250, 251, 252]);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(values).unwrap();
    writer.finish().unwrap();
    bytes
}

/// The values of an image of its own for each seed.
fn values(seed: usize) -> Vec<u8> {
    (0..32 * 32 * 3).map(|i| (i * 7 + seed * 13 + i * seed % 5) as u8).collect()
}

fn image(seed: usize) -> Vec<u8> {
    png((32, 32), ColorType::Rgb, BitDepth::Eight, &values(seed))
}

/// Two images of each of two classes to train, one of each to test.
fn lay_out(root: &Path) {
    for (seed, file) in ["train/cat/b", "train/cat/a", "train/airplane/x", "train/airplane/y"]
        .into_iter()
        .chain(["test/cat/c", "test/airplane/z"])
        .enumerate()
    {
        write(root, &format!("cifar10/{file}.png"), &image(seed));
    }
}

fn names(recordings: &[datasets::Recording]) -> Vec<(u32, String)> {
    let of = |r: &datasets::Recording| {
        (r.label, r.source.path().unwrap().file_name().unwrap().to_str().unwrap().to_owned())
    };
    recordings.iter().map(of).collect()
}

#[test]
fn folders_of_classes_are_a_data_set() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    lay_out(root);
    let set = found(Name::Cifar10, root);
    assert_eq!(set.origin, Origin::Sample);
    assert_eq!(set.split, "publisher: train and test folders, images in an order of its own");
    let named = |list: &[(u32, &str)]| -> Vec<(u32, String)> {
        list.iter().map(|&(label, name)| (label, name.to_owned())).collect()
    };
    let train = [(0, "x.png"), (0, "y.png"), (3, "a.png"), (3, "b.png")];
    assert_eq!(names(&set.train), named(&train));
    assert_eq!(names(&set.test), named(&[(0, "z.png"), (3, "c.png")]));
    assert_eq!(set.train[3].image().unwrap().values(), values(0));
    assert_eq!(proof(Name::Cifar10, root), [Vec::<String>::new(), Vec::new()]);
    // training has them in memory: the files are not read again
    let halves = datasets::load(&set, Form::Images, None, &|| ()).unwrap();
    fs::remove_dir_all(root.join("cifar10")).unwrap();
    let Values::Bytes(first) = halves.test.values(1).unwrap() else { panic!("bytes") };
    assert_eq!((halves.train.len(), halves.test.label(1)), (4, 3));
    assert_eq!(first.values(), values(4));
    let shape = first.shape();
    assert_eq!((shape.steps, shape.height, shape.width, shape.channels), (1, 32, 32, 3));
}

/// The layout decides, wherever it lies; folders of other classes are another data set.
#[test]
fn the_layout_is_recognised() {
    let root = tempfile::tempdir().unwrap();
    lay_out(root.path());
    assert!(matches!(find(Name::Cifar100, root.path()).unwrap(), Found::Absent));
    let inside = found(Name::Cifar10, &root.path().join("cifar10"));
    assert_eq!((inside.train.len(), inside.test.len()), (4, 2));
    assert!(matches!(find(Name::Cifar100, &root.path().join("cifar10")).unwrap(), Found::Absent));
    let other = tempfile::tempdir().unwrap();
    write(other.path(), "cifar100/train/worm/a.png", &image(1));
    write(other.path(), "cifar100/test/worm/a.png", &image(2));
    let set = found(Name::Cifar100, other.path());
    assert_eq!((set.train[0].label, set.test.len()), (99, 1));
    fs::rename(other.path().join("cifar100"), other.path().join("cifar10")).unwrap();
    let Found::Unusable { why, .. } = find(Name::Cifar10, other.path()).unwrap() else {
        panic!("worms are none of CIFAR-10")
    };
    assert!(
        why.contains("or train/<class>/*.png and test/<class>/*.png, found test, train"),
        "{why}"
    );
}

/// As many images of each class as published are the complete data set. Not a file is decoded to
/// list them.
#[cfg(unix)]
#[test]
fn complete_is_told_by_counts() {
    let root = tempfile::tempdir().unwrap();
    let folder = |half: &str, class: &str| root.path().join("cifar100").join(half).join(class);
    // all classes of a half are links to one folder, which is quicker made
    for (half, each) in [("train", 500), ("test", 100)] {
        for index in 0..each {
            write(root.path(), &format!("{half}/{index:03}.png"), b"");
        }
        for class in Name::Cifar100.info().classes {
            fs::create_dir_all(root.path().join("cifar100").join(half)).unwrap();
            symlink(root.path().join(half), folder(half, class)).unwrap();
        }
    }
    let set = found(Name::Cifar100, root.path());
    assert_eq!((set.origin, set.train.len(), set.test.len()), (Origin::Complete, 50_000, 10_000));
    fs::remove_file(folder("test", "worm")).unwrap();
    let set = found(Name::Cifar100, root.path());
    assert_eq!((set.origin, set.test.len()), (Origin::Sample, 9_900));
    fs::write(root.path().join("train/500.png"), "").unwrap();
    assert_eq!(
        sentence(Name::Cifar100, root.path()),
        "ROOT/cifar100/train/apple: expected at most 500 images of a class, as published, found 501 images; \
         it is of another data set, or has copies: leave the published ones"
    );
}

#[test]
fn what_is_not_laid_out_so_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    lay_out(root);
    write(root, "cifar10/train/plane/a.png", &image(1));
    assert_eq!(
        sentence(Name::Cifar10, root),
        "ROOT/cifar10/train/plane: expected a folder named by a class (airplane, automobile, bird, cat, … (10 names)), \
         found \"plane\"; move it away, or name it by its class"
    );
    fs::rename(root.join("cifar10/train/plane/a.png"), root.join("cifar10/train/cat/c.jpg"))
        .unwrap();
    write(root, "cifar10/train/README", b"hello");
    let set = found(Name::Cifar10, root);
    assert_eq!(
        set.notes,
        [
            "2 files are left out, for they are no image (.png) in a folder of a class; the first: train/README"
        ]
    );
    // two layouts in one folder
    write(root, "cifar10/test_batch.bin", &[3; 3073]);
    assert_eq!(
        sentence(Name::Cifar10, root),
        "ROOT/cifar10: expected binary files or PNG files, found test_batch.bin and folders of classes; \
         move one of the two away"
    );
    fs::remove_file(root.join("cifar10/test_batch.bin")).unwrap();
    fs::remove_dir_all(root.join("cifar10/test/cat")).unwrap();
    fs::remove_dir_all(root.join("cifar10/test/airplane")).unwrap();
    assert!(sentence(Name::Cifar10, root).contains("found no test recordings"));
}

/// A disk that is not mounted is no absent data set.
#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_are_told() {
    let root = tempfile::tempdir().unwrap();
    lay_out(root.path());
    for half in ["test", "train"] {
        let path = root.path().join("cifar10").join(half);
        fs::remove_dir_all(&path).unwrap();
        symlink(root.path().join("nowhere"), &path).unwrap();
        let said = sentence(Name::Cifar10, root.path());
        let told =
            format!("ROOT/cifar10/{half}: expected a file or folder, found a link to ROOT/nowhere");
        // once both are gone, the first is told
        assert!(said.starts_with(&told), "{said}");
    }
}

/// What one file of the data set says, in training and by verify.
fn refusal(bytes: &[u8]) -> String {
    let root = tempfile::tempdir().unwrap();
    lay_out(root.path());
    write(root.path(), "cifar10/test/cat/c.png", bytes);
    let set = found(Name::Cifar10, root.path());
    let said = match datasets::load(&set, Form::Images, None, &|| ()) {
        Ok(_) => panic!("should be refused"),
        Err(error) => error.to_string().replace(&root.path().display().to_string(), "ROOT"),
    };
    let [failures, _] = proof(Name::Cifar10, root.path());
    assert_eq!(failures, std::slice::from_ref(&said));
    let prefix = "ROOT/cifar10/test/cat/c.png: expected ";
    said.strip_prefix(prefix).unwrap_or_else(|| panic!("{said}")).to_owned()
}

#[test]
fn a_file_that_is_no_such_image_is_named() {
    let whole = image(3);
    let mut flipped = whole.clone();
    let middle = whole.len() / 2;
    flipped[middle] ^= 0x10;
    let wide = values(1).repeat(2);
    let grey = &values(1)[..1024];
    let (rgb, eight) = (ColorType::Rgb, BitDepth::Eight);
    let cases = [
        (Vec::new(), "an empty file"),
        (
            b"\xff\xd8\xff\xe0 a photograph".to_vec(),
            "begins with the bytes ff d8 ff e0 20 61 20 70",
        ),
        (whole[..whole.len() - 20].to_vec(), "found one that ends too early"),
        (whole[..10].to_vec(), "found one that ends too early"),
        (flipped, "found a damaged one"),
        (png((64, 32), rgb, eight, &wide), "found one of 64x32 pixels"),
        (png((32, 32), rgb, BitDepth::Sixteen, &wide), "found 16 bits a colour"),
        (png((32, 32), ColorType::Rgba, eight, &values(1).repeat(2)[..4096]), "transparency"),
        (png((32, 32), ColorType::GrayscaleAlpha, eight, &wide[..2048]), "transparency"),
    ];
    for (bytes, words) in cases {
        let said = refusal(&bytes);
        assert!(said.starts_with("a PNG image of 32x32 pixels, 8 bits a colour, found"), "{said}");
        assert!(said.contains(words), "{words}: {said}");
        assert!(said.ends_with("; it is damaged or of another data set: copy it again"), "{said}");
    }
    let zeros = png((32, 32), ColorType::Grayscale, eight, &[0; 1024]);
    assert!(refusal(&zeros).starts_with("an image, found nothing but zeros; "));
    let long = [&whole[..], &vec![0; 1 << 20]].concat();
    assert!(refusal(&long).starts_with("at most 1048576 bytes, found "));

    // what an optimiser of files makes of an image without changing it
    let root = tempfile::tempdir().unwrap();
    lay_out(root.path());
    write(root.path(), "cifar10/test/cat/c.png", &png((32, 32), ColorType::Grayscale, eight, grey));
    let two = png((32, 32), ColorType::Indexed, BitDepth::One, &[0b0100_0000; 128]);
    write(root.path(), "cifar10/test/airplane/z.png", &two);
    let set = found(Name::Cifar10, root.path());
    let [colours, greys] = [0, 1].map(|index| set.test[index].image().unwrap());
    assert_eq!(greys.values()[..6], [grey[0], grey[0], grey[0], grey[1], grey[1], grey[1]]);
    assert_eq!(colours.values()[..6], [9, 8, 7, 250, 251, 252]);
}

/// Whatever one byte of a file becomes, it is an image of this size or a sentence.
#[test]
fn any_byte_may_change() {
    let root = tempfile::tempdir().unwrap();
    lay_out(root.path());
    let file = "cifar10/test/cat/c.png";
    let set = found(Name::Cifar10, root.path());
    let whole = image(5);
    for at in (0..whole.len()).step_by(whole.len() / 150) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        write(root.path(), file, &bytes);
        match set.test[1].image() {
            Ok(image) => assert_eq!(image.values().len(), 3072),
            Err(error) => assert!(error.to_string().contains("expected a PNG image of"), "{error}"),
        }
    }
}
