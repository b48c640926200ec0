use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Result, anyhow, bail};
use datasets::{Content, Error, Found, Name, Recording, Recordings, fetch::check, find};
use rayon::prelude::*;

use super::{fetch, list};
use crate::{data, progress};

/// Failures of one data set that are printed; more are counted.
const SHOWN: usize = 10;

/// Flags of `data verify`.
#[derive(clap::Args)]
pub struct Flags {
    /// The data sets [default: all that are here]
    #[arg(value_name = "NAME", value_parser = |id: &str| id.parse::<Name>())]
    names: Vec<Name>,
    /// Folder of all data sets [default: $SPIKEGRAD_DATA, else data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Holds archives to their checksums, decodes every recording, and says one line a data set.
///
/// # Errors
/// Something is wrong with one of them, or one that was named is not here, or none is.
pub fn run(flags: &Flags) -> Result<()> {
    let root = data::root(flags.data.clone())?.ok_or_else(|| {
        anyhow!("expected a data folder, found none; name it by --data or SPIKEGRAD_DATA")
    })?;
    let (names, all) = match flags.names.is_empty() {
        true => (Name::ALL.to_vec(), true),
        false => (flags.names.clone(), false),
    };
    let (mut verified, mut wrong) = (0, 0);
    for name in names {
        let mut failures = Vec::new();
        let Some(says) = verify(name, &root, &mut failures) else {
            if all {
                continue;
            }
            bail!(
                "{name}: expected it below {}, found nothing of its name; fetch it first",
                root.display()
            );
        };
        verified += 1;
        wrong += failures.len();
        terminal::out!(
            "{name}: {says}: {}",
            if failures.is_empty() { "ok".into() } else { format!("{} failures", failures.len()) }
        )?;
        for failure in failures.iter().take(SHOWN) {
            terminal::out!("  {failure}")?;
        }
        if failures.len() > SHOWN {
            terminal::out!("  and {} more", failures.len() - SHOWN)?;
        }
    }
    match (verified, wrong) {
        (0, _) => {
            bail!("expected a data set below {}, found none; fetch one first", root.display())
        }
        (_, 0) => Ok(()),
        (_, n) => bail!("{n} failures, listed above; move what is wrong away and fetch it again"),
    }
}

/// What is here in half a sentence, and what is wrong with it; `None` where nothing is here.
fn verify(name: Name, root: &Path, failures: &mut Vec<String>) -> Option<String> {
    let archives = archives(name, root, failures);
    match find(name, root) {
        Ok(Found::Absent) => None,
        Ok(Found::Unusable { path, why }) => {
            failures.push(format!("{}: {why}", path.display()));
            Some(format!("unusable{archives}"))
        }
        Err(error) => {
            failures.push(error.to_string());
            Some(format!("unusable{archives}"))
        }
        Ok(Found::Recordings(found)) => {
            failures.extend(decode(&found));
            Some(format!("{}{archives}", describe(&found)))
        }
    }
}

/// Checks the files as published that are still here.
fn archives(name: Name, root: &Path, failures: &mut Vec<String>) -> String {
    let (folder, items) = (fetch::folder(name, root), fetch::items(name));
    let mut right = 0;
    let bar = progress::counter(&format!("{}: checksums", name.title()), items.len() as u64);
    for item in &items {
        match check(item, &folder, &mut ()) {
            Ok(Some(_)) => right += 1,
            Ok(None) => {}
            Err(error) => failures.push(error.to_string()),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    match right {
        0 => String::new(),
        n => format!(", {n} published files with the right checksum"),
    }
}

fn describe(found: &Recordings) -> String {
    let files: BTreeSet<&Path> = found
        .train
        .iter()
        .chain(&found.validation)
        .chain(&found.test)
        .filter_map(|r| r.source.path())
        .collect();
    let bytes: u64 =
        files.iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum();
    format!(
        "{}, {} train and {} test recordings in {} files of {bytes} bytes, manifest {}",
        list::state(found.origin),
        found.train.len(),
        found.test.len(),
        files.len(),
        found.manifest_sha256
    )
}

/// Every recording that does not decode, in order; a file of many recordings is read once, and
/// named once if it is at fault itself.
fn decode(found: &Recordings) -> Vec<String> {
    // where there is no split, the same recordings are train and test
    let test = if found.test == found.train { &[][..] } else { &found.test };
    let all: Vec<&[Recording]> = [&found.train, &found.validation, test]
        .into_iter()
        .flat_map(|half| half.chunk_by(Recording::same_file))
        .collect();
    let bar = progress::counter(&format!("{}: decoding", found.name.title()), all.len() as u64);
    let wrong: Vec<Vec<String>> = all
        .par_iter()
        .map(|of_one_file| {
            let mut wrong: Vec<String> =
                of_one_file_errors(of_one_file).iter().map(ToString::to_string).collect();
            wrong.dedup();
            bar.inc(1);
            wrong
        })
        .collect();
    bar.finish_and_clear();
    wrong.concat()
}

fn of_one_file_errors(recordings: &[Recording]) -> Vec<Error> {
    let Some(first) = recordings.first() else { return Vec::new() };
    match first.name.info().content {
        Content::Events { .. } => match first.columns() {
            Ok(columns) => {
                recordings.iter().filter_map(|recording| recording.cut(&columns).err()).collect()
            }
            Err(error) => vec![error],
        },
        Content::Images { .. } => {
            recordings.iter().filter_map(|recording| recording.image().err()).collect()
        }
        Content::Speech { .. } => {
            recordings.iter().filter_map(|recording| recording.waveform().err()).collect()
        }
    }
}
