//! What the tests share: reference data, and folders as users have them.
#![allow(dead_code)] // each test uses its part

use std::{
    fs,
    path::{Path, PathBuf},
};

use datasets::{Found, Name, Recordings, find};

/// The folder of shared reference data, or `None` (said aloud) where this machine has none.
pub fn shared(part: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("SPIKEGRAD_SHARED").map(PathBuf::from);
    let path = shared
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into())
        .join(part);
    if !path.exists() {
        eprintln!("SKIPPED: no {}", path.display());
        return None;
    }
    Some(path)
}

pub fn recordings(found: Found) -> Recordings {
    match found {
        Found::Recordings(set) => set,
        other => panic!("{other:?}"),
    }
}

pub fn found(name: Name, root: &Path) -> Recordings {
    recordings(find(name, root).unwrap())
}

pub fn write(root: &Path, file: &str, bytes: &[u8]) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// What is said about a data set that should be refused.
pub fn sentence(name: Name, root: &Path) -> String {
    find(name, root)
        .expect_err("should be refused")
        .to_string()
        .replace(&root.display().to_string(), "ROOT")
}
