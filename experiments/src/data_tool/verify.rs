use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::usage::prove_once;
use anyhow::{Result, anyhow, bail};
use datasets::{Found, Name, Proof, Recordings, fetch::check, find, prove};

use super::{fetch, list};
use crate::{data, progress};

/// Failures, and notes, of one data set that are printed; more are counted.
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

/// Holds archives to their checksums, proves what can be proved of every recording, and says one
/// line a data set, with what is wrong and what is to be known below it.
///
/// # Errors
/// Something is wrong with one of them, or one that was named is not here, or none is.
pub fn run(flags: &Flags) -> Result<()> {
    prove_once("NAME", flags.names.iter().map(|name| name.id()))?;
    let root = data::root(flags.data.clone())?.ok_or_else(|| {
        anyhow!("expected a data folder, found none; name it by --data or SPIKEGRAD_DATA")
    })?;
    let (names, all) = match flags.names.is_empty() {
        true => (Name::ALL.to_vec(), true),
        false => (flags.names.clone(), false),
    };
    let (mut verified, mut wrong) = (0, 0);
    for name in names {
        let mut proof = Proof::default();
        let Some(says) = verify(name, &root, &mut proof) else {
            if all {
                continue;
            }
            bail!(
                "{name}: expected it below {}, found nothing of its name; fetch it first",
                root.display()
            );
        };
        verified += 1;
        wrong += proof.failures.len();
        let verdict = match proof.failures.len() {
            0 => "ok".to_owned(),
            n => sentence::counted(n, "failure"),
        };
        terminal::out!("{name}: {says}: {verdict}")?;
        print(&proof.failures, "")?;
        print(&proof.notes, "note: ")?;
    }
    match (verified, wrong) {
        (0, _) => {
            bail!("expected a data set below {}, found none; fetch one first", root.display())
        }
        (_, 0) => Ok(()),
        (_, n) => bail!(
            "{}, listed above; move what is wrong away and fetch it again",
            sentence::counted(n, "failure")
        ),
    }
}

/// The first of these sentences, and how many more there are.
fn print(sentences: &[String], what: &str) -> Result<()> {
    for sentence in sentences.iter().take(SHOWN) {
        terminal::out!("  {what}{sentence}")?;
    }
    if sentences.len() > SHOWN {
        terminal::out!("  {what}and {} more", sentences.len() - SHOWN)?;
    }
    Ok(())
}

/// What is here in half a sentence, and what was found out about it; `None` where nothing is here.
fn verify(name: Name, root: &Path, proof: &mut Proof) -> Option<String> {
    let archives = archives(name, root, &mut proof.failures);
    match find(name, root) {
        Ok(Found::Absent) => None,
        Ok(Found::Unusable { path, why }) => {
            proof.failures.push(format!("{}: {why}", path.display()));
            Some(format!("unusable{archives}"))
        }
        Err(error) => {
            proof.failures.push(error.to_string());
            Some(format!("unusable{archives}"))
        }
        Ok(Found::Recordings(found)) => {
            let files = found.file_count() as u64;
            let bar = progress::counter(&format!("{}: decoding", name.title()), files);
            let Proof { failures, notes } = prove(&found, &|| bar.inc(1));
            bar.finish_and_clear();
            proof.failures.extend(failures);
            proof.notes.extend(notes);
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
        n => format!(", {} with the right checksum", sentence::counted(n, "published file")),
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
        "{}, {} train and {} test recordings in {} of {bytes} bytes, manifest {}, split {}",
        list::state(found.origin),
        found.train.len(),
        found.test.len(),
        sentence::counted(files.len(), "file"),
        found.manifest_sha256,
        found.split
    )
}
