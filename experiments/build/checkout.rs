//! The commit that the programs are built at, where they are built in a checkout.
//!
//! Part of the build script, and of the test that holds it to its words.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A commit, and whether the sources differ from it.
#[derive(Debug, PartialEq, Eq)]
pub struct Commit {
    pub hash: String,
    pub dirty: bool,
    /// Files that change when another commit is checked out or made.
    pub moves: Vec<PathBuf>,
}

/// The commit of the checkout whose top `workspace` is; `None` where there is none, as in an
/// archive of the sources, or below another project's checkout, or without git.
pub fn commit(workspace: &Path, roots: &[String]) -> Option<Commit> {
    let top = PathBuf::from(git(workspace, &["rev-parse", "--show-toplevel"])?);
    if top.canonicalize().ok()? != workspace.canonicalize().ok()? {
        return None;
    }
    let hash = git(workspace, &["rev-parse", "--verify", "HEAD"])?;
    // new files count: what lies among the sources may be built
    let mut status = vec!["status", "--porcelain", "--untracked-files=all", "--"];
    status.extend(roots.iter().map(String::as_str));
    let dirty = !git(workspace, &status)?.is_empty();
    Some(Commit { hash, dirty, moves: moves(workspace) })
}

/// The files that git writes as HEAD moves, those that are there: of one that is not cargo would
/// think that it always changed. In a worktree they lie in the main checkout.
fn moves(workspace: &Path) -> Vec<PathBuf> {
    let known = ["HEAD", "logs/HEAD", "packed-refs", "reftable/tables.list"];
    let mut names = known.map(str::to_owned).to_vec();
    names.extend(git(workspace, &["symbolic-ref", "--quiet", "HEAD"]));
    let path = |name: &String| git(workspace, &["rev-parse", "--git-path", name]);
    let paths = names.iter().filter_map(path).map(|path| workspace.join(path));
    paths.filter(|path| path.is_file()).collect()
}

/// What git says, if it is content. It writes nothing, and looks at no other checkout than that of
/// the folder, as it would where a hook of git runs cargo.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("--no-optional-locks").args(arguments).current_dir(folder);
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(variable);
    }
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
