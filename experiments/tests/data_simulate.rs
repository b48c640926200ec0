//! `data simulate` as a user meets it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use assert_cmd::Command;
use datasets::{Found, Name, find};
use std::path::{Path, PathBuf};

/// Twelve images of bars and their labels, as idx files in a new folder.
fn images() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut images = vec![0, 0, 8, 3, 0, 0, 0, 12, 0, 0, 0, 28, 0, 0, 0, 28];
    let mut labels = vec![0, 0, 8, 1, 0, 0, 0, 12];
    for k in 0..12_u8 {
        let bar = |at: usize| {
            (usize::from(k) + 6..usize::from(k) + 9).contains(&(at % 28))
                && (5..23).contains(&(at / 28))
        };
        images.extend((0..784).map(|at| if bar(at) { 255 } else { 0 }));
        labels.push(k % 3);
    }
    std::fs::write(dir.path().join("train-images-idx3-ubyte"), images).unwrap();
    std::fs::write(dir.path().join("train-labels-idx1-ubyte"), labels).unwrap();
    dir
}

fn simulate(arguments: &[&str], paths: &[(&str, &Path)]) -> Command {
    let mut command = Command::cargo_bin("data").unwrap();
    command.arg("simulate").args(arguments);
    for (flag, path) in paths {
        command.arg(flag).arg(path);
    }
    command
}

fn sentence(mut command: Command, code: i32) -> String {
    let output = command.assert().code(code).get_output().clone();
    String::from_utf8(output.stderr).unwrap()
}

fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((
                    path.strip_prefix(dir).unwrap().to_owned(),
                    std::fs::read(&path).unwrap(),
                ));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn the_folder_is_one_of_n_mnist_marked_as_simulated_and_a_function_of_the_seed() {
    let (images, out) = (images(), tempfile::tempdir().unwrap());
    let made = |name: &str, seed: &str| {
        let path = out.path().join(name);
        simulate(
            &["--count", "9", "--test", "3", "--seed", seed],
            &[("--images", images.path()), ("--out", &path)],
        )
        .assert()
        .success();
        path
    };
    let (one, again, other) = (made("n-mnist", "1"), made("again", "1"), made("other", "2"));
    assert_eq!(files(&one), files(&again));
    assert_ne!(files(&one), files(&other));
    assert!(one.join("Train/2/00003.bin").is_file() && one.join("Test/0/00010.bin").is_file());
    let marker: serde_json::Value =
        serde_json::from_slice(&std::fs::read(one.join("SIMULATED.json")).unwrap()).unwrap();
    assert_eq!(
        (&marker["train"], &marker["test"], &marker["seed"]),
        (&9.into(), &3.into(), &1.into())
    );

    let Found::Recordings(set) = find(Name::NMnist, &one).unwrap() else {
        panic!("not N-MNIST's layout")
    };
    assert_eq!((set.train.len(), set.test.len()), (9, 3));
    for recording in set.train.iter().chain(&set.test) {
        assert!(recording.events().unwrap().len() > 500);
    }
    // nothing half-made stays beside the folders
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 3);
}

// Long: one list of what cannot be simulated.
#[test]
fn what_cannot_be_simulated_is_refused_in_one_sentence_and_leaves_nothing() {
    let (images, out) = (images(), tempfile::tempdir().unwrap());
    let file = images.path().join("train-images-idx3-ubyte");
    let labels = images.path().join("train-labels-idx1-ubyte");
    let new = out.path().join("new");
    let held = out.path().join("held");
    std::fs::create_dir(&held).unwrap();
    std::fs::write(held.join("mine"), "mine").unwrap();
    for (count, images, labels, out, said) in [
        (
            "3",
            &file,
            &labels,
            &held,
            "held: expected a new or empty folder, found something there; choose another with --out DIR",
        ),
        (
            "90",
            &file,
            &labels,
            &new,
            "train-images-idx3-ubyte: expected at least 99 items, found 12;",
        ),
        (
            "3",
            &labels,
            &labels,
            &new,
            "train-labels-idx1-ubyte: expected an idx file of 28×28 images, found the first bytes",
        ),
        (
            "3",
            &file,
            &file,
            &new,
            "train-images-idx3-ubyte: expected an idx file of labels, found the first bytes",
        ),
        (
            "3",
            &held,
            &labels,
            &new,
            "held: expected train-images-idx3-ubyte.gz in it, found no such file;",
        ),
        (
            "3",
            &out.path().join("absent"),
            &labels,
            &new,
            "absent: expected to read it, found nothing of that name",
        ),
    ] {
        let command = simulate(
            &["--count", count],
            &[("--images", images), ("--labels", labels), ("--out", out)],
        );
        let found = sentence(command, 1);
        assert!(
            found.starts_with("error: ") && found.contains(said) && found.lines().count() == 1,
            "{found}"
        );
    }
    std::fs::write(&labels, [vec![0, 0, 8, 1, 0, 0, 0, 12], vec![11; 12]].concat()).unwrap();
    let found = sentence(simulate(&["--count", "3"], &[("--images", &file), ("--out", &new)]), 1);
    assert!(found.contains("expected labels from 0 to 9, found 11 for image 0"), "{found}");
    std::fs::remove_file(&labels).unwrap();
    let found = sentence(simulate(&["--count", "3"], &[("--images", &file), ("--out", &new)]), 1);
    assert!(
        found.contains(
            "expected a file of labels beside it, found none; name it with --labels FILE"
        ),
        "{found}"
    );
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 1, "only what was there before");
    assert_eq!(std::fs::read(held.join("mine")).unwrap(), b"mine");
}

#[test]
fn wrong_flags_are_clap_s() {
    for flags in [&["--count", "0"][..], &["--count", "3", "--frames", "2"], &[]] {
        assert!(sentence(simulate(flags, &[]), 2).contains("error:"));
    }
}
