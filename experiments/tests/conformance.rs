//! The program `conformance` as a user meets it: on golden files as they are, damaged, in part, and
//! on none.
#![allow(clippy::unwrap_used, clippy::panic)]

use assert_cmd::Command;
use safetensors::SafeTensors;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The folder of golden files, or `None` (said aloud) where this machine has none.
fn golden() -> Option<PathBuf> {
    let shared = std::env::var_os("SPIKEGRAD_SHARED").map(PathBuf::from);
    let folder = shared
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into())
        .join("golden");
    if !folder.is_dir() {
        eprintln!("SKIPPED: no golden files in {}", folder.display());
        return None;
    }
    Some(folder)
}

/// What a call said and how it ended.
struct Said {
    status: i32,
    stdout: String,
    stderr: String,
}

fn conformance(arguments: &[&Path]) -> Said {
    let mut command = Command::cargo_bin("conformance").unwrap();
    let output = command.args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said {
        status: output.status.code().unwrap(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

impl Said {
    /// The rows that failed; checks that the last line and the exit status agree with them.
    #[track_caller]
    fn failures(&self) -> Vec<&str> {
        let rows = |verdict: &str| {
            self.stdout.lines().filter(|line| line.starts_with(verdict)).collect::<Vec<_>>()
        };
        let (passed, failed) = (rows("PASS "), rows("FAIL "));
        let tally = format!("{} passed, {} failed", passed.len(), failed.len());
        assert_eq!(
            self.stdout.lines().last(),
            Some(tally.as_str()),
            "{}{}",
            self.stdout,
            self.stderr
        );
        assert_eq!(
            (self.status, self.stderr.as_str()),
            (if failed.is_empty() { 0 } else { 1 }, "")
        );
        failed
    }
}

/// A copy of some golden files, to be damaged.
fn copy(golden: &Path, stems: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for entry in fs::read_dir(golden).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if stems.iter().any(|stem| name.starts_with(stem)) {
            fs::write(folder.path().join(&name), fs::read(golden.join(&name)).unwrap()).unwrap();
        }
    }
    folder
}

/// Changes the last value of a stored tensor, in place.
fn corrupt<const BYTES: usize>(
    file: &Path,
    tensor: &str,
    change: impl Fn([u8; BYTES]) -> [u8; BYTES],
) {
    let mut bytes = fs::read(file).unwrap();
    let end = {
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        tensors.tensor(tensor).unwrap().data().as_ptr_range().end as usize - bytes.as_ptr() as usize
    };
    let value: [u8; BYTES] = bytes[end - BYTES..end].try_into().unwrap();
    bytes[end - BYTES..end].copy_from_slice(&change(value));
    fs::write(file, bytes).unwrap();
}

#[test]
fn the_golden_files_pass() {
    let Some(golden) = golden() else { return };
    let said = conformance(&[&golden]);
    assert!(said.failures().is_empty(), "{}", said.stdout);
    assert!(said.stdout.contains("PASS lif_bpsta f32 grad_in scan "));
    assert!(!said.stdout.contains("absent"));
    println!("{}", said.stdout.lines().last().unwrap());
}

#[test]
fn a_wrong_value_fails_its_row_and_no_other() {
    let Some(golden) = golden() else { return };
    let folder = copy(&golden, &["lif_bpsta", "network_middle_paper"]);
    assert!(conformance(&[folder.path()]).failures().is_empty());

    let lif = folder.path().join("lif_bpsta.safetensors");
    corrupt(&lif, "f32.grad_in", |value| (f32::from_le_bytes(value) + 1e-3).to_le_bytes());
    let said = conformance(&[folder.path()]);
    let failures = said.failures();
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert!(
        failures[0].starts_with("FAIL lif_bpsta f32 grad_in scan ")
            && failures[0].contains("(limit 1e-6 relative)")
    );
    assert!(failures[1].starts_with("FAIL lif_bpsta f32 grad_in step "));

    let network = folder.path().join("network_middle_paper.safetensors");
    corrupt(&network, "bpsa.spike_count", |value| (i64::from_le_bytes(value) + 1).to_le_bytes());
    corrupt(&network, "bpsta.f32.grad.fun.10.weight", |_| f32::NAN.to_le_bytes());
    let said = conformance(&[folder.path()]);
    let rows: Vec<String> = said.failures()[2..]
        .iter()
        .map(|row| row.split("   ").next().unwrap_or_default().to_string())
        .collect();
    assert_eq!(
        rows,
        [
            "FAIL network_middle_paper bpsa f32 spike counts scan",
            "FAIL network_middle_paper bpsa f32 spike counts step",
            "FAIL network_middle_paper bpsa f32 spike counts event",
            "FAIL network_middle_paper bpsta f32 gradients scan",
            "FAIL network_middle_paper bpsta f32 gradients step",
            "FAIL network_middle_paper bpsta f32 gradients event"
        ]
    );
    let nan = said.stdout.lines().find(|row| row.contains("bpsta f32 gradients scan")).unwrap();
    assert!(
        nan.contains("largest error NaN") && nan.contains("1 of 16 tensors: fun.10.weight"),
        "{nan}"
    );
}

#[test]
fn a_file_that_is_absent_is_named_and_a_broken_one_fails() {
    let Some(golden) = golden() else { return };
    let folder = copy(
        &golden,
        &["lif_", "frames", "bytes", "cifar", "gesture", "nmnist", "schedule", "splits"],
    );
    let file = |name: &str| folder.path().join(name);
    fs::remove_file(file("lif_baseline.safetensors")).unwrap();
    fs::remove_file(file("nmnist_a.bin")).unwrap();
    let said = conformance(&[folder.path()]);
    assert!(said.failures().is_empty(), "{}", said.stdout);
    let absent =
        said.stdout.lines().find(|line| line.starts_with("absent, not checked: ")).unwrap();
    for name in [
        "lif_baseline.safetensors",
        "layers_bpsa.json",
        "network_small.safetensors",
        "nmnist_a.bin",
    ] {
        assert!(absent.contains(name), "{absent}");
    }
    assert!(!said.stdout.contains("lif_baseline:") && said.stdout.contains("lif_bpsa:"));

    let tensors = fs::read(file("lif_bpsta.safetensors")).unwrap();
    fs::write(file("lif_bpsta.safetensors"), &tensors[..tensors.len() - 100]).unwrap();
    fs::write(file("frames.json"), "{\"width\": 11, \"height\"").unwrap();
    let decoded = fs::read(file("cifar10dvs_a.aedat")).unwrap();
    fs::write(file("cifar10dvs_a.aedat"), &decoded[..decoded.len() - 8]).unwrap();
    fs::write(file("splits.json"), "[]").unwrap();
    let said = conformance(&[folder.path()]);
    let failures = said.failures();
    assert_eq!(failures.len(), 4, "{failures:?}");
    assert!(
        failures[0].starts_with("FAIL lif_bpsta   lif_bpsta.safetensors is broken: "),
        "{}",
        failures[0]
    );
    assert!(failures[1].starts_with("FAIL frames   frames.json is broken: "), "{}", failures[1]);
    assert!(
        failures[2].contains("cifar10dvs_a.aedat")
            && failures[2].ends_with("expected 50 events, found 49")
    );
    assert!(failures[3].starts_with("FAIL splits   splits.json has no field "), "{}", failures[3]);
}

#[test]
fn a_tensor_that_no_check_reads_or_that_is_missing_fails() {
    let Some(golden) = golden() else { return };
    let folder = copy(&golden, &["lif_bpsa."]);
    let file = folder.path().join("lif_bpsa.safetensors");
    let bytes = fs::read(&file).unwrap();
    let at = bytes.windows(9).position(|window| window == b"\"f64.mem\"").unwrap();
    fs::write(&file, [&bytes[..at], b"\"f64.men\"", &bytes[at + 9..]].concat()).unwrap();
    let said = conformance(&[folder.path()]);
    let failures = said.failures();
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert!(
        failures[0].contains("f64 mem step")
            && failures[0].ends_with("lif_bpsa.safetensors has no tensor f64.mem")
    );
    assert!(
        failures[1].ends_with("1 tensors have no check, the first is f64.men"),
        "{}",
        failures[1]
    );
}

#[test]
fn without_golden_files_it_says_so_in_one_sentence() {
    let empty = TempDir::new().unwrap();
    fs::write(empty.path().join("README.md"), "golden").unwrap();
    let missing = empty.path().join("missing");
    for (folder, found) in [(empty.path(), "found none"), (&missing, "found nothing of that name")]
    {
        let Said { status, stdout, stderr } = conformance(&[folder]);
        assert_eq!((status, stdout.as_str(), stderr.lines().count()), (1, "", 1), "{stderr}");
        assert!(stderr.starts_with(&format!("error: {}: expected ", folder.display())), "{stderr}");
        assert!(
            stderr.contains(found) && stderr.contains("; name the folder that holds them"),
            "{stderr}"
        );
    }
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let said = conformance(&[]);
    assert_eq!((said.status, said.stdout.as_str()), (2, ""));
    assert!(said.stderr.contains("expected <DIR>, found nothing"), "{}", said.stderr);
    assert_eq!(conformance(&[Path::new("a"), Path::new("b")]).status, 2);
}
