//! `spikegrad COMMAND` is the program of that name in `experiments/src/bin`: the same commands,
//! each on a line, the same flags, sentences and status.
#![cfg(feature = "program")]
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

fn spikegrad(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spikegrad"));
    command.env_remove("SPIKEGRAD_DATA").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The commands that `spikegrad --help` lists.
fn listed() -> Vec<String> {
    let help = spikegrad(&["--help"]);
    assert!(help.status.success());
    let lines = text(&help.stdout).lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| !line.is_empty()).map(|line| {
        // one line each, and it says something
        let (name, about) = line.trim().split_once("  ").unwrap();
        assert!(line.starts_with("  ") && !line.starts_with("   "), "{line}");
        assert!(line.chars().count() <= 100 && !about.trim().is_empty(), "{line}");
        name.to_owned()
    });
    names.filter(|name| name != "help").collect()
}

#[test]
fn it_has_the_commands_that_are_programs() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = std::fs::read_dir(workspace.join("experiments/src/bin")).unwrap();
    let name = |file: std::io::Result<std::fs::DirEntry>| {
        file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()
    };
    let mut programs: Vec<String> = files.map(name).collect();
    let mut commands = listed();
    programs.sort();
    commands.sort();
    assert_eq!(commands, programs);
    assert!(commands.len() >= 15, "{commands:?}");
    // and cargo calls them by the same names
    let aliases = std::fs::read_to_string(workspace.join(".cargo/config.toml")).unwrap();
    for name in &programs {
        let alias = format!("{name} = \"run --release -p spikegrad-experiments --bin {name} --\"");
        assert!(aliases.lines().any(|line| line == alias), "{alias}");
    }
}

#[test]
fn a_help_names_what_was_typed() {
    for name in listed() {
        let help = spikegrad(&[&name, "--help"]);
        assert!(help.status.success(), "{name}");
        let usage = text(&help.stdout).lines().find(|line| line.starts_with("Usage: ")).unwrap();
        assert!(usage.starts_with(&format!("Usage: spikegrad {name} ")), "{usage}");
    }
    let version = spikegrad(&["--version"]);
    assert_eq!(text(&version.stdout), concat!("spikegrad ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn sentences_and_status_are_those_of_the_programs() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("absent");
    let absent = absent.to_str().unwrap();
    for (arguments, status, said) in [
        (&["tabel2"][..], 2, "expected a command, found \"tabel2\""),
        (&["table2", "--colour"], 2, "expected a flag of this command, found \"--colour\""),
        (&["table2", "--only", "cifar10"], 2, "--only: expected words of table2"),
        (&["table2", "--only", "bpsa,bpsa"], 2, "--only: expected every one once"),
        (&["train"], 2, "expected <NAME>"),
        (&["data", "frobnicate"], 2, "expected a command, found \"frobnicate\""),
        (&["report", "--results", absent], 1, "--results: expected a folder with receipts"),
        (&["data", "inspect", absent], 1, absent),
        (&["conformance", absent], 1, absent),
    ] {
        let output = spikegrad(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {error}");
        assert!(error.starts_with("error: ") && error.contains(said), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
    }
}
