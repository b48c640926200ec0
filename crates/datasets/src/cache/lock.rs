//! Who may write a cache: the holder of an advisory lock on `<name>.lock`, which the system
//! releases when its holder dies.

use std::{
    fs::{File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::files::open_own;

/// A held lock; dropped, its file is removed and the lock released.
pub(super) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock if nobody has it: another process or thread may.
    pub(super) fn try_take(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        match file.try_lock() {
            // the holder before may have removed the file that this lock is on; then another may
            // hold a new one
            Ok(()) => Ok(is_at(&file, path).then(|| Self { path: path.to_owned(), _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // before the lock goes: whoever gets it next sees that its file is gone, and takes a new
        // one
        let _ = std::fs::remove_file(&self.path);
    }
}

fn open(path: &Path) -> io::Result<File> {
    open_own(path, File::options().write(true).create(true).truncate(false))
}

fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: &std::fs::Metadata| (metadata.dev(), metadata.ino());
    matches!((file.metadata(), path.metadata()), (Ok(held), Ok(there)) if identity(&held) == identity(&there))
}
