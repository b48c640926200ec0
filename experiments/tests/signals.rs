//! Every signal that asks a program to end saves what was trained; a rebuild while a command runs
//! changes nothing.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod common;

use common::with_stderr;
use experiments::{machine, stop};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// More epochs than it will live to see, and no checkpoint but the last.
const LONG: [&str; 12] = [
    "--only",
    "n-mnist",
    "--profile",
    "smoke",
    "--epochs",
    "4000",
    "--crossover",
    "0.5",
    "--checkpoint-every",
    "600",
    "--narrow",
    "64",
];

/// A program with every signal as it is by default: whoever runs the tests may have some ignored
/// (`nohup`, a job in the background), and a program keeps that.
fn program(exe: impl AsRef<std::ffi::OsStr>) -> Command {
    if !cfg!(target_os = "linux") {
        return Command::new(exe);
    }
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(exe);
    command
}

fn long(dir: &Path) -> Command {
    with_stderr(program(env!("CARGO_BIN_EXE_table2")), dir, &LONG)
}

fn send(signal: &str, child: &Child) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Reads what a program says up to a line with `word`.
fn until(stderr: &mut impl BufRead, word: &str) -> String {
    let mut said = String::new();
    while !said.lines().last().is_some_and(|line| line.contains(word)) {
        assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "ended without \"{word}\": {said}");
    }
    said
}

/// Starts a long run, waits for its first epoch, sends the signals, and gives its status and words.
fn interrupted(mut command: Command, signals: &[&str]) -> (Option<i32>, String) {
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = until(&mut stderr, " epoch ");
    signals.iter().for_each(|signal| send(signal, &child));
    stderr.read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

fn checkpoints(dir: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(dir.join("results/checkpoints")).unwrap();
    let paths = all.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).collect()
}

#[test]
fn every_signal_saves_and_ends_with_its_status() {
    let dir = tempfile::tempdir().unwrap();
    let signals: [(&[&str], i32); 6] = [
        (&["-HUP"], 129),
        (&["-INT"], 130),
        (&["-USR1"], 138),
        (&["-USR2"], 140),
        (&["-TERM"], 143),
        // a terminal that is closed sends it twice
        (&["-HUP", "-HUP"], 129),
    ];
    for (k, (signals, expected)) in signals.into_iter().enumerate() {
        let (status, said) = interrupted(long(dir.path()), signals);
        assert_eq!(status, Some(expected), "{signals:?}: {said}");
        assert!(said.contains("interrupted: the state is saved"), "{signals:?}: {said}");
        assert_eq!(said.contains(": goes on from "), k > 0, "{signals:?}: {said}");
        assert_eq!(checkpoints(dir.path()).len(), 1, "{signals:?}");
    }
}

#[test]
fn what_was_ignored_at_the_start_stays_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(env!("CARGO_BIN_EXE_table2"));
    let mut child = with_stderr(command, dir.path(), &LONG).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    until(&mut stderr, " epoch ");
    send("-HUP", &child);
    // two epochs later it is still there
    until(&mut stderr, " epoch ");
    until(&mut stderr, " epoch ");
    send("-TERM", &child);
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143), "{said}");
}

#[test]
fn before_a_run_a_signal_ends_the_program_with_its_status() {
    let dir = tempfile::tempdir().unwrap();
    for (signal, expected) in [("-TERM", 143), ("-HUP", 129), ("-USR1", 138)] {
        let mut child = long(dir.path()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        // said when the signals are listened to, and before the recordings are made
        until(&mut stderr, "SYNTHETIC");
        send(signal, &child);
        let mut said = String::new();
        stderr.read_to_string(&mut said).unwrap();
        let status = child.wait().unwrap().code();
        assert_eq!(status, Some(expected), "{signal}: {said}");
    }
}

/// What [`answering`] is told by: whether a run is under way, and the number of the signal.
const ANSWERING: &str = "SPIKEGRAD_TEST_OF_SIGNALS";
/// Its status where two signals did not end it.
const STILL_THERE: i32 = 7;

/// No test, but the program that the next one starts: it listens as a training program does, says
/// when it is ready for each of two signals, and ends by itself where they did not end it.
#[test]
fn answering() {
    let Ok(told) = std::env::var(ANSWERING) else { return };
    let (state, signal) = told.rsplit_once(' ').unwrap();
    stop::listen().unwrap();
    let _run = (state == "under way").then(stop::under_way);
    // set behind all that was registered before: only where the signal has not ended the program
    let survived = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal.parse().unwrap(), survived.clone()).unwrap();
    for _ in 0..2 {
        println!("ready");
        while !survived.swap(false, Ordering::SeqCst) {
            std::thread::yield_now();
        }
        assert!(stop::asked());
    }
    std::process::exit(STILL_THERE);
}

/// Whether the first signal ends a program at once, or the second; if neither, its status.
#[test]
fn where_a_run_is_under_way_only_a_second_ctrl_c_or_sigterm_ends_at_once() {
    for (name, signal, twice) in [
        ("-INT", SIGINT, true),
        ("-TERM", SIGTERM, true),
        ("-HUP", SIGHUP, false),
        ("-USR1", SIGUSR1, false),
        ("-USR2", SIGUSR2, false),
    ] {
        for state in ["idle", "under way"] {
            let mut command = program(std::env::current_exe().unwrap());
            command.args(["--exact", "answering", "--nocapture"]).stdout(Stdio::piped());
            let mut child = command.env(ANSWERING, format!("{state} {signal}")).spawn().unwrap();
            let mut stdout = BufReader::new(child.stdout.take().unwrap());
            until(&mut stdout, "ready");
            send(name, &child);
            if state == "under way" {
                until(&mut stdout, "ready");
                send(name, &child);
            }
            let ends = state == "idle" || twice;
            let expected = if ends { 128 + signal } else { STILL_THERE };
            assert_eq!(child.wait().unwrap().code(), Some(expected), "{state}, {name}");
        }
    }
}

#[test]
fn a_rebuild_during_a_command_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("table2");
    std::fs::copy(env!("CARGO_BIN_EXE_table2"), &program).unwrap();
    // two runs: the second begins after the program's file is gone
    let mut flags = vec!["--only", "n-mnist", "--profile", "smoke", "--seeds", "2"];
    flags.extend(["--crossover", "0.5", "--narrow", "64"]);
    let mut child = with_stderr(Command::new(&program), dir.path(), &flags).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = until(&mut stderr, "SYNTHETIC");
    std::fs::remove_file(&program).unwrap();
    std::fs::write(&program, "another build").unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said}");
    let runs = std::fs::read_dir(dir.path().join("results/runs/table2")).unwrap();
    let digests: Vec<String> = runs
        .map(|entry| {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let record: serde_json::Value = serde_json::from_str(&text).unwrap();
            record["program_sha256"].as_str().unwrap().to_owned()
        })
        .collect();
    // that of the sources, which this test was built from too
    assert_eq!(digests, [(); 2].map(|()| machine::program_sha256().unwrap()));
    let table = std::fs::read_to_string(dir.path().join("results/table2.md")).unwrap();
    assert!(table.contains("synthetic "), "{table}");
}
