//! Which figures in a results folder are ours: a list of what was made, with digests, so that
//! nothing else is ever removed.

use anyhow::{Context, Result};
use report::write_text;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The list's name in a results folder.
pub const FILE: &str = ".made.json";
/// A list is never longer than this, bytes.
const MOST: u64 = 1 << 20;

/// For each experiment the names of its figures' files and their SHA-256, in hex.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MadeFigures(BTreeMap<String, BTreeMap<String, String>>);

impl MadeFigures {
    /// The list of a results folder. An absent or broken one lists nothing, so nothing is removed.
    pub fn read(results: &Path) -> Self {
        let path = results.join(FILE);
        let text = match read(&path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Self::default(),
            Err(_) => String::new(),
        };
        report::json::parse(&text).unwrap_or_else(|_| {
            terminal::say!(
                "{}: expected the list of figures made, found something else; figures of earlier \
                 commands stay where they are",
                path.display()
            );
            Self::default()
        })
    }

    /// Writes the list.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, results: &Path) -> Result<()> {
        Ok(write_text(&results.join(FILE), &(serde_json::to_string_pretty(self)? + "\n"))?)
    }

    /// What names the content of a file.
    pub fn digest(bytes: &[u8]) -> String {
        sentence::hex(&Sha256::digest(bytes))
    }

    /// `files`, names and digests, take the place of the experiment's earlier ones. Of those each
    /// is removed that is not made any more and still is what was made: a file that somebody
    /// changed is theirs.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn replace(
        &mut self,
        experiment: &str,
        files: Vec<(String, String)>,
        results: &Path,
    ) -> Result<()> {
        let files = BTreeMap::from_iter(files);
        let earlier = match files.is_empty() {
            true => self.0.remove(experiment),
            false => self.0.insert(experiment.to_owned(), files),
        };
        let earlier = earlier.unwrap_or_default();
        for (name, digest) in earlier {
            // one file may be of two experiments
            let kept = self.0.values().any(|files| files.contains_key(&name));
            let Some(path) = beside(results, &name).filter(|_| !kept) else { continue };
            let is_file = path.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
            if is_file && std::fs::read(&path).is_ok_and(|bytes| Self::digest(&bytes) == digest) {
                std::fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    datasets::open_file(path)?.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

/// The file of that name in the folder itself; a list that somebody wrote cannot name another.
fn beside(results: &Path, name: &str) -> Option<PathBuf> {
    let plain = Path::new(name).file_name().is_some_and(|file| file == name);
    plain.then(|| results.join(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn made(results: &Path, names: &[&str]) -> Vec<(String, String)> {
        let one = |name: &&str| {
            std::fs::write(results.join(name), *name).unwrap();
            ((*name).to_owned(), MadeFigures::digest(name.as_bytes()))
        };
        names.iter().map(one).collect()
    }

    #[test]
    fn only_what_was_made_and_is_as_it_was_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (results, beside) = (dir.path().join("results"), dir.path().join("other.svg"));
        std::fs::create_dir(&results).unwrap();
        std::fs::write(&beside, "other").unwrap();
        let mut list = MadeFigures::default();
        let mut files = made(&results, &["a.svg", "b.svg", "c.svg", "both.svg"]);
        files.push(("../other.svg".to_owned(), MadeFigures::digest(b"other")));
        files.push((beside.to_str().unwrap().to_owned(), MadeFigures::digest(b"other")));
        list.replace("fig1", files, &results).unwrap();
        let both = made(&results, &["both.svg"]);
        list.replace("fig2", both, &results).unwrap();
        list.write(&results).unwrap();
        std::fs::write(results.join("b.svg"), "changed by hand").unwrap();
        std::fs::write(results.join("fig1-n-mnist-notes.png"), "a user's").unwrap();

        let mut list = MadeFigures::read(&results);
        list.replace("fig1", made(&results, &["c.svg"]), &results).unwrap();
        let there = |name: &str| results.join(name).exists();
        assert!(!there("a.svg"), "made, and not made any more");
        for name in ["b.svg", "c.svg", "both.svg", "fig1-n-mnist-notes.png"] {
            assert!(there(name), "{name}");
        }
        assert!(beside.exists(), "outside the folder");
    }

    #[test]
    fn a_broken_list_lists_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(MadeFigures::read(dir.path()), MadeFigures::default());
        for text in ["", "[]", "{\"fig1\": 3}", "\u{fffd}"] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            assert_eq!(MadeFigures::read(dir.path()), MadeFigures::default(), "{text}");
        }
    }
}
