//! Speech Commands v0.02: 105,829 clips of up to one second, 35 spoken words.

use std::{collections::HashSet, fs::File, io::BufReader, path::Path};

use hound::{SampleFormat, WavReader, WavSpec};
use sha2::{Digest, Sha256};

use crate::{
    Content, Download, Error, Info, Name, Origin, Recording, Source, Split, Unpack,
    error::unlike,
    files,
    find::{Layout, Listing},
};

/// Samples a second, and so samples of a clip of one second.
pub(crate) const RATE_HZ: u32 = 16_000;

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
    expected: "testing_list.txt, validation_list.txt and 35 folders named by word with <speaker>_nohash_<number>.wav",
    recognise: |names| names.iter().any(|name| LISTS.contains(&name.as_str())),
    list,
};

/// A clip: word and name as the lists write them.
struct Clip {
    key: String,
    recording: Recording,
}

/// The publisher's lists, or all clips by speaker. Where all that is here is on the list of test
/// clips, so that nothing would be left to train on, a caller without a wish gets
/// [`Split::BySpeaker`].
fn list(folder: &Path, split: Option<Split>) -> Result<Listing, Error> {
    let lists = [read_list(folder, LISTS[0])?, read_list(folder, LISTS[1])?];
    let clips = clips(folder)?;
    let mut files: Vec<_> =
        LISTS.iter().map(|list| folder.join(list)).filter(|list| list.is_file()).collect();
    files.extend(clips.iter().map(|clip| folder.join(&clip.key)));
    let tests = |list: &HashSet<String>| clips.iter().all(|clip| list.contains(&clip.key));
    let all_test = !clips.is_empty() && lists[0].as_ref().is_some_and(tests);
    let listing = match (split, lists) {
        (Some(Split::BySpeaker(seed)), _) => by_speaker(clips, seed, all_test),
        (None, _) if all_test => by_speaker(clips, 0, all_test),
        (_, [Some(testing), Some(validation)]) => published(clips, &testing, &validation),
        _ => {
            return Err(unlike(
                folder,
                LAYOUT.expected,
                "only one of the two lists",
                "unpack the data set again",
            ));
        }
    };
    Ok(Listing { files, ..listing })
}

fn published(clips: Vec<Clip>, testing: &HashSet<String>, validation: &HashSet<String>) -> Listing {
    let split = "publisher: testing_list.txt and validation_list.txt, the rest train".to_owned();
    let mut listing = Listing { split, ..Listing::default() };
    for Clip { key, recording } in clips {
        let half = match key {
            key if testing.contains(&key) => &mut listing.test,
            key if validation.contains(&key) => &mut listing.validation,
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

fn read_list(folder: &Path, name: &str) -> Result<Option<HashSet<String>>, Error> {
    let path = folder.join(name);
    if !path.is_file() {
        return Ok(None);
    }
    let text = files::read(&path)?;
    Ok(Some(String::from_utf8_lossy(&text).lines().map(|line| line.trim().to_owned()).collect()))
}

/// All clips of the 35 words, by word and then by name. Folders that start with `_` hold noise, not
/// words.
fn clips(folder: &Path) -> Result<Vec<Clip>, Error> {
    let mut clips = Vec::new();
    for word in files::names(folder)? {
        let of_word = folder.join(&word);
        if word.starts_with('_') || !of_word.is_dir() {
            continue;
        }
        let names = files::names_with(&of_word, "wav")?;
        let Some(label) = INFO.classes.iter().position(|&known| known == word) else {
            if names.is_empty() {
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
    let speaker = name.split("_nohash_").next().unwrap_or(name);
    let digest = Sha256::digest(format!("{seed} {speaker}"));
    digest.first_chunk().is_some_and(|first| u64::from_be_bytes(*first) % 5 == 0)
}

/// The clip's samples, cut behind or padded with zeros on both sides to one second.
pub(crate) fn waveform(path: &Path) -> Result<Vec<i16>, Error> {
    let wav = |found: hound::Error| {
        unlike(
            path,
            "a whole WAV file",
            format!("the error \"{found}\""),
            "it is damaged or cut off: unpack the data set again",
        )
    };
    let file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let mut reader = WavReader::new(BufReader::new(file)).map_err(wav)?;
    let WavSpec { channels, sample_rate, bits_per_sample, sample_format } = reader.spec();
    if (channels, sample_rate, bits_per_sample, sample_format)
        != (1, RATE_HZ, 16, SampleFormat::Int)
    {
        let found = format!(
            "{channels} channels, {sample_rate} Hz, {bits_per_sample} bits ({sample_format:?})"
        );
        return Err(unlike(
            path,
            format!("1 channel, {RATE_HZ} Hz, 16 bits (Int)"),
            found,
            "convert it to that",
        ));
    }
    let second = RATE_HZ as usize;
    let mut samples = Vec::with_capacity(second);
    for (i, sample) in reader.samples::<i16>().enumerate() {
        let sample = sample.map_err(wav)?;
        // what lies behind the second is read too: a file that is cut off there is damaged
        if i < second {
            samples.push(sample);
        }
    }
    let missing = second - samples.len();
    let mut padded = vec![0; missing / 2];
    padded.append(&mut samples);
    padded.resize(second, 0);
    Ok(padded)
}
