//! The program `conformance` on neurons of the systems that the paper compares itself with.
#![allow(clippy::unwrap_used, clippy::panic)]

use assert_cmd::Command;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of these vectors, or `None` (said aloud) where this machine has none.
fn vectors(part: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("SPIKEGRAD_SHARED").map(PathBuf::from);
    let folder = shared
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into())
        .join("golden-comparators")
        .join(part);
    if !folder.is_dir() {
        eprintln!("SKIPPED: no vectors in {}", folder.display());
        return None;
    }
    Some(folder)
}

/// Exit status and what was printed.
fn conformance(folder: &Path) -> (Option<i32>, String) {
    let output = Command::cargo_bin("conformance").unwrap().arg(folder).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_cells_are_the_comparators_neurons() {
    let Some(folder) = vectors("direct") else { return };
    let (status, text) = conformance(&folder);
    assert_eq!(status, Some(0), "{text}");
    for row in [
        "PASS tdbn_neuron s1 f32 grad_in by hand ",
        "PASS plif_neuron s2 f64 attached.grad.w scan ",
        "PASS bntt_neuron s1 f32 spike step ",
        "PASS sbpsnn_neuron s2 f32 grad_in scan ",
        "PASS iirsnn_neuron s1 f64 low_membrane.grad.weight ",
        "PASS salt_neuron s1 f64 grad.theta step ",
        "PASS tdbn_norm s2 f64 grad_in ",
        "PASS tdbn_network s1 f32 gradients event ",
        "PASS tdbn_network s2 f64 running statistics tensors ",
        "PASS bntt_network s1 f32 gradients event ",
        "PASS bntt_network s2 f64 eval output tensors ",
        "PASS lisnn_network s1 f32 gradients event ",
        "PASS lisnn_network s2 f64 gradients tensors ",
        "PASS sbpsnn_network s1 f32 gradients tensors ",
        "PASS sbpsnn_network s2 f32 gradients event ",
        "PASS neunorm_norm s2 f64 grad.w ",
        "PASS neunorm_network s2 f64 gradients tensors ",
        "PASS backeisnn_neuron s1 f64 back_only.grad.back.weight ",
        "PASS backeisnn_network s1 f32 gradients tensors ",
    ] {
        assert!(text.contains(row), "{row}: {text}");
    }
}

#[test]
fn another_constant_fails() {
    let Some(folder) = vectors("direct") else { return };
    let copy = tempfile::tempdir().unwrap();
    let to = |name: &str| copy.path().join(name);
    fs::copy(folder.join("plif_neuron.safetensors"), to("plif_neuron.safetensors")).unwrap();
    let json = fs::read_to_string(folder.join("plif_neuron.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&json).unwrap();
    json["seeds"]["s1"]["tau0"] = 2.001.into();
    fs::write(to("plif_neuron.json"), json.to_string()).unwrap();
    let (status, text) = conformance(copy.path());
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("FAIL plif_neuron s1 f64 grad_in scan "), "{text}");
    assert!(text.contains("PASS plif_neuron s2 f64 grad_in scan "), "{text}");
}

#[test]
fn conversion_and_traces_are_the_comparators() {
    let Some(folder) = vectors("other") else { return };
    let (status, text) = conformance(&folder);
    assert_eq!(status, Some(0), "{text}");
    for row in [
        "PASS continuesnn_neuron_s1 f32 modulo.spike ",
        "PASS continuesnn_network_average_s2 f64 spike.p2 ",
        "PASS continuesnn_network_max_s1 f64 spike.out ",
        "PASS rnl_layer_s2 f64 2.grad_scale ",
        "PASS rnl_network_s1 f64 spike.2 ",
        "PASS spikenorm_s2 f64 thresholds ",
        "PASS softlif_s1 thesis.spike ",
        "PASS tsslbp_network_count_s1 f64 after.output ",
        "PASS tsslbp2020_network_s2 f32 grad.conv_1 ",
        "PASS slayer_network_s2 f64 grad.conv1 ",
        "PASS hm2_s2 f64.grad.0 ",
        "PASS strsbp_s2 f64.grad.1 ",
    ] {
        assert!(text.contains(row), "{row}: {text}");
    }
}
