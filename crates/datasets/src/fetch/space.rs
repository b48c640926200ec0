//! Free space of the disk below a folder.

use std::path::Path;

/// Bytes that this user may still write there; `None` where the system does not tell.
#[cfg(unix)]
pub(super) fn available(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

/// Elsewhere a full disk shows when it is full.
#[cfg(not(unix))]
pub(super) fn available(_folder: &Path) -> Option<u64> {
    None
}

/// Refuses to begin writing `needed` bytes where they do not fit.
pub(super) fn require(folder: &Path, needed: u64) -> Result<(), super::Error> {
    match available(folder) {
        Some(free) if free < needed => Err(super::Error::Space {
            folder: folder.to_owned(),
            needed: Some(needed),
            available: Some(free),
        }),
        _ => Ok(()),
    }
}
