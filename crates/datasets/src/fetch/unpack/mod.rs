//! An archive's files into a folder: all of them or none, and nothing anywhere else.

mod sink;
mod targz;
mod zipped;

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Error, Item, Progress, Sums};
use crate::{Unpack, files::open_file};
use sink::Sink;

/// What an archive may hold at most. The defaults are far above every data set here and far below
/// what hurts a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files together.
    pub bytes: u64,
    /// Files and folders.
    pub entries: u64,
    /// How many times larger than the archive its files may be together …
    pub ratio: u64,
    /// … once they are larger than this many bytes.
    pub ratio_from_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 30, entries: 1_000_000, ratio: 200, ratio_from_bytes: 16 << 20 }
    }
}

/// What is kept of an unpacked archive.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    archive: String,
    #[serde(flatten)]
    sums: Sums,
    /// The names that it brought into the folder.
    names: Vec<String>,
}

/// The names that unpacking gives to its stages; see the table of [`super`].
struct Stages {
    partial: PathBuf,
    whole: PathBuf,
    marker: PathBuf,
}

impl Stages {
    fn of(archive: &str, folder: &Path) -> Self {
        let stage = |end| folder.join(format!(".{archive}.{end}"));
        Self { partial: stage("partial"), whole: stage("whole"), marker: stage("unpacked.json") }
    }
}

/// Unpacks the file of `item` into `folder`; [`Unpack::Keep`] leaves it as it is.
///
/// The file is `archive`, whose `sums` are known. Its name may differ in case: what is kept of it
/// is named by `item`.
///
/// An archive of loose files gets a folder of its name (`airplane.zip`: `airplane/`). What a Mac
/// adds (`__MACOSX`, `.DS_Store`, `._…`) is left out. Files get the permissions and times of new
/// files.
///
/// # Errors
/// The archive is broken, is larger than `limits`, or holds anything but folders and files with
/// names inside it, each once; a name is in the way; the disk refuses. Nothing is then left of it
/// in `folder`, and the archive stays.
pub fn unpack(
    item: &Item<'_>,
    archive: &Path,
    sums: &Sums,
    folder: &Path,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<(), Error> {
    if item.unpack == Unpack::Keep {
        return Ok(());
    }
    let stages = Stages::of(item.file, folder);
    remove(&stages.partial)?;
    remove(&stages.whole)?;
    let filled = fill(item, archive, sums, &stages, limits, progress)
        .and_then(|()| nothing_in_the_way(&stages, folder));
    if let Err(error) = filled {
        remove(&stages.partial)?;
        return Err(error);
    }
    rename(&stages.partial, &stages.whole)?;
    move_in(&stages, folder)
}

/// Whether `item` is unpacked in `folder`, after the end of an unpacking that was interrupted on
/// its last steps.
pub(super) fn resume(item: &Item<'_>, folder: &Path) -> Result<bool, Error> {
    let stages = Stages::of(item.file, folder);
    let is_of_item = |marker: &Marker| marker.sums.differ(item).is_none();
    let inside = stages.whole.join(stages.marker.file_name().unwrap_or_default());
    if read(&inside).as_ref().is_some_and(is_of_item) {
        move_in(&stages, folder)?;
    }
    let marker = read(&stages.marker).filter(is_of_item);
    let unpacked =
        marker.is_some_and(|marker| marker.names.iter().all(|name| folder.join(name).exists()));
    if unpacked {
        // empty since its marker left it, or of an older archive
        remove(&stages.whole)?;
    }
    Ok(unpacked)
}

/// Most bytes of a marker that are read.
const MARKER_BYTES: u64 = 64 << 20;

fn read(marker: &Path) -> Option<Marker> {
    // a name for each file of the largest data set
    let mut text = Vec::new();
    open_file(marker).ok()?.take(MARKER_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Unpacks into the partial folder, and puts the marker there.
fn fill(
    item: &Item<'_>,
    archive: &Path,
    sums: &Sums,
    stages: &Stages,
    limits: &Limits,
    progress: &mut dyn Progress,
) -> Result<(), Error> {
    fs::create_dir(&stages.partial)
        .map_err(|source| Error::disk("make", &stages.partial, source))?;
    progress.begin(&format!("unpacking {}", archive.display()), None, 0);
    let mut sink = Sink::new(archive, &stages.partial, limits, sums.bytes, progress);
    match item.unpack {
        Unpack::Zip => zipped::unpack(&mut sink)?,
        Unpack::TarGz => targz::unpack(&mut sink)?,
        Unpack::Keep => {}
    }
    let mut names = names(&stages.partial)?;
    if names.is_empty() {
        return Err(Error::Archive {
            archive: archive.to_owned(),
            expected: "files in it".to_owned(),
            found: "none".to_owned(),
        });
    }
    if names.iter().all(|name| stages.partial.join(name).is_file()) {
        names = vec![gather(item.file, &stages.partial, &names)?];
    }
    write(
        &stages.partial.join(stages.marker.file_name().unwrap_or_default()),
        &Marker { archive: item.file.to_owned(), sums: sums.clone(), names },
    )
}

/// Moves loose files into a folder named by their archive.
fn gather(own: &str, partial: &Path, names: &[String]) -> Result<String, Error> {
    let own =
        own.strip_suffix(".zip").or(own.strip_suffix(".tar.gz")).unwrap_or("unpacked").to_owned();
    // a hidden name first, since a file inside may have the name of the folder
    let hidden = partial.join(".own");
    fs::create_dir(&hidden).map_err(|source| Error::disk("make", &hidden, source))?;
    for name in names {
        rename(&partial.join(name), &hidden.join(name))?;
    }
    rename(&hidden, &partial.join(&own))?;
    Ok(own)
}

fn write(path: &Path, marker: &Marker) -> Result<(), Error> {
    let refused = |source| Error::disk("write", path, source);
    let text = serde_json::to_vec_pretty(marker).map_err(|error| refused(error.into()))?;
    let mut file = File::create(path).map_err(refused)?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(refused)
}

/// The names in a folder in text order.
fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let unreadable = |source| Error::disk("read", folder, source);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        names.push(entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

fn nothing_in_the_way(stages: &Stages, folder: &Path) -> Result<(), Error> {
    for name in names(&stages.partial)? {
        let path = folder.join(name);
        if path != stages.marker && path.symlink_metadata().is_ok() {
            let marker = stages.marker.file_name().unwrap_or_default().to_string_lossy();
            let archive =
                marker.trim_start_matches('.').trim_end_matches(".unpacked.json").to_owned();
            return Err(Error::InTheWay { path, archive });
        }
    }
    Ok(())
}

/// Moves all that is in the whole folder into `folder`, its marker last: until then the next call
/// goes on here.
fn move_in(stages: &Stages, folder: &Path) -> Result<(), Error> {
    let marker = stages.marker.file_name().unwrap_or_default();
    for name in names(&stages.whole)?.into_iter().filter(|name| marker != name.as_str()) {
        rename(&stages.whole.join(&name), &folder.join(&name))?;
    }
    rename(&stages.whole.join(marker), &stages.marker)?;
    remove(&stages.whole)
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(|source| Error::disk("move", from, source))
}

/// Removes a folder of ours, if it is there.
fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::disk("remove", folder, error))
        }
        _ => Ok(()),
    }
}
