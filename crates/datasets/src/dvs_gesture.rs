//! DVS128 Gesture: 29 people, up to three lights, eleven gestures of hands and arms before a DVS128
//! camera.

use std::path::Path;

use events::{
    Columns, Sensor,
    formats::{
        self, Format,
        aedat31::{self, Trial},
    },
};

use crate::{
    Content, Download, Error, Info, Name, Origin, Recording, Source, Split, Unpack,
    error::unlike,
    files,
    find::{Layout, Listing},
};

pub(crate) const INFO: Info = Info {
    id: "dvs-gesture",
    title: "DVS-Gesture",
    content: Content::Events { sensor: Sensor { width: 128, height: 128 } },
    classes: &[
        "hand clapping",
        "right hand wave",
        "left hand wave",
        "right arm clockwise",
        "right arm counter-clockwise",
        "left arm clockwise",
        "left arm counter-clockwise",
        "arm roll",
        "air drums",
        "air guitar",
        "other gestures",
    ],
    train: 1_176,
    validation: None,
    test: 288,
    citation: "A. Amir et al., \"A Low Power, Fully Event-Based Gesture Recognition System\", CVPR 2017",
    licence: "CC BY 4.0",
    page: "http://research.ibm.com/dvsgesture/",
    downloads: &[Download {
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
};

const LISTS: [&str; 2] = ["trials_to_train.txt", "trials_to_test.txt"];

pub(crate) const LAYOUT: Layout = Layout {
    folders: &["dvsgesture", "dvs128gesture"],
    inner: &["dvsgesture"],
    expected: "trials_to_train.txt, trials_to_test.txt and userNN_light.aedat with userNN_light_labels.csv",
    recognise: |names| names.iter().any(|name| LISTS.contains(&name.as_str()) || name == CLIPS),
    list,
};

/// A folder of converted clips with their labels, as they are passed around: one 5-byte file a
/// clip, no split.
const CLIPS: &str = "clips_bs2";

/// The format of a file of this data set.
pub(crate) fn format(path: &Path) -> Format {
    match path.extension().is_some_and(|extension| extension == "bs2") {
        true => Format::NMnist,
        false => Format::Aedat31,
    }
}

pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Columns, events::Error> {
    formats::decode(format(path), bytes)
}

/// The label that the released code trains with for our `label` (the file's class − 1): the place
/// of the folder name `label` in text order (0, 1, 10, 2, …, 9), or `None` past the last class.
/// Accuracies are the same under both; confusion matrices are not.
pub fn reference_label(label: u32) -> Option<u32> {
    let mut folders: Vec<u32> = (0..INFO.classes.len() as u32).collect();
    folders.sort_by_key(u32::to_string);
    folders.iter().position(|&folder| folder == label).map(|place| place as u32)
}

/// The publisher's split is its two lists of files; a listed file that is not there makes a sample,
/// not an error.
fn list(folder: &Path, split: Option<Split>) -> Result<Listing, Error> {
    if !LISTS.iter().any(|list| folder.join(list).is_file()) {
        return clips(&folder.join(CLIPS), split);
    }
    let mut listing = Listing {
        split: "publisher: trials_to_train.txt and trials_to_test.txt".to_owned(),
        ..Listing::default()
    };
    for (list, recordings) in LISTS.into_iter().zip([&mut listing.train, &mut listing.test]) {
        let list = folder.join(list);
        let text = files::read(&list)?;
        listing.files.push(list.clone());
        for name in
            String::from_utf8_lossy(&text).lines().map(str::trim).filter(|name| !name.is_empty())
        {
            if !is_plain(name) {
                let expected = "names of files of this folder, one a line";
                return Err(unlike(&list, expected, format!("\"{name}\""), "correct the line"));
            }
            let path = folder.join(name);
            if !path.is_file() {
                continue;
            }
            let csv = folder.join(format!("{}_labels.csv", name.trim_end_matches(".aedat")));
            let trials = aedat31::trials(&files::read(&csv)?)
                .map_err(|source| Error::Decode { path: csv.clone(), source })?;
            recordings.extend(cuts(&path, &trials));
            listing.files.extend([path, csv]);
        }
    }
    Ok(listing)
}

/// Whether a name that a file gives is one of its own folder: one with a folder in it would lead
/// elsewhere.
fn is_plain(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|file| file == name)
}

/// One recording for each trial, in file order; a class may occur several times in a file.
fn cuts(path: &Path, trials: &[Trial]) -> Vec<Recording> {
    let mut seen = [0; u8::MAX as usize + 1];
    let cut = |trial: &Trial| {
        let occurrence = seen[usize::from(trial.class)];
        seen[usize::from(trial.class)] += 1;
        let Trial { class, start_us, end_us } = *trial;
        let source = Source::Cut { path: path.to_owned(), start_us, end_us, occurrence };
        Recording { name: Name::DvsGesture, label: u32::from(class) - 1, source }
    };
    trials.iter().map(cut).collect()
}

/// The clips that `labels.csv` (header, then `file,class,name`) lists. Nobody knows which people
/// they show, so there is no split to be had: they are train and test alike, and the split says so.
fn clips(folder: &Path, split: Option<Split>) -> Result<Listing, Error> {
    if split.is_some() {
        let expected = LISTS.join(" and ");
        return Err(unlike(
            folder,
            expected,
            "converted clips without a split",
            "unpack the publisher's archive",
        ));
    }
    let labels = folder.join("labels.csv");
    let text = files::read(&labels)?;
    let mut listing =
        Listing { files: vec![labels.clone()], origin: Some(Origin::Sample), ..Listing::default() };
    for (index, line) in String::from_utf8_lossy(&text).lines().enumerate().skip(1) {
        let mut fields = line.split(',').map(str::trim);
        let (name, class) =
            (fields.next().unwrap_or_default(), fields.next().and_then(|class| class.parse().ok()));
        let known = class.filter(|class| (1..=INFO.classes.len() as u32).contains(class));
        let path = folder.join(name);
        let (Some(class), true) = (known, is_plain(name) && path.is_file()) else {
            let expected = format!(
                "\"file,class,name\" with a file of this folder and a class 1 to 11 in line {}",
                index + 1
            );
            return Err(unlike(&labels, expected, format!("\"{line}\""), "correct the line"));
        };
        listing.files.push(path.clone());
        listing.train.push(Recording {
            name: Name::DvsGesture,
            label: class - 1,
            source: Source::File(path),
        });
    }
    listing.test = listing.train.clone();
    listing.split =
        format!("no split: {} clips, tested on what they were trained on", listing.train.len());
    Ok(listing)
}
