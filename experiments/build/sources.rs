//! What the programs are built from: the files of the workspace that go into them, and their
//! digest.
//!
//! Part of the build script, and of the test that holds it to its words.

use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};

/// What a crate has of its own beside its manifest: code, and what code includes. Its tests,
/// examples and benchmarks are in no program.
const PARTS: [&str; 4] = ["src", "assets", "build", "build.rs"];

/// The files and folders below `workspace` whose content decides what the programs compute, as
/// paths below it, sorted; `None` where the crates are not there, as in a tree of single packages.
pub fn roots(workspace: &Path) -> io::Result<Option<Vec<String>>> {
    let mut crates = vec!["experiments".to_owned()];
    let folder = workspace.join("crates");
    if !folder.is_dir() || !workspace.join("Cargo.lock").is_file() {
        return Ok(None);
    }
    for entry in std::fs::read_dir(folder)? {
        if let Ok(name) = entry?.file_name().into_string() {
            crates.push(format!("crates/{name}"));
        }
    }
    let mut roots = vec!["Cargo.toml".to_owned(), "Cargo.lock".to_owned()];
    for of in crates {
        if workspace.join(&of).join("Cargo.toml").is_file() {
            roots.push(format!("{of}/Cargo.toml"));
            let parts = PARTS.iter().map(|part| format!("{of}/{part}"));
            roots.extend(parts.filter(|part| workspace.join(part).exists()));
        }
    }
    roots.sort_unstable();
    Ok(Some(roots))
}

/// SHA-256, in hex, of all files below the roots, in order of their paths, and of the features that
/// the programs were built with. It is the same in every folder, on every machine, and whatever
/// ends a line.
///
/// Neither compiler nor profile is part of it: arithmetic of Rust is the same for each.
pub fn digest(workspace: &Path, roots: &[String], features: &[String]) -> io::Result<String> {
    let mut files = Vec::new();
    for root in roots {
        collect(workspace, root, &mut files)?;
    }
    // by the bytes of the path with slashes, whatever the system lists first
    files.sort_unstable();
    let mut hash = Sha256::new();
    for name in files {
        let content = lines(std::fs::read(workspace.join(&name))?);
        hash.update(format!("{name}\n{}\n", content.len()));
        hash.update(content);
    }
    let mut features = features.to_vec();
    features.sort_unstable();
    hash.update(format!("features {}\n", features.join(" ")));
    Ok(sentence::hex(&hash.finalize()))
}

/// Every file at or below `name`; what is hidden belongs to an editor or a desktop.
fn collect(workspace: &Path, name: &str, files: &mut Vec<String>) -> io::Result<()> {
    let path: PathBuf = workspace.join(name);
    if !path.is_dir() {
        files.push(name.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let below = entry?.file_name();
        match below.to_str() {
            Some(below) if !below.starts_with('.') => {
                collect(workspace, &format!("{name}/{below}"), files)?;
            }
            _ => (),
        }
    }
    Ok(())
}

/// A file's bytes with line feeds alone: a checkout may write others.
fn lines(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut before = None;
    let mut kept = Vec::with_capacity(bytes.len());
    for byte in bytes.drain(..) {
        if byte == b'\n' && before == Some(b'\r') {
            kept.pop();
        }
        kept.push(byte);
        before = Some(byte);
    }
    kept
}
