//! `data fetch mnist`, killed again and again while it runs: the next call goes on, and the last
//! one ends in the published files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../crates/datasets/tests/server/mod.rs"]
mod server;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use server::{Fault, Server};
use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Processes that are killed while they run.
const KILLS: usize = 50;

fn shared_mnist() -> Option<PathBuf> {
    let shared = std::env::var_os("SPIKEGRAD_SHARED").map(PathBuf::from);
    let path = shared
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into())
        .join("data/mnist");
    if !path.exists() {
        eprintln!("SKIPPED: no {}", path.display());
        return None;
    }
    Some(path)
}

fn start(root: &Path, mirror: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_data"))
        .args(["fetch", "mnist", "--mirror", mirror, "--data"])
        .arg(root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Every file in the set's folder with its content, in order.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn kill_9_at_fifty_moments_changes_no_byte() {
    let Some(source) = shared_mnist() else { return };
    let server = Server::start();
    let published = files(&source);
    for (name, content) in &published {
        server.serve_always(name, content, &[], Fault::Trickle(100_000, Duration::from_millis(3)));
    }
    let undisturbed = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    assert!(start(undisturbed.path(), server.address()).wait().unwrap().success());
    let whole = begin.elapsed();
    assert!(files(&undisturbed.path().join("mnist")) == published);

    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let (mut killed, mut whole) = (0, whole);
    let mut root = tempfile::tempdir().unwrap();
    while killed < KILLS {
        let mut child = start(root.path(), server.address());
        thread::sleep(whole.mul_f64(rng.random()));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        match status.signal() {
            Some(9) => killed += 1,
            _ => {
                assert!(status.success(), "{status}");
                // done in spite of all the kills before: it must be right, and another begins
                assert!(files(&root.path().join("mnist")) == published);
                root = tempfile::tempdir().unwrap();
                whole = whole.mul_f64(0.9);
            }
        }
    }
    assert!(start(root.path(), server.address()).wait().unwrap().success());
    assert!(files(&root.path().join("mnist")) == published);
    let left: Vec<_> =
        std::fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["mnist"]);
}
