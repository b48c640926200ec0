//! Speech Commands v0.02: 105,829 clips of up to one second, 35 spoken words.

use std::{collections::HashSet, path::Path};

use md5::Md5;
use sha2::{Digest, Sha256};

use crate::{
    Content, Download, Error, Info, Name, Origin, Recording, Source, Split, Unpack,
    data_set::DataSet,
    division::Person,
    error::unlike,
    files::{self, Others},
    layout::{Layout, Listing},
    lists::{self, Entry},
    sounds::RATE_HZ,
    synthetic::{self, Generator},
};

pub(crate) const INFO: Info = Info {
    id: "speech-commands",
    title: "Speech Commands",
    content: Content::Speech { rate_hz: RATE_HZ, samples: RATE_HZ as usize },
    classes: &[
        "backward", "bed", "bird", "cat", "dog", "down", "eight", "five", "follow", "forward",
        "four", "go", "happy", "house", "learn", "left", "marvin", "nine", "no", "off", "on",
        "one", "right", "seven", "sheila", "six", "stop", "three", "tree", "two", "up", "visual",
        "wow", "yes", "zero",
    ],
    train: 84_843,
    validation: Some(9_981),
    test: 11_005,
    citation: "P. Warden, \"Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition\", arXiv:1804.03209, 2018",
    licence: "CC BY 4.0",
    page: "https://arxiv.org/abs/1804.03209",
    standard: &[],
    downloads: &[Download {
        file: "speech_commands_v0.02.tar.gz",
        urls: &[
            "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
            "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
        ],
        bytes: Some(2_428_923_189),
        md5: Some("6b74f3901214cb2c2934e98196829835"),
        sha256: Some("af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58"),
        unpack: Unpack::TarGz,
    }],
    manual: None,
};

/// The publisher's lists of test and of validation clips, one `word/name.wav` a line; all other
/// clips are train.
const LISTS: [&str; 2] = ["testing_list.txt", "validation_list.txt"];

pub(crate) const LAYOUT: Layout = Layout {
    folders: &["speechcommands", "speechcommandsv0.02", "speechcommandsv2"],
    inner: &["speechcommandsv0.02"],
    // a clip of one second has 32 kB; clips of a user's own may be longer
    most_bytes: 64 << 20,
    // a sentence may be kept twice, and small extracts repeat clips
    distinct: false,
    longest_us: 0,
    expected: "testing_list.txt, validation_list.txt and 35 folders named by word with <speaker>_nohash_<number>.wav",
    recognise: |_, names| names.iter().any(|name| LISTS.contains(&name.as_str())),
    list,
};

pub(crate) static SET: DataSet = DataSet {
    info: &INFO,
    layout: &LAYOUT,
    splits: &["published", "by-speaker:N"],
    events: None,
    person: Some(Person { noun: "speaker", of: speaker }),
    stand_in: Generator::Sound(synthetic::words::word),
};

/// A clip: word and name as the lists write them.
struct Clip {
    key: String,
    recording: Recording,
}

/// MD5 of the publisher's lists: names in the publisher's order, a line feed between them.
const LISTS_MD5: [&str; 2] =
    ["fa0c1b44291b4fcd92e8919123647bdd", "ed451c37e304cb3abeae2c6ba515ae5a"];

/// The publisher's lists, or all clips by speaker. Where all that is here is on the list of test
/// clips, so that nothing would be left to train on, a caller without a wish gets
/// [`Split::BySpeaker`].
fn list(folder: &Path, split: Option<Split>) -> Result<Listing, Error> {
    let lists = [read_list(folder, LISTS[0])?, read_list(folder, LISTS[1])?];
    let entries = lists.each_ref().map(|list| list.as_deref().unwrap_or_default());
    let [testing, validation] = [(LISTS[0], entries[0]), (LISTS[1], entries[1])];
    if let Some(found) = lists::repeats(&[testing, validation]) {
        return Err(unlike(folder, "every clip once, in one list", found, "correct the lists"));
    }
    let mut others = Others::default();
    let clips = clips(folder, &mut others)?;
    let mut files = Vec::new();
    for (name, list) in LISTS.iter().zip(&lists) {
        files.extend(list.is_some().then(|| folder.join(name)));
    }
    files.extend(clips.iter().map(|clip| folder.join(&clip.key)));
    let names = entries.map(|entries| entries.iter().map(|entry| &*entry.name).collect());
    let mut notes = absent(&clips, &names);
    notes.extend(others.note(folder, "clip (.wav) in a folder of a word"));
    let [testing, validation]: [HashSet<&str>; 2] = names;
    let all_test = !clips.is_empty() && clips.iter().all(|clip| testing.contains(&*clip.key));
    let both = lists.iter().all(Option::is_some);
    let listing = match split {
        Some(Split::BySpeaker(seed)) => by_speaker(clips, seed, all_test),
        None if all_test => by_speaker(clips, 0, all_test),
        _ if both => {
            check_complete(folder, clips.len(), entries)?;
            published(clips, &testing, &validation)
        }
        _ => {
            let found = "only one of the two lists";
            return Err(unlike(folder, LAYOUT.expected, found, "unpack the data set again"));
        }
    };
    Ok(Listing { files, notes, ..listing })
}

/// How many listed clips are not here, for a sample has less than its lists.
fn absent(clips: &[Clip], names: &[HashSet<&str>; 2]) -> Vec<String> {
    let here: HashSet<&str> = clips.iter().map(|clip| &*clip.key).collect();
    let mut notes = Vec::new();
    for (list, names) in LISTS.iter().zip(names) {
        let absent = names.difference(&here).count();
        if absent > 0 {
            let are = if names.len() == 1 { "listed clip is" } else { "listed clips are" };
            notes.push(format!("{list}: {absent} of {} {are} not here", names.len()));
        }
    }
    notes
}

/// Where all clips are here, the lists must be those published with them: version 0.01 has others.
fn check_complete(folder: &Path, clips: usize, lists: [&[Entry]; 2]) -> Result<(), Error> {
    if clips != INFO.train + INFO.validation.unwrap_or(0) + INFO.test {
        return Ok(());
    }
    for ((name, entries), md5) in LISTS.iter().zip(lists).zip(LISTS_MD5) {
        let names: Vec<&str> = entries.iter().map(|entry| &*entry.name).collect();
        let found = files::hex(&Md5::digest(names.join("\n")));
        if found != md5 {
            return Err(unlike(
                &folder.join(name),
                format!("the publisher's list, with the MD5 {md5}"),
                format!("{found}, of {} clips", names.len()),
                "unpack the data set again",
            ));
        }
    }
    Ok(())
}

fn published(clips: Vec<Clip>, testing: &HashSet<&str>, validation: &HashSet<&str>) -> Listing {
    let split = "publisher: testing_list.txt and validation_list.txt, the rest train".to_owned();
    let mut listing = Listing { split, ..Listing::default() };
    for Clip { key, recording } in clips {
        let half = match &*key {
            key if testing.contains(key) => &mut listing.test,
            key if validation.contains(key) => &mut listing.validation,
            _ => &mut listing.train,
        };
        half.push(recording);
    }
    listing
}

fn by_speaker(clips: Vec<Clip>, seed: u64, all_test: bool) -> Listing {
    let note =
        if all_test { " (every clip here is one of the publisher's test clips)" } else { "" };
    let complete = clips.len() == INFO.train + INFO.validation.unwrap_or(0) + INFO.test;
    let mut listing = Listing {
        split: format!("by speaker, seed {seed}: four of five speakers train, the rest test{note}"),
        // its halves are not of the published sizes
        origin: Some(if complete { Origin::Complete } else { Origin::Sample }),
        ..Listing::default()
    };
    for Clip { key, recording } in clips {
        let half = if speaker_tests(&key, seed) { &mut listing.test } else { &mut listing.train };
        half.push(recording);
    }
    listing
}

fn read_list(folder: &Path, name: &str) -> Result<Option<Vec<Entry>>, Error> {
    let path = folder.join(name);
    if !files::is_file(&path)? {
        return Ok(None);
    }
    let text = files::read(&path, files::LIST_BYTES)?;
    let entries = lists::entries(&text, is_clip).map_err(|lists::Fault { line, found }| {
        let expected = format!("a word and a file, as yes/0a7c2a8d_nohash_0.wav, in line {line}");
        unlike(&path, expected, found, "correct the line, or unpack the data set again")
    })?;
    Ok(Some(entries))
}

/// Whether a name is that of a clip: `word/name.wav`.
fn is_clip(name: &str) -> bool {
    name.split_once('/').is_some_and(|(word, file)| {
        INFO.classes.contains(&word) && lists::is_file_name(file, "wav")
    })
}

/// All clips of the 35 words, by word and then by name. Folders that start with `_` hold noise, not
/// words.
fn clips(folder: &Path, others: &mut Others) -> Result<Vec<Clip>, Error> {
    let mut clips = Vec::new();
    others.add(folder, files::names_with(folder, "wav")?);
    for word in files::folders(folder, INFO.classes)? {
        if word.starts_with('_') {
            continue;
        }
        let of_word = folder.join(&word);
        let Some(label) = INFO.classes.iter().position(|&known| known == word) else {
            if files::names_with(&of_word, "wav")?.is_empty() {
                continue;
            }
            let expected = format!("a folder named by a word ({})", INFO.classes.join(", "));
            return Err(unlike(
                &of_word,
                expected,
                format!("\"{word}\""),
                "move it away, or name it by its word",
            ));
        };
        let names = others.recordings(&of_word, "wav")?;
        clips.extend(names.into_iter().map(|name| Clip {
            recording: Recording {
                name: Name::SpeechCommands,
                label: label as u32,
                source: Source::File(of_word.join(&name)),
            },
            key: format!("{word}/{name}"),
        }));
    }
    Ok(clips)
}

/// Whether a clip's speaker is one of the fifth that test. The name begins with the speaker's
/// identifier; the publisher's own rule hashes it too, so that one speaker's clips never stand on
/// both sides.
fn speaker_tests(key: &str, seed: u64) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    let speaker = speaker(name).unwrap_or(name);
    let digest = Sha256::digest(format!("{seed} {speaker}"));
    digest.first_chunk().is_some_and(|first| u64::from_be_bytes(*first) % 5 == 0)
}

/// The speaker whom a clip's name begins with.
fn speaker(name: &str) -> Option<&str> {
    name.split_once("_nohash_").map(|(speaker, _)| speaker)
}
