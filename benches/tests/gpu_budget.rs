//! What one training step on a CUDA device launches, copies and holds, counted by the emulated
//! device: a step of real size, which is not executed.
//!
//! Skipped, and says so, where the emulated device is not there; where SPIKEGRAD_CUDA is set it
//! fails instead.
#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;

/// What happened, by kind: how often, and how many bytes in all; and the most bytes held in the
/// last step.
type Counted = (BTreeMap<String, (i64, i64)>, i64);

/// The events of a program that makes so many steps.
fn events(
    (net, method): (&str, &str),
    batch: &str,
    precision: &str,
    steps: usize,
) -> Option<Counted> {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let output = Command::new(env!("CARGO_BIN_EXE_gpu"))
        .args([
            "--net",
            net,
            "--method",
            method,
            "--batch",
            batch,
            "--precision",
            precision,
            "--repeats",
            &steps.to_string(),
        ])
        .env("EMULATOR_SKIP", "1")
        .env("EMULATOR_LOG", &log)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let Ok(text) = std::fs::read_to_string(&log) else {
        assert!(
            std::env::var_os("SPIKEGRAD_CUDA").is_none(),
            "SPIKEGRAD_CUDA is set, but there is no log: {said}"
        );
        // not `eprintln!`, which a passing test does not show
        let _ = writeln!(std::io::stderr(), "SKIPPED: no emulated device ({})", said.trim());
        return None;
    };
    assert!(output.status.success(), "{said}");
    // the last step lies between the last two waits for the device; before it algorithms are
    // searched for with more memory
    let lines: Vec<&str> = text.lines().collect();
    let waits: Vec<usize> = (0..lines.len()).filter(|&i| lines[i] == "sync").collect();
    let last_step = waits[waits.len() - 2]..waits[waits.len() - 1];
    let (mut all, mut peak) = (BTreeMap::new(), 0);
    for (i, line) in lines.into_iter().enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |i: usize| words.get(i).and_then(|w| w.parse().ok()).unwrap_or(0);
        let bytes = if words[0] == "launch" || words[0] == "conv" { 0 } else { number(1) };
        let entry: &mut (i64, i64) = all.entry(words[0].to_owned()).or_default();
        *entry = (entry.0 + 1, entry.1 + bytes);
        if words[0] == "alloc" && last_step.contains(&i) {
            peak = peak.max(number(2));
        }
    }
    Some((all, peak))
}

/// One step of small, middle and large at T = 16, of small with a time constant that each layer
/// learns, and of ResNet34: launches of ours, calls of libraries, copies, and memory.
#[test]
fn a_step_keeps_to_its_budget() {
    // convolutions and linear layers; parameters; norms; frames in bytes; conv outputs, inputs and
    // everything else in elements
    let (lif, plif) = ("bpsa+bpta", "plif");
    for (net, method, batch, precision, launches, convolutions, products, peak_mib) in [
        ("small", lif, "64", "bf16", 66, 8, 6, 820),
        ("small", plif, "64", "bf16", 76, 8, 6, 820),
        ("middle", lif, "64", "bf16", 75, 11, 3, 720),
        ("large", lif, "16", "bf16", 107, 17, 3, 1240),
        ("large", lif, "16", "f32", 106, 17, 3, 2340),
        ("large", lif, "64", "bf16", 107, 17, 3, 4600),
        ("resnet34", lif, "16", "f32", 1, 1, 1, 1),
    ] {
        let (Some((one, _)), Some((two, peak))) = (
            events((net, method), batch, precision, 1),
            events((net, method), batch, precision, 2),
        ) else {
            return;
        };
        let step = |kind: &str| {
            let ((n, bytes), (m, more)) = (
                one.get(kind).copied().unwrap_or_default(),
                two.get(kind).copied().unwrap_or_default(),
            );
            (m - n, more - bytes)
        };
        let what = format!("{net}, {method}, batch {batch}, {precision}");
        assert!(step("launch").0 <= launches, "{what}: {} launches", step("launch").0);
        // three products a layer, but no gradient of the frames
        assert_eq!(step("conv").0, convolutions, "{what}: convolutions");
        assert_eq!(step("gemm").0, products, "{what}: matrix products");
        // scores, spikes and what is not finite come back; frames, masks and one gradient go there
        assert!(
            step("dtoh").0 <= 3 && step("dtoh").1 < 64 << 10,
            "{what}: {:?} to the host",
            step("dtoh")
        );
        assert!(step("htod").0 <= 4, "{what}: {:?} to the device", step("htod"));
        // nothing large is cleared or copied about: gradients of biases below norms, running
        // statistics
        assert!(step("memset").1 < 64 << 10, "{what}: {:?} cleared", step("memset"));
        assert!(step("dtod").1 < 64 << 10, "{what}: {:?} copied", step("dtod"));
        assert_eq!(step("alloc").0, step("free").0, "{what}: a step leaves memory behind");
        eprintln!("{what}: {} launches, {} MiB at most", step("launch").0, peak >> 20);
        assert!(peak >> 20 <= peak_mib, "{what}: {} MiB at most", peak >> 20);
    }
}
