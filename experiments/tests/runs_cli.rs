//! What a run is told by flags, as a user meets it: refused before it starts, or kept under names
//! that every file system takes.
#![allow(clippy::unwrap_used)]

// Long: what can be wrong with a run's flags, a test each, on the same small recordings.

use assert_cmd::Command;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::Output;

/// Forty recordings in each half, of the classes 0 and 1: a spot whose place is the class.
fn root() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for half in ["Train", "Test"] {
        for index in 0..40u32 {
            let class = index % 2;
            let folder = dir.path().join("data/N-MNIST").join(half).join(class.to_string());
            std::fs::create_dir_all(&folder).unwrap();
            let event = |n: u32| {
                let (x, y) = (8 * class + n % 3, 4 + (n * 7 + index) % 5);
                [x as u8, y as u8, ((n % 2) << 7) as u8, (n >> 8) as u8, n as u8]
            };
            let bytes: Vec<u8> = (0..300).flat_map(event).collect();
            std::fs::write(folder.join(format!("{index:05}.bin")), bytes).unwrap();
        }
    }
    dir
}

fn program(name: &str, arguments: &[&str], dir: &Path) -> Output {
    let mut command = Command::cargo_bin(name).unwrap();
    command.current_dir(dir).env_remove("SPIKEGRAD_DATA").env_remove("SPIKEGRAD_CACHE");
    command.env("SPIKEGRAD_CALIBRATION", dir.join("crossover.json"));
    command.args(arguments).output().unwrap()
}

/// `train n-mnist` on few recordings, for one epoch, with a tiny network.
fn train(dir: &Path, arguments: &[&str]) -> Output {
    let few = ["n-mnist", "--data", "data", "--profile", "smoke", "--epochs", "1", "--test", "10"];
    program("train", &[&few[..], &["--crossover", "0.5"], arguments].concat(), dir)
}

const SMALL: [&str; 4] = ["--network", "2C3-AP8-2Voting", "--train", "20"];

fn small(dir: &Path, arguments: &[&str]) -> Output {
    train(dir, &[&SMALL[..], arguments].concat())
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn done(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

#[track_caller]
fn refused(output: &Output, status: i32, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(!said.contains("panicked") && !said.contains(" epoch 1/"), "{said}");
    let errors = said.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(errors, 1, "one sentence: {said}");
    for word in words {
        assert!(said.contains(word), "expected \"{word}\" in: {said}");
    }
}

fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn set_takes_what_the_flags_take() {
    let dir = root();
    refused(&small(dir.path(), &["--learning-rate=-1"]), 2, &["number above 0"]);
    for (setting, words) in [
        ("setup.learning_rate=-1", "above 0 and at most 1000, found -1"),
        ("setup.learning_rate=0", "above 0 and at most 1000, found 0"),
        ("setup.adamw.beta1=2", "from 0 to below 1, found 2"),
        ("setup.adamw.beta2=1", "from 0 to below 1, found 1"),
        ("setup.adamw.eps=-1", "found -1"),
        ("setup.adamw.weight_decay=-5", "from 0 to 1000, found -5"),
        ("setup.adamw.weight_decay=1e30", "from 0 to 1000, found 1"),
        ("setup.augment={\"padding\":1000000000,\"flip\":false,\"degrees\":0}", "found 1000000000"),
        ("warm-up=sigmoid:NaN", "a rate from 0 to 1"),
        ("framing=times:16", "expected number:T or time:T"),
    ] {
        refused(&small(dir.path(), &["--set", setting]), 2, &[words, "--set "]);
    }
    for pair in [["neuron.kind=if", "neuron.decay=0.5"], ["neuron.decay=0.5", "neuron.kind=if"]] {
        let both = ["--set", pair[0], "--set", pair[1]];
        refused(&small(dir.path(), &both), 2, &["both set neuron.kind"]);
    }
    let alpha = ["--methods", "bpsa", "--set", "neuron.alpha=0.5"];
    refused(&small(dir.path(), &alpha), 2, &["expected a run of the system bpsa+bpta"]);
    assert!(names(&dir.path().join("results/runs/train")).is_empty());
    done(&small(dir.path(), &["--set", "neuron.kind=if"]));
    let only = names(&dir.path().join("results/runs/train"));
    assert!(only.len() == 1 && only[0].contains("neuron.kind-if"), "{only:?}");
}

#[test]
fn a_last_batch_of_one_sample_is_refused_before_the_first_step() {
    let dir = root();
    let deep = ["--network", "4C3-AP8-4C3-AP4-8C3-2Voting", "--train", "17", "--steps", "4"];
    let batch = ["--set", "setup.batch=16", "--set", "setup.drop_last=false"];
    let go = |more: &[&str]| train(dir.path(), &[&deep[..], &batch, more].concat());
    let words = ["8C3-1", "17 training samples in batches of 16", "1×1", "setup.drop_last=true"];
    refused(&go(&[]), 1, &words);
    refused(&go(&["--dry-run"]), 1, &words);
    refused(&go(&["--compute", "tensor"]), 1, &words);
    assert!(names(&dir.path().join("results/checkpoints")).is_empty(), "no lock stays");
    let one = ["--set", "setup.batch=1"];
    refused(&train(dir.path(), &[&deep[..], &one].concat()), 1, &["a batch of two or more"]);
    let large = ["--set", "setup.batch=32"];
    refused(&train(dir.path(), &[&deep[..], &large].concat()), 1, &["do not fill one batch of 32"]);
    // dropped, or with another size, it trains; the test set's last batch may be of one
    done(&train(dir.path(), &[&deep[..], &["--set", "setup.batch=16"]].concat()));
    done(&train(dir.path(), &[&deep[..], &["--set", "setup.batch=3"]].concat()));
}

/// Settings that make a long name.
const MANY: [&str; 11] = [
    "neuron.threshold=0.51",
    "neuron.decay=0.81",
    "neuron.reset=subtract",
    "neuron.fires=above-threshold",
    "setup.adamw.beta1=0.91",
    "setup.adamw.beta2=0.991",
    "setup.adamw.weight_decay=0.0002",
    "setup.reduction=sum-over-classes",
    "setup.learning_rate=0.0011",
    "surrogate=piecewise-exponential",
    "batch_norm=time",
];

#[test]
fn names_of_any_length_are_kept() {
    let dir = root();
    let mut flags: Vec<&str> = MANY.iter().flat_map(|setting| ["--set", setting]).collect();
    flags.extend(["--tensorboard", "board"]);
    done(&small(dir.path(), &[&flags[..], &["--dry-run"]].concat()));
    assert!(!dir.path().join("results").exists() && !dir.path().join("board").exists());
    done(&small(dir.path(), &flags));
    let results = dir.path().join("results");
    let folders = [results.join("runs/train"), results.join("weights"), dir.path().join("board")];
    for folder in &folders {
        let found = names(folder);
        assert_eq!(found.len(), 1, "{}", folder.display());
        assert!(found[0].len() <= 120 && found[0].starts_with("n-mnist-bpsa+bpta-"), "{found:?}");
    }
    let again = small(dir.path(), &flags);
    assert!(stderr(&again).contains("receipt found, not run again"), "{}", stderr(&again));
    // another last setting is another name
    let last = flags.iter().position(|flag| *flag == "batch_norm=time").unwrap();
    flags[last] = "batch_norm=step";
    done(&small(dir.path(), &flags));
    assert_eq!(names(&folders[0]).len(), 2);
}

/// As older programs wrote it.
#[test]
fn a_receipt_under_its_whole_name_is_found() {
    let dir = root();
    let flags: Vec<&str> = MANY[..5].iter().flat_map(|setting| ["--set", setting]).collect();
    done(&small(dir.path(), &flags));
    let folder = dir.path().join("results/runs/train");
    let file = folder.join(&names(&folder)[0]);
    let mut receipt: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let whole = |receipt: &serde_json::Value| {
        let data = receipt["data"].clone();
        let digest = Sha256::digest(format!(
            "{}\n{}",
            data["manifest_sha256"].as_str().unwrap(),
            data["split"].as_str().unwrap()
        ));
        let digest: String = sentence::hex(&digest[..4]);
        let profile = receipt["profile"].as_str().unwrap();
        format!("n-mnist-bpsa+bpta-{profile}-sample-20+10-{digest}")
    };
    let row = whole(&receipt);
    assert!((100..200).contains(&row.len()) && receipt["row"] != row.as_str(), "{row}");
    receipt["row"] = row.clone().into();
    std::fs::remove_file(&file).unwrap();
    let older = folder.join(format!("{row}-s0.json"));
    std::fs::write(&older, receipt.to_string()).unwrap();
    let found = small(dir.path(), &flags);
    assert!(stderr(&found).contains("receipt found, not run again"), "{}", stderr(&found));
}

#[test]
fn seeds_are_a_number_a_list_a_range_or_one() {
    let dir = root();
    let kept = || {
        let found = names(&dir.path().join("results/runs/train"));
        let seed = |name: &String| name.rsplit_once("-s").unwrap().1.replace(".json", "");
        let mut seeds: Vec<u64> = found.iter().map(|name| seed(name).parse().unwrap()).collect();
        seeds.sort();
        seeds
    };
    let planned = small(dir.path(), &["--seeds", "3,5", "--dry-run"]);
    done(&planned);
    let table = String::from_utf8(planned.stdout).unwrap();
    assert_eq!(table.matches("N-MNIST bpsa+bpta").count(), 2, "{table}");
    done(&small(dir.path(), &["--seeds", "3,5"]));
    assert_eq!(kept(), [3, 5]);
    done(&small(dir.path(), &["--seeds", "5..7"]));
    assert_eq!(kept(), [3, 5, 6]);
    done(&small(dir.path(), &["--seed", "18446744073709551615"]));
    assert_eq!(kept(), [3, 5, 6, u64::MAX]);
    done(&small(dir.path(), &["--seeds", "2"]));
    assert_eq!(kept(), [0, 1, 3, 5, 6, u64::MAX]);
    for wrong in ["0", "3,3", "6..3", "-1", "1001", "3,", "18446744073709551615", "x"] {
        let flag = format!("--seeds={wrong}");
        refused(&small(dir.path(), &[&flag]), 2, &["--seeds"]);
        refused(&program("table2", &[&flag], dir.path()), 2, &["--seeds"]);
        refused(&program("simulator", &["train", &flag], dir.path()), 2, &["--seeds"]);
    }
    refused(&small(dir.path(), &["--seeds", "3,5,3"]), 2, &["found 3 twice"]);
    let both = ["--seed", "1", "--seeds", "2"];
    refused(&small(dir.path(), &both), 2, &["--seed: expected it without --seeds, found both"]);
}

#[test]
fn a_list_that_names_a_thing_twice_is_refused() {
    let dir = root();
    let table = |flags: &[&str]| program("table2", flags, dir.path());
    let twice = |flag: &str, word: &str| {
        format!("error: {flag}: expected every one once, found {word} twice; leave one out")
    };
    let methods = twice("--systems", "bpsa");
    refused(&table(&["--methods", "bpsa,bpsa"]), 2, &[&methods]);
    refused(&table(&["--methods", "bpsa", "--methods", "baseline,bpsa"]), 2, &[&methods]);
    refused(&small(dir.path(), &["--methods", "bpsa,bpsa"]), 2, &[&methods]);
    refused(&table(&["--only", "n-mnist,n-mnist"]), 2, &[&twice("--only", "n-mnist")]);
    refused(&table(&["--only", "bpsa,n-mnist,bpsa"]), 2, &[&twice("--only", "bpsa")]);
    refused(&small(dir.path(), &["n-mnist"]), 2, &[&twice("NAME", "n-mnist")]);
    refused(&small(dir.path(), &["--classes", "0,1,0"]), 2, &[&twice("--classes", "0")]);
    refused(&small(dir.path(), &["--seeds", "3,3"]), 2, &["found 3 twice"]);
    for command in ["verify", "fetch"] {
        let data = program("data", &[command, "mnist", "cifar10", "mnist"], dir.path());
        refused(&data, 2, &[&twice("NAME", "mnist")]);
    }
    assert!(!dir.path().join("results").exists());
}

#[test]
fn numbers_that_vanish_and_fields_given_twice_are_refused() {
    let dir = root();
    for (setting, words) in [
        ("neuron.alpha=1e-400", "a number that double precision does not take for 0, found 1e-400"),
        ("neuron.alpha=1e-50", "f32 takes it for 0, found 1e-50"),
        ("neuron.decay=1e-400", "a number that double precision does not take for 0, found 1e-400"),
        ("neuron.threshold=1e-400", "the number 1e-400, which double precision takes for zero"),
        ("neuron.threshold=1e999", "positive number of at most 1000000, found \"1e999\""),
        (
            "setup.adamw={\"eps\":1e999}",
            "the number 1e999, which double precision takes for infinity",
        ),
        (
            "setup.adamw.weight_decay=1e-400",
            "the number 1e-400, which double precision takes for zero",
        ),
        ("setup.adamw.weight_decay=1e-50", "that f32 does not take for 0, found 1e-50"),
        ("setup.learning_rate=1e-300", "that f32 does not take for 0, found 1e-300"),
        ("warm-up=sigmoid:1e-400", "a rate from 0 to 1, found \"sigmoid:1e-400\""),
        ("neuron.kind={\"lif\":{\"decay\":0.3,\"decay\":0.5}}", "the field \"decay\" twice"),
        ("setup.adamw={\"eps\":1,\"eps\":1}", "the field \"eps\" twice"),
        ("setup.augment={\"a\":1,\"a\":2}", "found the field \"a\" twice"),
        ("classes=[\"0\"]", "it is what --classes of `train` says"),
    ] {
        refused(&small(dir.path(), &["--set", setting]), 2, &[words, "--set "]);
    }
    let rate = |text: &str| format!("--learning-rate={text}");
    refused(&small(dir.path(), &[&rate("1e-400")]), 2, &["--learning-rate: expected a number"]);
    let said = ["that f32 does not take for 0, found \"1e-50\""];
    refused(&small(dir.path(), &[&rate("1e-50")]), 2, &said);
    refused(&small(dir.path(), &["--checkpoint-every=1e-400"]), 2, &["a number of minutes"]);
    let crossover = program("train", &["n-mnist", "--crossover=1e-400"], dir.path());
    refused(&crossover, 2, &["--crossover: expected auto or a number from 0 to 1"]);
    // more digits than f64 holds are no fault
    let digits = format!("neuron.threshold=0.5{}", "1234567890".repeat(3));
    done(&small(dir.path(), &["--dry-run", "--set", &digits]));
}

/// What a run refuses before its first step its dry run refuses too, in the same sentence.
#[test]
fn a_dry_run_refuses_what_the_run_would() {
    let dir = root();
    done(&small(dir.path(), &["--force"]));
    let at = |path: &str| dir.path().join("results").join(path);
    let name = names(&at("weights"))[0].clone();
    std::fs::create_dir_all(dir.path().join("board").join(name.replace(".safetensors", "")))
        .unwrap();
    let other = dir.path().join("other");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join(name.replace(".safetensors", "")), "").unwrap();
    let cases: [(&[&str], i32, &str); 10] = [
        (&["--device", "cuda:99"], 1, "cuda:99 "),
        (&["--device", "cpu", "--precision", "tf32"], 1, "--precision tf32 is for a CUDA device"),
        (&["--memory-budget", "1K"], 1, "the memory budget is 1 KiB; give it more"),
        (&["--compute", "tensor", "--memory-budget", "1G"], 1, "--memory-budget is for event"),
        (&["--weights", "absent.pth"], 1, "--weights: cannot read absent.pth"),
        (&["--cache", "absent"], 1, "--cache: expected a folder, found none at absent"),
        (&["--data", "absent"], 2, "--data: expected it once"),
        (&["--tensorboard", "other"], 1, "expected a folder or nothing of that name"),
        (&["--split", "tebn"], 1, "tebn"),
        (&["--set", "setup.batch=32"], 1, "do not fill one batch of 32"),
    ];
    for (flags, status, words) in cases {
        let run = small(dir.path(), &[flags, &["--force"]].concat());
        let dry = small(dir.path(), &[flags, &["--force", "--dry-run"]].concat());
        refused(&run, status, &[words]);
        let error = |said: &Output| {
            let said = stderr(said);
            said.lines().find(|line| line.starts_with("error: ")).unwrap().to_owned()
        };
        assert_eq!(error(&run), error(&dry), "{flags:?}");
        assert_eq!(run.status.code(), dry.status.code(), "{flags:?}");
    }
    done(&small(dir.path(), &["--force", "--dry-run", "--tensorboard", "board"]));
    // what stands in the way of files that are written after hours
    let checkpoint = at("checkpoints").join(&name);
    std::fs::create_dir_all(at("checkpoints")).unwrap();
    std::fs::write(&checkpoint, "damaged").unwrap();
    let receipt = at("runs/train").join(&names(&at("runs/train"))[0]);
    let both = |flags: &[&str], words: &str| {
        for dry in [&["--dry-run"][..], &[]] {
            refused(&small(dir.path(), &[flags, dry].concat()), 1, &[words]);
        }
    };
    both(&["--force"], "checkpoints");
    std::fs::remove_file(&checkpoint).unwrap();
    std::fs::remove_file(&receipt).unwrap();
    std::fs::create_dir(&receipt).unwrap();
    both(&["--force"], "found a folder");
    std::fs::remove_dir(&receipt).unwrap();
    let weights = at("weights").join(&name);
    std::fs::remove_file(&weights).unwrap();
    std::fs::create_dir(&weights).unwrap();
    both(&[], "found a folder");
}

#[test]
fn evaluation_refuses_what_only_training_has() {
    let dir = root();
    for flags in [
        &["--seed", "1"][..],
        &["--seeds", "3"],
        &["--force"],
        &["--any-build"],
        &["--checkpoint-every", "1"],
        &["--on-nan", "stop"],
        &["--on-silence", "stop"],
        &["--tensorboard", "board"],
        &["--dry-run"],
    ] {
        let all = [&["--evaluate", "--weights", "w.safetensors"], flags].concat();
        refused(&small(dir.path(), &all), 2, &["--evaluate", "leave one of the two out", flags[0]]);
    }
}

#[test]
fn huge_values_are_one_sentence() {
    let dir = root();
    let huge = "18446744073709551615";
    for (flag, words) in [
        ("--steps", "a whole number from 1 to 65536"),
        ("--epochs", "a whole number from 1 to 1000000"),
        ("--threads", "a whole number from 1 to 1024"),
        ("--narrow", "a whole number from 1 to 1048576"),
        ("--seeds", "a number of seeds from 1 to 1000"),
        ("--checkpoint-every", "a number of minutes"),
        ("--learning-rate", "a number above 0 and at most 1000"),
    ] {
        for value in [huge, "99999999999999999999999", "-1", "NaN"] {
            let given = format!("{flag}={value}");
            let few = ["n-mnist", "--data", "data", &given, "--dry-run"];
            refused(&program("train", &few, dir.path()), 2, &[words]);
        }
    }
    refused(&program("train", &["n-mnist", "--threads", "65536"], dir.path()), 2, &["1024"]);
    let batch = ["--set", "setup.batch=18446744073709551615", "--dry-run"];
    refused(&small(dir.path(), &batch), 2, &["setup.batch", "1048576"]);
    let long = format!("setup.batch={}", "9".repeat(65_536));
    refused(&small(dir.path(), &["--set", &long]), 2, &["setup.batch", "1048576"]);
    let network = "9".repeat(65_536);
    let few = ["n-mnist", "--data", "data", "--network", &network];
    let said = program("train", &few, dir.path());
    refused(&said, 2, &["expected a whole number", "…"]);
    assert!(said.stderr.len() < 1000, "a sentence is short, whatever the value");
    for wrong in ["18446744073709551616", "-1", "1.5", "x", ""] {
        let words = "--seed: expected a whole number from 0 to 18446744073709551615, found ";
        refused(&small(dir.path(), &[&format!("--seed={wrong}")]), 2, &[words]);
    }
}

/// A dry run proves a network by its shapes: under a limit of address space far below its weights.
#[cfg(target_os = "linux")]
#[test]
fn a_dry_run_allocates_no_weights() {
    let dir = root();
    let train = assert_cmd::cargo::cargo_bin("train");
    let limited = format!(
        "ulimit -v 6000000; exec '{}' n-mnist --data data --network 1000000FC-10Voting --steps 4 --set setup.batch=8 --dry-run",
        train.display()
    );
    let mut shell = Command::new("sh");
    shell.current_dir(dir.path()).env_remove("SPIKEGRAD_DATA");
    let output = shell.args(["-c", &limited]).output().unwrap();
    let said = stderr(&output);
    // 37 GiB may be there or not
    match output.status.code() {
        Some(0) => assert!(String::from_utf8_lossy(&output.stdout).contains("Would be run")),
        _ => refused(&output, 1, &["needs at least 37 GiB of memory", "found ", "available"]),
    }
    assert!(!said.contains("memory allocation"), "{said}");
    assert!(!dir.path().join("results").exists());
}

#[test]
fn what_cannot_be_written_is_refused_before_anything_runs() {
    let dir = root();
    std::fs::write(dir.path().join("file"), "").unwrap();
    for dry in [&["--dry-run"][..], &[]] {
        let go = |flags: &[&str]| small(dir.path(), &[flags, dry].concat());
        refused(&go(&["--results", "file/x"]), 1, &["file/x", "--results DIR"]);
        refused(&go(&["--tensorboard", "file/x"]), 1, &["file/x", "--tensorboard DIR"]);
        let long = "n".repeat(300);
        refused(&go(&["--results", &long]), 1, &["--results DIR"]);
        std::fs::create_dir_all(dir.path().join("other")).unwrap();
        std::fs::write(dir.path().join("other/weights"), "").unwrap();
        refused(&go(&["--results", "other"]), 1, &["other/weights"]);
        std::fs::create_dir_all(dir.path().join("third/train.md")).unwrap();
        refused(&go(&["--results", "third"]), 1, &["third/train.md", "found a folder"]);
    }
}
