//! A run that is killed and goes on shows each epoch once in TensorBoard, read here as its reader
//! does; `tests/tensorboard_reads_the_events` asks TensorBoard itself.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Starts a run that would take long, and kills it when it has said `epochs` more epochs.
fn killed_after(dir: &Path, epochs: usize, signal: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_table2"));
    command.args(["--only", "n-mnist", "--profile", "smoke", "--epochs", "4000"]);
    command.args(["--crossover", "0.5", "--narrow", "64", "--checkpoint-every", "600"]);
    command.args(["--tensorboard", "board"]).current_dir(dir).env_remove("SPIKEGRAD_DATA");
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = String::new();
    let mut sent = false;
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        said += &(line.unwrap() + "\n");
        if !sent && said.matches(" epoch ").count() == epochs {
            sent = true;
            let id = child.id().to_string();
            assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        }
    }
    child.wait().unwrap();
    said
}

/// A protocol buffer's fields: number, and the varint or the bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
        let value = bytes[..=end].iter().rev().fold(0, |n, byte| n << 7 | u64::from(byte & 0x7f));
        *bytes = &bytes[end + 1..];
        value
    }
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let (value, length) = match key & 7 {
            0 => (varint(&mut bytes), 0),
            1 => (0, 8),
            2 => (0, varint(&mut bytes) as usize),
            5 => (0, 4),
            wire => unreachable!("wire type {wire}"),
        };
        let (field, rest) = bytes.split_at(length);
        all.push((key >> 3, value, field));
        bytes = rest;
    }
    all
}

/// Adds what a file says of the curve `tag` to `steps`, dropping what its restart says is lost.
fn read(file: &Path, tag: &str, steps: &mut Vec<u64>) -> Option<u64> {
    let bytes = std::fs::read(file).unwrap();
    let (mut at, mut restart) = (0, None);
    while let Some(length) = bytes.get(at..at + 8) {
        let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
        // a program that was killed may leave its last record cut short
        let Some(event) = bytes.get(at + 12..at + 12 + length) else { break };
        at += 12 + length + 4;
        let event = fields(event);
        let step = event.iter().find(|field| field.0 == 2).map_or(0, |field| field.1);
        for &(number, _, field) in &event {
            if number == 7 && fields(field) == [(1, 1, &[][..])] {
                steps.retain(|known| *known < step);
                restart = Some(step);
            }
            if number == 5 && fields(fields(field)[0].2)[0].2 == tag.as_bytes() {
                steps.push(step);
            }
        }
    }
    restart
}

#[test]
fn each_epoch_is_there_once_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    // saves; goes on and loses epochs; goes on from what was saved
    let said = [("-USR1", 3), ("-KILL", 5), ("-KILL", 4)]
        .map(|(signal, epochs)| killed_after(dir.path(), epochs, signal));
    assert!(said[0].contains("the state is saved"), "{}", said[0]);
    assert!(said[1].contains(": goes on from ") && said[2].contains(": goes on from "));
    let run = std::fs::read_dir(dir.path().join("board")).unwrap().next().unwrap().unwrap().path();
    let mut files: Vec<_> =
        std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 3);
    let mut steps = Vec::new();
    let restarts: Vec<_> =
        files.iter().map(|file| read(file, "train/loss", &mut steps).unwrap()).collect();
    assert_eq!(restarts[0], 1);
    assert!(restarts[1] >= 4 && restarts[1] == restarts[2], "{restarts:?}");
    let expected: Vec<u64> = (1..=steps.len() as u64).collect();
    assert_eq!(steps, expected, "{restarts:?}");
    assert!(steps.len() >= 6, "{steps:?}");
}
