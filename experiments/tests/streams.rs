//! Output that cannot be written: a reader that left, a full disk, a closed stream. A program whose
//! output is its work ends in silence or in one sentence, one that trains goes on to its receipt;
//! none panics.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a stream is connected to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum To {
    /// A pipe whose reader left before the first byte.
    Gone,
    /// A device without space.
    Full,
    /// Nothing: the stream was closed before the program began.
    Closed,
    /// A file.
    File,
}

const BROKEN: [To; 3] = [To::Gone, To::Full, To::Closed];

fn stream(to: To, file: &Path) -> Stdio {
    match to {
        To::Gone => {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            writer.into()
        }
        To::Full => OpenOptions::new().write(true).open("/dev/full").unwrap().into(),
        To::Closed | To::File => File::create(file).unwrap().into(),
    }
}

fn program(name: &str) -> PathBuf {
    assert_cmd::cargo::cargo_bin(name)
}

/// Calls a program with its streams so connected: its status, and what reached the two files.
fn call(name: &str, arguments: &[&str], dir: &Path, out: To, err: To) -> (i32, String, String) {
    let files = [dir.join("stdout"), dir.join("stderr")];
    // a shell closes what Rust cannot
    let closed = [(out, " >&-"), (err, " 2>&-")];
    let closed: String =
        closed.iter().filter(|(to, _)| *to == To::Closed).map(|(_, word)| *word).collect();
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("exec \"$0\" \"$@\" {closed}"));
    command.arg(program(name)).args(arguments).current_dir(dir);
    command.env_remove("SPIKEGRAD_DATA").env_remove("SPIKEGRAD_CACHE").stdin(Stdio::null());
    command.stdout(stream(out, &files[0])).stderr(stream(err, &files[1]));
    let status = command.status().unwrap();
    let read = |file: &PathBuf| std::fs::read_to_string(file).unwrap_or_default();
    (status.code().unwrap_or(-1), read(&files[0]), read(&files[1]))
}

/// A data root with one N-MNIST recording in each half.
fn data(dir: &Path) {
    for half in ["Train", "Test"] {
        let folder = dir.join("data/N-MNIST").join(half).join("7");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("00001.bin"), [3, 4, 128, 0, 9, 5, 6, 0, 0, 20]).unwrap();
    }
}

/// Programs whose output is their work, and arguments that make them print.
const PRINTING: [(&str, &[&str]); 9] = [
    ("data", &["list", "--data", "data"]),
    ("data", &["list", "--data", "data", "--json"]),
    ("data", &["verify", "n-mnist", "--data", "data"]),
    ("data", &["prepare", "n-mnist", "--data", "data", "--frames", "number:2"]),
    ("data", &["inspect", "data/N-MNIST/Train/7/00001.bin"]),
    ("data", &["show", "data/N-MNIST/Train/7/00001.bin"]),
    ("data", &["--help"]),
    ("table2", &["--help"]),
    ("conformance", &["golden"]),
];

#[test]
fn a_data_program_ends_quietly_when_its_reader_left() {
    let dir = tempfile::tempdir().unwrap();
    data(dir.path());
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden");
    let golden = shared.is_dir();
    if golden {
        std::os::unix::fs::symlink(shared.canonicalize().unwrap(), dir.path().join("golden"))
            .unwrap();
    }
    for (name, arguments) in PRINTING.iter().filter(|(name, _)| golden || *name != "conformance") {
        let help = arguments.contains(&"--help");
        let (status, _, said) = call(name, arguments, dir.path(), To::Gone, To::File);
        // help has done what it could
        assert_eq!(status, if help { 0 } else { 141 }, "{name} {arguments:?}: {said}");
        assert_eq!(said, "", "{name} {arguments:?}");

        let (status, _, said) = call(name, arguments, dir.path(), To::Full, To::File);
        if !help {
            assert_eq!(status, 1, "{name} {arguments:?}: {said}");
            let expected = "error: standard output: expected to write all of it, found no space left; send it \
                            elsewhere and run the command again\n";
            assert_eq!(said, expected, "{name} {arguments:?}");
        }
        for err in BROKEN {
            let (status, printed, _) = call(name, arguments, dir.path(), To::File, err);
            assert_eq!(status, 0, "{name} {arguments:?}, stderr {err:?}");
            assert!(!printed.is_empty(), "{name} {arguments:?}, stderr {err:?}");
        }
        let (status, _, said) = call(name, arguments, dir.path(), To::Closed, To::File);
        assert_eq!((status, said.as_str()), (0, ""), "{name} {arguments:?}, closed");
    }
}

#[test]
fn an_error_ends_with_its_status_where_nobody_hears_it() {
    let dir = tempfile::tempdir().unwrap();
    for (name, arguments, expected) in [
        ("data", &["inspect", "absent"][..], 1),
        ("data", &["frobnicate"], 2),
        ("table2", &["--data", "absent"], 1),
        ("table2", &["--colour"], 2),
        ("train", &["n-mnist", "--data", "absent"], 1),
        ("train", &["n-caltech"], 2),
        ("simulator", &["compare", "--data", "absent"], 1),
        ("conformance", &["absent"], 1),
    ] {
        for out in BROKEN {
            for err in BROKEN {
                let (status, _, _) = call(name, arguments, dir.path(), out, err);
                assert_eq!(status, expected, "{name} {arguments:?}, {out:?}, {err:?}");
            }
        }
    }
}

const TINY: [&str; 13] = [
    "--only",
    "n-mnist",
    "--profile",
    "smoke",
    "--epochs",
    "2",
    "--steps",
    "2",
    "--narrow",
    "64",
    "--crossover",
    "0.5",
    "--results",
];

#[test]
fn training_goes_on_without_its_terminal() {
    let dir = tempfile::tempdir().unwrap();
    for (k, (out, err, expected)) in [
        (To::Gone, To::Gone, 0),
        (To::Full, To::Full, 1),
        (To::Closed, To::Closed, 0),
        (To::File, To::Gone, 0),
    ]
    .into_iter()
    .enumerate()
    {
        let results = format!("results{k}");
        let arguments = [&TINY[..], &[&results]].concat();
        let (status, _, said) = call("table2", &arguments, dir.path(), out, err);
        assert_eq!(status, expected, "{out:?}, {err:?}: {said}");
        let results = dir.path().join(results);
        let receipts = std::fs::read_dir(results.join("runs/table2")).unwrap().count();
        assert_eq!(receipts, 1, "{out:?}, {err:?}");
        assert!(results.join("table2.md").is_file(), "{out:?}, {err:?}");
        assert_eq!(std::fs::read_dir(results.join("checkpoints")).unwrap().count(), 0);
    }
}
