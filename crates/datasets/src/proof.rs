//! What can be proved of a data set that was found: every recording decodes and holds something,
//! labels lie inside it, and nothing is there twice.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

use rayon::prelude::*;

use crate::{Content, Error, Recording, Recordings, Source, error::unlike, files::Sum, sounds};

/// What is wrong with a data set, and what is to be known of it; in whole sentences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// What makes results on it worthless, in the order of the recordings.
    pub failures: Vec<String>,
    /// What a reader of results should know; [`Recordings::notes`] are the first.
    pub notes: Vec<String>,
}

/// Microseconds that a label may reach beyond the events of its recording: a still scene has a few
/// milliseconds without any.
const SLACK_US: i64 = 10_000;

/// Fewest bytes of files that are compared by content: shorter ones may be equal by chance.
const COMPARED_BYTES: u64 = 64;

/// Reads every recording once, and compares all files by content. `done` is called after each file,
/// of which [`Recordings::file_count`] says how many there are.
///
/// A failure is: a file that does not decode or holds nothing, or whose times do not go on; a
/// recording far longer than any published; labels that overlap, and a label that lies outside its
/// recording; a file that is in both halves, or there twice, under two names. The same content in
/// two files is a failure where no publisher has it so, and else a note.
pub fn prove(found: &Recordings, done: &(dyn Fn() + Sync)) -> Proof {
    let check = |of_one_file: &&[Recording]| {
        let mut wrong: Vec<String> = errors(of_one_file).iter().map(ToString::to_string).collect();
        // a file of many recordings that is at fault itself is named once
        wrong.dedup();
        done();
        wrong
    };
    let wrong: Vec<Vec<String>> = runs(found).par_iter().map(check).collect();
    let faults = &found.sources.faults;
    let mut notes = found.notes.clone();
    notes.retain(|note| !faults.contains(note));
    let mut proof = Proof { failures: [faults.clone(), wrong.concat()].concat(), notes };
    repeated(found, &mut proof);
    proof
}

impl Recordings {
    /// How many files [`prove`] reads.
    pub fn file_count(&self) -> usize {
        runs(self).len()
    }
}

/// The recordings, file by file.
fn runs(found: &Recordings) -> Vec<&[Recording]> {
    // where there is no split, the same recordings are train and test
    let test = if found.test == found.train { &[][..] } else { &found.test };
    let halves = [&found.train, &found.validation, test];
    halves.into_iter().flat_map(|half| half.chunk_by(Recording::same_file)).collect()
}

fn errors(recordings: &[Recording]) -> Vec<Error> {
    let Some(first) = recordings.first() else { return Vec::new() };
    let all = recordings.iter();
    match first.name.info().content {
        Content::Images { .. } => all.filter_map(|recording| recording.image().err()).collect(),
        Content::Speech { .. } => all.filter_map(|recording| sound(recording).err()).collect(),
        Content::Events { .. } => {
            let columns = match first.columns() {
                Ok(columns) => columns,
                Err(error) => return vec![error],
            };
            let span = columns.t_us.iter().min().zip(columns.t_us.iter().max());
            let most = most_of(&columns.t_us);
            let check = |recording: &Recording| {
                let wrong = recording.cut(&columns).err().or_else(|| outside(recording, span));
                wrong.or_else(|| too_long(recording, most))
            };
            all.filter_map(check).collect()
        }
    }
}

/// Reads a sound, which is no longer than published.
fn sound(recording: &Recording) -> Result<(), Error> {
    let Source::File(path) = &recording.source else { return recording.waveform().map(drop) };
    let most_bytes = recording.name.set().layout.most_bytes;
    let (found, most) = (sounds::sound(path, most_bytes)?.len(), sounds::RATE_HZ as usize);
    if found <= most {
        return Ok(());
    }
    let expected = format!("at most {most} samples, one second, as published");
    let advice = "training takes its first second: cut it, or copy the publisher's file again";
    Err(unlike(path, expected, sentence::counted(found, "sample"), advice))
}

/// The times between which a recording lies but for the earliest and the latest of 64 events each:
/// a camera's buffer may hold some of another time.
fn most_of(t_us: &[i64]) -> Option<(i64, i64)> {
    let (mut t_us, apart) = (t_us.to_vec(), t_us.len() / 64);
    t_us.sort_unstable();
    Some((*t_us.get(apart)?, *t_us.get(t_us.len() - 1 - apart)?))
}

/// The refusal of a recording that is far longer than those of its data set.
fn too_long(recording: &Recording, span: Option<(i64, i64)>) -> Option<Error> {
    let most_us = recording.name.set().layout.longest_us;
    let (first_us, last_us) = match (&recording.source, span) {
        (&Source::Cut { start_us, end_us, .. }, _) => (start_us, end_us),
        (_, span) => span?,
    };
    let found_us = last_us.saturating_sub(first_us);
    if found_us <= most_us {
        return None;
    }
    let path = recording.source.path()?;
    let expected = format!("a recording of at most {most_us} µs, several times the published");
    let advice = "it is of another data set, or several in one: copy the publisher's file again";
    Some(unlike(path, expected, format!("one of {found_us} µs"), advice))
}

/// The refusal of a label that reaches beyond the events of its file.
fn outside(recording: &Recording, span: Option<(&i64, &i64)>) -> Option<Error> {
    let Source::Cut { path, start_us, end_us, .. } = &recording.source else { return None };
    let (first, last) = span?;
    if *start_us >= first - SLACK_US && *end_us <= last + SLACK_US {
        return None;
    }
    Some(unlike(
        path,
        format!("labels inside the recording, whose events lie from {first} to {last} µs"),
        format!("a label from {start_us} to {end_us} µs"),
        "the recording is cut off or the label wrong: copy the publisher's files again",
    ))
}

/// Names the files that are there twice.
fn repeated(found: &Recordings, proof: &mut Proof) {
    let halves = halves(found);
    let mut by_content: BTreeMap<usize, Vec<&Path>> = BTreeMap::new();
    let mut first: HashMap<&Sum, usize> = HashMap::new();
    for (index, (path, sum)) in found.sources.files.iter().zip(&found.sources.sums).enumerate() {
        if sum.bytes >= COMPARED_BYTES && halves.contains_key(path.as_path()) {
            by_content.entry(*first.entry(sum).or_insert(index)).or_default().push(path);
        }
    }
    let distinct = found.name.set().layout.distinct;
    let mut notes = Vec::new();
    for paths in by_content.values() {
        let [one, others @ ..] = &paths[..] else { continue };
        for other in others {
            let place = |path: &Path| {
                let half = halves.get(path).copied().unwrap_or_default();
                format!("{} ({half})", path.display())
            };
            let said = format!("{} and {}", place(one), place(other));
            if same_file(one, other) {
                proof.failures.push(format!("{said} are one file under two names; remove one"));
            } else if distinct {
                proof.failures.push(format!("{said} have the same content; remove one"));
            } else {
                notes.push((halves.get(one) != halves.get(other), said));
            }
        }
    }
    // those in two halves first: they are what a test result may rest on
    notes.sort_by_key(|&(apart, _)| !apart);
    let apart = notes.iter().filter(|&&(apart, _)| apart).count();
    if let Some((_, said)) = notes.first() {
        let have = if notes.len() == 1 { "has" } else { "have" };
        proof.notes.push(format!(
            "{} {have} the content of another one, {apart} of them in another half; the first: {said}",
            sentence::counted(notes.len(), "file")
        ));
    }
}

/// Which half a file's recordings are in.
fn halves(found: &Recordings) -> HashMap<&Path, &'static str> {
    let mut halves = HashMap::new();
    let lists = [("train", &found.train), ("validation", &found.validation), ("test", &found.test)];
    for (half, recordings) in lists {
        for recording in recordings {
            if let Some(path) = recording.source.path() {
                halves.entry(path).or_insert(half);
            }
        }
    }
    halves
}

/// Whether two names lead to the same file: by a link, or a link to a folder above.
fn same_file(one: &Path, other: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let identity = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino()));
        matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
    }
    #[cfg(not(unix))]
    {
        let identity = |path: &Path| fs::canonicalize(path);
        matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
    }
}
