//! What a receipt says of the program: a digest of its sources, the same wherever they lie, and the
//! commit that they were built at.
#![allow(clippy::unwrap_used)]

#[path = "../build/checkout.rs"]
mod checkout;
#[path = "../build/sources.rs"]
mod sources;

use std::path::{Path, PathBuf};
use std::process::Command;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn write(dir: &Path, name: &str, content: &str) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

const FILES: [(&str, &str); 9] = [
    ("Cargo.toml", "[workspace]\n"),
    ("Cargo.lock", "version = 4\n"),
    ("crates/a/Cargo.toml", "[package]\n"),
    ("crates/a/src/lib.rs", "mod b;\n\nmod c;\n"),
    ("crates/a/src/b/mod.rs", "fn b() {}\n"),
    ("crates/a/src/b.cu", "float x;\n"),
    ("crates/a/assets/page.css", "a { }\n"),
    ("experiments/Cargo.toml", "[package]\n"),
    ("experiments/src/lib.rs", ""),
];

/// Those files in a folder.
fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    FILES.iter().for_each(|(name, content)| write(dir.path(), name, content));
    dir
}

fn digest(dir: &Path) -> String {
    let roots = sources::roots(dir).unwrap().unwrap();
    sources::digest(dir, &roots, &[]).unwrap()
}

#[test]
fn a_program_says_the_sources_it_was_built_from() {
    let roots = sources::roots(workspace()).unwrap().unwrap();
    let features = if cfg!(feature = "cuda") { vec!["CUDA".to_owned()] } else { vec![] };
    let expected = sources::digest(workspace(), &roots, &features).unwrap();
    assert_eq!(experiments::machine::program_sha256().unwrap(), expected);
    assert_eq!(expected.len(), 64);
    let (commit, dirty) = experiments::machine::commit();
    let found = checkout::commit(workspace(), &roots);
    assert_eq!(commit.is_some(), dirty.is_some());
    assert_eq!((commit, dirty), (found.as_ref().map(|c| c.hash.clone()), found.map(|c| c.dirty)));
}

#[test]
fn equal_sources_are_equal_wherever_they_lie() {
    let (one, other) = (tree(), tempfile::tempdir().unwrap());
    // in another order, with other ends of lines, and with what is in no program
    for (name, content) in FILES.iter().rev() {
        write(other.path(), name, &content.replace('\n', "\r\n"));
    }
    for name in [
        "README.md",
        "results/runs/x.json",
        "crates/a/tests/a.rs",
        "crates/a/examples/a.rs",
        "crates/a/README.md",
        "crates/a/src/.lib.rs.swp",
        "crates/notes/src/lib.rs",
        "experiments/tests/b.rs",
        "benches/src/lib.rs",
        "target/debug/x",
    ] {
        write(other.path(), name, "other\n");
    }
    assert_eq!(digest(one.path()), digest(other.path()));
    assert_eq!(sources::roots(&other.path().join("crates/a")).unwrap(), None);
}

#[test]
fn every_change_of_the_sources_is_another_program() {
    let mut all = vec![digest(tree().path())];
    for (name, content) in FILES {
        let dir = tree();
        write(dir.path(), name, &format!("{content}\n"));
        all.push(digest(dir.path()));
        std::fs::rename(dir.path().join(name), dir.path().join("gone")).unwrap();
        if !name.starts_with("Cargo.") {
            all.push(digest(dir.path()));
        }
    }
    let moved = tree();
    write(moved.path(), "crates/a/src/b/mod.rs", "");
    write(moved.path(), "crates/a/src/c.rs", "fn b() {}\n");
    all.push(digest(moved.path()));
    let dir = tree();
    let roots = sources::roots(dir.path()).unwrap().unwrap();
    all.push(sources::digest(dir.path(), &roots, &["CUDA".to_owned()]).unwrap());
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!((all.len(), count), (19, 19));
}

/// The paths that code includes as they are, from the files that include them.
fn included(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            included(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let content = std::fs::read_to_string(&path).unwrap();
            for part in content.split("include_").skip(1) {
                let name = ["str!(\"", "bytes!(\""].iter().find_map(|word| part.strip_prefix(word));
                let name = name.and_then(|rest| rest.split('"').next());
                // a README's example is compiled with the tests of documentation alone
                let name = name.filter(|name| *name != "../README.md");
                found.extend(name.map(|name| path.parent().unwrap().join(name)));
            }
        }
    }
}

#[test]
fn what_code_includes_is_among_the_sources() {
    let roots = sources::roots(workspace()).unwrap().unwrap();
    let mut found = Vec::new();
    for root in roots.iter().filter(|root| root.ends_with("/src")) {
        included(&workspace().join(root), &mut found);
    }
    assert!(found.len() > 5, "{found:?}");
    for path in found {
        let path = path.canonicalize().unwrap();
        let inside = roots.iter().any(|root| path.starts_with(workspace().join(root)));
        assert!(inside, "{} is in a program, and not in its digest", path.display());
    }
}

fn git(dir: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]);
    let output = command.args(arguments).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A commit of the tree, in a repository of its own.
fn committed() -> tempfile::TempDir {
    let dir = tree();
    write(dir.path(), "README.md", "words\n");
    git(dir.path(), &["init", "--quiet"]);
    git(dir.path(), &["add", "."]);
    git(dir.path(), &["commit", "--quiet", "-m", "one"]);
    dir
}

fn found(dir: &Path) -> Option<checkout::Commit> {
    checkout::commit(dir, &sources::roots(dir).unwrap().unwrap())
}

#[test]
fn a_commit_is_that_of_the_sources() {
    let dir = committed();
    let clean = found(dir.path()).unwrap();
    assert_eq!((&clean.hash, clean.dirty), (&git(dir.path(), &["rev-parse", "HEAD"]), false));
    for (name, dirty) in [
        ("README.md", false),
        ("results/runs/x.json", false),
        ("crates/a/tests/new.rs", false),
        ("crates/a/src/new.rs", true),
        ("crates/a/src/lib.rs", true),
        ("Cargo.lock", true),
    ] {
        let dir = committed();
        write(dir.path(), name, "other\n");
        assert_eq!(found(dir.path()).unwrap().dirty, dirty, "{name}");
    }
}

#[test]
fn where_there_is_no_checkout_there_is_no_commit() {
    let dir = tree();
    assert_eq!(found(dir.path()), None, "an archive of the sources");
    git(dir.path(), &["init", "--quiet"]);
    assert_eq!(found(dir.path()), None, "nothing was committed");
    let dir = committed();
    let below = dir.path().join("third/spikegrad");
    FILES.iter().for_each(|(name, content)| write(&below, name, content));
    assert_eq!(found(&below), None, "below another project's checkout");
}

/// The build script runs again where one of these files has changed, and only then.
#[test]
fn another_commit_changes_a_file_that_is_watched() {
    let stamp = |commit: &checkout::Commit| -> Vec<Vec<u8>> {
        commit.moves.iter().map(|path| std::fs::read(path).unwrap()).collect()
    };
    let dir = committed();
    let worktrees = tempfile::tempdir().unwrap();
    let side = worktrees.path().join("side");
    git(dir.path(), &["worktree", "add", "--quiet", "-b", "side", side.to_str().unwrap()]);
    git(dir.path(), &["pack-refs", "--all"]);
    let detached = committed();
    git(detached.path(), &["checkout", "--quiet", "--detach"]);
    for at in [dir.path(), &side, detached.path()] {
        let before = found(at).unwrap();
        let read = stamp(&before);
        assert!(!read.is_empty());
        git(at, &["status"]);
        assert_eq!(stamp(&found(at).unwrap()), read, "looking changes nothing");
        git(at, &["commit", "--quiet", "--allow-empty", "-m", "two"]);
        assert_ne!(stamp(&before), read, "{}", at.display());
        assert_ne!(found(at).unwrap().hash, before.hash);
    }
}
