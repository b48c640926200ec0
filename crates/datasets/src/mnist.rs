//! MNIST: 70,000 grey images of handwritten digits, 28×28 pixels, in four idx files.

use crate::{Content, Download, Info, Unpack};

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
