//! The rooms of the workspace: who may depend on whom, and what a room must not know.
//!
//! Holds `cargo metadata` and the sources to the table below. A crate that is not in the table
//! fails, and so does an edge that is not: adding one is a decision, made here.
#![allow(clippy::unwrap_used)]

#[path = "layering/circles.rs"]
mod circles;
#[path = "layering/sizes.rs"]
mod sizes;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A crate of ours: its level, the crates of ours it may use, and crates of others that it must
/// not.
struct Room {
    name: &'static str,
    level: u8,
    may_use: &'static [&'static str],
    must_not_use: &'static [&'static str],
}

/// No tensors.
const TENSORS: &[&str] = &["candle-core", "candle-nn"];
/// No files, and so no formats either.
const FILES: &[&str] = &["serde_json", "safetensors", "csv", "tempfile"];
/// No tables, figures or terminals.
const FORMATS: &[&str] = &["serde_json", "csv", "plotters", "indicatif"];

const ROOMS: [Room; 20] = [
    Room { name: "sentence", level: 0, may_use: &[], must_not_use: TENSORS },
    Room { name: "device", level: 0, may_use: &[], must_not_use: FILES },
    Room { name: "surrogate", level: 0, may_use: &[], must_not_use: TENSORS },
    Room { name: "events", level: 0, may_use: &[], must_not_use: TENSORS },
    Room { name: "pth", level: 0, may_use: &[], must_not_use: TENSORS },
    Room { name: "report", level: 0, may_use: &[], must_not_use: TENSORS },
    Room { name: "terminal", level: 0, may_use: &[], must_not_use: TENSORS },
    Room { name: "traces", level: 0, may_use: &[], must_not_use: TENSORS },
    Room { name: "neuron", level: 1, may_use: &["device", "surrogate"], must_not_use: FILES },
    Room {
        name: "layers",
        level: 1,
        may_use: &["device", "surrogate", "neuron"],
        must_not_use: FILES,
    },
    Room { name: "datasets", level: 1, may_use: &["events"], must_not_use: TENSORS },
    Room {
        name: "blocks",
        level: 2,
        may_use: &["device", "layers", "neuron"],
        must_not_use: FILES,
    },
    Room {
        name: "models",
        level: 3,
        may_use: &["blocks", "device", "layers", "neuron"],
        must_not_use: FILES,
    },
    Room {
        name: "training",
        level: 4,
        may_use: &["models", "datasets", "events"],
        must_not_use: FORMATS,
    },
    Room {
        name: "energy",
        level: 4,
        may_use: &["models", "layers", "neuron"],
        must_not_use: FORMATS,
    },
    Room {
        name: "convert",
        level: 4,
        may_use: &["models", "layers"],
        must_not_use: &["csv", "plotters", "indicatif", "tempfile"],
    },
    Room { name: "nir", level: 4, may_use: &["models", "layers", "neuron"], must_not_use: FORMATS },
    Room { name: "experiments", level: 5, may_use: EVERY_LIBRARY, must_not_use: &[] },
    Room { name: "spikegrad", level: 6, may_use: EVERYTHING, must_not_use: &[] },
    Room { name: "benches", level: 5, may_use: EVERY_LIBRARY, must_not_use: &[] },
];

const EVERY_LIBRARY: &[&str] = &[
    "device",
    "surrogate",
    "events",
    "pth",
    "report",
    "terminal",
    "neuron",
    "layers",
    "blocks",
    "datasets",
    "models",
    "training",
    "energy",
    "convert",
    "traces",
    "nir",
];

/// What the facade has by name: the libraries, and the programs where they are asked for.
const EVERYTHING: &[&str] = &[
    "device",
    "surrogate",
    "events",
    "pth",
    "report",
    "neuron",
    "layers",
    "blocks",
    "datasets",
    "models",
    "training",
    "energy",
    "convert",
    "traces",
    "nir",
    "experiments",
];

/// The one edge between crates of a level: layers may take the neuron into a fused block.
const SIDEWAYS: (&str, &str) = ("layers", "neuron");

/// What every crate but itself may use, whatever its level: words for values.
const WORDS: &str = "sentence";

/// Libraries that may say a line themselves, where nobody above could: both on a CUDA device.
const MAY_SAY: [&str; 2] = ["device", "layers"];

/// What a crate depends on when it is used, not when it is tested.
type Edges = BTreeMap<String, Vec<String>>;

/// Everything that is wrong with `edges`, one sentence each.
fn faults(edges: &Edges) -> Vec<String> {
    let room = |name: &str| ROOMS.iter().find(|room| room.name == name);
    let mut faults = Vec::new();
    for (name, uses) in edges {
        let Some(Room { level, may_use, must_not_use, .. }) = room(name) else {
            faults.push(format!("{name} is not in the table of rooms"));
            continue;
        };
        for used in uses {
            if must_not_use.contains(&used.as_str()) {
                faults.push(format!("{name} must not know {used}"));
            }
            let Some(other) = room(used) else { continue };
            let says = used == "terminal" && MAY_SAY.contains(&name.as_str());
            if says || used == WORDS {
                continue;
            }
            let sideways = (name.as_str(), used.as_str()) == SIDEWAYS;
            if !may_use.contains(&used.as_str()) || other.level >= *level && !sideways {
                faults.push(format!(
                    "{name} (level {level}) must not use {used} (level {})",
                    other.level
                ));
            }
        }
    }
    faults
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn packages() -> Vec<Value> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1", "--offline"];
    let output =
        Command::new(env!("CARGO")).args(arguments).current_dir(workspace()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    serde_json::from_value(metadata["packages"].take()).unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

/// What a package is called: `neuron` of `spikegrad-neuron`; crates of others as they are.
fn called(package: &Value) -> &str {
    let name = text(package, "name");
    name.strip_prefix("spikegrad-").unwrap_or(name)
}

/// The folder of a package.
fn folder(package: &Value) -> &Path {
    Path::new(text(package, "manifest_path")).parent().unwrap()
}

/// Every Rust file below `folder`, with its content.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let content = std::fs::read_to_string(&path).unwrap();
            found.push((path, content));
        }
    }
    found
}

/// Whether Rust code opens something unsafe; comments do not count.
fn is_unsafe(code: &str) -> bool {
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|l| [l, "\n"])
        .collect();
    code.split("unsafe").skip(1).any(|after| {
        let next = after.trim_start();
        let opens = ["{", "fn ", "impl ", "impl<", "trait ", "extern "]
            .iter()
            .any(|word| next.starts_with(word));
        opens && (next.len() < after.len() || next.starts_with('{'))
    })
}

#[test]
fn crates_use_only_what_their_room_allows() {
    let normal = |package: &Value| -> Vec<String> {
        let dependencies = package["dependencies"].as_array().unwrap();
        dependencies.iter().filter(|d| d["kind"].is_null()).map(|d| called(d).to_owned()).collect()
    };
    let edges: Edges = packages().iter().map(|p| (called(p).to_owned(), normal(p))).collect();
    assert_eq!(
        faults(&edges),
        [""; 0],
        "see the table of rooms in this test and in ARCHITECTURE.md"
    );
    for room in ROOMS {
        assert!(
            edges.contains_key(room.name),
            "{} is in the table of rooms, but not in the workspace",
            room.name
        );
    }
}

#[test]
fn a_forbidden_edge_is_a_fault() {
    let edges = |name: &str, uses: &str| Edges::from([(name.to_owned(), vec![uses.to_owned()])]);
    for (name, uses, fault) in [
        ("surrogate", "neuron", "surrogate (level 0) must not use neuron (level 1)"),
        ("neuron", "layers", "neuron (level 1) must not use layers (level 1)"),
        ("datasets", "models", "datasets (level 1) must not use models (level 3)"),
        ("training", "report", "training (level 4) must not use report (level 0)"),
        ("blocks", "terminal", "blocks (level 2) must not use terminal (level 0)"),
        ("sentence", "events", "sentence (level 0) must not use events (level 0)"),
        ("benches", "experiments", "benches (level 5) must not use experiments (level 5)"),
        ("experiments", "spikegrad", "experiments (level 5) must not use spikegrad (level 6)"),
        ("events", "candle-core", "events must not know candle-core"),
        ("models", "serde_json", "models must not know serde_json"),
        ("gadgets", "events", "gadgets is not in the table of rooms"),
    ] {
        assert_eq!(faults(&edges(name, uses)), [fault]);
    }
    for (name, uses) in [
        ("layers", "neuron"),
        ("experiments", "report"),
        ("training", "datasets"),
        ("events", "thiserror"),
        ("device", "terminal"),
        ("pth", "sentence"),
        ("spikegrad", "experiments"),
    ] {
        assert_eq!(faults(&edges(name, uses)), [""; 0]);
    }
}

#[test]
fn a_library_is_named_as_its_folder() {
    for package in packages() {
        let folder = folder(&package);
        let name = folder.file_name().unwrap().to_str().unwrap();
        // spikegrad itself is the one package whose name says no more than the project's
        let expected = if name == "spikegrad" { name.into() } else { format!("spikegrad-{name}") };
        assert_eq!(text(&package, "name"), expected, "{}", folder.display());
        let mut targets = package["targets"].as_array().unwrap().iter();
        let library = targets.find(|target| target["kind"][0] == "lib").unwrap();
        assert_eq!(text(library, "name"), name, "{}", folder.display());
    }
}

#[test]
fn every_library_has_a_readme() {
    for package in packages() {
        let folder = folder(&package);
        if folder.parent().unwrap().ends_with("crates") {
            let readme = std::fs::read_to_string(folder.join("README.md")).unwrap_or_default();
            assert!(readme.lines().count() > 5, "{}: expected a README.md", folder.display());
        }
    }
}

#[test]
fn every_member_keeps_the_workspace_lints() {
    for package in packages() {
        let manifest = std::fs::read_to_string(text(&package, "manifest_path")).unwrap();
        let lines: Vec<&str> = manifest.lines().map(str::trim).collect();
        let inherits = lines.windows(2).any(|pair| pair == ["[lints]", "workspace = true"]);
        assert!(
            inherits,
            "{}: expected [lints] with workspace = true",
            text(&package, "manifest_path")
        );
    }
}

#[test]
fn unsafe_code_lives_in_kernels_and_round_the_device_only() {
    // taken apart, so that this file does not find itself
    assert!(
        is_unsafe(concat!("let x = unsafe", " { f() };"))
            && is_unsafe(concat!("unsafe", "\nimpl Send for X {}"))
    );
    assert!(!is_unsafe(concat!(
        "// unsafe",
        " { }\n#[expect(unsafe",
        "_code)] let unsafe",
        "_fn = 1;"
    )));
    for package in packages() {
        if ["device", "neuron", "layers"].contains(&called(&package)) {
            continue;
        }
        for (path, content) in sources(folder(&package)) {
            assert!(
                !is_unsafe(&content),
                "{}: unsafe code belongs in the kernels of neuron and layers, and in device",
                path.display()
            );
        }
    }
}

#[test]
fn no_layer_and_no_network_has_mutable_state() {
    for (name, words) in [
        (
            "layers",
            &["&mut self", "RefCell", "Mutex", "RwLock", "OnceLock", "Atomic", "static mut"][..],
        ),
        (
            "blocks",
            &[
                "RefCell",
                "Mutex",
                "RwLock",
                "OnceLock",
                "Atomic",
                "static mut",
                "std::fs",
                "std::io",
            ],
        ),
        (
            "models",
            &[
                "RefCell",
                "Mutex",
                "RwLock",
                "OnceLock",
                "Atomic",
                "static mut",
                "std::fs",
                "std::io",
            ][..],
        ),
    ] {
        for (path, content) in sources(&workspace().join("crates").join(name).join("src")) {
            // registers of a matrix unit, and the buffers that feed them, live for one product
            let tiles = path.parent().is_some_and(|folder| folder.ends_with("layers/src/tiles"));
            let of_registers = ["&mut self", "OnceLock"];
            // what gives a library's description back is no state
            let content = content.replace("fn drop(&mut self)", "");
            let found = words.iter().find(|word| {
                content.contains(**word)
                    && !(tiles && of_registers.iter().any(|w| word.contains(w)))
            });
            assert_eq!(found, None, "{}: state and files are the caller's", path.display());
        }
    }
}
