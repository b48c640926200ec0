//! A record goes to its file and comes back, or says in one sentence why not.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use report::{Curve, DataIdentity, Error, Host, Metric, Origin, Record, RunIdentity, SCHEMA};
use serde_json::json;

fn record() -> Record {
    Record {
        schema: SCHEMA,
        experiment: "table2".into(),
        row: "n-mnist-bpsa+bpta-short".into(),
        title: "N-MNIST, BPSA + BPTA".into(),
        run: json!({ "spec": "2C3-10Voting", "lr": 0.1f32, "steps": 8, "decay": 0.3 }),
        metrics: vec![Metric {
            name: "test_accuracy".into(),
            value: 94.299_999_999_999_99,
            unit: "%".into(),
        }],
        curves: vec![Curve {
            name: "train_loss".into(),
            unit: "nat".into(),
            values: vec![2.3, 0.1 + 0.2],
        }],
        data: DataIdentity {
            name: "N-MNIST".into(),
            origin: Origin::Sample,
            manifest_sha256: "aa".into(),
            split: "first-100".into(),
            train: 1000,
            train_published: 60_000,
            test: 100,
            test_published: 10_000,
            held_out: 0,
            fold: None,
        },
        profile: "short".into(),
        seed: u64::MAX,
        device: "cpu".into(),
        threads: 2,
        host: Host { cpu: "a \"cpu\"".into(), cores: 2, os: "linux".into() },
        program_sha256: "bb".into(),
        commit: None,
        dirty: Some(true),
        started_utc: "2025-01-02T03:04:05Z".into(),
        seconds: 61.5,
        peak_memory_bytes: Some(1 << 40),
        compute: serde_json::Value::Null,
        weights_sha256: None,
        outcome: None,
        analysis: None,
        versions: [("candle-core".to_owned(), "0.11.1".to_owned())].into(),
    }
}

/// Writes `text` where the record of `record()` belongs and reads it.
fn read_text(dir: &Path, text: &str) -> Result<Record, Error> {
    let path = dir.join("broken.json");
    std::fs::write(&path, text).unwrap();
    Record::read(&path)
}

#[test]
fn round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let path = record().write(dir.path()).unwrap();
    assert_eq!(path, dir.path().join("n-mnist-bpsa+bpta-short-s18446744073709551615.json"));
    assert_eq!(Record::read(&path).unwrap(), record());
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("{\n  \"schema\": 1,\n") && text.ends_with("}\n"), "{text}");
    assert!(text.contains("\"origin\": \"sample\""), "{text}");
}

#[test]
fn every_finite_number_comes_back_bit_by_bit() {
    let dir = tempfile::tempdir().unwrap();
    let mut it = record();
    // a linear congruential walk through the bit patterns of f64
    let mut bits = 1u64;
    let mut values = vec![-0.0, f64::MIN_POSITIVE / 2.0, f64::MAX, 5e-324];
    while values.len() < 20_000 {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        values.extend(Some(f64::from_bits(bits)).filter(|x| x.is_finite()));
    }
    it.run = json!({ "values": values });
    it.curves[0].values = values;
    let back = Record::read(&it.write(dir.path()).unwrap()).unwrap();
    let bits = |record: &Record| -> Vec<u64> {
        record.curves[0].values.iter().map(|x| x.to_bits()).collect()
    };
    assert_eq!(bits(&back), bits(&it));
    assert_eq!(back.identity(), it.identity(), "a finished row would run again");
}

#[test]
fn a_run_that_diverged_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut it = record();
    it.metrics[0].value = f64::NAN;
    it.curves[0].values = vec![1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    let path = it.write(dir.path()).unwrap();
    let back = Record::read(&path).unwrap();
    assert!(back.metrics[0].value.is_nan());
    assert_eq!(back.curves[0].values[..3], it.curves[0].values[..3]);
    assert!(back.curves[0].values[3].is_nan());
    assert!(std::fs::read_to_string(&path).unwrap().contains("\"value\": \"NaN\""));
}

#[test]
fn a_row_is_skipped_only_for_the_same_run_data_program_and_seed() {
    let it = record();
    let run = json!({ "decay": 0.3, "steps": 8, "lr": 0.1f32, "spec": "2C3-10Voting" });
    let same = RunIdentity { run: &run, data: &it.data, program_sha256: "bb", seed: u64::MAX };
    assert_eq!(it.identity(), same, "the order of fields means nothing");
    let other = json!({ "spec": "2C3-10Voting", "lr": 0.2f32, "steps": 8, "decay": 0.3 });
    assert_ne!(it.identity(), RunIdentity { run: &other, ..same });
    let others = [
        DataIdentity { manifest_sha256: "ab".into(), ..it.data.clone() },
        DataIdentity { split: "first-50".into(), ..it.data.clone() },
        DataIdentity { train: 999, ..it.data.clone() },
    ];
    for data in &others {
        assert_ne!(it.identity(), RunIdentity { data, ..same });
    }
    assert_ne!(it.identity(), RunIdentity { program_sha256: "bc", ..same });
    assert_ne!(it.identity(), RunIdentity { seed: 0, ..same });
}

#[test]
fn broken_json_names_file_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let text = serde_json::to_string_pretty(&record()).unwrap();

    let error =
        read_text(dir.path(), &text.replace("\"split\": \"first-100\",", "\"split\": first,"))
            .unwrap_err();
    let at = text.lines().position(|line| line.contains("split")).unwrap() + 1;
    assert!(matches!(error, Error::Json { line, column: 15, .. } if line == at), "{error:?}");
    let message = error.to_string();
    assert!(
        message.contains(&format!("broken.json, line {at}, column 15: expected a record")),
        "{message}"
    );
    assert!(message.contains("delete it so that the row runs again"), "{message}");

    let unknown =
        read_text(dir.path(), &text.replace("\"split\"", "\"spilt\"")).unwrap_err().to_string();
    assert!(
        unknown.contains(&format!("line {at}"))
            && unknown.contains("the field \"spilt\", which no record has there"),
        "{unknown}"
    );

    let word = read_text(dir.path(), &text.replace("61.5", "\"nan\"")).unwrap_err().to_string();
    assert!(word.contains("\"nan\"") && word.contains("where a number or one of"), "{word}");

    let cut = read_text(dir.path(), &text[..text.len() / 2]).unwrap_err().to_string();
    assert!(cut.contains("found the end of the text"), "{cut}");
    assert!(read_text(dir.path(), "").unwrap_err().to_string().contains("line 1, column 0"));
}

#[test]
fn another_schema_is_named_before_its_unknown_fields() {
    let dir = tempfile::tempdir().unwrap();
    let message = read_text(dir.path(), "{\"schema\": 2, \"new\": []}").unwrap_err().to_string();
    assert!(message.contains("expected schema 1, found schema 2"), "{message}");
    let wrong = Record { schema: 0, ..record() };
    assert!(matches!(wrong.write(dir.path()), Err(Error::Content { .. })));
}

#[test]
fn a_row_id_cannot_leave_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    for row in ["", ".hidden", "../up", "a/b", "a b", "é", "a\0b"] {
        let error = Record { row: row.into(), ..record() }.write(dir.path()).unwrap_err();
        assert!(matches!(error, Error::Content { .. }), "{row:?}: {error}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_row_id_is_bounded_whatever_a_file_says() {
    let dir = tempfile::tempdir().unwrap();
    let long = Record { row: "x".repeat(65_536), ..record() };
    let text = serde_json::to_string(&long).unwrap();
    for error in [long.write(dir.path()).unwrap_err(), read_text(dir.path(), &text).unwrap_err()] {
        assert!(error.to_string().contains("found one of 65536 bytes"), "{error}");
    }
    let longest = Record { row: "x".repeat(220), ..record() };
    assert_eq!(Record::read(&longest.write(dir.path()).unwrap()).unwrap(), longest);
}

#[test]
fn read_all_is_sorted_and_passes_over_what_is_no_record() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Record::read_all(&dir.path().join("absent")).unwrap(), []);
    for row in ["b", "a", "c"] {
        Record { row: row.into(), seed: 0, ..record() }.write(dir.path()).unwrap();
    }
    std::fs::write(dir.path().join(".killed.partial"), "{").unwrap();
    std::fs::write(dir.path().join(".hidden.json"), "{").unwrap();
    std::fs::write(dir.path().join("notes.md"), "").unwrap();
    let rows: Vec<String> =
        Record::read_all(dir.path()).unwrap().into_iter().map(|record| record.row).collect();
    assert_eq!(rows, ["a", "b", "c"]);

    std::fs::copy(dir.path().join("a-s0.json"), dir.path().join("a-copy.json")).unwrap();
    let message = Record::read_all(dir.path()).unwrap_err().to_string();
    assert!(
        message.contains("a-copy.json") && message.contains("row \"a\" with seed 0"),
        "{message}"
    );

    let file = dir.path().join("notes.md");
    assert!(matches!(Record::read_all(&file), Err(Error::Read { .. })), "a file is no folder");
}

#[test]
fn a_record_that_cannot_be_written_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("runs");
    std::fs::write(&file, "a file").unwrap();
    let message = record().write(&file).unwrap_err().to_string();
    assert!(
        message.contains("runs/n-mnist-bpsa+bpta-short-s18446744073709551615.json"),
        "{message}"
    );
    assert!(message.contains("found a file where the folder"), "{message}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a file");
}
