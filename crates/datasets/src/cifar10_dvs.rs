//! CIFAR10-DVS: 10,000 CIFAR-10 images that move on a closed loop on a screen, seen by a DVS128 camera.

use std::path::Path;

use events::{Columns, Sensor, formats::aedat2};

use crate::{
    Content, Download, Error, Info, Name, Recording, Source, Unpack, files,
    find::{Layout, Listing},
};

pub(crate) const INFO: Info = Info {
    id: "dvs-cifar10",
    title: "DVS-CIFAR10",
    content: Content::Events { sensor: Sensor { width: 128, height: 128 } },
    classes: &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    train: 9_000,
    validation: None,
    test: 1_000,
    citation: "H. Li, H. Liu, X. Ji, G. Li, L. Shi, \"CIFAR10-DVS: An Event-Stream Dataset for Object Classification\", Frontiers in Neuroscience 11:309, 2017",
    licence: "as stated on the publisher's page",
    page: "https://doi.org/10.3389/fnins.2017.00309",
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
        archive("bird.zip", &["https://ndownloader.figshare.com/files/7712794"], "a9c207c91c55b9dc2002dc21c684d785"),
        archive("cat.zip", &["https://ndownloader.figshare.com/files/7712812"], "52c63c677c2b15fa5146a8daf4d56687"),
        archive("deer.zip", &["https://ndownloader.figshare.com/files/7712815"], "b6bf21f6c04d21ba4e23fc3e36c8a4a3"),
        archive("dog.zip", &["https://ndownloader.figshare.com/files/7712818"], "f379ebdf6703d16e0a690782e62639c3"),
        archive("frog.zip", &["https://ndownloader.figshare.com/files/7712842"], "cad6ed91214b1c7388a5f6ee56d08803"),
        archive("horse.zip", &["https://ndownloader.figshare.com/files/7712851"], "e7cbbf77bec584ffbf913f00e682782a"),
        archive("ship.zip", &["https://ndownloader.figshare.com/files/7712836"], "41c7bd7d6b251be82557c6cce9a7d5c9"),
        archive("truck.zip", &["https://ndownloader.figshare.com/files/7712839"], "89f3922fd147d9aeff89e76a2b0b70a7"),
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
    expected: "ten folders named by class, airplane to truck, with cifar10_<class>_<number>.aedat",
    recognise: |names| names.iter().any(|name| INFO.classes.contains(&name.as_str())),
    list,
};

pub(crate) fn decode(bytes: &[u8]) -> Result<Columns, events::Error> {
    aedat2::decode(bytes)
}

/// Splits the file names of one class as the released code does: sorted as text, the first nine tenths train, the rest test.
///
/// Of 1,000 names these are 900 and 100. The publisher gives no split; others differ (a common one tests numbers 0 to 99).
pub fn text_order_split(mut names: Vec<String>) -> (Vec<String>, Vec<String>) {
    names.sort_unstable();
    let test = names.split_off(names.len() * 9 / 10);
    (names, test)
}

fn list(folder: &Path) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    let mut complete = true;
    let classes = files::names(folder)?.into_iter().filter(|name| folder.join(name).is_dir());
    for class in classes {
        let recordings = folder.join(&class);
        let names = files::names_with(&recordings, "aedat")?;
        let Some(label) = INFO.classes.iter().position(|&known| known == class) else {
            // other tools keep their caches here; only recordings with a wrong label are an error
            if names.is_empty() {
                continue;
            }
            return Err(Error::Layout {
                path: recordings,
                expected: format!("a folder named by a class ({})", INFO.classes.join(", ")),
                found: format!("\"{class}\""),
                advice: "move it away, or name it by its class",
            });
        };
        complete &= names.len() == PER_CLASS;
        let (train, test) = text_order_split(names);
        for (names, half) in [(train, &mut listing.train), (test, &mut listing.test)] {
            for name in names {
                let path = recordings.join(name);
                listing.files.push(path.clone());
                half.push(Recording { name: Name::Cifar10Dvs, label: label as u32, source: Source::File(path) });
            }
        }
    }
    let rule = if complete {
        "first 900 train, last 100 test"
    } else {
        "first nine tenths train, rest test (incomplete folders)"
    };
    listing.split = format!("names of each class in text order: {rule}");
    Ok(listing)
}
