//! Everything that a command will write is tried before it starts.

use crate::owner::Owner;
use anyhow::{Context, Result, anyhow, ensure};
use report::write_text;
use std::path::{Path, PathBuf};

/// Proves that files can be written in a folder, which is made for it and, unless it is to be
/// `kept`, removed again where it was not there.
///
/// # Errors
/// A folder that cannot be made or written; the message names `flag` as what chooses another.
pub fn try_folder(dir: &Path, flag: &str, kept: bool) -> Result<()> {
    let new: Vec<PathBuf> = dir
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .map(Path::to_path_buf)
        .collect();
    let made = std::fs::create_dir_all(dir).map_err(|cause| {
        anyhow!(
            "cannot make the results folder {}: {}; choose another with {flag} DIR",
            dir.display(),
            sentence::cause(&cause)
        )
    });
    let tried = made.and_then(|()| {
        // a name that no process on another machine takes
        let probe = dir.join(format!(".writable-{}", Owner::this().token));
        if let Err(unwritten) = write_text(&probe, "") {
            // another process that tried it may have removed it, empty as it was
            std::fs::create_dir_all(dir).and_then(|()| std::fs::metadata(dir))?;
            write_text(&probe, "").map_err(|_| unwritten)?;
        }
        std::fs::remove_file(&probe).with_context(|| format!("cannot remove {}", probe.display()))
    });
    if !kept || tried.is_err() {
        // the deepest first; what another process put there stays
        new.iter().for_each(|folder| _ = std::fs::remove_dir(folder));
    }
    tried
}

/// Proves that no folder is where a file is to be written.
///
/// # Errors
/// The first that is one.
pub fn try_file(path: &Path) -> Result<()> {
    ensure!(
        !path.is_dir(),
        "cannot write {}: expected a file or nothing of that name, found a folder; remove it, or choose another with --results DIR",
        path.display()
    );
    Ok(())
}

/// Proves that no folder is where a figure of an experiment is to be written: which figures there
/// will be, receipts tell.
///
/// # Errors
/// The first that is one.
pub fn try_figures(results: &Path, experiment: &str) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(results) else { return Ok(()) };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let of_it = name.to_str().and_then(|name| name.strip_prefix(experiment));
        let of_it = of_it.is_some_and(|rest| rest.starts_with(['-', '.']));
        let figure = path.extension().is_some_and(|ending| ending == "svg" || ending == "png");
        if of_it && figure {
            try_file(&path)?;
        }
    }
    Ok(())
}

/// Proves that nothing but a folder is where a run's folder is to be made.
///
/// # Errors
/// Anything else.
pub fn try_run_folder(path: &Path, flag: &str) -> Result<()> {
    ensure!(
        path.is_dir() || path.symlink_metadata().is_err(),
        "cannot write {}: expected a folder or nothing of that name, found something else; remove it, or choose another with {flag} DIR",
        path.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_trial_leaves_nothing_behind_unless_it_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        try_folder(&deep, "--results", false).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        try_folder(&deep, "--results", true).unwrap();
        assert_eq!(std::fs::read_dir(&deep).unwrap().count(), 0);
        // what was there stays
        try_folder(&deep.join("d"), "--results", false).unwrap();
        assert!(deep.is_dir() && !deep.join("d").exists());
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let said = try_folder(&dir.path().join("file/x"), "--tensorboard", false).unwrap_err();
        let said = said.to_string();
        assert!(said.contains("file/x") && said.contains("--tensorboard DIR"), "{said}");
        let long = dir.path().join("new").join("n".repeat(300));
        assert!(try_folder(&long, "--results", true).is_err());
        assert!(!dir.path().join("new").exists(), "a failed trial leaves nothing");
        assert!(try_file(dir.path()).is_err());
        std::fs::create_dir(dir.path().join("table2-mnist.svg")).unwrap();
        std::fs::create_dir(dir.path().join("table22.svg")).unwrap();
        assert!(try_figures(dir.path(), "table2").is_err());
        try_figures(dir.path(), "table1").unwrap();
        try_figures(&dir.path().join("absent"), "table1").unwrap();
        assert!(try_run_folder(&dir.path().join("file"), "--tensorboard").is_err());
        try_run_folder(&dir.path().join("new"), "--tensorboard").unwrap();
        try_file(&dir.path().join("file")).unwrap();
    }
}
