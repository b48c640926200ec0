//! The program `table2` as a user meets it: what it says to bad input, and what a run leaves
//! behind.
#![allow(clippy::unwrap_used)]

use assert_cmd::Command;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What a call said and how it ended.
struct Said {
    status: i32,
    stdout: String,
    stderr: String,
}

/// Calls `table2` in `dir`, a folder without data, with results in `dir/results`; with a crossover
/// that no measurement moves, since tests compare bits.
fn table2(dir: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::cargo_bin("table2").unwrap();
    command.current_dir(dir).env_remove("SPIKEGRAD_DATA").args(arguments);
    command.args(["--crossover", "0.5"]);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said {
        status: output.status.code().unwrap(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

impl Said {
    /// The refusal of bad data or of a bad folder: status 1, nothing trained, and last one line
    /// that holds `words`.
    #[track_caller]
    fn is_one_sentence_with(&self, words: &[&str]) {
        let Said { status, stdout, stderr } = self;
        assert_eq!((*status, stdout.as_str()), (1, ""), "{stderr}");
        let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{stderr}");
        assert_eq!(stderr.lines().last(), Some(errors[0]), "{stderr}");
        for word in words {
            assert_eq!(errors[0].matches(word).count(), 1, "expected \"{word}\" once in: {stderr}");
        }
        assert!(!trains(stderr) && !stderr.contains("panicked"), "{stderr}");
    }

    /// The refusal of a wrong flag: status 2 and `words` on standard error.
    #[track_caller]
    fn is_usage_with(&self, words: &[&str]) {
        let Said { status, stdout, stderr } = self;
        assert_eq!((*status, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.starts_with("error: ") && !stderr.contains("panicked"), "{stderr}");
        for word in words {
            assert!(stderr.contains(word), "expected \"{word}\" in: {stderr}");
        }
    }

    #[track_caller]
    fn succeeds(self) -> Said {
        assert_eq!(self.status, 0, "{}", self.stderr);
        self
    }
}

fn trains(stderr: &str) -> bool {
    stderr.contains(" epoch 1/")
}

/// A data root whose N-MNIST has one recording `bytes` in each half.
fn root_with(bytes: &[u8]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for half in ["Train", "Test"] {
        let folder = root.path().join("N-MNIST").join(half).join("7");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("00001.bin"), bytes).unwrap();
    }
    root
}

fn from_data(root: &Path) -> Said {
    let dir = tempfile::tempdir().unwrap();
    table2(
        dir.path(),
        &["--profile", "smoke", "--only", "n-mnist", "--data", root.to_str().unwrap()],
    )
}

#[test]
fn a_truncated_recording_is_named_with_the_place_where_it_breaks_off() {
    let root = root_with(&[0; 13]);
    let words = [
        "N-MNIST/Train/7/00001.bin",
        "byte 10",
        "expected an event of 5 bytes",
        "found 3",
        "copy it again",
    ];
    from_data(root.path()).is_one_sentence_with(&words);
}

#[test]
fn an_event_outside_the_sensor_is_named_with_its_pixel() {
    let root = root_with(&[0, 0, 0, 0, 1, 34, 5, 0, 0, 2]);
    let words = ["Train/7/00001.bin", "event 1", "34x34 sensor", "x = 34, y = 5"];
    from_data(root.path()).is_one_sentence_with(&words);
}

#[test]
fn a_pixel_with_more_events_than_a_frame_counts_is_named() {
    let words = ["Train/7/00001.bin: frame 0, pixel x = 0, y = 0", "at most 65535 events"];
    from_data(root_with(&[0, 0, 128, 0, 0].repeat(4 * 65_536)).path()).is_one_sentence_with(&words);
}

#[test]
fn an_empty_data_folder_is_never_replaced_by_generated_recordings() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("nmnist")).unwrap();
    from_data(root.path()).is_one_sentence_with(&[
        "nmnist",
        "Train and Test",
        "an empty folder",
        "unpack",
    ]);
}

#[test]
fn a_half_without_recordings_is_refused() {
    let root = root_with(&[0; 5]);
    std::fs::remove_file(root.path().join("N-MNIST/Test/7/00001.bin")).unwrap();
    from_data(root.path()).is_one_sentence_with(&["N-MNIST", "no test recordings"]);
}

#[test]
fn a_data_root_that_is_not_there_is_refused() {
    from_data(Path::new("nowhere")).is_one_sentence_with(&["--data names nowhere", "not a folder"]);
}

#[test]
fn too_few_recordings_for_a_batch_are_refused() {
    // a good recording: but one does not fill a batch
    let said = from_data(root_with(&[0, 0, 128, 0, 1].repeat(100)).path());
    said.is_one_sentence_with(&["1 samples", "one batch of 16", "smaller batch"]);
}

#[test]
fn wrong_flags_name_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let usage = |arguments: &[&str]| table2(dir.path(), arguments);
    usage(&["--only", "foo"]).is_usage_with(&["foo", "n-mnist", "dvs-gesture", "dvs-cifar10"]);
    usage(&["--methods", "bptt"]).is_usage_with(&["bptt", "baseline", "bpsa", "bpsa+bpta"]);
    usage(&["--profile", "x"]).is_usage_with(&["\"x\"", "paper", "short", "smoke"]);
    for flag in ["--epochs", "--steps", "--narrow", "--threads"] {
        usage(&[flag, "0"]).is_usage_with(&[flag, "whole number from 1 to"]);
    }
    usage(&["--network", "128C3-MQ2"]).is_usage_with(&["128C3-MQ2", "character 7", "'MQ2'"]);
    usage(&["--seeds", "0"]).is_usage_with(&["--seeds"]);
    usage(&["--colour", "red"]).is_usage_with(&["--colour"]);
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "a wrong flag must leave nothing behind"
    );
}

#[test]
fn a_results_folder_below_a_file_is_refused_before_anything_is_trained() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let said = table2(
        dir.path(),
        &["--profile", "smoke", "--only", "n-mnist", "--results", "file/results"],
    );
    said.is_one_sentence_with(&["file/results/runs/table2", "--results"]);
}

/// A folder that refuses new files even to root, for as long as this lives.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn new(dir: &Path) -> Option<Self> {
        let chattr = std::process::Command::new("chattr").arg("+i").arg(dir).output();
        let folder = ReadOnly(dir.to_owned());
        let mut permissions = std::fs::metadata(dir).unwrap().permissions();
        permissions.set_readonly(true);
        if !chattr.is_ok_and(|output| output.status.success()) {
            std::fs::set_permissions(dir, permissions).unwrap();
        }
        std::fs::write(dir.join("probe"), "").is_err().then_some(folder)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        for program in [["chattr", "-i"], ["chmod", "u+w"]] {
            let _ = std::process::Command::new(program[0]).arg(program[1]).arg(&self.0).output();
        }
    }
}

#[test]
fn a_read_only_results_folder_is_refused_before_anything_is_trained() {
    let dir = tempfile::tempdir().unwrap();
    for (inside, words) in [
        ("results", "cannot make the results folder results/runs/table2"),
        ("results/runs/table2", "cannot write results/"),
    ] {
        let folder = dir.path().join(inside);
        std::fs::create_dir_all(&folder).unwrap();
        let Some(_guard) = ReadOnly::new(&folder) else {
            eprintln!("skipped: this user writes in every folder and chattr +i does not work here");
            return;
        };
        let said = table2(dir.path(), &["--profile", "smoke", "--only", "n-mnist"]);
        said.is_one_sentence_with(&[words]);
    }
}

const TINY: [&str; 6] = ["--profile", "smoke", "--epochs", "2", "--steps", "2"];

fn tiny(dir: &Path, more: &[&str]) -> Said {
    table2(dir, &[&TINY[..], more].concat()).succeeds()
}

fn receipt(dir: &Path, data: &str) -> PathBuf {
    let row = format!("{data}-bpsa+bpta-smoke+epochs2+T2-synthetic-s0.json");
    dir.join("results/runs/table2").join(row)
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Our cell of BPSA + BPTA, right of the paper's column of `data`.
fn cell(dir: &Path, data: &str) -> String {
    let table = &json(&dir.join("results/table2.json"))["table2"];
    let titles = |value: &Value| serde_json::from_value::<Vec<String>>(value.clone()).unwrap();
    let at = titles(&table["columns"]).iter().position(|title| title.starts_with(data)).unwrap();
    let mut rows = table["rows"].as_array().unwrap().iter().map(titles);
    let ours = rows.find(|cells| cells[0].starts_with("Our method")).unwrap();
    ours[at + 1].clone()
}

#[test]
fn without_data_a_run_leaves_table_curve_and_receipt_and_all_say_synthetic() {
    let dir = tempfile::tempdir().unwrap();
    let said = table2(dir.path(), &["--profile", "smoke", "--only", "n-mnist"]).succeeds();
    assert!(trains(&said.stderr) && said.stderr.contains("SYNTHETIC"), "{}", said.stderr);
    let read = |name: &str| std::fs::read_to_string(dir.path().join("results").join(name)).unwrap();
    let receipt = "runs/table2/n-mnist-bpsa+bpta-smoke-synthetic-s0.json";
    for file in ["table2.md", "table2.csv", "table2.json", "table2-n-mnist.svg", receipt] {
        assert!(read(file).contains("synthetic"), "{file} does not say so");
    }
    let cell = cell(dir.path(), "N-MNIST");
    assert!(cell.starts_with("synthetic "), "{cell}");
    assert!(
        said.stdout.contains(&cell) && said.stdout.contains("Profile smoke"),
        "{}",
        said.stdout
    );
}

#[test]
fn what_has_its_receipt_is_not_run_again_and_forced_it_gives_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    assert!(trains(&tiny(dir.path(), &["--only", "n-mnist"]).stderr));
    let (first, table) = (json(&receipt(dir.path(), "n-mnist")), cell(dir.path(), "N-MNIST"));

    let again = tiny(dir.path(), &["--only", "n-mnist"]);
    assert!(again.stderr.contains("receipt found") && !trains(&again.stderr), "{}", again.stderr);
    assert_eq!(json(&receipt(dir.path(), "n-mnist")), first);
    assert_eq!(cell(dir.path(), "N-MNIST"), table);

    let forced = tiny(dir.path(), &["--only", "n-mnist", "--force", "--threads", "1"]);
    assert!(trains(&forced.stderr), "{}", forced.stderr);
    let second = json(&receipt(dir.path(), "n-mnist"));
    let curves = |record: &Value| -> Vec<Value> {
        let all = record["curves"].as_array().unwrap();
        all.iter().filter(|curve| curve["name"] != "seconds").cloned().collect()
    };
    assert_eq!((curves(&second), &second["metrics"]), (curves(&first), &first["metrics"]));
    assert!(curves(&first).iter().all(|curve| curve["values"].as_array().unwrap().len() == 2));
}

#[test]
fn a_cell_without_a_receipt_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let gesture = ["--only", "dvs-gesture", "--narrow", "128"];
    let with = |more: &[&str]| tiny(dir.path(), &[&["--narrow", "128"], more].concat());
    with(&["--only", "n-mnist"]);
    tiny(dir.path(), &gesture);
    assert!(cell(dir.path(), "N-MNIST").starts_with("synthetic "));
    assert!(cell(dir.path(), "DVS-Gesture").starts_with("synthetic "));
    assert_eq!(cell(dir.path(), "DVS-CIFAR10"), "");

    let runs = dir.path().join("results/runs/table2");
    let is_digit =
        |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("n-mnist");
    let receipt =
        std::fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().path()).find(is_digit).unwrap();
    std::fs::remove_file(receipt).unwrap();
    assert!(!trains(&tiny(dir.path(), &gesture).stderr));
    assert_eq!(cell(dir.path(), "N-MNIST"), "");
    assert!(cell(dir.path(), "DVS-Gesture").starts_with("synthetic "));
}

#[test]
fn a_broken_receipt_is_an_error_and_not_an_empty_cell() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().join("results/runs/table2");
    std::fs::create_dir_all(&runs).unwrap();
    std::fs::write(
        runs.join("n-mnist-bpsa+bpta-smoke+epochs2+T2-synthetic-s0.json"),
        "{\"schema\": 1",
    )
    .unwrap();
    let said = table2(dir.path(), &[&TINY[..], &["--only", "n-mnist"]].concat());
    said.is_one_sentence_with(&["synthetic-s0.json", "line 1", "expected a record"]);
}
