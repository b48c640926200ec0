//! Looking at folders: sorted names, and the digest over what was found.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::Error;

/// The names in a folder in text order, hidden ones left out.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let unreadable = |source| Error::Read { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
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

/// The whole of a small file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// The first few of `names` for an error message.
pub(crate) fn excerpt(names: &[String]) -> String {
    match names.len() {
        0 => "nothing".to_owned(),
        n if n > 4 => format!("{}, … ({n} names)", names[..4].join(", ")),
        _ => names.join(", "),
    }
}

/// SHA-256 over the sorted lines "path below `folder`, length in bytes, SHA-256 of the content".
///
/// Contents are streamed, so memory does not grow with the files.
pub(crate) fn manifest(folder: &Path, files: &[PathBuf]) -> Result<String, Error> {
    let mut lines: Vec<String> =
        files.par_iter().map(|path| line(folder, path)).collect::<Result<_, _>>()?;
    lines.sort_unstable();
    Ok(hex(&Sha256::digest(lines.concat())))
}

fn line(folder: &Path, path: &Path) -> Result<String, Error> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let mut hasher = Sha256::new();
    let bytes =
        io::copy(&mut File::open(path).map_err(unreadable)?, &mut hasher).map_err(unreadable)?;
    let below = path.strip_prefix(folder).unwrap_or(path).components();
    let parts: Vec<_> = below.map(|part| part.as_os_str().to_string_lossy()).collect();
    Ok(format!("{} {bytes} {}\n", parts.join("/"), hex(&hasher.finalize())))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
