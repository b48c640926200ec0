//! Where a data set's [`Download`]s go.

use std::path::{Path, PathBuf};

use super::Item;
use crate::{Download, Error, Name, files, find};

impl From<&'static Download> for Item<'static> {
    fn from(download: &'static Download) -> Self {
        let Download { file, urls, bytes, md5, sha256, unpack } = *download;
        Self { file, urls, bytes, md5, sha256, unpack }
    }
}

/// A data set's folder below a data root: the one of its name that is there, else the one to make.
///
/// # Errors
/// The root cannot be read, or holds two.
pub fn folder(name: Name, root: &Path) -> Result<PathBuf, Error> {
    let names = files::names(root)?;
    match find::named(root, &names, name.set().layout.folders)?[..] {
        [] => Ok(root.join(name.id())),
        [folder] => Ok(root.join(folder)),
        [first, second, ..] => Err(find::two(name, root, first, second)),
    }
}
