//! A run that is killed at random moments goes on from its checkpoint and ends with the very bits
//! of one that was not: the same hash of its weights, the same metrics and curves, for any number
//! of threads.
//!
//! SPIKEGRAD_KILLS says how often a run is killed; CI is content with a few.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Saves after every step, so that a kill meets a file that is being written as often as it can.
fn program(dir: &Path, threads: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_table2"));
    let flags =
        ["--only", "n-mnist", "--profile", "smoke", "--epochs", "4", "--checkpoint-every", "0"];
    command.args(flags).args(["--crossover", "0.5", "--threads", threads]).args(more);
    command.env_remove("SPIKEGRAD_DATA").current_dir(dir);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// What decides a receipt's numbers: everything but time, memory and the machine.
fn numbers(dir: &Path) -> Value {
    let runs = dir.join("results/runs/table2");
    let files: Vec<_> = std::fs::read_dir(&runs).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let mut record: Value =
        serde_json::from_str(&std::fs::read_to_string(&files[0]).unwrap()).unwrap();
    let all = record.as_object_mut().unwrap();
    for changing in ["seconds", "started_utc", "peak_memory_bytes", "threads", "compute"] {
        all.remove(changing);
    }
    all["curves"].as_array_mut().unwrap().retain(|curve| curve["name"] != "seconds");
    all["analysis"].as_object_mut().unwrap().remove("latency");
    assert!(all["weights_sha256"].as_str().is_some_and(|hash| hash.len() == 64));
    record
}

fn ends(child: Child) -> (i32, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn killed_at_any_moment_it_ends_with_the_same_bits() {
    let kills: u32 = std::env::var("SPIKEGRAD_KILLS").map_or(8, |n| n.parse().unwrap());
    let whole = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let (status, said) = ends(program(whole.path(), "2", &[]).spawn().unwrap());
    assert_eq!(status, 0, "{said}");
    let (time, expected) = (start.elapsed(), numbers(whole.path()));
    let mut resumed = 0;
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    for kill in 0..kills {
        let dir = tempfile::tempdir().unwrap();
        // xorshift: the moments are spread over the run, and the same in every run of this test
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let moment = time.mul_f64((random >> 11) as f64 / (1u64 << 53) as f64);
        let (first, second) = if kill % 2 == 0 { ("1", "2") } else { ("2", "1") };
        let mut child = program(dir.path(), first, &[]).spawn().unwrap();
        std::thread::sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap();
        let (status, said) = ends(program(dir.path(), second, &[]).spawn().unwrap());
        assert_eq!(status, 0, "killed after {moment:?}: {said}");
        resumed += u32::from(said.contains("goes on from"));
        assert_eq!(numbers(dir.path()), expected, "killed after {moment:?}: {said}");
        let left: Vec<_> =
            std::fs::read_dir(dir.path().join("results/checkpoints")).unwrap().collect();
        assert!(left.is_empty(), "a finished run leaves no checkpoint: {left:?}");
    }
    println!("{kills} kills within {time:?}, {resumed} of them in a run that had a checkpoint");
    assert!(resumed > 0, "no kill met a run under way");
}

#[test]
fn ctrl_c_saves_and_ends_with_130() {
    let dir = tempfile::tempdir().unwrap();
    // more epochs than it will live to see, and no checkpoint but the last
    let long = ["--epochs", "400", "--checkpoint-every", "600"];
    let command = |more: &[&str]| {
        // whoever runs the tests may have signals ignored, and a program keeps that
        let mut command = Command::new("env");
        command
            .args(["--default-signal", env!("CARGO_BIN_EXE_table2")])
            .args(["--only", "n-mnist", "--profile", "smoke"])
            .args(long)
            .args(more)
            .current_dir(dir.path());
        command.env_remove("SPIKEGRAD_DATA").stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };
    let interrupted = |signal: &str| {
        let mut child = command(&[]).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.lines().last().is_some_and(|line| line.contains(" epoch ")) {
            assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "ended before an epoch: {said}");
        }
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        (child.wait().unwrap().code(), said)
    };
    let (status, said) = interrupted("-INT");
    assert_eq!(status, Some(130), "{said}");
    assert!(
        said.contains("interrupted: the state is saved, and the same command goes on"),
        "{said}"
    );
    let name = "n-mnist-bpsa+bpta-smoke+epochs400-synthetic-s0.safetensors";
    assert!(dir.path().join("results/checkpoints").join(name).is_file());
    assert!(!dir.path().join("results/table2.md").exists(), "a table of nothing");
    let (status, said) = interrupted("-TERM");
    assert_eq!(status, Some(143), "{said}");
    assert!(said.contains("goes on from") && said.contains(name), "{said}");
}
