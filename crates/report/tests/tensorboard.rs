//! Event files to the byte, and what is refused; `tests/tensorboard_reads_the_events` has
//! TensorBoard itself read one.
#![allow(clippy::unwrap_used)]

use report::{Error, EventFile, Histogram};
use sentence::hex;

/// The three records that TensorBoard's own `RecordWriter` makes of the events of
/// [`events_are_the_bytes_that_tensorboard_writes`].
const GOLDEN: [&str; 3] = [
    "1800000000000000a37f4b22\
     09000000000000f83f1a0d627261696e2e4576656e743a32\
     2a28646c",
    "1a00000000000000129bd82d\
     09000000000000044010ac022a0c0a0a0a03612f62150000003f\
     2877e157",
    "6500000000000000ebd05a69\
     09000000000000044010012a580a560a01752a51\
     09000000000000f0bf110000000000000840190000000000001440210000000000001840290000000000002840\
     3210000000000000f03f0000000000000840\
     3a1000000000000000400000000000000840\
     a8f280e0",
];

#[test]
fn events_are_the_bytes_that_tensorboard_writes() {
    let dir = tempfile::tempdir().unwrap();
    let mut events = EventFile::create(dir.path(), 1.5).unwrap();
    events.scalar("a/b", 300, 2.5, 0.5).unwrap();
    events
        .histogram("u", 1, 2.5, &Histogram { edges: vec![-1.0, 1.0, 3.0], counts: vec![2, 3] })
        .unwrap();
    events.flush().unwrap();
    assert_eq!(hex(&std::fs::read(events.path()).unwrap()), GOLDEN.concat());
}

/// The record by which a reader drops steps from 7 on: `session_log { status: START }`, field 7, as
/// TensorBoard's own classes write `Event(wall_time=1.5, step=7, session_log=…)`.
#[test]
fn a_restart_tells_readers_which_steps_to_drop() {
    let dir = tempfile::tempdir().unwrap();
    let events = EventFile::restart(dir.path(), 1.5, 7).unwrap();
    let bytes = hex(&std::fs::read(events.path()).unwrap());
    let (version, start) = bytes.split_at(GOLDEN[0].len());
    assert_eq!(version, GOLDEN[0]);
    let message = "09000000000000f83f10073a020801";
    assert_eq!(start.len(), 2 * (12 + 15 + 4));
    assert_eq!((&start[..16], &start[24..24 + 30]), ("0f00000000000000", message));
}

#[test]
fn a_file_comes_behind_all_that_are_there_whatever_the_clock_says() {
    let dir = tempfile::tempdir().unwrap();
    let name = |wall_time| {
        let file = EventFile::create(dir.path(), wall_time).unwrap();
        file.path().file_name().unwrap().to_str().unwrap().to_owned()
    };
    let mut names = vec![name(1.7e9)];
    // a clock behind, a clock before 1970, none at all, and more than ten within a second
    names.extend([1.6e9, -5.0, f64::NAN, 1.7e9, 1.8e9].map(name));
    names.extend((0..25).map(|_| name(1.8e9)));
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(names, sorted);
}

#[test]
fn a_resumed_run_has_a_file_of_its_own_and_the_version_is_on_the_disk_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("runs/a");
    let files: Vec<_> = (0..3).map(|_| EventFile::create(&run, 1.7e9 + 0.5).unwrap()).collect();
    for (k, file) in files.iter().enumerate() {
        assert_eq!(file.path(), run.join(format!("events.out.tfevents.1700000000.spikegrad.{k}")));
        assert_eq!(std::fs::metadata(file.path()).unwrap().len(), 40);
    }
}

#[test]
fn a_histogram_without_rising_edges_is_refused_and_nothing_of_it_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut events = EventFile::create(dir.path(), 0.0).unwrap();
    for (edges, counts) in [
        (vec![0.0, 1.0], vec![1, 2]),
        (vec![0.0], vec![]),
        (vec![], vec![]),
        (vec![0.0, 0.0], vec![1]),
        (vec![1.0, 0.0], vec![1]),
        (vec![0.0, f64::NAN], vec![1]),
        (vec![0.0, f64::INFINITY], vec![1]),
    ] {
        let error = events.histogram("v", 0, 0.0, &Histogram { edges, counts }).unwrap_err();
        assert!(matches!(error, Error::Content { .. }));
        assert!(error.to_string().contains("rising edges in \"v\""), "{error}");
    }
    events.flush().unwrap();
    assert_eq!(std::fs::metadata(events.path()).unwrap().len(), 40);
}

#[test]
fn a_folder_that_cannot_be_made_is_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for run in [file.clone(), file.join("run")] {
        let message = EventFile::create(&run, 0.0).unwrap_err().to_string();
        assert!(message.starts_with("cannot write ") && message.contains("file"), "{message}");
    }
}
