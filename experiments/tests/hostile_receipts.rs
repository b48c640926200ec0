//! Receipts that are no run's: whatever contradicts itself, its folder, its row or its data set is
//! named in one sentence, and the committed ones are believed.
#![allow(clippy::unwrap_used)]

mod common;

use common::receipts::{ROW, receipt};
use experiments::receipt;
use serde_json::{Value, json};
use std::path::Path;

/// A change of the good receipt.
struct Change {
    /// What was done, for who reads a failure.
    what: String,
    receipt: Value,
    /// A folder or a file's name other than the receipt's own.
    folder: &'static str,
}

#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, what: impl Into<String>, change: impl FnOnce(&mut Value)) {
        let mut receipt = receipt(ROW, 0);
        change(&mut receipt);
        self.0.push(Change { what: what.into(), receipt, folder: "table2" });
    }

    /// Another value at a place.
    fn set(&mut self, place: &str, value: Value) {
        self.add(format!("{place} = {value}"), |receipt| {
            *receipt.pointer_mut(place).unwrap() = value.clone();
        });
    }
}

const DATA: [&str; 6] =
    ["dvs-gesture", "dvs-cifar10", "speech-commands", "mnist", "cifar10", "cifar100"];

/// Run, row, folder and recordings that do not belong together.
fn contradictions(all: &mut Changes) {
    for name in DATA {
        all.set("/run/data", json!(name));
        all.set("/data/name", json!(name));
        all.set("/row", json!(ROW.replace("n-mnist", name)));
        all.add(format!("run and data of {name}"), |receipt| {
            receipt["run"]["data"] = json!(name);
            receipt["data"]["name"] = json!(name);
        });
    }
    for system in ["baseline", "bpsa", "ann", "simulated-100", "bpsa+bpta+", ""] {
        all.set("/row", json!(ROW.replace("bpsa+bpta", system)));
    }
    for system in ["baseline", "bpsa"] {
        all.set("/run/system", json!(system));
    }
    all.add("a run without neurons", |receipt| {
        receipt["run"]["setup"]["warm_up"] = json!({ "ann": { "epochs": 2 } });
    });
    for origin in ["complete", "synthetic"] {
        all.set("/data/origin", json!(origin));
    }
    for row in ["n-mnist-bpsa+bpta-short", "n-mnist-bpsa+bpta-paper-sample", "n-mnist"] {
        all.set("/row", json!(row));
    }
    for profile in ["paper", "smoke", "short+epochs2", "sho", ""] {
        all.set("/profile", json!(profile));
    }
    for folder in ["table1", "table4", "train", "simulator", "mine"] {
        all.set("/experiment", json!(folder));
        all.0.push(Change { what: format!("in {folder}"), receipt: receipt(ROW, 0), folder });
    }
    for (place, most) in [("/data/train", 60_000u64), ("/data/test", 10_000)] {
        for count in [most + 1, 1 << 53, u64::MAX] {
            all.set(place, json!(count));
        }
        for count in [0, 10, most - 1, most + 1] {
            all.set(&format!("{place}_published"), json!(count));
        }
    }
}

/// A run that could not be run.
fn runs(all: &mut Changes) {
    all.set("/run", json!({}));
    for value in [json!(null), json!(1), json!("run"), json!([])] {
        all.set("/run", value);
    }
    let run = receipt(ROW, 0)["run"].clone();
    for field in run.as_object().unwrap().keys() {
        for value in [json!(null), json!(-1), json!(1e308), json!("x"), json!([1]), json!({})] {
            all.set(&format!("/run/{field}"), value);
        }
        all.add(format!("no run/{field}"), |receipt| {
            receipt["run"].as_object_mut().unwrap().remove(field);
        });
    }
    for own in [json!(""), json!("a b"), json!(1), json!("<x>"), json!("x".repeat(65))] {
        all.add(format!("own_surrogate {own}"), |receipt| receipt["run"]["own_surrogate"] = own);
    }
    for (field, value) in [
        ("learning_rate", json!(-1)),
        ("learning_rate", json!(1e308)),
        ("batch", json!(0)),
        ("epochs", json!(0)),
        ("side", json!(0)),
    ] {
        all.set(&format!("/run/setup/{field}"), value);
    }
}

/// Metrics and curves that are none, or not one another's.
fn results(all: &mut Changes) {
    let good = receipt(ROW, 0);
    for (list, values) in [("metrics", "value"), ("curves", "values")] {
        let entries = good[list].as_array().unwrap();
        for (at, entry) in entries.iter().enumerate() {
            for unit in ["", "%", "1", "s", "epoch", "ms", "spikes per neuron and step"] {
                if entry["unit"] != unit {
                    all.set(&format!("/{list}/{at}/unit"), json!(unit));
                }
            }
            all.add(format!("{} twice", entry["name"]), |receipt| {
                receipt[list].as_array_mut().unwrap().push(entry.clone());
            });
            for value in [-1.0, -1e308, 100.000_001, 1e308] {
                // of what has no upper bound these are values
                let bounded =
                    ["%", "spikes per neuron and step"].contains(&entry["unit"].as_str().unwrap());
                if value < 0.0 || bounded {
                    let place =
                        if list == "curves" { format!("{values}/1") } else { values.into() };
                    all.set(&format!("/{list}/{at}/{place}"), json!(value));
                }
            }
        }
    }
    // 0 and 1 are best and last epoch, 4 to 6 other values of the last epoch
    for at in [0, 1, 4, 5, 6] {
        for value in [json!(0.0), json!(50.0), json!(94.499_999_999_999_99), json!("NaN")] {
            all.set(&format!("/metrics/{at}/value"), value);
        }
    }
    for epoch in
        [json!(0), json!(2), json!(3), json!(1.5), json!("NaN"), json!("inf"), json!(1e308)]
    {
        all.set("/metrics/2/value", epoch);
    }
    all.set("/metrics/3/value", json!(0.5));
    for curve in 0..3 {
        all.set(&format!("/curves/{curve}/values"), json!([94.5]));
        all.set(&format!("/curves/{curve}/values"), json!([94.5, 90.25, 90.25]));
    }
}

fn moments(all: &mut Changes) {
    for text in [
        "",
        "once",
        "2025-01-02",
        "2025-01-02 03:04:05",
        "2025-01-02T03:04:05",
        "2025-01-02T03:04:05+02:00",
        "2025-01-02T03:04:05z",
        "2025-13-02T03:04:05Z",
        "2025-02-30T03:04:05Z",
        "2025-01-02T25:04:05Z",
        "2025-01-02T03:61:05Z",
        "2025-01-02T03:04:05Z\n",
        " 2025-01-02T03:04:05Z",
        "2025-01-02T03:04:05Z\u{1b}[2J",
        "2025-01-02T03:04:05\u{0}Z",
        "20250102T030405Z",
        "99999-01-02T03:04:05Z",
        "-2025-01-02T03:04:05Z",
        "1735787045",
        "<script>alert(1)</script>",
    ] {
        all.set("/started_utc", json!(text));
    }
}

/// Writes a receipt under the name that it gives itself, and what is found of its folder.
fn found(results: &Path, folder: &str, receipt: &Value) -> receipt::Found {
    let name = format!("{}-s0.json", receipt["row"].as_str().unwrap());
    let folder = results.join("runs").join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(&name), receipt.to_string()).unwrap();
    let found = receipt::of_all_experiments(results);
    std::fs::remove_file(folder.join(name)).unwrap();
    found
}

/// Whether a fault names the file, says what was found, and is short.
fn is_sentence(said: &str) -> bool {
    let words =
        said.contains("-s0.json") && said.contains("expected ") | said.contains(" must be ");
    let zeros = said.contains("0000000000000000000000");
    words
        && said.contains("found ")
        && said.len() < 900
        && !zeros
        && !said.contains(char::is_control)
}

#[test]
fn what_contradicts_itself_is_no_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let good = found(dir.path(), "table2", &receipt(ROW, 0));
    assert_eq!((good.records.len(), good.faults), (1, vec![]));
    let mut all = Changes::default();
    contradictions(&mut all);
    runs(&mut all);
    results(&mut all);
    moments(&mut all);
    let mut wrong = Vec::new();
    for Change { what, receipt, folder } in &all.0 {
        let said = found(dir.path(), folder, receipt).faults;
        if !(said.len() == 1 && is_sentence(&said[0])) {
            wrong.push(format!("{what:.200}: {said:?}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
    println!("{} hostile receipts", all.0.len());
    assert!(all.0.len() > 250, "{}", all.0.len());
}

/// A change of a receipt.
type Edit = fn(&mut Value);

#[test]
fn what_is_only_unusual_is_a_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let usual: [(&str, Edit); 9] = [
        ("without curves", |r| r["curves"] = json!([])),
        ("without metrics", |r| r["metrics"] = json!([])),
        ("names of another program", |r| {
            r["metrics"]
                .as_array_mut()
                .unwrap()
                .push(json!({ "name": "x", "value": 1e308, "unit": "?" }));
        }),
        ("a loss that is none", |r| {
            r["metrics"][6]["value"] = json!("NaN");
            r["curves"][2]["values"][1] = json!("NaN");
        }),
        ("an accuracy that is none, without its curve", |r| {
            r["curves"] = json!([]);
            r["metrics"][0]["value"] = json!("NaN");
        }),
        ("a surrogate of a user's own", |r| {
            r["run"]["own_surrogate"] = json!("gaussian-0.4");
            r["profile"] = json!("short+gaussian-0.4");
            r["row"] = json!("n-mnist-bpsa+bpta-short+gaussian-0.4-sample");
        }),
        ("a run of part of a set", |r| {
            r["experiment"] = json!("train");
            r["row"] = json!(format!("{ROW}-10+3-0123abcd"));
        }),
        ("a row that was cut", |r| {
            let settings = "+neuron.threshold-1".repeat(9);
            r["profile"] = json!(format!("short{settings}"));
            let row = format!("n-mnist-bpsa+bpta-short{settings}-sample");
            r["row"] = json!(experiments::names::of_row(&row));
        }),
        ("another split of speakers", |r| {
            *r = receipt(ROW, 0);
            let run = common::receipts::run(datasets::Name::SpeechCommands);
            r["run"] = run;
            r["row"] = json!("speech-commands-bpsa+bpta-short-sample");
            r["data"] = json!({
                "name": "speech-commands", "origin": "sample", "manifest_sha256": "aa",
                "split": "by speaker, seed 3: four of five speakers train, the rest test",
                "train": 80_000, "train_published": 84_843, "test": 20_000, "test_published": 11_005
            });
        }),
    ];
    for (what, change) in usual {
        let mut receipt = receipt(ROW, 0);
        change(&mut receipt);
        let folder = receipt["experiment"].as_str().unwrap().to_owned();
        let found = found(dir.path(), &folder, &receipt);
        assert_eq!((found.records.len(), found.faults), (1, vec![]), "{what}");
    }
}

#[test]
fn the_committed_receipts_are_believed() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("results");
    let found = receipt::of_all_experiments(&results);
    assert_eq!(found.faults, [""; 0]);
    assert!(found.records.len() >= 16, "{}", found.records.len());
}
