//! CIFAR-10 and CIFAR-100: 60,000 colour images of 32×32 pixels, in the publisher's
//! binary files or as PNG files in folders of classes.

use std::{path::Path, sync::Arc};

use crate::{
    Content, Download, Error, Info, Name, Recording, Source, Unpack, class_folders,
    data_set::DataSet,
    error::unlike,
    files::{self, LOST},
    images::{Format, ImageFile, read_at_most},
    layout::{Layout, Listing},
    synthetic::{self, Generator},
};

const CONTENT: Content = Content::Images { height: 32, width: 32, channels: 3 };
const CITATION: &str = "A. Krizhevsky, \"Learning Multiple Layers of Features from Tiny Images\", technical report, 2009";
const LICENCE: &str = "none stated; cite the report";
const PAGE: &str = "https://www.cs.toronto.edu/~kriz/cifar.html";

pub(crate) const INFO_10: Info = Info {
    id: "cifar10",
    title: "CIFAR10",
    content: CONTENT,
    classes: &[
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ],
    train: 50_000,
    validation: None,
    test: 10_000,
    citation: CITATION,
    licence: LICENCE,
    page: PAGE,
    // the values of common practice, whose deviations are means over images and not over pixels
    standard: &[
        (0.4914 * 255.0, 0.2023 * 255.0),
        (0.4822 * 255.0, 0.1994 * 255.0),
        (0.4465 * 255.0, 0.2010 * 255.0),
    ],
    downloads: &[Download {
        file: "cifar-10-binary.tar.gz",
        urls: &["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"],
        bytes: Some(170_052_171),
        md5: Some("c32a1d4ab5d03f1284b67883e8d87530"),
        sha256: Some("c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
        unpack: Unpack::TarGz,
    }],
    manual: None,
};

pub(crate) const INFO_100: Info = Info {
    id: "cifar100",
    title: "CIFAR100",
    content: CONTENT,
    classes: &[
        "apple",
        "aquarium_fish",
        "baby",
        "bear",
        "beaver",
        "bed",
        "bee",
        "beetle",
        "bicycle",
        "bottle",
        "bowl",
        "boy",
        "bridge",
        "bus",
        "butterfly",
        "camel",
        "can",
        "castle",
        "caterpillar",
        "cattle",
        "chair",
        "chimpanzee",
        "clock",
        "cloud",
        "cockroach",
        "couch",
        "crab",
        "crocodile",
        "cup",
        "dinosaur",
        "dolphin",
        "elephant",
        "flatfish",
        "forest",
        "fox",
        "girl",
        "hamster",
        "house",
        "kangaroo",
        "keyboard",
        "lamp",
        "lawn_mower",
        "leopard",
        "lion",
        "lizard",
        "lobster",
        "man",
        "maple_tree",
        "motorcycle",
        "mountain",
        "mouse",
        "mushroom",
        "oak_tree",
        "orange",
        "orchid",
        "otter",
        "palm_tree",
        "pear",
        "pickup_truck",
        "pine_tree",
        "plain",
        "plate",
        "poppy",
        "porcupine",
        "possum",
        "rabbit",
        "raccoon",
        "ray",
        "road",
        "rocket",
        "rose",
        "sea",
        "seal",
        "shark",
        "shrew",
        "skunk",
        "skyscraper",
        "snail",
        "snake",
        "spider",
        "squirrel",
        "streetcar",
        "sunflower",
        "sweet_pepper",
        "table",
        "tank",
        "telephone",
        "television",
        "tiger",
        "tractor",
        "train",
        "trout",
        "tulip",
        "turtle",
        "wardrobe",
        "whale",
        "willow_tree",
        "wolf",
        "woman",
        "worm",
    ],
    train: 50_000,
    validation: None,
    test: 10_000,
    citation: CITATION,
    licence: LICENCE,
    page: PAGE,
    // over all pixels of the training images
    standard: &[
        (0.5071 * 255.0, 0.2673 * 255.0),
        (0.4865 * 255.0, 0.2564 * 255.0),
        (0.4409 * 255.0, 0.2762 * 255.0),
    ],
    downloads: &[Download {
        file: "cifar-100-binary.tar.gz",
        urls: &["https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"],
        bytes: Some(168_513_733),
        md5: Some("03b5dce01913d631647c71ecec9e9cb8"),
        sha256: Some("58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"),
        unpack: Unpack::TarGz,
    }],
    manual: None,
};

pub(crate) const LAYOUT_10: Layout = Layout {
    folders: &["cifar10"],
    inner: &["cifar10batchesbin"],
    // an image may occur twice in the published files
    distinct: false,
    longest_us: 0,
    most_bytes: 256 << 20,
    expected: "data_batch_1.bin to data_batch_5.bin and test_batch.bin, or train/<class>/*.png and test/<class>/*.png",
    recognise: |folder, names| {
        CIFAR_10.is_in(names) || class_folders::are_in(folder, names, INFO_10.classes)
    },
    list: |folder, _| list(folder, &CIFAR_10),
};

pub(crate) static SET_10: DataSet = DataSet {
    info: &INFO_10,
    layout: &LAYOUT_10,
    splits: &["published"],
    events: None,
    person: None,
    stand_in: Generator::Picture(synthetic::pictures::shape),
};

pub(crate) const LAYOUT_100: Layout = Layout {
    folders: &["cifar100"],
    inner: &["cifar100binary"],
    // an image may occur twice in the published files
    distinct: false,
    longest_us: 0,
    most_bytes: 256 << 20,
    expected: "train.bin and test.bin, or train/<class>/*.png and test/<class>/*.png",
    recognise: |folder, names| {
        CIFAR_100.is_in(names) || class_folders::are_in(folder, names, INFO_100.classes)
    },
    list: |folder, _| list(folder, &CIFAR_100),
};

pub(crate) static SET_100: DataSet = DataSet {
    info: &INFO_100,
    layout: &LAYOUT_100,
    splits: &["published"],
    events: None,
    person: None,
    stand_in: Generator::Picture(synthetic::pictures::shape_and_hue),
};

/// What differs between the two in the files.
struct Binary {
    name: Name,
    train: &'static [&'static str],
    test: &'static str,
    /// Most records that a train file and the test file may have.
    most: [usize; 2],
    /// The label bytes of a record: what each is called and how many values it has. The last is the
    /// class.
    labels: &'static [(&'static str, u8)],
}

const CIFAR_10: Binary = Binary {
    name: Name::Cifar10,
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: "test_batch.bin",
    most: [10_000, 10_000],
    labels: &[("label", 10)],
};

const CIFAR_100: Binary = Binary {
    name: Name::Cifar100,
    train: &["train.bin"],
    test: "test.bin",
    most: [50_000, 10_000],
    labels: &[("coarse label", 20), ("fine label", 100)],
};

/// The publisher's split is the file. Files may hold fewer records than published, and batches may
/// be missing: that makes a sample.
fn list(folder: &Path, binary: &Binary) -> Result<Listing, Error> {
    let names = files::names(folder)?;
    match (binary.is_in(&names), class_folders::are_in(folder, &names, binary.name.info().classes))
    {
        (true, true) => {
            let found = format!("{} and folders of classes", binary.test);
            let advice = "move one of the two away";
            return Err(unlike(folder, "binary files or PNG files", found, advice));
        }
        (false, true) => return class_folders::list(binary.name, folder),
        (_, false) => {}
    }
    let mut listing =
        Listing { split: "publisher: train and test files".to_owned(), ..Listing::default() };
    for name in binary.train {
        let path = folder.join(name);
        if !files::is_file(&path)? {
            continue;
        }
        listing.train.extend(binary.recordings(&path, binary.most[0])?);
        listing.files.push(path);
    }
    let test = folder.join(binary.test);
    listing.test = binary.recordings(&test, binary.most[1])?;
    listing.files.push(test);
    Ok(listing)
}

impl Binary {
    /// Whether a folder with these names in it has the publisher's files.
    fn is_in(&self, names: &[String]) -> bool {
        let here = |file: &str| names.iter().any(|name| name == file);
        // the smaller set is one file of each half
        here(self.test) && (self.train.len() > 1 || here(self.train[0]))
    }

    fn recordings(&self, path: &Path, most: usize) -> Result<Vec<Recording>, Error> {
        let format = Format { shape: [32, 32, 3], labels: self.labels.len(), planar: true };
        let record = format.record();
        let metadata = files::open_file(path).and_then(|file| file.metadata());
        let bytes = metadata.map_err(|source| files::unreadable(path, source))?.len();
        let whole = bytes > 0 && bytes % record as u64 == 0 && bytes <= (most * record) as u64;
        let records = if whole { read_at_most(path, most * record)? } else { Vec::new() };
        if !whole || records.len() as u64 != bytes {
            let expected = format!("1 to {most} whole records of {record} bytes");
            return Err(unlike(
                path,
                expected,
                format!("{bytes} bytes"),
                "it is damaged or cut off: fetch it again",
            ));
        }
        let file = Arc::new(ImageFile::new(path.to_owned(), records, format));
        let recording = |(index, record): (usize, &[u8])| {
            let label = self.label(path, index, record)?;
            if record[self.labels.len()..].iter().all(|&value| value == 0) {
                let expected = format!("an image in record {index} (from 0)");
                return Err(unlike(path, expected, "nothing but zeros", LOST));
            }
            Ok(Recording {
                name: self.name,
                label,
                source: Source::Image { file: file.clone(), index },
            })
        };
        file.records().enumerate().map(recording).collect()
    }

    /// The class of a record, once all its labels are found in their range.
    fn label(&self, path: &Path, index: usize, record: &[u8]) -> Result<u32, Error> {
        for (&(what, values), &label) in self.labels.iter().zip(record) {
            if label >= values {
                let expected = format!("a {what} below {values} in record {index} (from 0)");
                return Err(unlike(
                    path,
                    expected,
                    label.to_string(),
                    "it is damaged or another file: fetch it again",
                ));
            }
        }
        Ok(record[self.labels.len() - 1].into())
    }
}
