//! A receipt as a run leaves it, to be changed.

use datasets::Name;
use experiments::Profile;
use experiments::preset::{self, Overrides};
use experiments::systems::BPSA_BPTA;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The row of [`receipt`] in Table 2.
pub const ROW: &str = "n-mnist-bpsa+bpta-short-sample";

const RATE: &str = "spikes per neuron and step";

/// A run of two epochs.
pub fn run(data: Name) -> Value {
    let overrides = Overrides { epochs: Some(2), ..Overrides::default() };
    let run = preset::run(data, &BPSA_BPTA, Profile::Short, &overrides).unwrap();
    serde_json::to_value(run).unwrap()
}

/// A receipt of Table 2's `n-mnist` cell, or of another row.
pub fn receipt(row: &str, seed: u64) -> Value {
    json!({
        "schema": 1, "experiment": "table2", "row": row, "title": "N-MNIST bpsa+bpta",
        "run": run(Name::NMnist),
        "metrics": [
            { "name": "test accuracy, best epoch", "value": 94.5, "unit": "%" },
            { "name": "test accuracy, last epoch", "value": 90.25, "unit": "%" },
            { "name": "best epoch", "value": 1, "unit": "epoch" },
            { "name": "setbacks", "value": 0, "unit": "1" },
            { "name": "test loss, last epoch", "value": 0.25, "unit": "1" },
            { "name": "train accuracy, last epoch", "value": 99.0, "unit": "%" },
            { "name": "train loss, last epoch", "value": 0.125, "unit": "1" },
            { "name": "firing rate, mean over layers", "value": 0.25, "unit": RATE },
            { "name": "firing rate, 16C3-1", "value": 0.25, "unit": RATE }
        ],
        "curves": [
            { "name": "test accuracy", "unit": "%", "values": [94.5, 90.25] },
            { "name": "train accuracy", "unit": "%", "values": [98.0, 99.0] },
            { "name": "train loss", "unit": "1", "values": [0.5, 0.125] },
            { "name": "test loss", "unit": "1", "values": [0.5, 0.25] },
            { "name": "learning rate", "unit": "1", "values": [0.001, 0.0005] },
            { "name": "seconds", "unit": "s", "values": [30.0, 31.5] }
        ],
        "data": {
            "name": "n-mnist", "origin": "sample", "manifest_sha256": "aa", "split": "folders",
            "train": 10, "train_published": 60000, "test": 3, "test_published": 10000
        },
        "profile": "short", "seed": seed, "device": "cpu", "threads": 2,
        "host": { "cpu": "a cpu", "cores": 2, "os": "linux" },
        "program_sha256": "bb", "commit": null, "dirty": null,
        "started_utc": "2025-01-02T03:04:05Z", "seconds": 61.5, "peak_memory_bytes": null,
        "versions": {}
    })
}

/// Writes a receipt with a change below `dir`, which is where a command is run.
pub fn write(dir: &Path, row: &str, seed: u64, change: impl Fn(&mut Value)) -> PathBuf {
    let folder = dir.join("results/runs/table2");
    std::fs::create_dir_all(&folder).unwrap();
    let mut receipt = receipt(row, seed);
    change(&mut receipt);
    let path = folder.join(format!("{row}-s{seed}.json"));
    std::fs::write(&path, receipt.to_string()).unwrap();
    path
}
