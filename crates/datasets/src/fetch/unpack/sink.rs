//! Where an archive's entries go: each name is checked, each byte counted, before it is written.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::Limits;
use crate::fetch::{CHUNK_BYTES, Error, Progress};
use sentence::quoted;

/// The longest name of an entry, its longest part and its most parts: what file systems hold, and
/// no way into memory.
const NAME_BYTES: usize = 4_096;
const PART_BYTES: usize = 255;
const PARTS: usize = 32;

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
    /// What was written under each name, in lower case: where case does not count, "a" and "A" are
    /// one file. The number is that of the folder above, so that a deep name is not kept once for
    /// each of its folders.
    seen: HashMap<(usize, String), (Kind, usize)>,
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
        Error::Archive {
            archive: self.archive.to_owned(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// An archive that cannot be read on.
    pub fn unreadable(&self, error: impl Into<io::Error>) -> Error {
        self.wrong("an archive that can be read to its end", damage(&error.into()))
    }

    /// Refuses an archive that announces more than fits on the disk.
    pub fn announce(&mut self, bytes: u64) -> Result<(), Error> {
        self.progress.begin(&format!("unpacking {}", self.archive.display()), Some(bytes), 0);
        if bytes > self.limits.bytes {
            return Err(self.wrong(
                format!("at most {} bytes in it", self.limits.bytes),
                format!("{bytes} bytes"),
            ));
        }
        crate::fetch::space::require(self.folder, bytes)
    }

    /// Counts an entry. Each reader says it once for each, whatever comes of it.
    pub fn count(&mut self) -> Result<(), Error> {
        self.entries += 1;
        match self.entries > self.limits.entries {
            true => {
                Err(self
                    .wrong(format!("at most {} files and folders", self.limits.entries), "more"))
            }
            false => Ok(()),
        }
    }

    pub fn folder(&mut self, name: &str) -> Result<(), Error> {
        let Some(path) = self.admit(name, Kind::Folder)? else { return Ok(()) };
        fs::create_dir_all(&path).map_err(|source| Error::disk("make", &path, source))
    }

    pub fn file(&mut self, name: &str, content: &mut dyn Read) -> Result<(), Error> {
        let mut out = match self.admit(name, Kind::File)? {
            Some(path) => Some((create(&path)?, path)),
            // what is left out is read all the same: it counts, and the next entry comes behind it
            None => None,
        };
        loop {
            let n = match content.read(&mut self.chunk) {
                Ok(0) => return Ok(()),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let found = format!("{} in {}", damage(&error), quoted(name));
                    return Err(self.wrong("an archive that can be read to its end", found));
                }
            };
            self.weigh(n as u64)?;
            if let Some((file, path)) = &mut out {
                file.write_all(&self.chunk[..n])
                    .map_err(|source| Error::disk("write", path, source))?;
            }
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
            let expected = format!(
                "files at most {ratio} times as large as the archive ({} bytes)",
                self.archive_bytes
            );
            return Err(self.wrong(expected, format!("at least {} bytes", self.bytes)));
        }
        Ok(())
    }

    /// The path of an entry, if its name is inside the archive and new; none for what is left out.
    fn admit(&mut self, name: &str, kind: Kind) -> Result<Option<PathBuf>, Error> {
        let parts = parts(name)
            .map_err(|what| self.wrong(EXPECTED_NAMES, format!("{}, {what}", quoted(name))))?;
        let Some((last, above)) = parts.split_last() else { return Ok(None) };
        if parts.contains(&"__MACOSX") || *last == ".DS_Store" || last.starts_with("._") {
            return Ok(None);
        }
        if parts[0].starts_with('.') {
            // the names of our own stages, and nothing that a data set needs
            return Err(self.wrong("no hidden names at its top", quoted(name)));
        }
        let mut place = 0;
        for folder in above {
            let known = self.seen.len();
            place = self.place(place, folder, Kind::Folder, name)?;
            if self.seen.len() > known {
                // a folder without an entry of its own
                self.count()?;
            }
        }
        self.place(place, last, kind, name)?;
        Ok(Some(parts.iter().fold(self.folder.to_owned(), |path, part| path.join(part))))
    }

    /// Notes a name in the folder of number `above`, and gives its own number.
    fn place(&mut self, above: usize, part: &str, kind: Kind, name: &str) -> Result<usize, Error> {
        let number = self.seen.len() + 1;
        match self.seen.entry((above, part.to_lowercase())) {
            Entry::Vacant(new) => Ok(new.insert((kind, number)).1),
            Entry::Occupied(old) => match (old.get(), kind) {
                (&(Kind::Folder, number), Kind::Folder) => Ok(number),
                _ => Err(self
                    .wrong("each name once, whatever its case", format!("{} twice", quoted(name)))),
            },
        }
    }
}

/// A new file and the folders above it; never through anything that is there already.
fn create(path: &Path) -> Result<File, Error> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|source| Error::disk("make", parent, source))?;
    }
    File::create_new(path).map_err(|source| Error::disk("write", path, source))
}

const EXPECTED_NAMES: &str =
    "names inside it, of at most 4,096 bytes and 32 parts, with at most 255 bytes in a part";

/// What a reader says that stops at a header without end.
pub(super) const BETWEEN_FILES: &str = "more than a MiB between two files";

/// Why an archive cannot be read on: what an unpacker says is its business, and what the system
/// says is not.
fn damage(error: &io::Error) -> String {
    match error.kind() {
        // our own words, within those of the unpacker
        _ if error.to_string().contains(BETWEEN_FILES) => BETWEEN_FILES.to_owned(),
        io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::Unsupported
        | io::ErrorKind::Other => "bytes that do not unpack".to_owned(),
        _ => sentence::cause(error),
    }
}

/// The parts of an entry's name, none for the archive's own folder (`./`); or what is wrong with
/// it, on any system.
fn parts(name: &str) -> Result<Vec<&str>, &'static str> {
    if name.is_empty() {
        return Err("an empty name");
    }
    if name.len() > NAME_BYTES {
        return Err("a longer name");
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
    let parts: Vec<&str> =
        name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err("a path that leaves its folder");
    }
    if parts.len() > PARTS {
        return Err("a name of more parts");
    }
    match parts.iter().any(|part| part.len() > PART_BYTES) {
        true => Err("a longer part"),
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
