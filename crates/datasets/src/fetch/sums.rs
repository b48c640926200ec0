//! Length, MD5 and SHA-256 of a file, computed as its bytes pass by.

use std::{
    io::{self, Read},
    path::Path,
};

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{Error, Item, Progress};
use crate::files::{hex, open_file};

/// What identifies a file's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Its length.
    pub bytes: u64,
    /// Its MD5, 32 lower-case hexadecimal digits. Publishers give it; it guards against accidents,
    /// not against malice.
    pub md5: String,
    /// Its SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

impl Sums {
    /// Reads the whole file once.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(path: &Path, progress: &mut dyn Progress) -> Result<Self, Error> {
        let unreadable = |source| Error::disk("read", path, source);
        let mut file = open_file(path).map_err(unreadable)?;
        let total = file.metadata().map_err(unreadable)?.len();
        progress.begin(&format!("checking {}", path.display()), Some(total), 0);
        let mut running = Running::default();
        running.read(&mut file, progress).map_err(unreadable)?;
        Ok(running.sums())
    }

    /// The first of length, MD5 and SHA-256 that is published and differs: (expected, found).
    pub(super) fn differ(&self, item: &Item<'_>) -> Option<(String, String)> {
        let Item { bytes, md5, sha256, .. } = *item;
        if let Some(bytes) = bytes.filter(|&bytes| bytes != self.bytes) {
            return Some((format!("{bytes} bytes"), format!("{} bytes", self.bytes)));
        }
        [("MD5", md5, &self.md5), ("SHA-256", sha256, &self.sha256)].into_iter().find_map(
            |(what, published, found)| {
                let published = published.filter(|sum| !sum.eq_ignore_ascii_case(found))?;
                Some((format!("{what} {published}"), format!("{what} {found}")))
            },
        )
    }
}

/// Sums of the bytes so far.
#[derive(Clone, Default)]
pub(super) struct Running {
    bytes: u64,
    md5: Md5,
    sha256: Sha256,
}

impl Running {
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn update(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        self.md5.update(chunk);
        self.sha256.update(chunk);
    }

    /// Takes in all that `reader` still has.
    pub fn read(&mut self, reader: &mut dyn Read, progress: &mut dyn Progress) -> io::Result<()> {
        let mut chunk = vec![0; super::CHUNK_BYTES];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(n) => {
                    self.update(&chunk[..n]);
                    progress.advance(n as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub fn sums(&self) -> Sums {
        Sums {
            bytes: self.bytes,
            md5: hex(&self.md5.clone().finalize()),
            sha256: hex(&self.sha256.clone().finalize()),
        }
    }
}
