//! What tests of the programs share: the program in an empty folder, and what it said.
#![allow(dead_code, clippy::unwrap_used)]

pub mod receipts;

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A program, the first word, in a folder, without data, with backtraces asked for.
pub fn command(dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin(words[0]));
    command.args(&words[1..]).current_dir(dir).env("RUST_BACKTRACE", "1");
    command.env_remove("SPIKEGRAD_DATA");
    command
}

/// A program in a folder, without data, with nothing but standard error to be read.
pub fn with_stderr(mut command: Command, dir: &Path, arguments: &[&str]) -> Command {
    command.args(arguments).current_dir(dir).env_remove("SPIKEGRAD_DATA");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// A program as [`command`] has it, run to its end.
pub fn call(dir: &Path, words: &[&str]) -> Output {
    command(dir, words).output().unwrap()
}

/// What a program said on standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
