//! Looking at files and folders: what is there, its content within bounds, and the digest over all
//! of it. Every file of a user is opened by [`open_file`].

pub(crate) use sentence::hex;
use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::{Error, error::unlike};

/// Most bytes of a list or a table of labels; the largest published one has 0.4 MB.
pub(crate) const LIST_BYTES: u64 = 16 << 20;

/// What to do about a recording that was lost on its way here.
pub(crate) const LOST: &str =
    "a full disk or an interrupted copy leaves such files: copy or unpack it again";

/// Opens a file to read it. What is no file (a folder, a named pipe, a device, a socket) is refused
/// before it is opened: opening a pipe may wait for ever, and reading a device never end.
///
/// # Errors
/// Whatever the system says, or one sentence of what is there instead of a file.
pub fn open_file(path: &Path) -> io::Result<File> {
    check_kind(&fs::metadata(path)?)?;
    let mut options = File::options();
    options.read(true);
    // should a pipe take the file's place in this moment, opening it does not wait
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NONBLOCK.bits() as i32,
    );
    let file = options.open(path)?;
    check_kind(&file.metadata()?)?;
    Ok(file)
}

/// Opens a file to write it too, or makes it, as `options` say. What is there and no file is
/// refused as by [`open_file`].
pub(crate) fn open_own(path: &Path, options: &fs::OpenOptions) -> io::Result<File> {
    if let Ok(metadata) = fs::metadata(path) {
        check_kind(&metadata)?;
    }
    options.open(path)
}

/// Something that is no file.
#[derive(Debug)]
struct NoFile(&'static str);

impl fmt::Display for NoFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, which is no file", self.0)
    }
}

impl std::error::Error for NoFile {}

fn check_kind(metadata: &fs::Metadata) -> io::Result<()> {
    match kind(metadata) {
        FILE => Ok(()),
        other => Err(io::Error::new(io::ErrorKind::InvalidInput, NoFile(other))),
    }
}

const FILE: &str = "a file";
const FOLDER: &str = "a folder";

/// What something is, in words.
fn kind(metadata: &fs::Metadata) -> &'static str {
    #[cfg(unix)]
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    match kind {
        _ if kind.is_file() => FILE,
        _ if kind.is_dir() => FOLDER,
        #[cfg(unix)]
        _ if kind.is_fifo() => "a named pipe",
        #[cfg(unix)]
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

/// The sentence for what cannot be read. A link that leads nowhere says where it leads, whatever
/// was tried with it.
pub fn unreadable(path: &Path, source: io::Error) -> Error {
    if let Some(error) = broken_link(path) {
        return error;
    }
    if let Some(NoFile(kind)) = source.get_ref().and_then(|source| source.downcast_ref()) {
        return unlike(path, "a file", *kind, "put the file itself there");
    }
    Error::Read { path: path.to_owned(), source }
}

/// The refusal of a link, at `path` or above it, whose target is not there.
fn broken_link(path: &Path) -> Option<Error> {
    let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    for place in path.ancestors() {
        let Err(cause) = fs::metadata(place) else { return None };
        if !is_link(place) {
            continue;
        }
        let mut target = place.to_owned();
        // a chain of links is followed to its end; one in a circle has none
        for _ in 0..40 {
            let Ok(next) = fs::read_link(&target) else { break };
            target = target.parent().unwrap_or(Path::new("")).join(next);
        }
        let why = match cause.kind() {
            io::ErrorKind::NotFound => "which is not there".to_owned(),
            _ => format!("which cannot be followed: {}", sentence::cause(&cause)),
        };
        let link = if place == path {
            "a link".to_owned()
        } else {
            format!("{}, a link", place.display())
        };
        let found = format!("{link} to {}, {why}", target.display());
        return Some(unlike(
            path,
            "a file or folder",
            found,
            "mount the disk that it leads to, or correct the link",
        ));
    }
    None
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum There {
    Nothing,
    File,
    Folder,
    Other(&'static str),
}

/// Looks at a path. Nothing is there only if not even a link is: "is it a folder" alone would take
/// a link to a disk that is not mounted for an absent data set.
fn there(path: &Path) -> Result<There, Error> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(match kind(&metadata) {
            FILE => There::File,
            FOLDER => There::Folder,
            other => There::Other(other),
        }),
        Err(source) => match (source.kind(), broken_link(path)) {
            (_, Some(error)) => Err(error),
            (io::ErrorKind::NotFound | io::ErrorKind::NotADirectory, None) => Ok(There::Nothing),
            _ => Err(unreadable(path, source)),
        },
    }
}

/// Whether a file is there.
///
/// # Errors
/// Something else is, or a link that leads nowhere.
pub(crate) fn is_file(path: &Path) -> Result<bool, Error> {
    let other = |found| Err(unlike(path, "a file", found, "move it away"));
    match there(path)? {
        There::Nothing => Ok(false),
        There::File => Ok(true),
        There::Folder => other(FOLDER),
        There::Other(kind) => other(kind),
    }
}

/// Whether a folder is there, or nothing.
///
/// # Errors
/// Something else is, or a link that leads nowhere.
pub(crate) fn is_folder(path: &Path) -> Result<bool, Error> {
    match there(path)? {
        There::Nothing => Ok(false),
        There::Folder => Ok(true),
        There::File => Err(no_folder(path, FILE)),
        There::Other(kind) => Err(no_folder(path, kind)),
    }
}

fn no_folder(path: &Path, found: &str) -> Error {
    unlike(path, "a folder", found, "move it away, or unpack the data set there")
}

/// Checks that a folder is there and can be read.
///
/// # Errors
/// Nothing is there, something else is, or it cannot be read; a link that leads nowhere says where
/// it leads.
pub fn check_folder(path: &Path) -> Result<(), Error> {
    if !is_folder(path)? {
        let advice = "name the folder that holds the data sets";
        return Err(unlike(path, "a folder", "nothing of that name", advice));
    }
    fs::read_dir(path).map(|_| ()).map_err(|source| unreadable(path, source))
}

/// The names in a folder in text order, hidden ones left out.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let failed = |source| unreadable(folder, source);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The names in a folder that end in `.extension`, in text order.
pub(crate) fn names_with(folder: &Path, extension: &str) -> Result<Vec<String>, Error> {
    let mut names = names(folder)?;
    names.retain(|name| Path::new(name).extension().is_some_and(|found| found == extension));
    Ok(names)
}

/// What lies among recordings and is none.
#[derive(Default)]
pub(crate) struct Others {
    count: usize,
    first: Option<PathBuf>,
}

impl Others {
    /// The names in a folder that end in `.extension`, in text order; the others are counted.
    pub fn recordings(&mut self, folder: &Path, extension: &str) -> Result<Vec<String>, Error> {
        let is_one = |name: &String| Path::new(name).extension().is_some_and(|e| e == extension);
        let (recordings, others) = names(folder)?.into_iter().partition(is_one);
        self.add(folder, others);
        Ok(recordings)
    }

    /// The files of a folder that holds nothing but folders.
    pub fn files(&mut self, folder: &Path) -> Result<(), Error> {
        let mut files = names(folder)?;
        files.retain(|name| folder.join(name).is_file());
        self.add(folder, files);
        Ok(())
    }

    pub fn add(&mut self, folder: &Path, names: Vec<String>) {
        self.count += names.len();
        self.first = self.first.take().or_else(|| Some(folder.join(names.first()?)));
    }

    /// The sentence that says so, of what was looked for below `root`.
    pub fn note(&self, root: &Path, wanted: &str) -> Option<String> {
        let first = self.first.as_ref()?;
        let first = first.strip_prefix(root).unwrap_or(first).display();
        let said = match self.count {
            1 => format!("1 file is left out, for it is no {wanted}: {first}"),
            n => format!("{n} files are left out, for they are no {wanted}; the first: {first}"),
        };
        Some(said)
    }
}

/// The names of the folders in a folder, in text order; files are left out.
///
/// # Errors
/// The folder cannot be read, or holds a link that leads nowhere, which may be one of them; one of
/// the folders `wanted` is something else.
pub(crate) fn folders(folder: &Path, wanted: &[&str]) -> Result<Vec<String>, Error> {
    let mut folders = Vec::new();
    for name in names(folder)? {
        let path = folder.join(&name);
        match there(&path)? {
            There::Folder => folders.push(name),
            There::File if wanted.contains(&name.as_str()) => return Err(no_folder(&path, FILE)),
            There::Other(kind) => return Err(no_folder(&path, kind)),
            There::File | There::Nothing => {}
        }
    }
    Ok(folders)
}

/// The whole of a file of at most `most` bytes.
pub(crate) fn read(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| unreadable(path, source);
    let mut file = open_file(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut bytes = Vec::new();
    if length <= most {
        bytes.reserve_exact(length as usize);
        // a file may grow while it is read
        file.by_ref().take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    match length.max(bytes.len() as u64) {
        length if length > most => Err(too_long(path, most, length)),
        _ => Ok(bytes),
    }
}

fn too_long(path: &Path, most: u64, length: u64) -> Error {
    let found = sentence::counted(length as usize, "byte");
    unlike(path, format!("at most {most} bytes"), found, "it is damaged or another file")
}

/// The first few of `names` for an error message.
pub(crate) fn excerpt(names: &[String]) -> String {
    match names.len() {
        0 => "nothing".to_owned(),
        n if n > 4 => format!("{}, … ({n} names)", names[..4].join(", ")),
        _ => names.join(", "),
    }
}

/// What identifies a file's content.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sum {
    pub bytes: u64,
    pub sha256: String,
}

/// Length and SHA-256 of files of at most `most` bytes each, in their order.
///
/// Contents are streamed, so memory does not grow with the files.
pub(crate) fn sums(files: &[PathBuf], most: u64) -> Result<Vec<Sum>, Error> {
    // collecting the results first keeps the error the same for any number of threads
    let sums: Vec<Result<Sum, Error>> = files.par_iter().map(|path| sum(path, most)).collect();
    sums.into_iter().collect()
}

fn sum(path: &Path, most: u64) -> Result<Sum, Error> {
    let failed = |source| unreadable(path, source);
    let mut file = open_file(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length > most {
        return Err(too_long(path, most, length));
    }
    let mut hasher = Sha256::new();
    let bytes = io::copy(&mut file, &mut hasher).map_err(failed)?;
    Ok(Sum { bytes, sha256: hex(&hasher.finalize()) })
}

/// SHA-256 over the sorted lines "path below `folder`, length in bytes, SHA-256 of the content".
pub(crate) fn manifest(folder: &Path, files: &[PathBuf], sums: &[Sum]) -> String {
    let mut lines: Vec<String> =
        files.iter().zip(sums).map(|(path, sum)| line(folder, path, sum)).collect();
    lines.sort_unstable();
    hex(&Sha256::digest(lines.concat()))
}

fn line(folder: &Path, path: &Path, Sum { bytes, sha256 }: &Sum) -> String {
    let below = path.strip_prefix(folder).unwrap_or(path).components();
    let parts: Vec<_> = below.map(|part| part.as_os_str().to_string_lossy()).collect();
    format!("{} {bytes} {sha256}\n", parts.join("/"))
}
