//! CIFAR10-DVS: 10,000 CIFAR-10 images that move on a closed loop on a screen, seen by a DVS128
//! camera.

use std::path::Path;

use events::{
    Columns, Sensor,
    formats::{Format, aedat2},
};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    Content, Download, Error, Info, Name, Recording, Source, Split, Unpack,
    data_set::{DataSet, EventFiles},
    error::unlike,
    files::{self, Others},
    layout::{Layout, Listing},
    synthetic::{self, Generator},
};

pub(crate) const INFO: Info = Info {
    id: "dvs-cifar10",
    title: "DVS-CIFAR10",
    content: Content::Events { sensor: Sensor { width: 128, height: 128 } },
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
    train: 9_000,
    validation: None,
    test: 1_000,
    citation: "H. Li, H. Liu, X. Ji, G. Li, L. Shi, \"CIFAR10-DVS: An Event-Stream Dataset for Object Classification\", Frontiers in Neuroscience 11:309, 2017",
    licence: "as stated on the publisher's page",
    page: "https://doi.org/10.3389/fnins.2017.00309",
    standard: &[],
    downloads: &[
        archive(
            "airplane.zip",
            &["https://ndownloader.figshare.com/files/7712788"],
            "0afd5c4bf9ae06af762a77b180354fdd",
        ),
        archive(
            "automobile.zip",
            &["https://ndownloader.figshare.com/files/7712791"],
            "8438dfeba3bc970c94962d995b1b9bdd",
        ),
        archive(
            "bird.zip",
            &["https://ndownloader.figshare.com/files/7712794"],
            "a9c207c91c55b9dc2002dc21c684d785",
        ),
        archive(
            "cat.zip",
            &["https://ndownloader.figshare.com/files/7712812"],
            "52c63c677c2b15fa5146a8daf4d56687",
        ),
        archive(
            "deer.zip",
            &["https://ndownloader.figshare.com/files/7712815"],
            "b6bf21f6c04d21ba4e23fc3e36c8a4a3",
        ),
        archive(
            "dog.zip",
            &["https://ndownloader.figshare.com/files/7712818"],
            "f379ebdf6703d16e0a690782e62639c3",
        ),
        archive(
            "frog.zip",
            &["https://ndownloader.figshare.com/files/7712842"],
            "cad6ed91214b1c7388a5f6ee56d08803",
        ),
        archive(
            "horse.zip",
            &["https://ndownloader.figshare.com/files/7712851"],
            "e7cbbf77bec584ffbf913f00e682782a",
        ),
        archive(
            "ship.zip",
            &["https://ndownloader.figshare.com/files/7712836"],
            "41c7bd7d6b251be82557c6cce9a7d5c9",
        ),
        archive(
            "truck.zip",
            &["https://ndownloader.figshare.com/files/7712839"],
            "89f3922fd147d9aeff89e76a2b0b70a7",
        ),
    ],
    manual: None,
};

const fn archive(file: &'static str, urls: &'static [&'static str], md5: &'static str) -> Download {
    Download { file, urls, bytes: None, md5: Some(md5), sha256: None, unpack: Unpack::Zip }
}

/// Recordings of each class in the complete data set.
const PER_CLASS: usize = 1_000;

pub(crate) const LAYOUT: Layout = Layout {
    folders: &["cifar10dvs", "dvscifar10"],
    inner: &[],
    most_bytes: 256 << 20,
    distinct: true,
    // published: 1.3 s
    longest_us: 10_000_000,
    expected: "ten folders named by class, airplane to truck, with cifar10_<class>_<number>.aedat",
    // Speech Commands has folders named bird, cat and dog, and a list that this one does not have
    recognise: |_, names| {
        let named = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&name.as_str()));
        named(INFO.classes) && !named(&["testing_list.txt", "validation_list.txt"])
    },
    list,
};

pub(crate) static SET: DataSet = DataSet {
    info: &INFO,
    layout: &LAYOUT,
    splits: &["reference", "first100", "tebn", "seeded:N"],
    events: Some(EventFiles { format: |_| Format::Aedat2, decode: |_, bytes| decode(bytes) }),
    person: None,
    stand_in: Generator::Scene { camera: synthetic::dvs, show: synthetic::shapes::show },
};

/// Decodes a recording as the released loader does, whose golden vectors fix it: x = 127 − y' and y
/// = 127 − x' of the camera's addresses, the picture mirrored at its diagonal, and a pulse at the
/// connector is read as a pixel. Any other user of the format gets upright pictures without pulses.
///
/// # Errors
/// As [`aedat2::decode`].
pub fn decode(bytes: &[u8]) -> Result<Columns, events::Error> {
    let mut columns = aedat2::decode_with(bytes, aedat2::Options { keep_sync: true })?;
    std::mem::swap(&mut columns.x, &mut columns.y);
    Ok(columns)
}

/// Splits the file names of one class as the released code does: sorted as text, the first nine
/// tenths train, the rest test.
///
/// Of 1,000 names these are 900 and 100. The publisher gives no split; others differ (a common one
/// tests numbers 0 to 99).
pub fn text_order_split(mut names: Vec<String>) -> (Vec<String>, Vec<String>) {
    names.sort_unstable();
    let test = names.split_off(names.len() * 9 / 10);
    (names, test)
}

/// Train and test of the names of one class, each in text order.
fn divide(
    mut names: Vec<String>,
    label: usize,
    split: Split,
    folder: &Path,
) -> Result<(Vec<String>, Vec<String>), Error> {
    names.sort_unstable();
    match split {
        Split::First100 | Split::Tebn => {
            let (mut train, mut test) = (Vec::new(), Vec::new());
            for name in names {
                let half = if number(&name, folder)? < 100 { &mut test } else { &mut train };
                half.push(name);
            }
            Ok((train, test))
        }
        Split::Seeded(seed) => {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(label as u64);
            let mut drawn: Vec<(u64, String)> =
                names.into_iter().map(|name| (rng.next_u64(), name)).collect();
            drawn.sort_unstable();
            let test = drawn.split_off(drawn.len() * 9 / 10);
            let [train, test] = [drawn, test].map(|half| {
                let mut names: Vec<String> = half.into_iter().map(|(_, name)| name).collect();
                names.sort_unstable();
                names
            });
            Ok((train, test))
        }
        Split::Published | Split::Reference | Split::BySpeaker(_) => Ok(text_order_split(names)),
    }
}

/// The number in `cifar10_<class>_<number>.aedat`.
fn number(name: &str, folder: &Path) -> Result<u32, Error> {
    let number =
        name.trim_end_matches(".aedat").rsplit('_').next().and_then(|number| number.parse().ok());
    let expected = "recordings named cifar10_<class>_<number>.aedat";
    number.ok_or_else(|| {
        unlike(folder, expected, format!("\"{name}\""), "give it the publisher's name")
    })
}

fn list(folder: &Path, split: Option<Split>) -> Result<Listing, Error> {
    let split = split.unwrap_or(Split::Reference);
    let (mut listing, mut others) = (Listing::default(), Others::default());
    others.add(folder, files::names_with(folder, "aedat")?);
    let mut complete = true;
    for class in files::folders(folder, INFO.classes)? {
        let recordings = folder.join(&class);
        let Some(label) = INFO.classes.iter().position(|&known| known == class) else {
            // other tools keep their caches here; only recordings with a wrong label are an error
            if files::names_with(&recordings, "aedat")?.is_empty() {
                continue;
            }
            let expected = format!("a folder named by a class ({})", INFO.classes.join(", "));
            return Err(unlike(
                &recordings,
                expected,
                format!("\"{class}\""),
                "move it away, or name it by its class",
            ));
        };
        let names = others.recordings(&recordings, "aedat")?;
        complete &= names.len() == PER_CLASS;
        let (train, test) = divide(names, label, split, &recordings)?;
        for (names, half) in [(train, &mut listing.train), (test, &mut listing.test)] {
            for name in names {
                let path = recordings.join(name);
                listing.files.push(path.clone());
                half.push(Recording {
                    name: Name::Cifar10Dvs,
                    label: label as u32,
                    source: Source::File(path),
                });
            }
        }
    }
    listing.split = rule(split, complete);
    listing.notes.extend(others.note(folder, "recording (.aedat) in a folder of a class"));
    Ok(listing)
}

/// The split in words, for receipts.
fn rule(split: Split, complete: bool) -> String {
    let rule = match split {
        Split::First100 => "of each class, numbers 0 to 99 test, the rest train".to_owned(),
        Split::Tebn => "TEBN's: of each class, numbers 0 to 99 test, the rest train".to_owned(),
        Split::Seeded(seed) => {
            format!("nine tenths of each class train, the rest test, drawn with seed {seed}")
        }
        Split::Published | Split::Reference | Split::BySpeaker(_) if complete => {
            return "names of each class in text order: first 900 train, last 100 test".to_owned();
        }
        Split::Published | Split::Reference | Split::BySpeaker(_) => {
            "names of each class in text order: first nine tenths train, rest test".to_owned()
        }
    };
    if complete { rule } else { format!("{rule} (incomplete folders)") }
}
