//! N-MNIST: MNIST on a screen, seen by an ATIS camera that moves in three saccades of about 100 ms.

use std::path::Path;

use events::{
    Sensor,
    camera::Camera,
    formats::{self, Format},
};

use crate::{
    Content, Download, Error, Info, Name, Origin, Recording, Source, Split, Unpack,
    data_set::{DataSet, EventFiles},
    files::{self, Others},
    layout::{Layout, Listing},
    synthetic::{self, Generator},
};

pub(crate) const INFO: Info = Info {
    id: "n-mnist",
    title: "N-MNIST",
    content: Content::Events { sensor: Sensor { width: 34, height: 34 } },
    classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    train: 60_000,
    validation: None,
    test: 10_000,
    citation: "G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor, \"Converting Static Image Datasets to Spiking Neuromorphic Datasets Using Saccades\", Frontiers in Neuroscience 9:437, 2015",
    licence: "CC BY-SA 4.0",
    page: "https://www.garrickorchard.com/datasets/n-mnist",
    standard: &[],
    downloads: &[
        Download {
            file: "Train.zip",
            urls: &[
                "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/39c25547-014b-4137-a934-9d29fa53c7a0/file_downloaded",
            ],
            bytes: None,
            md5: Some("20959b8e626244a1b502305a9e6e2031"),
            sha256: None,
            unpack: Unpack::Zip,
        },
        Download {
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
};

pub(crate) const LAYOUT: Layout = Layout {
    folders: &["nmnist"],
    inner: &[],
    most_bytes: 16 << 20,
    distinct: true,
    // published: 0.3 s
    longest_us: 1_000_000,
    expected: "the folders Train and Test with <digit>/<number>.bin",
    recognise: |_, names| names.iter().any(|name| name == "Train" || name == "Test"),
    list,
};

pub(crate) static SET: DataSet = DataSet {
    info: &INFO,
    layout: &LAYOUT,
    splits: &["published"],
    events: Some(EventFiles {
        format: |_| Format::NMnist,
        decode: |_, bytes| formats::nmnist::decode(bytes),
    }),
    person: None,
    stand_in: Generator::Scene { camera: Camera::default, show: synthetic::digits::show },
};

/// The file by which a folder of simulated recordings in this layout says so.
const SIMULATED: &str = "SIMULATED.json";

/// The publisher's split is the folder; the order is by digit, then by number, as in the reference.
fn list(folder: &Path, _: Option<Split>) -> Result<Listing, Error> {
    let mut listing =
        Listing { split: "publisher: Train and Test folders".to_owned(), ..Listing::default() };
    let mut others = Others::default();
    let marker = folder.join(SIMULATED);
    if files::is_file(&marker)? {
        listing.split = format!("simulated recordings ({SIMULATED}): Train and Test folders");
        listing.origin = Some(Origin::Synthetic);
        listing.files.push(marker);
    }
    for (half, recordings) in [("Train", &mut listing.train), ("Test", &mut listing.test)] {
        let half = folder.join(half);
        if !files::is_folder(&half)? {
            return Err(Error::Layout {
                path: folder.to_owned(),
                expected: LAYOUT.expected.to_owned(),
                found: format!(
                    "no folder {}",
                    half.file_name().unwrap_or_default().to_string_lossy()
                ),
                advice: "unpack both Train.zip and Test.zip there",
            });
        }
        others.files(&half)?;
        for digit in files::folders(&half, INFO.classes)? {
            let digits = half.join(&digit);
            let label = label(&digit).ok_or_else(|| Error::Layout {
                path: digits.clone(),
                expected: "a folder named by a digit 0 to 9".to_owned(),
                found: format!("\"{digit}\""),
                advice: "move it away, or name it by its label",
            })?;
            for name in others.recordings(&digits, "bin")? {
                let path = digits.join(name);
                listing.files.push(path.clone());
                recordings.push(Recording {
                    name: Name::NMnist,
                    label,
                    source: Source::File(path),
                });
            }
        }
    }
    listing.notes.extend(others.note(folder, "recording (.bin) in a folder of a digit"));
    Ok(listing)
}

fn label(folder: &str) -> Option<u32> {
    INFO.classes.iter().position(|&class| class == folder).map(|label| label as u32)
}
