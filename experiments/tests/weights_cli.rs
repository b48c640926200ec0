//! `--weights` as a user meets it: files that know their run, files that do not, and files that no
//! network can compute with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use assert_cmd::Command;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;

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

/// Calls a program with these arguments in one text.
fn call(dir: &Path, program: &str, arguments: &str) -> Output {
    let mut command = Command::cargo_bin(program).unwrap();
    command.current_dir(dir).env_remove("SPIKEGRAD_DATA").env_remove("SPIKEGRAD_CACHE");
    command.args(arguments.split_whitespace()).output().unwrap()
}

/// Calls `train n-mnist` with a tiny network.
fn train(dir: &Path, arguments: &str) -> Output {
    let all = format!(
        "n-mnist --data data --profile smoke --epochs 1 --methods baseline --crossover 0.5 \
         --network 4C3-AP8-1Voting {arguments}"
    );
    call(dir, "train", &all)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    stderr(output)
}

#[track_caller]
fn refused(output: &Output, status: i32, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(!said.contains("panicked") && !said.contains(" epoch 1/"), "{said}");
    words.iter().for_each(|word| assert!(said.contains(word), "expected \"{word}\" in: {said}"));
}

/// The only file of a folder.
fn only(folder: &Path) -> PathBuf {
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn weights_of_another_neuron_are_refused_unless_asked_for() {
    let dir = root();
    let neuron = "--set neuron.threshold=0.3 --set neuron.decay=0.3";
    done(&train(dir.path(), neuron));
    let file = only(&dir.path().join("results/weights"));
    let with = format!("--weights {}", file.display());
    let same = done(&train(dir.path(), &format!("{with} --evaluate {neuron}")));
    assert!(!same.contains("--weights"), "{same}");
    let words = [
        "these weights were trained with threshold 0.3 and decay 0.3, the run has 0.5 and 0.9",
        "--weights-of-another-run",
    ];
    // to evaluate, to train and to plan; whatever program
    for more in ["--evaluate", "", "--dry-run"] {
        refused(&train(dir.path(), &format!("{with} {more}")), 1, &words);
    }
    let table = "--only n-mnist --data data --profile smoke --epochs 1 --methods baseline \
                 --network 4C3-AP8-1Voting";
    refused(&call(dir.path(), "table2", &format!("{table} {with}")), 1, &words);
    for (more, word) in
        [("--steps 3", "framing number frames 4"), ("--set batch_norm=time", "step")]
    {
        let said = train(dir.path(), &format!("{with} --evaluate {neuron} {more}"));
        refused(&said, 1, &["these weights were trained with", word]);
    }
    let taken = done(&train(dir.path(), &format!("{with} --evaluate --weights-of-another-run")));
    assert!(taken.contains(words[0]), "said all the same: {taken}");
    let alone = train(dir.path(), "--weights-of-another-run");
    refused(&alone, 2, &["--weights"]);

    // trained on with another learning rate: what was learned is of the same run
    let receipts = dir.path().join("results/runs/train");
    std::fs::remove_file(only(&receipts)).unwrap();
    done(&train(dir.path(), &format!("{with} {neuron} --learning-rate 0.002")));
    let receipt: Value = serde_json::from_slice(&std::fs::read(only(&receipts)).unwrap()).unwrap();
    assert!(receipt["run"]["initial_weights_sha256"].is_string());
    assert_eq!(receipt["run"]["initial_weights_of_another_run"], Value::Null);
    std::fs::remove_file(only(&receipts)).unwrap();
    done(&train(dir.path(), &format!("{with} --weights-of-another-run")));
    let receipt: Value = serde_json::from_slice(&std::fs::read(only(&receipts)).unwrap()).unwrap();
    assert_eq!(receipt["run"]["initial_weights_of_another_run"], true);
    assert!(receipt["profile"].as_str().unwrap().contains("+of-another-run"));
    let set = train(dir.path(), "--set initial_weights_of_another_run=true");
    refused(&set, 2, &["it is what --weights-of-another-run says"]);
}

/// A path of the shared cases and recordings, or `None` (said aloud) where this machine has none.
fn shared(path: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("SPIKEGRAD_SHARED").map(PathBuf::from);
    let shared =
        shared.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into());
    let path = shared.join(path);
    if !path.exists() {
        eprintln!("SKIPPED: no {}", path.display());
        return None;
    }
    path.canonicalize().ok()
}

/// The stored case: real recordings, weights that learned something, the neuron given and not.
#[test]
#[cfg(unix)]
fn the_stored_case_of_weights_that_forget_their_neuron() {
    let script = shared("cases/08-weights-forget-neuron/run.sh");
    let (Some(script), Some(data)) = (script, shared("data")) else { return };
    let dir = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_train")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.arg(script).env("PATH", path).env("DATA", data).env("OUT", "out");
    let output = command.current_dir(dir.path()).output().unwrap();
    refused_after_training(&output);
}

#[track_caller]
fn refused_after_training(output: &Output) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let words = "trained with threshold 0.3 and decay 0.3, the run has 0.5 and 0.9";
    assert_eq!(said.matches(words).count(), 1, "the last command alone: {said}");
    let right = String::from_utf8_lossy(&output.stdout).matches(" of 100 right").count();
    assert_eq!(right, 1, "the neuron given again is the same run");
}

/// Weights of 4C3-AP8-1Voting, one number of which may be none.
fn weights(path: &Path, number: f32) {
    let shapes: [(&str, &[usize]); 8] = [
        ("4C3-1.weight", &[3, 3, 2, 4]),
        ("4C3-1.bias", &[4]),
        ("4C3-1.norm.weight", &[4]),
        ("4C3-1.norm.bias", &[4]),
        ("4C3-1.norm.running_mean", &[4]),
        ("4C3-1.norm.running_var", &[4]),
        ("head.weight", &[64, 10]),
        ("head.bias", &[10]),
    ];
    let bytes = |name: &str, shape: &[usize]| -> Vec<u8> {
        let mut values: Vec<f32> =
            (0..shape.iter().product()).map(|i: usize| 0.01 * (i % 7 + 1) as f32).collect();
        if name == "head.weight" {
            values[5] = number;
        }
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    };
    let all: Vec<_> =
        shapes.iter().map(|(name, shape)| (*name, *shape, bytes(name, shape))).collect();
    let views = all.iter().map(|(name, shape, bytes)| {
        let dtype = safetensors::Dtype::F32;
        (*name, safetensors::tensor::TensorView::new(dtype, shape.to_vec(), bytes).unwrap())
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn weights_of_a_training_that_diverged_are_refused_by_name() {
    let dir = root();
    let file = dir.path().join("made.safetensors");
    weights(&file, 0.5);
    let with = |file: &Path| format!("--weights {} --evaluate", file.display());
    let said = done(&train(dir.path(), &with(&file)));
    assert!(said.contains("does not say which run its weights are of"), "{said}");
    for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        weights(&file, number);
        let words = ["made.safetensors", "head.weight holds a number that is not finite"];
        refused(&train(dir.path(), &with(&file)), 1, &words);
        refused(&train(dir.path(), &format!("--weights {}", file.display())), 1, &words);
    }
    if let Some(stored) = shared("cases/13-nan-weights/nan.safetensors") {
        let words = ["head.weight holds a number that is not finite"];
        refused(&train(dir.path(), &with(&stored)), 1, &words);
    }
}

#[test]
fn what_is_no_file_of_weights_is_one_sentence() {
    let dir = root();
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    let sparse = std::fs::File::create(dir.path().join("sparse.safetensors")).unwrap();
    sparse.set_len(5 << 30).unwrap();
    for (path, word) in [
        ("sparse.safetensors", "expected a file of at most 4 GiB, found 5368709120 bytes"),
        ("folder", "expected a regular file"),
        ("/dev/zero", "expected a regular file"),
        ("absent.pth", "check that it exists"),
        ("data/N-MNIST/Train/0/00000.bin", "found neither"),
    ] {
        refused(&train(dir.path(), &format!("--weights {path} --evaluate")), 1, &[word]);
    }
    // a recursion of 1,122 levels, 4 GiB of text, and an object of anybody's
    for (pickle, word) in [
        ([b"\x80\x02", &b"(".repeat(1119)[..], b"."].concat(), "data.pkl cannot be read: byte"),
        (b"\x80\x02X\xff\xff\xff\xff.".to_vec(), "expected 4294967295 bytes more"),
        (b"\x80\x02cposix\nsystem\nX\x02\0\0\0ls\x85R.".to_vec(), "made by posix.system"),
    ] {
        let file = dir.path().join("hostile.pth");
        std::fs::write(&file, archive(&pickle)).unwrap();
        refused(&train(dir.path(), "--weights hostile.pth --evaluate"), 1, &[word]);
    }
}

/// An archive of a pickle alone, stored.
fn archive(pickle: &[u8]) -> Vec<u8> {
    let crc = !pickle.iter().fold(!0u32, |crc, byte| {
        (0..8)
            .fold(crc ^ u32::from(*byte), |c, _| c >> 1 ^ if c & 1 == 1 { 0xedb8_8320 } else { 0 })
    });
    let (name, size) = (b"a/data.pkl", (pickle.len() as u32).to_le_bytes());
    let common = [&[0; 8], &crc.to_le_bytes()[..], &size, &size, &[10, 0, 0, 0]].concat();
    let local = [b"PK\x03\x04\x14\0", &common[..], name, pickle].concat();
    let entry = [b"PK\x01\x02\x14\0\x14\0", &common[..], &[0; 14], name].concat();
    let (from, length) = ((local.len() as u32).to_le_bytes(), (entry.len() as u32).to_le_bytes());
    let end = [b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &length[..], &from, &[0, 0]].concat();
    [local, entry, end].concat()
}

/// Trained without ReLU, as NIR can say it: exported, compared spike by spike, imported, evaluated.
#[test]
fn weights_go_through_nir_and_back() {
    let dir = root();
    let (folder, call) = (dir.path(), |arguments: &str| call(dir.path(), "nir", arguments));
    done(&train(folder, "--set rectify=false"));
    let file = only(&folder.join("results/weights"));
    let weights = file.display();
    let data = "--data data --recordings 12";
    let said = done(&call(&format!("export {weights} network.nir")));
    assert!(said.contains("steps of 0.0001 s, on 2×34×34 frames of N-MNIST"), "{said}");
    let shown = call(&format!("verify {weights} network.nir {data} --spikes spikes.safetensors"));
    done(&shown);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.ends_with("0 spikes differ on 12 recordings\n"), "{shown}");
    assert!(shown.contains("4C3-1: 0 of ") && shown.contains("head: 0 of "), "{shown}");
    assert!(folder.join("spikes.safetensors").is_file());

    let flags = call("import network.nir imported.safetensors");
    done(&flags);
    let flags = String::from_utf8(flags.stdout).unwrap().replace('\'', "");
    let tail = "--evaluate --profile smoke --data data --methods baseline --crossover 0.5";
    let again = self::call(folder, "train", &format!("n-mnist {tail} {flags}"));
    assert!(done(&again).contains("does not say which run"), "{}", stderr(&again));
    let with = format!("--evaluate --set rectify=false --weights {weights}");
    let first = train(folder, &with);
    done(&first);
    let right = |output: &Output| {
        let said = String::from_utf8(output.stdout.clone()).unwrap();
        said.split_once(": ").unwrap().1.split(" right").next().unwrap().to_owned()
    };
    assert_eq!(right(&again), right(&first));

    std::fs::write(folder.join("text.nir"), "no file of HDF5").unwrap();
    refused(&call("import text.nir out.safetensors"), 1, &["text.nir: expected a NIR file"]);
    refused(&call("import network.nir out.safetensors --dt 0"), 2, &["--dt: expected a time"]);
    refused(&call(&format!("export {data} network.nir")), 2, &["error: "]);
    for (head, status, said) in
        [("current", 0, "the currents of each step"), ("membrane", 1, "λ = 0.5")]
    {
        std::fs::remove_dir_all(folder.join("results")).unwrap();
        let value = if head == "membrane" { r#"{"membrane":{"decay":0.5}}"# } else { head };
        done(&train(folder, &format!("--set rectify=false --set setup.head={value}")));
        let file = only(&folder.join("results/weights"));
        let export = call(&format!("export {} head.nir", file.display()));
        assert_eq!(export.status.code(), Some(status), "{}", stderr(&export));
        assert!(stderr(&export).contains(said), "{}", stderr(&export));
    }
    std::fs::remove_dir_all(folder.join("results")).unwrap();
    done(&train(folder, ""));
    let file = only(&folder.join("results/weights"));
    let export = call(&format!("export {} relu.nir", file.display()));
    refused(&export, 1, &["NIR cannot say the ReLU", "--set rectify=false"]);
}
