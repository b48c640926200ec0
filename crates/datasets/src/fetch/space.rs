//! Free space of the disk below a folder.

use super::Error;
use std::io;
use std::path::Path;

/// Bytes that this user may still write there; `None` where the system does not tell.
#[cfg(unix)]
fn available(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

/// Elsewhere a full disk shows when it is full.
#[cfg(not(unix))]
fn available(_folder: &Path) -> Option<u64> {
    None
}

/// Refuses to begin writing `needed` bytes where they do not fit.
pub(super) fn require(folder: &Path, needed: u64) -> Result<(), Error> {
    match available(folder) {
        Some(free) if free < needed => Err(Error::Space {
            folder: folder.to_owned(),
            needed: Some(needed),
            available: Some(free),
        }),
        _ => Ok(()),
    }
}

impl Error {
    /// The file system's `source`, where a full disk has a sentence of its own.
    pub(super) fn disk(action: &'static str, path: &Path, source: io::Error) -> Self {
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            let folder = path.parent().unwrap_or(path).to_owned();
            let available = available(&folder);
            return Self::Space { folder, needed: None, available };
        }
        Self::Disk { path: path.to_owned(), action, source }
    }
}
