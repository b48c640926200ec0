//! The command `conformance` on a CUDA device: spikes, scores, gradients and steps of the paper's
//! code.
//!
//! Without a device or golden files it is skipped, and says so; where SPIKEGRAD_CUDA is set, a
//! missing device fails instead.
#![cfg(all(feature = "cuda", feature = "program"))]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

fn skipped(why: &str) {
    // not `eprintln!`, which a passing test does not show
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

#[test]
fn a_device_conforms_to_the_golden_vectors() {
    if let (Err(error), None) =
        (device::open(device::Choice::Cuda(0)), std::env::var_os("SPIKEGRAD_CUDA"))
    {
        return skipped(&error.to_string());
    }
    let shared = std::env::var_os("SPIKEGRAD_SHARED").map(PathBuf::from);
    let beside = || {
        shared
            .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into())
            .join("golden")
    };
    let golden = std::env::var_os("SPIKEGRAD_GOLDEN").map_or_else(beside, PathBuf::from);
    if !golden.is_dir() {
        return skipped(&format!("no golden files in {}", golden.display()));
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_spikegrad"));
    let output = command.args(["conformance", "--device", "cuda:0"]).arg(golden).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed: Vec<&str> = said.lines().filter(|line| line.starts_with("FAIL ")).collect();
    assert!(
        output.status.success() && failed.is_empty(),
        "{failed:#?}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // a program that checked nothing there has not passed
    let there =
        said.lines().filter(|line| line.starts_with("PASS ") && line.contains("cuda")).count();
    assert!(there > 200, "{there} rows of the device, expected those of every golden file");
    let _ = writeln!(
        std::io::stderr(),
        "{}, {there} of them on the device",
        said.lines().last().unwrap_or_default()
    );
}
