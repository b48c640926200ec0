use std::{fmt, io, path::PathBuf};

/// What can go wrong between a publisher's server and an unpacked folder; one sentence each.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refuses.
    #[error("{}: expected to {action} it, found {}; check the folder, its permissions and its disk", path.display(), sentence::cause(source))]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as a verb.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The disk is too small for what is to come, or became full.
    #[error("{}: expected room for {}, found {}; free some, or name another folder", folder.display(), Needed(*needed), Free(*available))]
    Space {
        /// The folder on that disk.
        folder: PathBuf,
        /// Bytes still to be written, where they are known.
        needed: Option<u64>,
        /// Bytes that are free, where the system tells.
        available: Option<u64>,
    },
    /// A file that lies there is not the published one. It may be the user's own, so it is left
    /// alone.
    #[error("{}: expected {expected}, found {found}; move it away and fetch again", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Its published length or checksum.
        expected: String,
        /// What it has.
        found: String,
    },
    /// No mirror gave the published file.
    #[error("{file}: expected it from one of its addresses, found {}; fetch again later, an interrupted part goes on where it stopped", tried.join("; "))]
    Download {
        /// The file.
        file: String,
        /// Each address with the reason why not.
        tried: Vec<String>,
    },
    /// The publisher has no direct address, and the file does not lie there.
    #[error("{}: expected {file}, which has no direct address, found no such file; bring it there by hand and fetch again", folder.display())]
    Manual {
        /// The file.
        file: String,
        /// Where it must be put.
        folder: PathBuf,
    },
    /// An archive that is broken, or that no honest publisher makes. Nothing of it is kept.
    #[error("{}: expected {expected}, found {found}; nothing of it was kept, get the archive again from its publisher", archive.display())]
    Archive {
        /// The archive.
        archive: PathBuf,
        /// What an archive must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// What an archive holds has the name of something that is there already, and was not unpacked
    /// here.
    #[error("{}: expected no such name before {archive} is unpacked, found one; move it away and fetch again", path.display())]
    InTheWay {
        /// What is there.
        path: PathBuf,
        /// The archive's name.
        archive: String,
    },
}

/// "n more bytes", or the words for an amount that is not known.
struct Needed(Option<u64>);

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, "{bytes} more bytes"),
            None => f.write_str("more bytes"),
        }
    }
}

/// "n bytes free", or that the disk is full where the system tells no number.
struct Free(Option<u64>);

impl fmt::Display for Free {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, "{bytes} bytes free"),
            None => f.write_str("a full disk"),
        }
    }
}
