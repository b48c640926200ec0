//! The program `data prepare` as a user meets it.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

/// A data root with `recordings` train and as many test recordings of N-MNIST, of 1,500 events
/// each.
fn root(recordings: u32) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let mut state = 1_u32;
    let mut random = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    for index in 0..2 * recordings {
        let half = if index < recordings { "Train" } else { "Test" };
        let folder = root.path().join("N-MNIST").join(half).join((index % 10).to_string());
        fs::create_dir_all(&folder).unwrap();
        let mut bytes = Vec::new();
        for event in 0..1500 {
            let t_us = event * 200 + random(200);
            bytes.extend([random(34) as u8, random(34) as u8]);
            bytes.extend(&(t_us | random(2) << 23).to_be_bytes()[1..]);
        }
        fs::write(folder.join(format!("{index:05}.bin")), bytes).unwrap();
    }
    root
}

/// A call that finds its data only where it is told to.
fn prepare(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("data"));
    command.current_dir(root).env_remove("SPIKEGRAD_DATA").env_remove("SPIKEGRAD_CACHE");
    command.args(["prepare", "n-mnist", "--frames", "number:16", "--data", "."]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The one sentence of a refusal.
#[track_caller]
fn refused(output: &Output) -> String {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(
        (output.status.code(), stdout.as_str(), stderr.lines().count()),
        (Some(1), "", 1),
        "{stderr}"
    );
    assert!(stderr.starts_with("error: "), "{stderr}");
    stderr
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn it_says_what_it_made_and_a_second_call_that_it_is_there() {
    let root = root(20);
    let first = succeeds(&prepare(root.path(), &[]).output().unwrap());
    let made = files(&root.path().join(".cache"));
    assert_eq!(made.len(), 1, "{made:?}");
    let lines: Vec<&str> = first.lines().collect();
    assert_eq!(
        root.path().join(lines[0]),
        made[0].strip_prefix(root.path()).map(|file| root.path().join(".").join(file)).unwrap()
    );
    let bytes = made[0].metadata().unwrap().len();
    assert!(lines[1].starts_with(&format!(
        "20 train and 20 test samples [16, 34, 34, 2] of u8, {bytes} bytes, written in "
    )));
    let second = succeeds(&prepare(root.path(), &[]).output().unwrap());
    assert!(second.contains("there already, every sample checked"), "{second}");
    // another form is another file, elsewhere if asked
    let elsewhere = root.path().join("elsewhere");
    succeeds(
        &prepare(root.path(), &["--side", "17", "--dtype", "u16", "--cache", "elsewhere"])
            .output()
            .unwrap(),
    );
    succeeds(
        &prepare(root.path(), &["--side", "17"])
            .env("SPIKEGRAD_CACHE", "elsewhere")
            .output()
            .unwrap(),
    );
    assert_eq!((files(&elsewhere).len(), files(&root.path().join(".cache")).len()), (2, 1));
}

#[test]
fn processes_at_once_make_one_file() {
    let root = root(150);
    let calls: Vec<_> = (0..4).map(|_| prepare(root.path(), &[]).spawn().unwrap()).collect();
    let outputs: Vec<Output> =
        calls.into_iter().map(|call| call.wait_with_output().unwrap()).collect();
    let made = outputs.iter().filter(|output| succeeds(output).contains(" written in ")).count();
    assert_eq!((made, files(&root.path().join(".cache")).len()), (1, 1));
}

#[test]
fn a_process_says_that_it_waits_and_goes_on_when_the_other_is_done() {
    let root = root(2);
    succeeds(&prepare(root.path(), &[]).output().unwrap());
    let cache = files(&root.path().join(".cache")).remove(0);
    // this test is the other process: it holds the lock until the program has said that it waits
    let lock = fs::File::create(cache.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let mut call = prepare(root.path(), &[]).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(call.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said.trim(), "another process is making this cache; waiting for it");
    drop(lock);
    assert!(
        succeeds(&call.wait_with_output().unwrap()).contains("there already, every sample checked")
    );
}

/// A signal ends it with its status, and nothing unfinished is left: while it waits for another
/// process, whose lock stays, and while it writes.
#[cfg(unix)]
#[test]
fn a_signal_leaves_nothing_unfinished() {
    let root = root(400);
    let cache = root.path().join(".cache");
    let send = |signal: &str, call: &Child| {
        let sent = Command::new("kill").args([signal, &call.id().to_string()]).status().unwrap();
        assert!(sent.success());
    };
    let begun =
        || {
            cache.read_dir().into_iter().flatten().flatten().any(|entry| {
                entry.path().extension().is_some_and(|extension| extension == "partial")
            })
        };
    let mut met = 0;
    for (signal, status) in [("-TERM", 143), ("-INT", 130), ("-HUP", 129)] {
        let mut command = prepare(root.path(), &[]);
        let mut call = default_signals(&mut command).spawn().unwrap();
        while call.try_wait().unwrap().is_none() && !begun() {
            std::thread::yield_now();
        }
        send(signal, &call);
        let output = call.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        if output.status.success() {
            // it was faster
            fs::remove_dir_all(&cache).unwrap();
            continue;
        }
        met += 1;
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains("interrupted: nothing unfinished is left"), "{said}");
        assert!(files(&cache).is_empty(), "{:?}", files(&cache));
    }
    assert!(met > 0, "no signal met the writing");
    succeeds(&prepare(root.path(), &[]).output().unwrap());
    let lock = fs::File::create(files(&cache)[0].with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let mut command = prepare(root.path(), &[]);
    let mut call = default_signals(&mut command).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(call.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
    send("-TERM", &call);
    assert_eq!(call.wait().unwrap().code(), Some(143));
    assert_eq!(files(&cache).len(), 2, "the cache, and the lock of the other one");
}

/// Whoever runs the tests may have some signals ignored, and a program keeps that.
#[cfg(unix)]
fn default_signals(command: &mut Command) -> Command {
    let mut wrapped = Command::new("env");
    wrapped.arg("--default-signal").arg(command.get_program()).args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        wrapped.current_dir(dir);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    wrapped
}

#[test]
fn what_is_wrong_is_said_in_one_sentence_and_leaves_nothing() {
    let root = root(3);
    let call = |arguments: &[&str]| prepare(root.path(), arguments).output().unwrap();
    for (arguments, words) in [
        (&["--frames", "number"][..], "expected number:T or time:T"),
        (&["--frames", "number:0"], "expected number:T or time:T"),
        (&["--frames", "voxel:3"], "expected number:T or time:T"),
        (&["--frames", "duration:9"], "since samples of a cache have one shape"),
        (&["--split", "first"], "expected a split (published, "),
        (&["--dtype", "f32"], "--dtype: expected u8 or u16, found \"f32\""),
        (&["--side", "0"], "--side"),
    ] {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("data"));
        command.args(["prepare", "n-mnist"]).args(if arguments[0] == "--frames" {
            &[][..]
        } else {
            &["--frames", "time:2"]
        });
        let output = command.args(arguments).output().unwrap();
        assert!(
            output.status.code() == Some(2) && text(&output.stderr).contains(words),
            "{}",
            text(&output.stderr)
        );
    }
    assert!(
        refused(&call(&["--split", "tebn"]))
            .contains("expected a split of n-mnist (published), found \"tebn\"")
    );
    fs::write(root.path().join("file"), "").unwrap();
    assert!(
        refused(&call(&["--cache", "file/cache"]))
            .contains("file/cache: expected to write into it")
    );
    fs::write(root.path().join("N-MNIST/Test/3/00003.bin"), [1; 7]).unwrap();
    let broken = refused(&call(&[]));
    assert_eq!(broken.matches("byte 5").count(), 1, "{broken}");
    assert!(broken.contains("N-MNIST/Test/3/00003.bin"), "{broken}");
    assert!(files(&root.path().join(".cache")).is_empty());
    let empty = tempfile::tempdir().unwrap();
    assert!(
        refused(&prepare(empty.path(), &[]).output().unwrap())
            .contains("expected a folder with N-MNIST, found none")
    );
}

/// A small disk of its own, unmounted when dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new(kib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"]).arg(folder.path());
        mount.output().is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_is_said_with_the_bytes_needed_and_leaves_nothing() {
    let root = root(150);
    let whole = root.path().join("whole");
    succeeds(&prepare(root.path(), &["--cache", "whole"]).output().unwrap());
    let bytes = files(&whole)[0].metadata().unwrap().len();
    // from a page to all but the last pages
    for kib in [4, 64, bytes / 2048, bytes / 1024 - 8] {
        let Some(disk) = Disk::new(kib as u32) else {
            eprintln!("skipped: this user may not mount a tmpfs");
            return;
        };
        let error = refused(
            &prepare(root.path(), &["--cache", disk.0.path().to_str().unwrap()]).output().unwrap(),
        );
        let number = |after: &str| -> u64 {
            let rest = &error[error.find(after).unwrap() + after.len()..];
            rest[..rest.find(' ').unwrap()].parse().unwrap()
        };
        let (needed, available) = (number("room for about "), number("found "));
        eprintln!("{kib} KiB: {}", error.trim());
        // a disk in memory has whole pages
        assert!(available <= (kib * 1024).next_multiple_of(4096) && needed > available, "{error}");
        assert!(kib < 100 || needed < bytes * 5 / 4, "{error} for {bytes}");
        assert!(files(disk.0.path()).is_empty(), "{:?}", files(disk.0.path()));
    }
}

/// A data root in small, in which one recording has a single event and one has all of its events at
/// one time.
fn odd_root() -> tempfile::TempDir {
    let root = root(20);
    let file =
        |digit: u32, index: u32| root.path().join(format!("N-MNIST/Train/{digit}/{index:05}.bin"));
    fs::write(file(3, 3), [3, 5, 0x80, 0, 9]).unwrap();
    let at_once: Vec<u8> = (0..30).flat_map(|k| [k, 5, 0, 0, 9]).collect();
    fs::write(file(4, 4), at_once).unwrap();
    root
}

/// As [`prepare`], framed otherwise.
fn framed(root: &Path, frames: &str) -> Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("data"));
    command.current_dir(root).env_remove("SPIKEGRAD_DATA").env_remove("SPIKEGRAD_CACHE");
    command.args(["prepare", "n-mnist", "--data", ".", "--frames", frames]).output().unwrap()
}

#[test]
fn frames_without_events_are_refused_with_the_flag_that_allows_them() {
    let root = odd_root();
    let said = refused(&framed(root.path(), "time:64"));
    assert!(said.contains("(--frames time:64,empty)") && !said.contains("EmptyWindow"), "{said}");
    let made = framed(root.path(), "time:64,empty");
    assert!(succeeds(&made).contains("samples [64, 34, 34, 2]"));
    // one frame holds all events, even if all are at one time
    let made = framed(root.path(), "time:1");
    assert!(succeeds(&made).contains("samples [1, 34, 34, 2]"));
    // more frames than microseconds
    let said = refused(&framed(root.path(), "time:2"));
    assert!(said.contains("more frames than microseconds"), "{said}");
    assert!(said.contains("(--frames time:2,empty)"), "{said}");
}
