//! The program `train` as a user meets it: what a receipt says of a part of a data set, and what
//! stands beside what.
#![allow(clippy::unwrap_used, clippy::panic)]

use assert_cmd::Command;
use serde_json::Value;
use std::path::Path;
use std::process::Output;

fn program(name: &str, arguments: &[&str], dir: &Path) -> Output {
    let mut command = Command::cargo_bin(name).unwrap();
    let quiet = command.current_dir(dir).env_remove("SPIKEGRAD_DATA").env_remove("SPIKEGRAD_CACHE");
    quiet.args(arguments).output().unwrap()
}

/// Calls `train n-mnist` with a tiny network in `dir`, whose data are in `dir/data`.
fn train(dir: &Path, arguments: &[&str]) -> Output {
    let small = [
        "n-mnist",
        "--data",
        "data",
        "--profile",
        "smoke",
        "--epochs",
        "1",
        "--network",
        "2C3-AP4-10Voting",
    ];
    // bits are compared: a crossover that no measurement moves
    program("train", &[&small[..], &["--crossover", "0.5"], arguments].concat(), dir)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn done(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

#[track_caller]
fn refused(output: &Output, status: i32, words: &[&str]) {
    let stderr = stderr(output);
    assert_eq!(output.status.code(), Some(status), "{stderr}");
    assert!(!stderr.contains("panicked") && !stderr.contains(" epoch 1/"), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "expected \"{word}\" in: {stderr}");
    }
}

/// Forty recordings in each half, of the classes 0 to 3: a spot whose place is the class.
fn root() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for half in ["Train", "Test"] {
        for index in 0..40u32 {
            let class = index % 4;
            let folder = dir.path().join("data/N-MNIST").join(half).join(class.to_string());
            std::fs::create_dir_all(&folder).unwrap();
            let event = |n: u32| {
                let (x, y) = (8 * class + n % 3, 4 + (n * 7 + index) % 5);
                [x as u8, y as u8, ((n % 2) << 7) as u8, (n >> 8) as u8, n as u8]
            };
            let bytes: Vec<u8> = (0..300).flat_map(event).collect();
            std::fs::write(folder.join(format!("{index:05}.bin")), bytes).unwrap();
        }
    }
    dir
}

/// The receipts in order of their names, with those.
fn receipts(dir: &Path) -> Vec<(String, Value)> {
    let entries = std::fs::read_dir(dir.join("results/runs/train")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
    };
    paths.iter().map(read).collect()
}

#[test]
fn parts_of_a_data_set_are_rows_of_their_own_and_say_so() {
    let dir = root();
    done(&train(dir.path(), &["--classes", "0,1", "--train", "16"]));
    done(&train(dir.path(), &["--classes", "2,3", "--train", "16"]));
    let found = receipts(dir.path());
    assert_eq!(found.len(), 2, "equal counts, other classes: {found:?}");
    for (_, receipt) in &found {
        let data = &receipt["data"];
        let split = data["split"].as_str().unwrap();
        assert!(
            split.contains("only the classes 0, 1") || split.contains("only the classes 2, 3"),
            "{split}"
        );
        assert!(split.contains("16 train recordings taken evenly"), "{split}");
        assert_eq!((data["train"].as_u64(), data["test"].as_u64()), (Some(16), Some(20)));
        assert_eq!(data["origin"], "sample");
    }
    assert_ne!(found[0].1["data"]["split"], found[1].1["data"]["split"]);
    let table = std::fs::read_to_string(dir.path().join("results/train.md")).unwrap();
    assert!(
        table.contains("only the classes 0, 1") && table.contains("only the classes 2, 3"),
        "{table}"
    );
    let again = train(dir.path(), &["--classes", "0,1", "--train", "16"]);
    done(&again);
    assert!(stderr(&again).contains("receipt found, not run again"), "{}", stderr(&again));
}

#[test]
fn frames_from_the_cache_train_like_frames_from_memory() {
    let dir = root();
    let numbers = |receipt: &Value| (receipt["metrics"].clone(), receipt["curves"].clone());
    let without_seconds = |(metrics, mut curves): (Value, Value)| {
        curves.as_array_mut().unwrap().retain(|curve| curve["name"] != "seconds");
        (metrics, curves)
    };
    done(&train(dir.path(), &["--results", "memory"]));
    done(&program(
        "data",
        &["prepare", "n-mnist", "--frames", "number:4", "--data", "data"],
        dir.path(),
    ));
    let cached = train(dir.path(), &[]);
    done(&cached);
    assert!(
        stderr(&cached).contains("N-MNIST: frames from data/.cache/n-mnist-"),
        "{}",
        stderr(&cached)
    );
    let from_cache = without_seconds(numbers(&receipts(dir.path())[0].1));
    std::fs::remove_dir_all(dir.path().join("results")).unwrap();
    std::fs::rename(dir.path().join("memory"), dir.path().join("results")).unwrap();
    assert_eq!(from_cache, without_seconds(numbers(&receipts(dir.path())[0].1)));
}

#[test]
fn frames_by_time_are_asked_for_in_words_or_as_json_and_the_receipt_has_the_rule() {
    let dir = root();
    let prepare = ["prepare", "n-mnist", "--frames", "time:4,empty", "--data", "data"];
    done(&program("data", &prepare, dir.path()));
    let json = r#"framing={"time":{"frames":4,"empty_window":"zero_frame"}}"#;
    for (set, results) in [("framing=time:4,empty", "words"), (json, "json")] {
        let said = train(dir.path(), &["--set", set, "--results", results]);
        done(&said);
        assert!(stderr(&said).contains("N-MNIST: frames from data/.cache/"), "{}", stderr(&said));
        std::fs::rename(dir.path().join(results), dir.path().join("results")).unwrap();
        let framing = &receipts(dir.path())[0].1["run"]["framing"];
        assert_eq!(framing["time"]["empty_window"], "zero_frame", "{framing}");
        std::fs::remove_dir_all(dir.path().join("results")).unwrap();
    }
    // 300 µs are 300 frames at most
    let shorter = train(dir.path(), &["--set", "framing=time:301"]);
    refused(&shorter, 1, &["more frames than microseconds", "(--set framing=time:301,empty)"]);
    refused(&train(dir.path(), &["--set", "framing=time"]), 2, &["expected number:T or time:T"]);
    // as many frames as a recording lasts: of another number for a shorter one
    let first = dir.path().join("data/N-MNIST/Train/0/00000.bin");
    let bytes = std::fs::read(&first).unwrap();
    std::fs::write(&first, &bytes[..500]).unwrap();
    let uneven = train(dir.path(), &["--set", "framing=duration:100"]);
    refused(&uneven, 1, &["frame by number or by time, not by duration"]);
    assert!(!stderr(&uneven).contains("Shape {"), "{}", stderr(&uneven));
}

#[test]
fn what_cannot_be_trained_is_refused_before_anything_is() {
    let dir = root();
    refused(&train(dir.path(), &["--split", "first100"]), 1, &["error: ", "n-mnist", "first100"]);
    refused(&train(dir.path(), &["--split", "fist100"]), 2, &["published, reference, first100"]);
    refused(&train(dir.path(), &["--classes", "ten"]), 2, &["\"ten\""]);
    refused(
        &train(dir.path(), &["--chunks"]),
        2,
        &["--chunks is for speech-commands, found n-mnist"],
    );
    refused(&train(dir.path(), &["mnist"]), 1, &["MNIST", "data fetch mnist"]);
    refused(
        &train(dir.path(), &["mnist", "--classes", "1"]),
        2,
        &["--classes: expected one data set, which it is for, found 2"],
    );
    assert!(!dir.path().join("results/train.md").exists());
}

#[test]
fn a_receipt_says_how_it_was_computed_and_the_flags_refuse_what_they_cannot_do() {
    let dir = root();
    done(&train(dir.path(), &["--memory-budget", "64M"]));
    let event = receipts(dir.path())[0].1.clone();
    let compute = &event["compute"];
    assert_eq!(compute["passes"], "event-driven");
    assert_eq!(compute["crossover"]["linear"]["weight"], 0.5);
    assert_eq!(compute["memory_budget_bytes"], 64 << 20);
    let layers = compute["layers_in_last_step"].as_array().unwrap();
    assert_eq!(
        layers.iter().map(|l| l["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["2C3-1", "head"]
    );
    assert_eq!(layers[0]["forward"], "event");
    done(&train(dir.path(), &["--force", "--compute", "tensor"]));
    let tensor = receipts(dir.path())[0].1.clone();
    assert_eq!(tensor["compute"]["passes"], "tensor operations");
    // the same run to a reader, and the same numbers but for rounding
    assert_eq!(tensor["run"], event["run"]);
    let loss = |receipt: &Value| {
        let curves = receipt["curves"].as_array().unwrap();
        curves.iter().find(|c| c["name"] == "train loss").unwrap()["values"][0].as_f64().unwrap()
    };
    assert!((loss(&event) - loss(&tensor)).abs() < 1e-3, "{} {}", loss(&event), loss(&tensor));

    refused(
        &train(dir.path(), &["--force", "--memory-budget", "1K"]),
        1,
        &["error: ", "the memory budget is 1 KiB"],
    );
    let flags = |flags: &[&str]| {
        program("train", &[&["n-mnist", "--data", "data"], flags].concat(), dir.path())
    };
    refused(
        &flags(&["--memory-budget", "much"]),
        2,
        &["expected a number of bytes, with K, M or G"],
    );
    refused(&flags(&["--crossover", "2"]), 2, &["expected auto or a number from 0 to 1"]);
    refused(
        &flags(&["--compute", "magic"]),
        2,
        &["--compute: expected auto, event or tensor, found \"magic\""],
    );
}

/// The machine is measured once: what is kept is read again, and what cannot be read is measured
/// anew.
#[test]
fn the_machine_is_measured_once() {
    let dir = root();
    let kept = dir.path().join("kept/crossover.json");
    let measure = || {
        let small = ["n-mnist", "--data", "data", "--profile", "smoke", "--epochs", "1", "--force"];
        let network = ["--network", "2C3-AP4-10Voting"];
        let mut command = Command::cargo_bin("train").unwrap();
        command
            .current_dir(dir.path())
            .env_remove("SPIKEGRAD_DATA")
            .env("SPIKEGRAD_CALIBRATION", &kept);
        done(&command.args(small).args(network).output().unwrap());
        receipts(dir.path())[0].1["compute"]["crossover"].clone()
    };
    let first = measure();
    let file: Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
    assert_eq!(file["crossover"], first);
    assert_eq!(measure(), first);
    std::fs::write(&kept, "{").unwrap();
    measure();
    assert!(
        serde_json::from_slice::<Value>(&std::fs::read(&kept).unwrap()).is_ok(),
        "a broken file stayed"
    );
}

#[test]
fn a_device_that_cannot_be_had_is_refused_in_one_sentence() {
    let dir = root();
    // whatever the machine has, it has no hundredth device; the sentence says what to do
    let asked = train(dir.path(), &["--device", "cuda:99"]);
    refused(&asked, 1, &["cuda:99"]);
    let last = stderr(&asked).lines().last().unwrap_or_default().to_owned();
    assert!(
        last.starts_with("error: ")
            && (last.contains("--device cpu") || last.contains("--features cuda")),
        "{last}"
    );
    refused(&train(dir.path(), &["--device", "gpu"]), 2, &["expected auto, cpu or cuda:0"]);
    refused(&train(dir.path(), &["--precision", "f8"]), 2, &["expected f32, tf32 or bf16"]);
    refused(
        &train(dir.path(), &["--device", "cpu", "--precision", "tf32"]),
        1,
        &["--precision tf32 is for a CUDA device"],
    );
}

#[test]
fn a_learned_time_constant_is_in_the_receipt() {
    let dir = root();
    // a slope everywhere, so that silent layers learn too
    let own = ["neuron.kind=plif", "neurons.head.threshold=0.3", "surrogate=atan"];
    let own: Vec<&str> = own.iter().flat_map(|field| ["--set", field]).collect();
    done(&train(dir.path(), &[&own[..], &["--train", "16", "--classes", "0,1"]].concat()));
    let (_, receipt) = &receipts(dir.path())[0];
    assert_eq!(receipt["run"]["neuron"]["kind"], serde_json::json!({ "plif": { "tau": 2.0 } }));
    assert_eq!(receipt["run"]["neurons"], serde_json::json!({ "head": { "threshold": 0.3 } }));
    let metric = |name: &str| {
        let all = receipt["metrics"].as_array().unwrap();
        let found = all.iter().find(|metric| metric["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {all:?}"))["value"].as_f64().unwrap()
    };
    let curves = receipt["curves"].as_array().unwrap();
    for layer in ["2C3-1", "head"] {
        assert_eq!(metric(&format!("tau of {layer}, before training")), 2.0);
        let last = metric(&format!("tau of {layer}, last epoch"));
        let curve = curves.iter().find(|curve| curve["name"] == format!("tau of {layer}")).unwrap();
        assert_eq!(curve["values"], serde_json::json!([last]));
    }
    assert!(metric("tau of 2C3-1, last epoch") != 2.0 || metric("tau of head, last epoch") != 2.0);
    // looked at from within, and with the energy of its neurons
    assert!(receipt["analysis"]["trace"]["layers"][0]["membrane"]["u"].is_array(), "{receipt}");
    assert_eq!(receipt["analysis"]["trace"]["layers"][1]["membrane"]["threshold"], 0.3);
    assert_eq!(receipt["compute"]["passes"], "event-driven");
}
