//! Where an archive's entries go: each name is checked, each byte counted, before it is written.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::Limits;
use crate::fetch::{CHUNK_BYTES, Error, Progress};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

pub(super) struct Sink<'a> {
    pub archive: &'a Path,
    folder: &'a Path,
    pub limits: &'a Limits,
    archive_bytes: u64,
    progress: &'a mut dyn Progress,
    entries: u64,
    bytes: u64,
    /// What was written under each name, in lower case: where case does not count, "a" and "A" are one file.
    seen: HashMap<String, Kind>,
    chunk: Vec<u8>,
}

impl<'a> Sink<'a> {
    pub fn new(
        archive: &'a Path,
        folder: &'a Path,
        limits: &'a Limits,
        archive_bytes: u64,
        progress: &'a mut dyn Progress,
    ) -> Self {
        let (seen, chunk) = (HashMap::new(), vec![0; CHUNK_BYTES]);
        Self { archive, folder, limits, archive_bytes, progress, entries: 0, bytes: 0, seen, chunk }
    }

    pub fn wrong(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::Archive { archive: self.archive.to_owned(), expected: expected.into(), found: found.into() }
    }

    /// An archive that cannot be read on.
    pub fn unreadable(&self, error: impl std::fmt::Display) -> Error {
        self.wrong("an archive that can be read to its end", format!("the error \"{error}\""))
    }

    /// Refuses an archive that announces more than fits on the disk.
    pub fn announce(&mut self, bytes: u64) -> Result<(), Error> {
        self.progress.begin(&format!("unpacking {}", self.archive.display()), Some(bytes), 0);
        if bytes > self.limits.bytes {
            return Err(self.wrong(format!("at most {} bytes in it", self.limits.bytes), format!("{bytes} bytes")));
        }
        crate::fetch::space::require(self.folder, bytes)
    }

    /// Counts an entry. Each reader says it once for each, whatever comes of it.
    pub fn count(&mut self) -> Result<(), Error> {
        self.entries += 1;
        match self.entries > self.limits.entries {
            true => Err(self.wrong(format!("at most {} files and folders", self.limits.entries), "more")),
            false => Ok(()),
        }
    }

    pub fn folder(&mut self, name: &str) -> Result<(), Error> {
        let Some(path) = self.admit(name, Kind::Folder)? else { return Ok(()) };
        fs::create_dir_all(&path).map_err(|source| Error::disk("make", &path, source))
    }

    pub fn file(&mut self, name: &str, content: &mut dyn Read) -> Result<(), Error> {
        let Some(path) = self.admit(name, Kind::File)? else { return Ok(()) };
        let refused = |source| Error::disk("write", &path, source);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|source| Error::disk("make", parent, source))?;
        }
        // never through anything that is there already
        let mut file = File::create_new(&path).map_err(refused)?;
        loop {
            let n = match content.read(&mut self.chunk) {
                Ok(0) => return Ok(()),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.unreadable(format!("{name:?}: {error}"))),
            };
            self.weigh(n as u64)?;
            file.write_all(&self.chunk[..n]).map_err(refused)?;
            self.progress.advance(n as u64);
        }
    }

    /// Counts what was really unpacked, since headers may lie.
    fn weigh(&mut self, bytes: u64) -> Result<(), Error> {
        self.bytes += bytes;
        let Limits { bytes: most, ratio, ratio_from_bytes, .. } = *self.limits;
        if self.bytes > most {
            return Err(self.wrong(format!("at most {most} bytes in it"), "more"));
        }
        if self.bytes > ratio_from_bytes && self.bytes > self.archive_bytes.saturating_mul(ratio) {
            let expected =
                format!("files at most {ratio} times as large as the archive ({} bytes)", self.archive_bytes);
            return Err(self.wrong(expected, format!("at least {} bytes", self.bytes)));
        }
        Ok(())
    }

    /// The path of an entry, if its name is inside the archive and new; none for what is left out.
    fn admit(&mut self, name: &str, kind: Kind) -> Result<Option<PathBuf>, Error> {
        let parts = parts(name).map_err(|what| self.wrong("names inside it", format!("{name:?}, {what}")))?;
        let Some((last, above)) = parts.split_last() else { return Ok(None) };
        if parts.contains(&"__MACOSX") || *last == ".DS_Store" || last.starts_with("._") {
            return Ok(None);
        }
        let mut place = String::new();
        for folder in above {
            place.push_str(&folder.to_lowercase());
            self.place(&place, Kind::Folder, name)?;
            place.push('/');
        }
        place.push_str(&last.to_lowercase());
        self.place(&place, kind, name)?;
        Ok(Some(parts.iter().fold(self.folder.to_owned(), |path, part| path.join(part))))
    }

    fn place(&mut self, place: &str, kind: Kind, name: &str) -> Result<(), Error> {
        match self.seen.get(place) {
            Some(Kind::Folder) if kind == Kind::Folder => Ok(()),
            Some(_) => Err(self.wrong("each name once, whatever its case", format!("{name:?} twice"))),
            None => {
                self.seen.insert(place.to_owned(), kind);
                Ok(())
            }
        }
    }
}

/// The parts of an entry's name, none for the archive's own folder (`./`); or what is wrong with it, on any system.
fn parts(name: &str) -> Result<Vec<&str>, &'static str> {
    if name.is_empty() {
        return Err("an empty name");
    }
    if name.starts_with('/') {
        return Err("an absolute path");
    }
    if name.contains('\\') {
        return Err("a backslash");
    }
    if name.contains(':') {
        return Err("a drive letter or stream");
    }
    if name.chars().any(char::is_control) {
        return Err("a control character");
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    match parts.contains(&"..") {
        true => Err("a path that leaves its folder"),
        false => Ok(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_on_every_system() {
        assert_eq!(parts("Train/0/00001.bin"), Ok(vec!["Train", "0", "00001.bin"]));
        assert_eq!(parts("./a//b/"), Ok(vec!["a", "b"]));
        assert_eq!(parts("./"), Ok(vec![]));
        assert_eq!(parts("..a/b..c"), Ok(vec!["..a", "b..c"]));
        for name in [
            "",
            "/",
            "/etc/passwd",
            "//a",
            "../a",
            "a/../../b",
            "a/..",
            "..",
            "C:a",
            "C:/a",
            "a\\b",
            "..\\a",
            "a\0b",
            "a:b",
        ] {
            assert!(parts(name).is_err(), "{name:?}");
        }
    }
}
