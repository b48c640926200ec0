//! Only the crate `terminal` writes to the two streams, by whatever way, so that no program panics
//! where they are gone, and no test looks away from backtraces.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

/// Every Rust file below `folder`, with its content.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What gives a stream of the program, or the terminal itself, to whoever asks.
const STREAMS: [&str; 9] = [
    "stdout()",
    "stderr()",
    "io::stdout",
    "io::stderr",
    "rustix::stdio",
    "/dev/stdout",
    "/dev/stderr",
    "/dev/fd/",
    "/dev/tty",
];

/// The lines of code that print by a macro of the standard library or take hold of a stream, from
/// 1; code of tests is left out, whose output the test harness takes. Who only asks whether a
/// stream is a terminal writes nothing.
fn prints(content: &str) -> Vec<usize> {
    let code = content.split("#[cfg(test)]\nmod").next().unwrap_or_default();
    let macros = ["print!", "println!", "eprint!", "eprintln!", "dbg!"];
    let prints = |line: &str| {
        let words = line.split(|c: char| !c.is_alphanumeric() && !"_!:".contains(c));
        let by_macro =
            words.into_iter().any(|word| macros.contains(&word.trim_start_matches("std::")));
        // bars are drawn by their library, which looks whether there is a terminal
        let line = ["std::io::stderr().is_terminal()", "ProgressDrawTarget::stderr()"]
            .iter()
            .fold(line.to_owned(), |line, asks| line.replace(asks, ""));
        by_macro || STREAMS.iter().any(|stream| line.contains(stream))
    };
    let lines = code.lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim_start().starts_with("//") && prints(line))
        .map(|(index, _)| index + 1)
        .collect()
}

#[test]
fn nothing_prints_but_the_crate_for_it() {
    assert_eq!(prints("a();\n    eprintln!(\"x\");\nstd::println!();"), [2, 3]);
    assert_eq!(
        prints("// println!\nterminal::out!(x);\n#[cfg(test)]\nmod t {\nprintln!();"),
        [0; 0]
    );
    for line in [
        "let _ = writeln!(std::io::stderr(), \"x\");",
        "use std::io::{self, stdout};\nstdout().lock()",
        "use std::io::stdout as out;",
        "io::copy(&mut file, &mut io::stdout())?;",
        "File::create(\"/dev/stderr\")",
    ] {
        assert_eq!(prints(line), [line.lines().count()], "{line}");
    }
    assert_eq!(
        prints("let quiet = !std::io::stderr().is_terminal();\noutput.stdout.len();"),
        [0; 0]
    );
    let mut seen = 0;
    for folder in ["crates", "experiments", "benches"] {
        for (path, content) in sources(&workspace().join(folder)) {
            let of_a_test = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs";
            let inside = path.strip_prefix(workspace()).unwrap();
            // the one crate for it, and a build script, whose output cargo reads
            let may = inside.starts_with("crates/terminal") || inside.ends_with("build/main.rs");
            if inside.iter().any(of_a_test) || may {
                continue;
            }
            seen += 1;
            assert_eq!(prints(&content), [0; 0], "{}: use terminal::out!, say!", inside.display());
        }
    }
    assert!(seen > 200, "{seen} files");
}

#[test]
fn no_test_looks_away_from_backtraces() {
    // taken apart, so that this file does not find itself
    let words =
        [concat!("env_remove(\"RUST_", "BACKTRACE"), concat!("\"RUST_", "BACKTRACE\", \"0")];
    for (path, content) in sources(&workspace()) {
        let found = words.iter().find(|word| content.contains(**word));
        assert_eq!(found, None, "{}", path.display());
    }
}

/// A system's error is worded by `sentence::cause`: its own text has a number at its end. By habit
/// of
/// this code such an error is called `cause`.
#[test]
fn no_system_error_is_said_as_it_is() {
    let mut seen = 0;
    for folder in ["crates", "experiments", "benches"] {
        for (path, content) in sources(&workspace().join(folder)) {
            let code = content.split("#[cfg(test)]\nmod").next().unwrap_or_default();
            if path.iter().any(|part| part == "tests" || part == "sentence") {
                continue;
            }
            seen += 1;
            for said in [concat!("{", "cause}"), "found the error \\\"", "os error"] {
                let at = code.lines().position(|line| line.contains(said));
                assert_eq!(at, None, "{}: {said}: use sentence::cause", path.display());
            }
        }
    }
    assert!(seen > 200, "{seen} files");
}
