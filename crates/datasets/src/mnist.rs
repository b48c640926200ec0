//! MNIST: 70,000 grey images of handwritten digits, 28×28 pixels, in four idx files.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use md5::{Digest, Md5};

use crate::{
    Content, Download, Error, Info, Name, Recording, Source, Split, Unpack,
    data_set::DataSet,
    error::unlike,
    files,
    images::{Format, ImageFile, read_at_most},
    layout::{Layout, Listing},
    synthetic::{self, Generator},
};

pub(crate) const INFO: Info = Info {
    id: "mnist",
    title: "MNIST",
    content: Content::Images { height: 28, width: 28, channels: 1 },
    classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    train: 60_000,
    validation: None,
    test: 10_000,
    citation: "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, \"Gradient-Based Learning Applied to Document Recognition\", Proceedings of the IEEE 86(11), 1998",
    licence: "CC BY-SA 3.0",
    page: "http://yann.lecun.com/exdb/mnist/",
    // of the training images
    standard: &[(0.1307 * 255.0, 0.3081 * 255.0)],
    // the publisher's own server stands last: it often refuses
    downloads: &[
        Download {
            file: "train-images-idx3-ubyte.gz",
            urls: &[
                "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
                "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz",
                "http://yann.lecun.com/exdb/mnist/train-images-idx3-ubyte.gz",
            ],
            bytes: Some(9_912_422),
            md5: Some("f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            sha256: Some("440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            unpack: Unpack::Keep,
        },
        Download {
            file: "train-labels-idx1-ubyte.gz",
            urls: &[
                "https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz",
                "https://storage.googleapis.com/cvdf-datasets/mnist/train-labels-idx1-ubyte.gz",
                "http://yann.lecun.com/exdb/mnist/train-labels-idx1-ubyte.gz",
            ],
            bytes: Some(28_881),
            md5: Some("d53e105ee54ea40749a09fcbcd1e9432"),
            sha256: Some("3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            unpack: Unpack::Keep,
        },
        Download {
            file: "t10k-images-idx3-ubyte.gz",
            urls: &[
                "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz",
                "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-images-idx3-ubyte.gz",
                "http://yann.lecun.com/exdb/mnist/t10k-images-idx3-ubyte.gz",
            ],
            bytes: Some(1_648_877),
            md5: Some("9fb629c4189551a2d022fa330f9573f3"),
            sha256: Some("8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            unpack: Unpack::Keep,
        },
        Download {
            file: "t10k-labels-idx1-ubyte.gz",
            urls: &[
                "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz",
                "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-labels-idx1-ubyte.gz",
                "http://yann.lecun.com/exdb/mnist/t10k-labels-idx1-ubyte.gz",
            ],
            bytes: Some(4_542),
            md5: Some("ec29112dd5afa0611ce80d1b7f02629c"),
            sha256: Some("f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
            unpack: Unpack::Keep,
        },
    ],
    manual: None,
};

/// One of the four files: the name that `.gz` may follow, its sizes as the header has them, and the
/// MD5 of the unpacked file.
struct Idx {
    name: &'static str,
    dimensions: &'static [u32],
    md5: &'static str,
}

/// Images and labels of train, then of test.
const FILES: [[Idx; 2]; 2] = [
    [
        Idx {
            name: "train-images-idx3-ubyte",
            dimensions: &[60_000, 28, 28],
            md5: "6bbc9ace898e44ae57da46a324031adb",
        },
        Idx {
            name: "train-labels-idx1-ubyte",
            dimensions: &[60_000],
            md5: "a25bea736e30d166cdddb491f175f624",
        },
    ],
    [
        Idx {
            name: "t10k-images-idx3-ubyte",
            dimensions: &[10_000, 28, 28],
            md5: "2646ac647ad5339dbf082846283269ea",
        },
        Idx {
            name: "t10k-labels-idx1-ubyte",
            dimensions: &[10_000],
            md5: "27ae3e4e09519cfbb04c329615203637",
        },
    ],
];

/// Data sets with the same file names: the MD5 of their train-images-idx3-ubyte.gz.
const LOOK_ALIKES: [(&str, &str); 2] = [
    ("Fashion-MNIST", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
    ("KMNIST", "bdb82020997e1d708af4cf47b453dcf7"),
];

pub(crate) const LAYOUT: Layout = Layout {
    folders: &["mnist"],
    inner: &["raw"],
    // the publisher's sums say more
    distinct: false,
    longest_us: 0,
    most_bytes: 64 << 20,
    expected: "the four files train-images-idx3-ubyte.gz to t10k-labels-idx1-ubyte.gz, packed or not",
    recognise: |_, names| names.iter().any(|name| name.trim_end_matches(".gz") == FILES[0][0].name),
    list,
};

pub(crate) static SET: DataSet = DataSet {
    info: &INFO,
    layout: &LAYOUT,
    splits: &["published"],
    events: None,
    person: None,
    stand_in: Generator::Picture(synthetic::pictures::digit),
};

const FORMAT: Format = Format { shape: [28, 28, 1], labels: 0, planar: false };

/// The publisher's split is the file. The files are held to the publisher's sums, because other
/// data sets share their names and sizes.
fn list(folder: &Path, _: Option<Split>) -> Result<Listing, Error> {
    let mut listing =
        Listing { split: "publisher: train and t10k files".to_owned(), ..Listing::default() };
    for ([images, labels], half) in FILES.iter().zip([&mut listing.train, &mut listing.test]) {
        // the short file first: what is wrong is said sooner
        let (labels_path, labels) = labels.read(folder)?;
        let (path, pixels) = images.read(folder)?;
        listing.files.extend([path.clone(), labels_path]);
        let file = Arc::new(ImageFile::new(path, pixels, FORMAT));
        half.extend(labels.iter().enumerate().map(|(index, &label)| Recording {
            name: Name::Mnist,
            label: label.into(),
            source: Source::Image { file: file.clone(), index },
        }));
    }
    Ok(listing)
}

impl Idx {
    /// The file's path, and what stands behind its header.
    fn read(&self, folder: &Path) -> Result<(PathBuf, Vec<u8>), Error> {
        let path = self.path(folder)?;
        let header = self.header();
        let expected =
            header.len() + self.dimensions.iter().map(|&size| size as usize).product::<usize>();
        let mut bytes = read_at_most(&path, expected)?;
        let refuse = |expected: String, found: String| {
            Err(unlike(&path, expected, found, "it is damaged or another file: fetch mnist again"))
        };
        if !bytes.starts_with(&header) {
            let found = format!("{:02x?}", &bytes[..bytes.len().min(header.len())]);
            return refuse(
                format!("an idx header of bytes of size {:?} ({header:02x?})", self.dimensions),
                found,
            );
        }
        if bytes.len() != expected {
            let more = if bytes.len() > expected { "more" } else { &bytes.len().to_string() };
            return refuse(format!("{expected} bytes"), more.to_owned());
        }
        let md5 = files::hex(&Md5::digest(&bytes));
        if md5 != self.md5 {
            let found = look_alike(folder, &bytes[header.len()..])
                .unwrap_or_else(|| format!("{md5}, so another data set or a damaged file"));
            let expected = format!("MNIST's {} with the MD5 {}", self.name, self.md5);
            return Err(unlike(&path, expected, found, "move it away and fetch mnist"));
        }
        Ok((path, bytes.split_off(header.len())))
    }

    fn path(&self, folder: &Path) -> Result<PathBuf, Error> {
        let paths = ["", ".gz"].map(|end| folder.join(format!("{}{end}", self.name)));
        for path in paths {
            if files::is_file(&path)? {
                return Ok(path);
            }
        }
        Err(unlike(folder, LAYOUT.expected, format!("no {}", self.name), "fetch mnist again"))
    }

    /// The header of a file of bytes: 0, 0, 8 = bytes, number of sizes; then the sizes, big-endian.
    fn header(&self) -> Vec<u8> {
        let sizes = self.dimensions.iter().flat_map(|size| size.to_be_bytes());
        [0, 0, 8, self.dimensions.len() as u8].into_iter().chain(sizes).collect()
    }
}

/// Which other data set this is, if that can be told: by its packed train images, or by labels that
/// are equally many of each class, which MNIST's are not.
fn look_alike(folder: &Path, values: &[u8]) -> Option<String> {
    let images = folder.join(format!("{}.gz", FILES[0][0].name));
    let packed = files::read(&images, LAYOUT.most_bytes).unwrap_or_default();
    let md5 = files::hex(&Md5::digest(packed));
    if let Some((name, _)) = LOOK_ALIKES.iter().find(|(_, known)| *known == md5) {
        return Some(format!("that of {name}, which has the same file names"));
    }
    let mut counts = [0; 256];
    values.iter().for_each(|&value| counts[usize::from(value)] += 1);
    let each = values.len() / INFO.classes.len();
    (counts[..INFO.classes.len()].iter().all(|&count| count == each)).then(|| {
        let [one, other] = LOOK_ALIKES.map(|(name, _)| name);
        format!("{each} labels of each class, as {one} and {other} have, whose files have the same names")
    })
}
