//! Errors are one sentence of every program: no frames of a backtrace, no names of Rust, nothing
//! that commands a terminal, no password.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

fn call(name: &str, arguments: &[&str], dir: &Path) -> Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin(name));
    command.args(arguments).current_dir(dir).env("RUST_BACKTRACE", "1");
    command.env_remove("SPIKEGRAD_DATA").env_remove("SPIKEGRAD_CACHE").output().unwrap()
}

/// What was said, as text; it holds nothing that commands a terminal.
#[track_caller]
fn said(output: &Output) -> String {
    let mut all = String::new();
    for stream in [&output.stdout, &output.stderr] {
        let text = String::from_utf8(stream.clone()).unwrap();
        let foreign = |c: char| c.is_control() && c != '\n' || "\u{202e}\u{2066}".contains(c);
        assert!(!text.contains(foreign), "{text:?}");
        assert!(!text.contains("os error"), "{text}");
        all += &text;
    }
    all
}

#[test]
fn an_error_has_no_frames() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("weights.safetensors"), "no weights").unwrap();
    let tiny = ["--only", "n-mnist", "--profile", "smoke", "--dry-run"];
    let with = |more: &[&'static str]| [&tiny[..], more].concat();
    let calls: [(&str, Vec<&str>); 11] = [
        ("data", vec!["inspect", "absent"]),
        ("data", vec!["verify", "--data", "absent"]),
        ("data", vec!["prepare", "n-mnist", "--data", "."]),
        ("table2", with(&["--data", "absent"])),
        // sentences of the tensor library's error type
        ("table2", with(&["--network", "40C99-10Voting"])),
        ("table2", with(&["--network", "3C3-MP64-10Voting"])),
        ("table2", with(&["--set", "setup.batch=x"])),
        ("train", vec!["n-mnist", "--data", "absent"]),
        ("simulator", vec!["compare", "--data", "absent"]),
        ("simulator", vec!["tune", "--start", "weights.safetensors"]),
        ("conformance", vec!["absent"]),
    ];
    for (name, arguments) in calls {
        let output = call(name, &arguments, dir.path());
        let said = said(&output);
        assert!(!output.status.success(), "{name} {arguments:?}: {said}");
        assert!(said.contains("error: "), "{name} {arguments:?}: {said}");
        for word in ["0: ", "   at ", ".rs:", "Caused by", "Error:", "panicked", "Some(", "::"] {
            assert!(!said.contains(word), "{name} {arguments:?} says {word}: {said}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_name_commands_no_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let evil = "a\u{1b}[2J\nerror: b\u{202e}gnp\u{9b}1m\r.bin";
    std::fs::write(dir.path().join(evil), "").unwrap();
    for (name, arguments) in [
        ("data", &["inspect", evil][..]),
        ("data", &["inspect", evil, evil]),
        ("data", &["show", evil]),
        ("data", &["list", "--data", evil]),
        ("data", &[evil]),
        ("table2", &["--data", evil]),
        ("table2", &["--only", evil]),
        ("table2", &["--results", evil]),
        ("table2", &["--dry-run", "--weights", evil]),
        ("train", &[evil]),
        ("train", &["n-mnist", "--data", evil]),
        ("simulator", &["tune", "--start", evil]),
        ("conformance", &[evil]),
    ] {
        let output = call(name, arguments, dir.path());
        let said = said(&output);
        assert!(!output.status.success(), "{name} {arguments:?}: {said}");
        assert!(said.contains("error: ") && said.contains("\\u001b[2J"), "{name}: {said}");
    }
}

#[test]
fn a_mirrors_password_stays_unsaid() {
    let dir = tempfile::tempdir().unwrap();
    // a scheme that nobody speaks: refused at once, without a network
    let mirror = "gopher://someone:geheim@127.0.0.1:9/sets?token=geheim";
    let output =
        call("data", &["fetch", "mnist", "--data", "data", "--mirror", mirror], dir.path());
    let said = said(&output);
    assert!(!output.status.success() && said.contains("127.0.0.1:9"), "{said}");
    assert!(!said.contains("geheim") && !said.contains("someone"), "{said}");
}

/// What the system says is said in words, by every program: nothing of a name, a file for a folder,
/// a folder for a file, a name too long.
#[test]
fn a_systems_error_has_no_number() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "no data").unwrap();
    std::fs::write(dir.path().join("bin"), [3, 4, 0x80, 0, 9]).unwrap();
    let long = &*"n".repeat(300);
    let tiny = ["--only", "n-mnist", "--profile", "smoke", "--dry-run"];
    let mut calls: Vec<(&str, Vec<&str>)> = Vec::new();
    for path in ["absent/x", "file/x", long] {
        calls.extend([
            ("data", vec!["inspect", path]),
            ("data", vec!["show", path]),
            ("data", vec!["verify", "--data", path]),
            ("data", vec!["list", "--data", path]),
            ("train", vec!["n-mnist", "--data", path]),
            ("train", vec!["n-mnist", "--dry-run", "--weights", path]),
            ("simulator", vec!["tune", "--start", path]),
            ("conformance", vec![path]),
        ]);
    }
    for path in ["file/x", long] {
        calls.extend([
            ("data", vec!["fetch", "mnist", "--data", path]),
            ("data", vec!["simulate", "--count", "1", "--images", path, "--out", "new"]),
            ("table2", [&tiny[..], &["--results", path]].concat()),
            ("table2", [&tiny[..], &["--tensorboard", path]].concat()),
            ("report", vec!["--results", path]),
        ]);
    }
    calls.push(("data", vec!["show", "bin", "--format", "nmnist", "--out", "file/x.png"]));
    calls.push(("data", vec!["show", "bin", "--format", "nmnist", "--out", "absent/x.png"]));
    for (name, arguments) in calls {
        let output = call(name, &arguments, dir.path());
        let said = said(&output);
        let failed = arguments.contains(&"list") || arguments.contains(&"report");
        assert!(failed || !output.status.success(), "{name} {arguments:?}: {said}");
    }
}
