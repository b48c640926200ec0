//! `report` among files that are no receipts, and among files of a user's own.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod common;

use common::receipts::{ROW, write};
use common::{call, stderr};
use serde_json::json;
use std::path::Path;
use std::process::Command;

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join("results").join(name)).unwrap()
}

/// A profile's usual warm-up was another once: receipts go by what they did, not by their name.
#[test]
fn a_row_about_a_warm_up_has_the_runs_that_had_it() {
    let sigmoid = json!({ "sigmoid-when-silent": { "rate": 0.1 } });
    for (warm_up, shown) in [(json!("none"), false), (sigmoid, true)] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), ROW, 0, |r| r["run"]["setup"]["warm_up"] = warm_up.clone());
        call(dir.path(), &["report"]);
        assert!(read(dir.path(), "table2.md").contains("94.5"));
        assert_eq!(read(dir.path(), "warm-up.md").contains("94.5"), shown, "{warm_up}");
    }
}

#[test]
fn what_is_no_receipt_is_named_and_all_else_is_written() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), ROW, 0, |_| ());
    let runs = dir.path().join("results/runs/table2");
    let path = |name: &str| runs.join(format!("{name}-s0.json"));
    std::fs::write(path("broken"), "{\"schema\": 1").unwrap();
    std::fs::write(path("empty"), "").unwrap();
    std::fs::write(path("bytes"), b"\xff\xfe\x00").unwrap();
    std::fs::write(path("deep"), "[".repeat(1 << 20)).unwrap();
    std::fs::write(path("other"), "{\"schema\": 2}").unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", path("device")).unwrap();
    std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
    std::fs::File::create(path("huge")).unwrap().set_len(4 << 30).unwrap();
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    std::fs::write(path("evil\u{1b}[2J\n"), "{").unwrap();
    let seeds = write(dir.path(), "copied", 0, |_| ());
    std::fs::rename(seeds, path("copy")).unwrap();
    write(dir.path(), "percent", 0, |r| r["metrics"][0]["value"] = json!(945.0));
    write(dir.path(), "epochs", 0, |r| r["curves"][0]["values"] = json!([1.0]));
    write(dir.path(), "profile", 0, |r| r["profile"] = json!("long"));
    write(dir.path(), "negative", 0, |r| r["data"]["train"] = json!(-1));
    write(dir.path(), "n-mnist-bpsa-short-sample", 0, |_| ());
    write(dir.path(), &ROW.replace("sample", "synthetic"), 0, |_| ());
    write(dir.path(), ROW, 1, |r| r["run"] = json!({}));
    write(dir.path(), ROW, 2, |r| r["experiment"] = json!("table4"));
    write(dir.path(), ROW, 3, |r| r["data"]["name"] = json!("mnist"));
    write(dir.path(), ROW, 4, |r| r["metrics"][0]["unit"] = json!("1"));
    write(dir.path(), ROW, 5, |r| r["started_utc"] = json!("once"));
    let bad = 23;

    let output = call(dir.path(), &["report"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let named = said.lines().filter(|line| line.starts_with("no receipt, left out: "));
    assert_eq!(named.count(), bad, "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.starts_with(&format!("error: {bad} files are no receipts")), "{said}");
    assert!(!said.contains("panicked") && !said.contains('\u{1b}'), "{said}");
    assert!(read(dir.path(), "table2.md").contains("94.5"), "the good one has its cell");
    for file in ["table1.md", "table6.tex", "fig1.csv", "index.html", "table2-n-mnist.svg"] {
        read(dir.path(), file);
    }
}

#[test]
fn odd_numbers_are_shown_as_they_are() {
    let values = [json!([0.0, 0.0]), json!([100.0, 100.0]), json!([1e-300, 5e-324])];
    for value in values {
        let dir = tempfile::tempdir().unwrap();
        for seed in [0, u64::MAX] {
            write(dir.path(), ROW, seed, |r| {
                r["curves"][0]["values"] = value.clone();
                r["metrics"][0]["value"] = value[0].clone();
                r["metrics"][1]["value"] = value[1].clone();
                r["seconds"] = json!(1e308);
                r["peak_memory_bytes"] = json!(u64::MAX);
                r["host"]["cores"] = json!(u64::MAX);
            });
        }
        let output = call(dir.path(), &["report"]);
        let said = stderr(&output);
        assert!(!said.contains("panicked"), "{value}: {said}");
        assert_eq!(output.status.code(), Some(0), "{value}: {said}");
        read(dir.path(), "index.html");
    }
    // a metric that is none is shown; an accuracy of each epoch that is none is no receipt
    for (field, status) in [("/metrics/0/value", 0), ("/curves/0/values/1", 1)] {
        for word in ["NaN", "inf", "-inf"] {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), ROW, 0, |r| {
                *r.pointer_mut(field).unwrap() = json!(word);
                if status == 0 {
                    r["curves"] = json!([]);
                }
            });
            let output = call(dir.path(), &["report"]);
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(status), "{field} {word}: {said}");
            assert!(!said.contains("panicked"), "{field} {word}: {said}");
            read(dir.path(), "index.html");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), ROW, 0, |r| {
        r["metrics"] = json!([]);
        r["curves"] = json!([]);
    });
    let output = call(dir.path(), &["report"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn nothing_of_a_receipt_is_markup_in_any_file() {
    let dir = tempfile::tempdir().unwrap();
    let evil = "<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1))";
    write(dir.path(), ROW, 0, |r| {
        for field in ["title", "device", "program_sha256", "commit"] {
            r[field] = json!(evil);
        }
        r["data"]["split"] = json!(evil);
        r["data"]["manifest_sha256"] = json!(evil);
        r["host"] = json!({ "cpu": evil, "cores": 1, "os": evil });
        r["versions"] = json!({ evil: evil });
    });
    let output = call(dir.path(), &["report"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mut seen = 0;
    for entry in std::fs::read_dir(dir.path().join("results")).unwrap() {
        let path = entry.unwrap().path();
        let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned());
        if ["md", "html", "svg", "tex"].contains(&ending.unwrap_or_default().as_str()) {
            let text = std::fs::read_to_string(&path).unwrap();
            // where brackets are no link, they stay as they are
            let link = if path.extension().is_some_and(|e| e == "md") { "](java" } else { "<img" };
            for word in ["<script", "<img", link] {
                assert!(!text.contains(word), "{} has {word}", path.display());
            }
            seen += usize::from(text.contains("alert(1)"));
        }
    }
    assert!(seen > 1, "the words are in {seen} files: the receipt was not shown");
}

/// Seven colours tell seven systems apart: more are dashed, and bars are in a second picture.
#[test]
fn more_systems_than_colours_are_drawn() {
    let dir = tempfile::tempdir().unwrap();
    for system in experiments::systems::ALL {
        let row = format!("n-mnist-{}-short-sample", system.id);
        write(dir.path(), &row, 0, |r| r["run"]["system"] = json!(system.id));
    }
    assert!(experiments::systems::ALL.len() > 7);
    let output = call(dir.path(), &["report"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let all = read(dir.path(), "table2-n-mnist.svg");
    let bars = ["table5-n-mnist-rates.svg", "table5-n-mnist-rates-2.svg"];
    let bars = bars.map(|name| read(dir.path(), name));
    for system in experiments::systems::ALL {
        // words of a picture stand on lines of their own
        let named = |svg: &String| {
            svg.lines().any(|line| line == system.id || line.starts_with(system.name))
        };
        assert!(named(&all), "{} has no curve", system.id);
        assert!(bars.iter().any(named), "{} has no bar", system.id);
    }
    assert!(bars[0].contains("baseline") && bars[1].contains("lisnn"));
}

#[test]
fn only_figures_that_were_made_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), ROW, 0, |_| ());
    let results = dir.path().join("results");
    let report = || {
        let output = call(dir.path(), &["report"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    };
    let own = [
        "fig1-n-mnist-notes.png",
        "table2-dvs-gesture.svg",
        "table2-n-mnist-2024.svg",
        "fig2.png",
        "notes.md",
    ];
    own.iter().for_each(|name| std::fs::write(results.join(name), "a user's").unwrap());
    report();
    assert!(results.join("table2-n-mnist.svg").is_file());
    // a made figure that somebody changed is theirs
    std::fs::write(results.join("table2-n-mnist.png"), "changed").unwrap();
    std::fs::remove_file(path).unwrap();
    report();
    assert!(!results.join("table2-n-mnist.svg").exists(), "it has no receipt any more");
    assert_eq!(read(dir.path(), "table2-n-mnist.png"), "changed");
    own.iter().for_each(|name| assert_eq!(read(dir.path(), name), "a user's", "{name}"));
}

#[test]
fn a_command_refuses_to_replace_what_is_no_receipt_and_passes_over_others() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().join("results/runs");
    let name = "n-mnist-bpsa+bpta-smoke+epochs1-synthetic-s0.json";
    for folder in ["table2", "table4"] {
        std::fs::create_dir_all(runs.join(folder)).unwrap();
    }
    std::fs::write(runs.join("table2").join(name), "broken").unwrap();
    let flags = ["table2", "--only", "n-mnist", "--profile", "smoke", "--epochs", "1"];
    for more in [&[][..], &["--dry-run"]] {
        let output = call(dir.path(), &[&flags[..], more].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(!said.contains(" epoch 1/") && said.contains(name), "{said}");
        let text = std::fs::read_to_string(runs.join("table2").join(name)).unwrap();
        assert_eq!(text, "broken");
    }
    // in another table's folder it is only named
    std::fs::rename(runs.join("table2").join(name), runs.join("table4").join(name)).unwrap();
    let output = call(dir.path(), &flags);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(" epoch 1/") && said.contains("no receipt, left out"), "{said}");
    assert!(runs.join("table2").join(name).is_file() && read(dir.path(), "table2.md").len() > 9);
}
