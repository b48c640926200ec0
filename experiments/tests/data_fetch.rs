//! `data fetch`, `data list` and `data verify` as a user meets them. The server is the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../crates/datasets/tests/server/mod.rs"]
mod server;

use assert_cmd::Command;
use serde_json::Value;
use server::{Fault, Server};
use std::path::{Path, PathBuf};

/// What a call said and how it ended.
struct Said {
    status: i32,
    stdout: String,
    stderr: String,
}

fn data(dir: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::cargo_bin("data").unwrap();
    command.current_dir(dir).env_remove("SPIKEGRAD_DATA").args(arguments);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said {
        status: output.status.code().unwrap(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

impl Said {
    /// Status 1 and one `error:` line, the last, with each of `words`.
    #[track_caller]
    fn is_refused_with(&self, words: &[&str]) {
        let errors: Vec<&str> =
            self.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(
            (self.status, errors.len(), self.stderr.lines().last()),
            (1, 1, errors.last().copied()),
            "{}",
            self.stderr
        );
        for word in words {
            assert!(errors[0].contains(word), "expected \"{word}\" in: {}", errors[0]);
        }
    }

    #[track_caller]
    fn succeeds(self) -> Self {
        assert_eq!(self.status, 0, "{}{}", self.stdout, self.stderr);
        self
    }
}

/// A folder of the shared reference data, or `None` (said aloud) where this machine has none.
fn shared(part: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("SPIKEGRAD_SHARED").map(PathBuf::from);
    let path = shared
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into())
        .join(part);
    if !path.exists() {
        eprintln!("SKIPPED: no {}", path.display());
        return None;
    }
    Some(path)
}

/// The published files of MNIST: (name, content).
fn mnist() -> Option<Vec<(String, Vec<u8>)>> {
    let entries = std::fs::read_dir(shared("data/mnist")?).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .filter(|(name, _)| name.ends_with(".gz"))
        .collect();
    files.sort();
    assert_eq!(files.len(), 4);
    Some(files)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn mnist_comes_from_a_mirror_through_every_fault() {
    let Some(files) = mnist() else { return };
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start());
    for ((name, content), fault) in files.iter().zip([
        Fault::Drop(2_000),
        Fault::IgnoreRange,
        Fault::Drop(5_000_000),
        Fault::Chunked,
    ]) {
        server.serve(name, content, &[fault]);
    }
    let arguments = ["fetch", "mnist", "--data", "sets", "--mirror", server.address()];
    let said = data(dir.path(), &arguments).succeeds();
    assert_eq!(said.stdout, "mnist: complete in sets/mnist\n");
    let folder = dir.path().join("sets/mnist");
    assert_eq!(names(&dir.path().join("sets")), ["mnist"]);
    assert_eq!(names(&folder), files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
    for (name, content) in &files {
        assert!(&std::fs::read(folder.join(name)).unwrap() == content, "{name}");
    }
    assert!(
        said.stderr.contains("downloading train-images-idx3-ubyte.gz")
            && !said.stderr.contains('\u{1b}'),
        "{}",
        said.stderr
    );

    let requests = server.requests().len();
    data(dir.path(), &arguments).succeeds();
    assert_eq!(server.requests().len(), requests, "what is here must not be asked for again");

    // a file of one's own under a published name is neither used nor removed
    let labels = folder.join("train-labels-idx1-ubyte.gz");
    std::fs::write(&labels, "mine").unwrap();
    data(dir.path(), &arguments).is_refused_with(&[
        "mnist: ",
        "train-labels",
        "28881 bytes",
        "found 4 bytes",
        "move it away",
    ]);
    assert_eq!(std::fs::read(&labels).unwrap(), b"mine");
}

#[test]
fn a_look_alike_is_refused_and_nothing_of_it_is_left() {
    let Some(files) = mnist() else { return };
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start());
    for (name, content) in &files {
        server.serve_always(name, content, &[], Fault::WrongByte(3_000));
    }
    let said = data(dir.path(), &["fetch", "mnist", "--mirror", server.address()]);
    said.is_refused_with(&["expected MD5 f68b3c2dcbeaaa9fbdd348bbdeb94873", "found MD5"]);
    assert_eq!(names(&dir.path().join("data")), [""; 0]);
}

#[test]
fn a_set_without_an_address_says_what_to_do_and_takes_what_was_brought() {
    let dir = tempfile::tempdir().unwrap();
    let said = data(dir.path(), &["fetch", "dvs-gesture"]);
    said.is_refused_with(&["dvs-gesture: DvsGesture.tar.gz", "no direct address", "steps above"]);
    for step in [
        "1. open https://",
        "2. put DvsGesture.tar.gz into data/dvs-gesture",
        "3. run this command again",
    ] {
        assert!(said.stderr.contains(step), "{}", said.stderr);
    }
    assert_eq!(names(&dir.path().join("data")), [""; 0]);
    // brought, but not the published file
    std::fs::create_dir(dir.path().join("data/DVS128_Gesture")).unwrap();
    std::fs::write(dir.path().join("data/DVS128_Gesture/DvsGesture.tar.gz"), "half of it").unwrap();
    let said = data(dir.path(), &["fetch", "dvs-gesture"]);
    said.is_refused_with(&[
        "DVS128_Gesture/DvsGesture.tar.gz",
        "MD5 8a5c71fb11e24e5ca5b11866ca6c00a1",
        "found MD5",
    ]);
}

#[test]
fn wrong_names_and_flags_are_usage() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &["fetch"][..],
        &["fetch", "emnist"],
        &["verify", "emnist"],
        &["fetch", "mnist", "--colour"],
        &["list", "x"],
    ] {
        let said = data(dir.path(), arguments);
        assert_eq!((said.status, said.stdout.as_str()), (2, ""), "{arguments:?}: {}", said.stderr);
    }
    assert!(data(dir.path(), &["fetch", "emnist"]).stderr.contains("mnist, "));
    assert_eq!(names(dir.path()), [""; 0]);
    data(dir.path(), &["list", "--data", "nowhere"])
        .is_refused_with(&["--data names nowhere", "not a folder"]);
    data(dir.path(), &["verify"]).is_refused_with(&["expected a data folder"]);
}

/// A data root with one recording in each half of N-MNIST.
fn one_of_each_half(root: &Path, bytes: &[u8]) {
    for half in ["Train", "Test"] {
        let folder = root.join("nmnist").join(half).join("7");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("00001.bin"), bytes).unwrap();
    }
}

fn row(dir: &Path, name: &str) -> Value {
    let rows: Vec<Value> =
        serde_json::from_str(&data(dir, &["list", "--json"]).succeeds().stdout).unwrap();
    rows.into_iter().find(|row| row["name"] == name).unwrap()
}

#[test]
fn list_says_what_is_here() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(row(dir.path(), "n-mnist")["state"], "absent");
    one_of_each_half(&dir.path().join("data"), &[1, 2, 0, 0, 9, 3, 4, 128, 0, 10]);
    let found = row(dir.path(), "n-mnist");
    let expected = [("state", "sample"), ("title", "N-MNIST"), ("licence", "CC BY-SA 4.0")];
    assert!(expected.iter().all(|(field, value)| &found[field] == value), "{found}");
    for (field, value) in [
        ("train", 1),
        ("test", 1),
        ("published_train", 60_000),
        ("published_test", 10_000),
        ("bytes", 20),
    ] {
        assert_eq!(found[field], value, "{field}");
    }
    assert_eq!(found["manifest_sha256"].as_str().unwrap().len(), 64);
    std::fs::create_dir(dir.path().join("data/cifar10-dvs")).unwrap();
    std::fs::write(dir.path().join("data/cifar10-dvs/notes.txt"), "x").unwrap();
    assert_eq!(row(dir.path(), "dvs-cifar10")["state"], "unusable");
    let table = data(dir.path(), &["list"]).succeeds().stdout;
    let line = table.lines().find(|line| line.starts_with("n-mnist")).unwrap();
    assert_eq!(
        line.split_whitespace().collect::<Vec<_>>()[..6],
        ["n-mnist", "N-MNIST", "sample", "1/60000", "1/10000", "20"]
    );
    assert!(table.contains("dvs-cifar10: expected ten folders"), "{table}");
}

#[test]
fn verify_decodes_everything_and_lists_what_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    one_of_each_half(&root, &[1, 2, 0, 0, 9, 3, 4, 128, 0, 10]);
    let said = data(dir.path(), &["verify"]).succeeds();
    assert!(
        said.stdout.starts_with(
            "n-mnist: sample, 1 train and 1 test recordings in 2 files of 20 bytes, manifest "
        ),
        "{}",
        said.stdout
    );
    assert!(said.stdout.ends_with(": ok\n"), "{}", said.stdout);
    // 12 broken files: 10 are named
    for i in 2..14 {
        std::fs::write(root.join(format!("nmnist/Train/7/{i:05}.bin")), [0; 7]).unwrap();
    }
    let said = data(dir.path(), &["verify", "n-mnist"]);
    said.is_refused_with(&["12 failures"]);
    let named: Vec<&str> = said.stdout.lines().filter(|line| line.contains(".bin: ")).collect();
    assert_eq!(named.len(), 10, "{}", said.stdout);
    assert!(
        named[0].contains("Train/7/00002.bin")
            && said.stdout.contains("12 failures")
            && said.stdout.contains("and 2 more")
    );
    data(dir.path(), &["verify", "dvs-gesture"]).is_refused_with(&[
        "dvs-gesture",
        "found nothing",
        "fetch it",
    ]);
}

#[test]
fn the_sample_of_recordings_verifies() {
    let Some(sample) = shared("data/nmnist") else { return };
    let dir = tempfile::tempdir().unwrap();
    let said = data(
        dir.path(),
        &["verify", "n-mnist", "--data", sample.parent().unwrap().to_str().unwrap()],
    )
    .succeeds();
    assert!(
        said.stdout
            .starts_with("n-mnist: sample, 1000 train and 100 test recordings in 1100 files of "),
        "{}",
        said.stdout
    );
}
