//! What each data set comes in: the values of its publisher and of public loaders, and no others.

use std::path::{Path, PathBuf};

use super::Item;
use crate::{Error, files};

/// What is done with a downloaded file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpack {
    /// Nothing: it is read as it is.
    Keep,
    /// A zip archive.
    Zip,
    /// A gzipped tar archive.
    TarGz,
}

/// How a data set comes.
#[derive(Clone, Copy, Debug)]
pub struct Set {
    /// The identifier used in commands.
    pub id: &'static str,
    /// Its files.
    pub items: &'static [Item<'static>],
    /// What a person has to do first where the publisher has no direct address.
    pub manual: Option<&'static str>,
    /// Names of its folder below a data root, in lower case, without `-` and `_`; new ones are named by `id`.
    pub folders: &'static [&'static str],
}

impl Set {
    /// Its folder below a data root: the one of its name that is there, else the one to make.
    ///
    /// # Errors
    /// The root cannot be read, or holds two.
    pub fn folder(&self, root: &Path) -> Result<PathBuf, Error> {
        let plain = |folder: &str| folder.to_lowercase().replace(['-', '_'], "");
        let mut names = files::names(root)?;
        names.retain(|name| self.folders.contains(&plain(name).as_str()) && root.join(name).is_dir());
        match &names[..] {
            [] => Ok(root.join(self.id)),
            [name] => Ok(root.join(name)),
            [first, second, ..] => Err(Error::Layout {
                path: root.to_owned(),
                expected: format!("one folder with {}", self.id),
                found: format!("{first} and {second}"),
                advice: "move all but one away",
            }),
        }
    }
}

/// The sets that can be brought.
pub const SETS: [Set; 3] = [N_MNIST, DVS_GESTURE, MNIST];

const N_MNIST: Set = Set {
    id: "n-mnist",
    items: &[
        Item {
            file: "Train.zip",
            urls: &[
                "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/39c25547-014b-4137-a934-9d29fa53c7a0/file_downloaded",
            ],
            bytes: None,
            md5: Some("20959b8e626244a1b502305a9e6e2031"),
            sha256: None,
            unpack: Unpack::Zip,
        },
        Item {
            file: "Test.zip",
            urls: &[
                "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/05a4d654-7e03-4c15-bdfa-9bb2bcbea494/file_downloaded",
            ],
            bytes: None,
            md5: Some("69ca8762b2fe404d9b9bad1103e97832"),
            sha256: None,
            unpack: Unpack::Zip,
        },
    ],
    manual: None,
    folders: &["nmnist"],
};

const MNIST: Set = Set {
    id: "mnist",
    items: &[
        Item {
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
        Item {
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
        Item {
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
        Item {
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
    folders: &["mnist"],
};

const DVS_GESTURE: Set = Set {
    id: "dvs-gesture",
    items: &[Item {
        file: "DvsGesture.tar.gz",
        urls: &[],
        bytes: None,
        md5: Some("8a5c71fb11e24e5ca5b11866ca6c00a1"),
        sha256: None,
        unpack: Unpack::TarGz,
    }],
    manual: Some(
        "open https://ibm.ent.box.com/s/3hiq58ww1pbbjrinh367ykfdf60xsfm8/folder/50167556794 in a browser and download \
         DvsGesture.tar.gz from that folder",
    ),
    folders: &["dvsgesture", "dvs128gesture"],
};
