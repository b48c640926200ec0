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
    data_set::{DataSet, EventFiles},
    division::Person,
    error::unlike,
    files::{self, Others},
    layout::{Layout, Listing},
    lists::{self, Entry, Fault},
    synthetic::{self, Generator},
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
    standard: &[],
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
    most_bytes: 2 << 30,
    // extracts and tests repeat a recording under another user's name
    distinct: false,
    // a gesture takes about 6 s
    longest_us: 60_000_000,
    expected: "trials_to_train.txt, trials_to_test.txt and userNN_light.aedat with userNN_light_labels.csv",
    recognise: |_, names| names.iter().any(|name| LISTS.contains(&name.as_str()) || name == CLIPS),
    list,
};

pub(crate) static SET: DataSet = DataSet {
    info: &INFO,
    layout: &LAYOUT,
    splits: &["published"],
    events: Some(EventFiles { format, decode }),
    person: Some(Person { noun: "subject", of: subject }),
    stand_in: Generator::Scene { camera: synthetic::dvs, show: synthetic::gestures::show },
};

/// A folder of converted clips with their labels, as they are passed around: one 5-byte file a
/// clip, no split.
const CLIPS: &str = "clips_bs2";

/// The format of a file of this data set.
fn format(path: &Path) -> Format {
    match path.extension().is_some_and(|extension| extension == "bs2") {
        true => Format::NMnist,
        false => Format::Aedat31,
    }
}

/// The subject whom a publisher's file, `userNN_light.aedat`, is of.
fn subject(name: &str) -> Option<&str> {
    name.strip_suffix(".aedat")?.split_once('_').map(|(subject, _)| subject)
}

fn decode(path: &Path, bytes: &[u8]) -> Result<Columns, events::Error> {
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
    let paths = LISTS.map(|list| folder.join(list));
    if !files::is_file(&paths[0])? && !files::is_file(&paths[1])? {
        return clips(&folder.join(CLIPS), split);
    }
    let [train, test] = [read_list(&paths[0])?, read_list(&paths[1])?];
    if let Some(found) = lists::repeats(&[(LISTS[0], &train), (LISTS[1], &test)]) {
        let expected = "every recording once, in one list";
        return Err(unlike(folder, expected, found, "correct the lists"));
    }
    let mut listing = Listing {
        split: "publisher: trials_to_train.txt and trials_to_test.txt".to_owned(),
        files: paths.to_vec(),
        ..Listing::default()
    };
    listing.train = listed(folder, LISTS[0], &train, &mut listing)?;
    listing.test = listed(folder, LISTS[1], &test, &mut listing)?;
    let mut unlisted = files::names_with(folder, "aedat")?;
    unlisted.retain(|name| !train.iter().chain(&test).any(|entry| entry.name == *name));
    if !unlisted.is_empty() {
        listing.notes.push(format!("in no list, and left out: {}", files::excerpt(&unlisted)));
    }
    // the publisher's own other files are lists, tables and texts
    let known =
        |name: &str| [".aedat", ".csv", ".txt", ".gz"].iter().any(|end| name.ends_with(end));
    let (mut others, mut names) = (Others::default(), files::names(folder)?);
    names.retain(|name| !known(name) && folder.join(name).is_file());
    others.add(folder, names);
    listing.notes.extend(others.note(folder, "recording (.aedat) or table of labels"));
    Ok(listing)
}

fn read_list(path: &Path) -> Result<Vec<Entry>, Error> {
    let text = files::read(path, files::LIST_BYTES)?;
    let fits = |name: &str| lists::is_file_name(name, "aedat");
    lists::entries(&text, fits).map_err(|Fault { line, found }| {
        let expected =
            format!("names of files of this folder, as user01_led.aedat, in line {line}");
        unlike(path, expected, found, "correct the line")
    })
}

/// The trials of the files in one list; what else is to be known of them goes into `listing`.
fn listed(
    folder: &Path,
    list: &str,
    entries: &[Entry],
    listing: &mut Listing,
) -> Result<Vec<Recording>, Error> {
    let (mut recordings, mut absent) = (Vec::new(), 0);
    for Entry { name, .. } in entries {
        let path = folder.join(name);
        if !files::is_file(&path)? {
            absent += 1;
            continue;
        }
        let csv_name = format!("{}_labels.csv", name.trim_end_matches(".aedat"));
        let csv = folder.join(&csv_name);
        let trials = aedat31::trials(&files::read(&csv, files::LIST_BYTES)?)
            .map_err(|source| Error::Decode { path: csv.clone(), source })?;
        if csv_name != OVERLAPPING {
            listing.faults.extend(overlapping(&csv_name, &trials));
        }
        recordings.extend(cuts(&path, &trials));
        listing.files.extend([path, csv]);
    }
    if absent > 0 {
        let all = entries.len();
        let are = if all == 1 { "listed file is" } else { "listed files are" };
        listing.notes.push(format!("{list}: {absent} of {all} {are} not here"));
    }
    Ok(recordings)
}

/// The publisher's own file in which a trial ends after the next one begins.
const OVERLAPPING: &str = "user22_led_labels.csv";

/// Which rows of a table begin before another one, that began before them, has ended: the first of
/// them, and how many more.
fn overlapping(csv_name: &str, trials: &[Trial]) -> Option<String> {
    let mut order: Vec<usize> = (0..trials.len()).collect();
    order.sort_by_key(|&row| (trials[row].start_us, trials[row].end_us));
    let (mut last, mut pairs) = (*order.first()?, Vec::new());
    for &row in &order[1..] {
        if trials[row].start_us < trials[last].end_us {
            pairs.push((last, row));
        }
        if trials[row].end_us > trials[last].end_us {
            last = row;
        }
    }
    let &(one, other) = pairs.first()?;
    let said = |row: usize| {
        let Trial { class, start_us, end_us } = trials[row];
        // rows are counted as lines are, the title being the first
        format!("row {} (class {class}, {start_us} to {end_us} µs)", row + 2)
    };
    let more = match pairs.len() {
        1 => String::new(),
        n => format!(", and {} more", sentence::counted(n - 1, "overlap")),
    };
    Some(format!(
        "{csv_name}: expected labels one after the other, found {} and {} with events in common{more}; correct the table",
        said(one),
        said(other)
    ))
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
    let text = files::read(&labels, files::LIST_BYTES)?;
    let classes = INFO.classes.len() as u32;
    let wrong = |line: usize, found: String| {
        let expected = format!(
            "\"file,class,name\" with a file of this folder and a class 1 to {classes} in line {line}"
        );
        unlike(&labels, expected, found, "correct the line")
    };
    let is_there = |name: &str| folder.join(name).symlink_metadata().is_ok();
    let fits = |name: &str| lists::is_file_name(name, "bs2") && is_there(name);
    let rows = lists::labelled(&text, classes, fits)
        .map_err(|Fault { line, found }| wrong(line, found))?;
    let entries: Vec<Entry> = rows.iter().map(|(entry, _)| entry.clone()).collect();
    let (mut others, mut names) = (Others::default(), files::names(folder)?);
    names.retain(|name| name != "labels.csv" && !entries.iter().any(|entry| entry.name == *name));
    others.add(folder, names);
    if let Some(found) = lists::repeats(&[("labels.csv", &entries)]) {
        return Err(unlike(&labels, "every clip once", found, "correct the table"));
    }
    let mut listing =
        Listing { files: vec![labels.clone()], origin: Some(Origin::Sample), ..Listing::default() };
    for (Entry { name, .. }, class) in rows {
        let path = folder.join(name);
        // the name alone may be a link that leads nowhere
        files::is_file(&path)?;
        listing.files.push(path.clone());
        listing.train.push(Recording {
            name: Name::DvsGesture,
            label: class - 1,
            source: Source::File(path),
        });
    }
    listing.notes.extend(others.note(folder, "clip of labels.csv"));
    listing.test = listing.train.clone();
    let clips = sentence::counted(listing.train.len(), "clip");
    listing.split = format!("no split: {clips}, tested on what they were trained on");
    Ok(listing)
}
