//! One fetch at a time in a folder.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::{Error, Progress};
use crate::files::open_own;

/// The lock of a folder: a hidden file beside it, locked for as long as this lives, and removed
/// with it. The system gives the lock of a killed process back by itself.
pub(super) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Waits for it.
    pub fn take(folder: &Path, progress: &mut dyn Progress) -> Result<Self, Error> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let path = folder.with_file_name(format!(".{name}.fetch-lock"));
        let refused = |source| Error::disk("lock", &path, source);
        loop {
            let mut options = File::options();
            options.create(true).truncate(false).write(true);
            let file = open_own(&path, &options).map_err(refused)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    progress.note(&format!(
                        "{}: another fetch is under way, waiting for it",
                        folder.display()
                    ));
                    file.lock().map_err(refused)?;
                }
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                    let line = "its file system has no locks, so do not start a second fetch";
                    progress.note(&format!("{}: {line}", folder.display()));
                }
                Err(TryLockError::Error(error)) => return Err(refused(error)),
            }
            // the one before removes the file as it ends: a lock on a removed file guards nothing
            if is_still(&file, &path) {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if cfg!(unix) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(unix)]
fn is_still(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
    matches!((file.metadata(), fs::metadata(path)), (Ok(open), Ok(named)) if identity(&open) == identity(&named))
}

/// Elsewhere the file stays, since nothing tells there whether it is still the same.
#[cfg(not(unix))]
fn is_still(_file: &File, _path: &Path) -> bool {
    true
}
