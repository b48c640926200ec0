//! Every `--help` of every program: lines that fit a page, and no word of a library or of Rust.
#![allow(clippy::unwrap_used)]

use std::process::Command;

/// What no user has to know.
const FOREIGN: [&str; 18] = [
    "clap", "serde", "candle", "anyhow", "usize", "u32", "u64", "f64", "i64", "PathBuf", "Option",
    "Vec", "struct", "enum", "::", "None", "Err(", "no flag",
];

/// Every program: a file of `src/bin` each.
fn programs() -> Vec<String> {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin")).unwrap();
    let name = |path: std::path::PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files.map(|file| name(file.unwrap().path())).collect()
}

fn help(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin(program));
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that a help lists.
fn commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    // a description that goes on is indented further
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn every_help_fits_a_page_and_speaks_no_rust() {
    let mut seen = 0;
    for program in &programs() {
        let mut calls = vec![vec!["--help".to_owned()], vec!["-h".to_owned()]];
        for command in commands(&help(program, &["--help"])) {
            if command != "help" {
                calls.extend(["--help", "-h"].map(|flag| vec![command.clone(), flag.to_owned()]));
            }
        }
        for call in calls {
            let arguments: Vec<&str> = call.iter().map(String::as_str).collect();
            let text = help(program, &arguments);
            seen += 1;
            for line in text.lines() {
                assert!(line.chars().count() <= 100, "{program} {call:?}: {line}");
                for word in FOREIGN {
                    // a name of ours may hold a word of theirs
                    let parts = |c: char| !c.is_alphanumeric();
                    let found = match word.chars().all(char::is_alphanumeric) {
                        true => line.split(parts).any(|part| part == word),
                        false => line.contains(word),
                    };
                    assert!(!found, "{program} {call:?} says {word}: {line}");
                }
            }
        }
    }
    // the programs, 7 commands of data and 3 of simulator, long and short
    assert!(seen >= 2 * (15 + 7 + 3), "{seen}");
}
