//! Whatever is in a file that has the name of a receipt: a record, or one sentence that names the
//! file; and whatever record passes can be drawn and put on the page.
//!
//! The short version of the target `receipts` in `fuzz/`.
#![allow(clippy::unwrap_used)]

use report::figures::{self, Caption};
use report::page::{Receipt, Section, html};
use report::{Error, Origin, Record};
use serde_json::{Value, json};
use std::path::Path;

/// A record with everything in it, small.
fn record() -> Value {
    let layer = json!({
        "name": "2C3-1", "neurons": 4, "spikes": 5, "input_nonzero": 6, "input_values": 7,
        "accumulates": 8, "multiply_accumulates": 0, "dense": 9
    });
    let traced = json!({
        "name": "2C3-1", "neurons": 4, "shown": [0, 3], "spikes": [[0], [1, 2]],
        "membrane": { "neuron": 3, "threshold": 1.0, "u": [0.5, 1.5, 1.25], "spikes": [1, 2] },
        "histogram": { "edges": [-1.0, 0.0, 2.0], "counts": [5, 7] }
    });
    json!({
        "schema": 1, "experiment": "table2", "row": "n-mnist-bpsa", "title": "N-MNIST bpsa",
        "run": { "data": "n-mnist", "setup": { "epochs": 2, "batch": 8 } },
        "metrics": [{ "name": "test accuracy, best epoch", "value": 94.5, "unit": "%" }],
        "curves": [
            { "name": "test accuracy", "unit": "%", "values": [50.0, 94.5] },
            { "name": "train loss", "unit": "1", "values": [0.5, "NaN"] }
        ],
        "data": {
            "name": "n-mnist", "origin": "sample", "manifest_sha256": "aa", "split": "folders",
            "train": 10, "train_published": 60000, "test": 3, "test_published": 10000
        },
        "profile": "short", "seed": 0, "device": "cpu", "threads": 2,
        "host": { "cpu": "a cpu", "cores": 2, "os": "linux" },
        "program_sha256": "bb", "commit": null, "dirty": true,
        "started_utc": "2025-01-02T03:04:05Z", "seconds": 61.5, "peak_memory_bytes": 1024,
        "compute": { "passes": "event" }, "weights_sha256": "cc",
        "analysis": {
            "samples": 3, "steps": 3, "layers": [layer], "classes": ["0", "1"],
            "confusion": [[1, 1], [0, 1]], "anytime_percent": [33.3, 66.6, 66.6],
            "final_from_step": [1, 2, 3],
            "latency": { "samples": 2, "p50_ms": 1.5, "p90_ms": 2.0, "p99_ms": 2.5 },
            "energy": [{ "name": "operations", "value": 12.0, "unit": "uJ" }],
            "trace": { "sample": 1, "label": 0, "predicted": 1, "layers": [traced] }
        },
        "versions": { "spikegrad": "0.1.0" }
    })
}

/// The places of everything in a value, as JSON pointers.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                places(value, &format!("{at}/{name}"), all);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                places(value, &format!("{at}/{index}"), all);
            }
        }
        _ => (),
    }
    all.push(at.to_owned());
}

/// Reads `bytes`; what passes is drawn. Whether they passed.
#[track_caller]
fn holds(bytes: &[u8], what: &str) -> bool {
    let record = read(bytes, what);
    record.iter().for_each(draw);
    record.is_some()
}

/// The record that `bytes` are, or none, and then a sentence says why.
#[track_caller]
fn read(bytes: &[u8], what: &str) -> Option<Record> {
    match Record::parse(Path::new("runs/x.json"), bytes) {
        Ok(record) => Some(record),
        Err(error) => {
            let said = error.to_string();
            assert!(said.starts_with("runs/x.json"), "{what}: {said}");
            assert!(said.contains("expected") && said.contains("found"), "{what}: {said}");
            assert!(said.len() < 600, "{what}: {said}");
            for word in ["struct", "u64", "f64", "variant", "EOF", " at line ", "`", "Some("] {
                let of_the_file = word == "`" && what.contains(word);
                assert!(of_the_file || !said.contains(word), "{what} says {word}: {said}");
            }
            assert!(!said.contains(char::is_control), "{what}: {said:?}");
            None
        }
    }
}

/// Everything that is made of a record's analysis, and its place on the page: a figure or a
/// sentence.
fn draw(record: &Record) {
    let caption =
        Caption { title: "x".into(), subtitle: record.title.clone(), origin: record.data.origin };
    if let Some(analysis) = &record.analysis {
        let drawn = figures::confusion(&analysis.classes, &analysis.confusion, &caption);
        sentence(drawn);
        if let Some(trace) = &analysis.trace {
            sentence(figures::raster(trace, &analysis.classes, &caption));
            sentence(figures::membranes(trace, &analysis.classes, &caption));
            sentence(figures::histograms(trace, &caption));
        }
    }
    let section = Section {
        id: "x".into(),
        title: record.title.clone(),
        lead: String::new(),
        command: String::new(),
        tables: vec![],
        figures: vec![],
        receipts: vec![Receipt { path: "runs/x.json".into(), record: record.clone() }],
    };
    let page = html("x", "x", &[section]);
    assert!(!page.contains("<script"), "{page}");
}

fn sentence(drawn: Result<String, Error>) {
    match drawn {
        Ok(svg) => assert!(!svg.contains("<script"), "{svg}"),
        Err(error) => assert!(error.to_string().contains("expected"), "{error}"),
    }
}

#[test]
fn any_value_in_any_place_is_a_record_or_a_sentence() {
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1),
        json!(u64::MAX),
        json!(1e308),
        json!(-0.5),
        json!("NaN"),
        json!("inf"),
        json!(""),
        json!("<script>alert(1)</script>\u{1b}[2J\n|`**"),
        json!("9".repeat(70_000)),
        json!([]),
        json!([0, 1, 2, 3]),
        json!({}),
    ];
    let mut all = Vec::new();
    places(&record(), "", &mut all);
    let (mut tried, mut passed) = (0, 0);
    for place in &all {
        for value in &values {
            let mut changed = record();
            *changed.pointer_mut(place).unwrap() = value.clone();
            let text = serde_json::to_vec(&changed).unwrap();
            tried += 1;
            let found = read(&text, &format!("{place} = {value:.60}"));
            passed += usize::from(found.is_some());
            // figures take most of the time
            found.iter().filter(|_| passed % 8 == 0).for_each(draw);
        }
        let mut changed = record();
        if let Some((parent, name)) = place.rsplit_once('/')
            && let Some(Value::Object(fields)) = changed.pointer_mut(parent)
        {
            fields.remove(name);
            tried += 1;
            passed += usize::from(holds(changed.to_string().as_bytes(), &format!("no {place}")));
        }
    }
    assert!(tried > 1500 && passed > 100 && passed < tried, "{passed} of {tried} passed");
}

#[test]
fn changed_bytes_are_a_record_or_a_sentence() {
    let text = serde_json::to_vec_pretty(&record()).unwrap();
    assert!(holds(&text, "as it is"));
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) as usize % below
    };
    for k in 0..1000 {
        let mut bytes = text.clone();
        let at = next(bytes.len());
        match k % 5 {
            0 => bytes[at] ^= 1 << next(8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..(at + next(60)).min(text.len()))),
            3 => {
                let from = next(text.len() - 40);
                let part = text[from..from + 40].to_vec();
                bytes.splice(at..at, part);
            }
            _ => bytes[at] = next(256) as u8,
        }
        holds(&bytes, &format!("change {k}"));
    }
}

#[test]
fn texts_that_only_a_bounded_reader_survives() {
    let deep = |open: &str, n| open.repeat(n).into_bytes();
    let text = record().to_string();
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("a deep list", deep("[", 200_000)),
        ("a deep object", deep("{\"schema\":", 200_000)),
        ("a deep run", text.replace("\"n-mnist\"", &"[".repeat(100_000)).into_bytes()),
        ("a large number", text.replace("61.5", "1e999").into_bytes()),
        ("a long number", text.replace("61.5", &"1".repeat(500_000)).into_bytes()),
        ("another text", b"\xff\xfe{\0".to_vec()),
        ("a mark", [b"\xef\xbb\xbf", text.as_bytes()].concat()),
        ("two", [text.as_bytes(), text.as_bytes()].concat()),
        ("a field twice", text.replacen('{', "{\"schema\":1,", 1).into_bytes()),
        ("a field of the run twice", {
            let run = "\"run\":{";
            assert!(text.contains(run));
            text.replacen(run, "\"run\":{\"x\":1,\"x\":2,", 1).into_bytes()
        }),
        ("a number that vanishes", text.replace("61.5", "1e-400").into_bytes()),
        ("another version", text.replacen("\"schema\":1", "\"schema\":4000000000", 1).into_bytes()),
    ] {
        assert!(!holds(&bytes, what), "{what}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_plain_file_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let made = std::process::Command::new("mkfifo").arg(path("pipe-s0.json")).status().unwrap();
    assert!(made.success());
    std::fs::create_dir(path("folder-s0.json")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", path("device-s0.json")).unwrap();
    std::os::unix::fs::symlink("nowhere", path("link-s0.json")).unwrap();
    std::os::unix::fs::symlink("loop-s0.json", path("loop-s0.json")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path("socket-s0.json")).unwrap();
    // 4 GiB that take no space
    std::fs::File::create(path("huge-s0.json")).unwrap().set_len(4 << 30).unwrap();
    std::fs::write(path("n-mnist-bpsa-s0.json"), record().to_string()).unwrap();
    let all = Record::read_each(dir.path()).unwrap();
    let said: Vec<String> =
        all.iter().filter_map(|r| r.as_ref().err()).map(|e| e.to_string()).collect();
    assert_eq!((all.len(), said.len()), (8, 7), "{said:#?}");
    for (name, word) in [
        ("pipe", "a pipe, socket or device"),
        ("folder", "a folder"),
        ("device", "a pipe, socket or device"),
        ("link", "cannot read"),
        ("loop", "cannot read"),
        ("socket", "a pipe, socket or device"),
        ("huge", "at most 16 MiB, found 4294967296 bytes"),
    ] {
        let file = format!("{name}-s0.json");
        assert!(said.iter().any(|s| s.contains(&file) && s.contains(word)), "{name}: {said:#?}");
    }
    assert_eq!(all.iter().flatten().next().unwrap().data.origin, Origin::Sample);
}
