//! Held-out parts, folds and statistics, as a user meets them: what receipts hold, and what tables
//! say.
#![allow(clippy::unwrap_used)]

mod common;

use assert_cmd::Command;
use common::receipts;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Output;

const TINY: [&str; 8] =
    ["--profile", "smoke", "--epochs", "2", "--network", "2C3-AP8-2Voting", "--crossover", "0.5"];

fn program(dir: &Path, name: &str, arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin(name).unwrap();
    command.current_dir(dir).env_remove("SPIKEGRAD_DATA").args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn done(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

fn files(dir: &Path, experiment: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("results/runs").join(experiment)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn curve(receipt: &Value, name: &str) -> Vec<f64> {
    let curves = receipt["curves"].as_array().unwrap();
    let curve = curves.iter().find(|curve| curve["name"] == name);
    let values = curve.unwrap()["values"].as_array();
    values.unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

#[test]
fn folds_with_a_held_out_part_fill_one_cell() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["--only", "n-mnist", "--systems", "baseline,bpsa", "--seeds", "2"];
    let division = ["--train", "40", "--test", "20", "--folds", "2", "--held-out", "0.2"];
    let all = [&TINY[..], &arguments, &division].concat();
    done(&program(dir.path(), "table2", &all));
    let paths = files(dir.path(), "table2");
    assert_eq!(paths.len(), 2 * 2 * 2, "{paths:?}");
    let mut folds = Vec::new();
    for path in &paths {
        let receipt = read(path);
        let data = &receipt["data"];
        assert_eq!((&data["train"], &data["held_out"]), (&json!(20), &json!(10)));
        assert_eq!(data["fold"]["of"], 2);
        folds.push(data["fold"]["number"].as_u64().unwrap());
        assert_eq!(curve(&receipt, "held-out accuracy").len(), 2);
        for class in 0..10 {
            let silent = curve(&receipt, &format!("silent voters, {class}"));
            assert!(silent.iter().all(|&silent| (0.0..=2.0).contains(&silent)), "{silent:?}");
        }
        assert_eq!(curve(&receipt, "silent neurons, head").len(), 2);
        assert_eq!(receipt["outcome"].as_str().unwrap().len(), 30usize.div_ceil(4));
    }
    folds.sort_unstable();
    assert_eq!(folds, [1, 1, 1, 1, 2, 2, 2, 2]);
    let table = std::fs::read_to_string(dir.path().join("results/table2.md")).unwrap();
    assert!(table.contains("(n=4)"), "{table}");
    assert!(table.contains("0,1 × 2 folds"), "{table}");
    assert!(table.contains("Ours: test accuracy of the epoch that is best on recordings held out"));
    let differences = table.lines().find(|line| line.contains("bpsa − baseline")).unwrap();
    assert!(differences.contains("| 4 |") || differences.contains("|   4 |"), "{differences}");
    assert!(differences.contains(" : ") && differences.contains("; p "), "{differences}");
    // the same command again trains nothing, and the page shows the same cell
    let again = program(dir.path(), "table2", &all);
    done(&again);
    assert!(!stderr(&again).contains(" epoch 1/"), "{}", stderr(&again));
    done(&program(dir.path(), "report", &[]));
    let page = std::fs::read_to_string(dir.path().join("results/table2.md")).unwrap();
    assert!(page.contains("(n=4)") && page.contains("0,1 × 2 folds"), "{page}");
    // without folds they are other recordings, and these runs are none of theirs
    let planned = program(dir.path(), "table2", &[&TINY[..], &arguments, &["--dry-run"]].concat());
    assert_eq!(String::from_utf8_lossy(&planned.stdout).matches("N-MNIST").count(), 4);
}

#[test]
fn what_cannot_be_had_is_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    for (flag, value, said) in [
        ("--held-out", "0", "expected a part above 0 and below 1, such as 0.1, found \"0\""),
        ("--held-out", "1", "expected a part above 0 and below 1, such as 0.1, found \"1\""),
        ("--held-out", "NaN", "expected a part above 0 and below 1, such as 0.1, found \"NaN\""),
        ("--folds", "1", "expected a whole number from 2 to 100, found \"1\""),
        ("--folds", "101", "expected a whole number from 2 to 100, found \"101\""),
    ] {
        for program_name in ["table2", "train"] {
            let name: &[&str] = if program_name == "train" { &["mnist"] } else { &[] };
            let output = program(dir.path(), program_name, &[name, &[flag, value]].concat());
            assert_eq!(output.status.code(), Some(2));
            assert_eq!(stderr(&output), format!("error: {flag}: {said}\n"));
        }
    }
    let split = ["speech-commands", "--folds", "2", "--split", "by-speaker:1"];
    let output = program(dir.path(), "train", &split);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--folds and --split contradict each other"));
    // 44 recordings of ten classes: no fold of 100 has one
    let many = ["--only", "n-mnist", "--folds", "100"];
    let output = program(dir.path(), "table2", &[&TINY[..], &many].concat());
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    let sentence = "error: N-MNIST: expected recordings for 100 folds, found too few recordings, 66 in all; ask for less, or leave it out";
    assert!(said.lines().any(|line| line == sentence), "{said}");
}

#[test]
fn older_receipts_have_the_mean_of_the_last_five() {
    let dir = tempfile::tempdir().unwrap();
    receipts::write(dir.path(), receipts::ROW, 0, |_| ());
    done(&program(dir.path(), "report", &[]));
    let table = std::fs::read_to_string(dir.path().join("results/table2.md")).unwrap();
    // of two epochs with 94.5 and 90.25
    assert!(table.contains("92.4, sample"), "{table}");
    assert!(table.contains("Ours: test accuracy, mean of the last five epochs"), "{table}");
    let columns =
        ["Held-out-chosen epoch %", "Last five epochs %", "Last epoch %", "Best-test epoch %"];
    assert!(columns.iter().all(|column| table.contains(column)), "{table}");
    let runs = table.lines().find(|line| line.contains("94.5")).unwrap();
    assert!(runs.contains("90.2") && runs.contains("92.4"), "{runs}");
}

#[test]
fn an_outcome_that_cannot_be_true_is_no_receipt() {
    let dir = tempfile::tempdir().unwrap();
    for outcome in ["", "e", "1", "88", "G", "C"] {
        let change = |receipt: &mut Value| {
            receipt["outcome"] = json!(outcome);
            let metrics = receipt["metrics"].as_array_mut().unwrap();
            metrics.retain(|metric| metric["name"] != "test accuracy, last epoch");
            metrics.push(json!({ "name": "test accuracy, last epoch", "value": 100.0 * 2.0 / 3.0, "unit": "%" }));
            receipt["curves"][0]["values"] = json!([94.5, 100.0 * 2.0 / 3.0]);
        };
        receipts::write(dir.path(), receipts::ROW, 0, change);
        let output = program(dir.path(), "report", &[]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{outcome}: {said}");
        assert!(said.contains("expected an outcome "), "{outcome}: {said}");
        // of three samples two were right
        let right = |receipt: &mut Value| {
            change(receipt);
            receipt["outcome"] = json!("c");
        };
        receipts::write(dir.path(), receipts::ROW, 0, right);
        done(&program(dir.path(), "report", &[]));
    }
}

#[test]
fn the_ablation_of_the_warm_up_draws_what_is_silent() {
    let dir = tempfile::tempdir().unwrap();
    let only = ["--only", "n-mnist,baseline"];
    done(&program(dir.path(), "warm-up", &[&TINY[..], &only].concat()));
    for what in ["voters", "neurons"] {
        let file = format!("results/warm-up-silent-{what}-n-mnist.svg");
        let svg = std::fs::read_to_string(dir.path().join(file)).unwrap();
        assert!(svg.contains(&format!("Silent {what} (%)")), "{svg}");
    }
    let warm = |word: &str| {
        let paths = files(dir.path(), "warm-up");
        let path = paths.iter().find(|path| path.to_str().unwrap().contains(word)).unwrap();
        read(path)
    };
    assert_eq!(curve(&warm("warm-up-ann"), "warm-up, all layers"), [1.0, 0.0]);
    let head = curve(&warm("warm-up-sigmoid"), "warm-up, head");
    assert!(head.iter().all(|part| (0.0..=1.0).contains(part)), "{head:?}");
}

#[test]
fn a_grid_chooses_and_later_runs_take_its_choice() {
    let dir = tempfile::tempdir().unwrap();
    let only = ["--only", "n-mnist", "--systems", "baseline", "--train", "40", "--test", "10"];
    let grid = [&TINY[..], &only, &["--held-out", "0.25", "--seed", "9", "--grid"]].concat();
    let output = program(dir.path(), "table2", &grid);
    done(&output);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said.matches("chosen").count(), 1, "{said}");
    assert_eq!(files(dir.path(), "table2").len(), 9);
    let entries = std::fs::read_dir(dir.path().join("results/tuned")).unwrap();
    let file = entries.map(|entry| entry.unwrap().path()).next().unwrap();
    let tuning = read(&file);
    let (chosen, tried) = (&tuning["chosen"][0], tuning["tried"].as_array().unwrap());
    assert_eq!(tried.len(), 9);
    let best = |point: &Value| point["held_out_percent"].as_f64().unwrap();
    assert!(tried.iter().all(|point| best(point) <= best(chosen)), "{tuning}");
    let first = tried.iter().find(|point| best(point) == best(chosen)).unwrap();
    assert_eq!(first, chosen, "of equals the first");
    let receipt = dir.path().join("results").join(chosen["receipts"][0].as_str().unwrap());
    let held_out = curve(&read(&receipt), "held-out accuracy");
    assert_eq!(best(chosen), held_out.iter().sum::<f64>() / 2.0);
    // a run that takes the choice has its learning rate and warm-up, and says so in its name
    let changed = json!([{ "system": "baseline", "learning_rate": 0.0025, "warm_up": "sigmoid",
        "held_out_percent": 50.0, "receipts": [] }]);
    let mut other = tuning.clone();
    other["chosen"] = changed;
    let other_file = dir.path().join("other.json");
    std::fs::write(&other_file, other.to_string()).unwrap();
    let tuned = ["--tuned", other_file.to_str().unwrap()];
    done(&program(dir.path(), "table2", &[&TINY[..], &only, &tuned].concat()));
    let paths = files(dir.path(), "table2");
    let path = paths.iter().find(|path| path.to_str().unwrap().contains("tuned-")).unwrap();
    let run = &read(path)["run"];
    assert_eq!(run["setup"]["learning_rate"], 0.0025);
    assert_eq!(run["setup"]["warm_up"], json!({ "sigmoid-when-silent": { "rate": 0.1 } }));
    for (words, status, said) in [
        (&["--tuned", "absent.json"][..], 1, "--tuned: cannot read absent.json"),
        (&["--systems", "bpsa"], 2, "expected a choice for bpsa on n-mnist, found none"),
        (&["--set", "warm-up=none"], 2, "--tuned and --set warm-up=none both set setup.warm_up"),
        (&["--learning-rate", "0.1"], 2, "--learning-rate"),
        (&["--grid"], 2, "--grid"),
    ] {
        let tuned = if words[0] == "--tuned" { &[][..] } else { &tuned };
        let only = ["--only", "n-mnist"];
        let systems = if words[0] == "--systems" { &[][..] } else { &["--systems", "baseline"] };
        let all = [&TINY[..], &only, systems, words, tuned].concat();
        let output = program(dir.path(), "table2", &all);
        let found = stderr(&output);
        assert_eq!(output.status.code(), Some(status), "{found}");
        assert!(found.contains(said), "expected {said} in: {found}");
    }
}

#[test]
fn classes_are_for_one_data_set() {
    let dir = tempfile::tempdir().unwrap();
    let output = program(dir.path(), "table2", &[&TINY[..], &["--classes", "0,1"]].concat());
    let said = "error: --classes: expected one data set, which it is for, found 3; name one";
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).lines().any(|line| line == said), "{}", stderr(&output));
    let one = ["--only", "n-mnist", "--train", "200", "--classes", "1,0", "--dry-run"];
    let output = program(dir.path(), "table2", &[&TINY[..], &one].concat());
    done(&output);
    assert!(stderr(&output).contains("; of these only the classes 1, 0"), "{}", stderr(&output));
}
