//! What has come of a file so far.

use std::{
    fs::{self, File},
    io::{Seek, Write},
    path::{Path, PathBuf},
};

use super::{Error, Item, Progress, Sums, sums::Running};
use crate::files::open_own;

/// A download so far: `<file>.part`, and the sums of what is in it.
pub(super) struct Part {
    path: PathBuf,
    file: File,
    running: Running,
}

impl Part {
    /// Takes in what an earlier call left.
    pub(super) fn open(
        folder: &Path,
        item: &Item<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Self, Error> {
        let path = folder.join(format!("{}.part", item.file));
        let refused = |source| Error::disk("open", &path, source);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = open_own(&path, &options).map_err(refused)?;
        let length = file.metadata().map_err(refused)?.len();
        let mut running = Running::default();
        if length > 0 {
            progress.begin(&format!("checking what is there of {}", item.file), Some(length), 0);
            running
                .read(&mut file, progress)
                .map_err(|source| Error::disk("read", &path, source))?;
        }
        Ok(Self { path, file, running })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.running.bytes()
    }

    pub(super) fn sums(&self) -> Sums {
        self.running.sums()
    }

    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    pub(super) fn restart(&mut self) -> Result<(), Error> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        self.running = Running::default();
        emptied.map_err(|source| Error::disk("empty", &self.path, source))
    }

    pub(super) fn write(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.file.write_all(chunk).map_err(|source| Error::disk("write", &self.path, source))?;
        self.running.update(chunk);
        Ok(())
    }

    /// Gives it its own name, after its bytes are on the disk: a name never stands for less than
    /// the file.
    pub(super) fn finish(self, path: &Path) -> Result<PathBuf, Error> {
        self.file.sync_all().map_err(|source| Error::disk("write", &self.path, source))?;
        fs::rename(&self.path, path).map_err(|source| Error::disk("rename", &self.path, source))?;
        Ok(path.to_owned())
    }

    /// What is left to do where this machine failed: a disk that became full gets its room back,
    /// anything else can go on later.
    pub(super) fn after(self, error: Error, item: &Item<'_>) -> Error {
        let Error::Space { folder, needed: None, available } = error else {
            self.remove_if_empty();
            return error;
        };
        let _ = fs::remove_file(&self.path);
        Error::Space {
            folder,
            needed: item.bytes.map(|all| all.saturating_sub(self.bytes())),
            available,
        }
    }

    pub(super) fn remove_if_empty(&self) {
        if self.bytes() == 0 {
            let _ = fs::remove_file(&self.path);
        }
    }
}
