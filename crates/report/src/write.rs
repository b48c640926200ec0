use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::Error;

/// Writes `text` to `path` whole or not at all: a hidden `.….partial` file in the same folder is
/// filled, flushed to the disk and then renamed, so a reader sees the old file or the new one.
///
/// # Errors
/// [`Error::Write`] when the folder is absent, is not a folder, may not be written or is full; the
/// partial file is then removed and an older file at `path` is untouched.
pub fn write_text(path: &Path, text: &str) -> Result<(), Error> {
    write_bytes(path, text.as_bytes())
}

/// As [`write_text`], for what is no text, such as a PNG.
///
/// # Errors
/// As [`write_text`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    replace(path, |file| file.write_all(bytes)).map_err(|cause| explain(path, &cause))
}

/// Fills a new file by `fill` and moves it to `path`. Apart from [`write_text`] so that a failure
/// half way can be tried.
fn replace(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".partial");
    // tempfile's default is for secrets (0600); results are for everyone whom the umask admits.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut partial = builder.tempfile_in(folder(path))?;
    fill(partial.as_file_mut())?;
    partial.as_file().sync_all()?;
    partial.persist(path).map_err(|failed| failed.error)?;
    Ok(())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(crate) fn explain(path: &Path, cause: &io::Error) -> Error {
    let folder = folder(path);
    let absent = !folder.exists();
    let folder = folder.display();
    let (found, advice) = match cause.kind() {
        ErrorKind::NotFound if absent => (
            format!("no folder {folder}"),
            format!("create it (mkdir -p {folder}) or choose another output folder"),
        ),
        ErrorKind::NotADirectory => (
            format!("a file where the folder {folder} should be"),
            "choose another output folder".to_owned(),
        ),
        ErrorKind::IsADirectory => (
            "a folder of that name".to_owned(),
            "remove that folder or choose another output folder".to_owned(),
        ),
        ErrorKind::PermissionDenied => (
            format!("a folder {folder} that this user may not write in"),
            format!("allow it (chmod u+w {folder}) or choose another output folder"),
        ),
        ErrorKind::ReadOnlyFilesystem => (
            format!("a read-only file system at {folder}"),
            "choose an output folder on another one".to_owned(),
        ),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => (
            format!("no space left for {folder}"),
            "free some space or choose an output folder elsewhere".to_owned(),
        ),
        _ => (sentence::cause(cause), "choose another output folder".to_owned()),
    };
    Error::Write { path: path.to_owned(), found, advice }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.md");
        write_text(&path, "a long first text").unwrap();
        write_text(&path, "second").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "second");
        assert_eq!(names(dir.path()), ["a.md"]);
    }

    #[test]
    fn a_disk_that_fills_half_way_leaves_the_old_file_and_no_partial_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.md");
        write_text(&path, "old").unwrap();
        let cause = replace(&path, |file| {
            file.write_all(b"half of the ne")?;
            assert_eq!(names(dir.path()).len(), 2, "the text goes to a second file");
            Err(ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(dir.path()), ["a.md"]);
        let message = explain(&path, &cause).to_string();
        assert!(message.contains("a.md") && message.contains("no space left"), "{message}");
        assert!(message.contains("free some space"), "{message}");
    }

    #[test]
    fn folders_that_cannot_take_a_file_are_named_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        write_text(&file, "").unwrap();
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        for (path, found, advice) in [
            (dir.path().join("absent/a.md"), "found no folder", "mkdir -p"),
            (file.join("a.md"), "found a file where the folder", "choose another"),
            (dir.path().join("folder"), "found a folder of that name", "remove that folder"),
        ] {
            let message = write_text(&path, "text").unwrap_err().to_string();
            assert!(message.contains(&path.display().to_string()), "{message}");
            assert!(message.contains(found) && message.contains(advice), "{message}");
        }
        assert_eq!(names(dir.path()), ["file", "folder"]);
    }

    #[test]
    fn a_read_only_folder_says_so() {
        // root may write where permission bits forbid it, so the two kinds are given instead of
        // provoked
        for (kind, found) in [
            (ErrorKind::PermissionDenied, "a folder out that this user may not write in"),
            (ErrorKind::ReadOnlyFilesystem, "a read-only file system at out"),
        ] {
            let message = explain(Path::new("out/a.md"), &kind.into()).to_string();
            assert!(message.contains(found) && message.contains("another"), "{message}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn results_are_not_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (ours, usual) = (dir.path().join("ours"), dir.path().join("usual"));
        write_text(&ours, "").unwrap();
        std::fs::write(&usual, "").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&usual));
    }
}
