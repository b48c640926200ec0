//! What `data` and a training program say of data that are broken where nobody looks: recordings
//! that hold nothing, links that lead nowhere, pipes.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What a call said and how it ended.
struct Said {
    status: i32,
    stdout: String,
    stderr: String,
}

/// Calls a program in `dir`. One that does not end is a failure, and not a test without end.
fn call(program: &str, dir: &Path, arguments: &[&str]) -> Said {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin(program))
        .current_dir(dir)
        .env_remove("SPIKEGRAD_DATA")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            panic!("{program} {arguments:?} does not end");
        }
        thread::sleep(Duration::from_millis(20));
    }
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { status: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
}

impl Said {
    /// Status 1 and one `error:` line with each of `words`.
    #[track_caller]
    fn is_refused_with(&self, words: &[&str]) {
        let errors: Vec<&str> =
            self.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!((self.status, errors.len()), (1, 1), "{}{}", self.stdout, self.stderr);
        for word in words {
            assert!(errors[0].contains(word), "expected \"{word}\" in: {}", errors[0]);
        }
        assert!(!self.stderr.contains("SYNTHETIC"), "{}", self.stderr);
    }
}

fn write(root: &Path, file: &str, bytes: &[u8]) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A recording of N-MNIST, another one for another seed.
fn recording(seed: u32) -> Vec<u8> {
    let event = |i: u32| {
        let [_, high, middle, low] = (i * 1_000 + seed).to_be_bytes();
        [((i * 7 + seed) % 34) as u8, (i * 5 % 34) as u8, (i as u8 & 1) << 7 | high, middle, low]
    };
    (0..100).flat_map(event).collect()
}

/// N-MNIST with three train recordings and a test one for each digit.
fn digits(root: &Path) {
    for digit in 0..10 {
        for index in 0..3 {
            let number = index * 10 + digit + 1;
            let file = format!("n-mnist/Train/{digit}/{number:05}.bin");
            write(root, &file, &recording(number));
        }
        write(root, &format!("n-mnist/Test/{digit}/{:05}.bin", digit + 1), &recording(100 + digit));
    }
}

fn training(root: &Path, more: &[&str]) -> Said {
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["--profile", "smoke", "--only", "n-mnist", "--methods", "bpsa"];
    let data = ["--data", root.to_str().unwrap()];
    call("table2", dir.path(), &[&arguments[..], &data, more].concat())
}

#[test]
fn an_empty_recording_fails_verify_training_and_prepare() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    digits(root);
    let verify = || call("data", root, &["verify", "--data", "."]);
    assert_eq!(verify().status, 0, "{}", verify().stdout);
    for bytes in [vec![], vec![0; 4_096]] {
        write(root, "n-mnist/Train/3/00014.bin", &bytes);
        let said = verify();
        said.is_refused_with(&["1 failure, listed above"]);
        assert!(said.stdout.contains(": 1 failure\n"), "{}", said.stdout);
        assert!(
            said.stdout.contains("  ./n-mnist/Train/3/00014.bin: expected "),
            "{}",
            said.stdout
        );
        training(root, &[]).is_refused_with(&["n-mnist/Train/3/00014.bin: expected "]);
        let prepare = ["prepare", "n-mnist", "--frames", "number:4", "--data", "."];
        call("data", root, &prepare).is_refused_with(&["n-mnist/Train/3/00014.bin: expected "]);
    }
}

#[test]
fn a_disk_that_is_not_mounted_is_no_absent_data_set() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    symlink("/mnt/not-mounted/nmnist", root.join("n-mnist")).unwrap();
    let words = [
        "n-mnist: expected a file or folder, found a link to /mnt/not-mounted/nmnist, which is not there",
    ];
    training(root, &["--dry-run"]).is_refused_with(&words);
    training(root, &[]).is_refused_with(&words);
    let list = call("data", root, &["list", "--data", "."]);
    let row = list.stdout.lines().find(|line| line.starts_with("n-mnist  ")).unwrap();
    assert!(row.contains("unusable") && list.stdout.contains(words[0]), "{}", list.stdout);
    let verify = call("data", root, &["verify", "--data", "."]);
    verify.is_refused_with(&["1 failure, listed above"]);
    assert!(verify.stdout.contains(words[0]), "{}", verify.stdout);
    for arguments in [
        &["prepare", "n-mnist", "--frames", "number:4", "--data", "."][..],
        &["fetch", "n-mnist", "--data", ".", "--mirror", "http://127.0.0.1:9"],
    ] {
        call("data", root, arguments).is_refused_with(&words);
    }
    // what is not asked for by name, and is broken, is not replaced either
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["--profile", "smoke", "--dry-run", "--data"];
    let all = [&arguments[..], &[root.to_str().unwrap()]].concat();
    call("table2", dir.path(), &all).is_refused_with(&words);
}

#[test]
fn a_data_root_that_leads_nowhere_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    symlink("/mnt/not-mounted/sets", dir.join("link")).unwrap();
    write(dir, "file", b"no folder");
    let nowhere =
        "which is not a folder (found a link to /mnt/not-mounted/sets, which is not there)";
    for command in [&["list"][..], &["verify"], &["prepare", "n-mnist", "--frames", "number:4"]] {
        for (path, words) in [
            ("link", nowhere),
            ("file", "which is not a folder (found a file)"),
            ("nowhere", "which is not a folder (found nothing of that name)"),
            (
                "link/below",
                "which is not a folder (found link, a link to /mnt/not-mounted/sets, which",
            ),
            ("/dev/null", "which is not a folder (found a device)"),
        ] {
            let said = call("data", dir, &[command, &["--data", path]].concat());
            said.is_refused_with(&[&format!("--data names {path}, {words}")]);
        }
    }
    let said = call("data", dir, &["fetch", "mnist", "--data", "link"]);
    said.is_refused_with(&[
        "link: expected a file or folder, found a link to /mnt/not-mounted/sets",
    ]);
    // the folder that is taken where none is named
    symlink("/mnt/not-mounted/sets", dir.join("data")).unwrap();
    let said = call("data", dir, &["list"]);
    said.is_refused_with(&[
        "data: expected a file or folder, found a link to /mnt/not-mounted/sets",
    ]);
}

#[test]
fn a_pipe_is_one_sentence() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    digits(root);
    let pipe = |file: &str| {
        let _ = fs::remove_file(root.join(file));
        assert!(Command::new("mkfifo").arg(root.join(file)).status().unwrap().success());
    };
    pipe("n-mnist/Test/4/00005.bin");
    let words = [
        "n-mnist/Test/4/00005.bin: expected a file, found a named pipe; put the file itself there",
    ];
    training(root, &[]).is_refused_with(&words);
    assert!(call("data", root, &["verify", "--data", "."]).stdout.contains(words[0]));
    assert!(call("data", root, &["list", "--data", "."]).stdout.contains(words[0]));
    for command in ["inspect", "show"] {
        let said = call("data", root, &[command, "n-mnist/Test/4/00005.bin"]);
        said.is_refused_with(&["n-mnist/Test/4/00005.bin", "expected a file, found"]);
    }
    // in place of a cache
    fs::remove_file(root.join("n-mnist/Test/4/00005.bin")).unwrap();
    let prepare = ["prepare", "n-mnist", "--frames", "number:4", "--data", "."];
    let made = call("data", root, &prepare);
    assert_eq!(made.status, 0, "{}", made.stderr);
    let cache = made.stdout.lines().next().unwrap();
    pipe(cache);
    call("data", root, &prepare).is_refused_with(&["a named pipe"]);
    fs::remove_file(root.join(cache)).unwrap();
    pipe(&cache.replace(".h5", ".lock"));
    call("data", root, &prepare).is_refused_with(&["a named pipe"]);
}

/// The first line of verify, and of a training, has the rule by which recordings train or test.
#[test]
fn the_split_in_use_is_named() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    digits(root);
    let verify = call("data", root, &["verify", "--data", "."]);
    let first = verify.stdout.lines().next().unwrap();
    assert!(first.contains(", split publisher: Train and Test folders: ok"), "{first}");
    let train = training(root, &["--dry-run"]);
    let words = "test recordings, split publisher: Train and Test folders";
    assert!(train.stderr.lines().next().unwrap().contains(words), "{}", train.stderr);
    let speech = tempfile::tempdir().unwrap();
    let root = speech.path();
    let samples: Vec<u8> = (0..16_000).flat_map(|i: i16| (i % 99).to_le_bytes()).collect();
    let head = [&b"RIFF\x24\x7d\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0"[..]];
    let rate = [&16_000_u32.to_le_bytes()[..], &32_000_u32.to_le_bytes(), b"\x02\0\x10\0data"];
    let clip = [&head.concat()[..], &rate.concat(), &32_000_u32.to_le_bytes(), &samples].concat();
    let mut list = String::new();
    for speaker in 0..60 {
        let file = format!("yes/{speaker:08x}_nohash_0.wav");
        write(root, &format!("speech-commands/{file}"), &clip);
        list += &format!("{file}\n");
    }
    write(root, "speech-commands/validation_list.txt", b"");
    for (lines, rule) in [
        (5, ", split publisher: testing_list.txt and validation_list.txt, the rest train"),
        (60, ", split by speaker, seed 0: four of five speakers train, the rest test (every clip"),
    ] {
        let listed: String = list.split_inclusive('\n').take(lines).collect();
        write(root, "speech-commands/testing_list.txt", listed.as_bytes());
        let verify = call("data", root, &["verify", "--data", "."]);
        let first = verify.stdout.lines().next().unwrap();
        assert!(first.contains(rule), "{first}");
        let arguments =
            ["speech-commands", "--data", ".", "--dry-run", "--network", "2C3-10Voting"];
        let train = call("train", root, &arguments);
        let first = train.stderr.lines().next().unwrap();
        assert!(first.starts_with("Speech Commands: sample, ") && first.contains(rule), "{first}");
    }
}

/// The folder of shared reference data, or `None` (said aloud) where this machine has none.
fn shared(part: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("SPIKEGRAD_SHARED").map(PathBuf::from);
    let path = shared
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into())
        .join(part);
    if !path.exists() {
        eprintln!("SKIPPED: no {}", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn the_stored_cases_hold() {
    let Some(cases) = shared("cases") else { return };
    let dir = tempfile::tempdir().unwrap();
    let verify = |root: &str| {
        let path = cases.join(root);
        call("data", dir.path(), &["verify", "--data", path.to_str().unwrap()])
    };
    for (root, file) in [
        ("09-empty-recordings/a", "Train/3/00014.bin"),
        ("09-empty-recordings/b", "cat/cifar10_cat_3.aedat"),
        ("09-empty-recordings/c", "user01_led.aedat"),
        ("09-empty-recordings/d", "yes/00000001_nohash_0.wav"),
        ("10-lists-leak/both", "user02_led.aedat in trials_to_train.txt (line 2)"),
    ] {
        let said = verify(root);
        assert_eq!(said.status, 1, "{root}: {}", said.stdout);
        assert!(said.stdout.contains(file), "{root}: {}", said.stdout);
    }
    for spelling in ["plain", "bom", "dot", "backslash"] {
        let said = verify(&format!("10-lists-leak/{spelling}"));
        assert_eq!(said.status, 0, "{spelling}: {}", said.stdout);
        assert!(said.stdout.contains("8 train and 4 test recordings"), "{}", said.stdout);
    }
    assert_eq!(verify("18-riff-pad/root").status, 0, "{}", verify("18-riff-pad/root").stdout);
}
