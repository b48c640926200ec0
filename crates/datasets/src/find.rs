use std::path::{Path, PathBuf};

use crate::{
    Error, Name, Origin, Recordings, Split, files,
    layout::{Layout, Listing},
    recordings::Sources,
};

/// What a data root holds of a data set.
#[derive(Clone, Debug)]
pub enum Found {
    /// Its recordings.
    Recordings(Recordings),
    /// A folder of its name with something else in it.
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What was expected and what was found, in half a sentence.
        why: String,
    },
    /// No folder of its name.
    Absent,
}

/// Looks for `name` below a data root: in a folder of its name (any case, with or without `-` and
/// `_`) or the one folder of its archive's name in there, or in the root itself. Recordings are
/// split as is usual for the data set, see [`Split::known`].
///
/// Reads every file once for the manifest's digest; files of many images are kept in memory while a
/// recording of them lives.
///
/// # Errors
/// A root or folder that cannot be read; two folders of the name; an empty folder; a half of the
/// layout missing or without recordings; a label that the data set does not have.
pub fn find(name: Name, root: &Path) -> Result<Found, Error> {
    look(name, root, None)
}

/// As [`find()`], with a split of the caller's choice.
///
/// # Errors
/// As [`find()`], and a split that the data set does not have.
pub fn find_with(name: Name, root: &Path, split: Split) -> Result<Found, Error> {
    split.check(name)?;
    look(name, root, Some(split))
}

/// As [`find()`], where nothing else will do: what is no recordings is an error.
///
/// # Errors
/// As [`find()`], and a root without the data set, or with something else in its folder.
pub fn open(name: Name, root: &Path) -> Result<Recordings, Error> {
    match find(name, root)? {
        Found::Recordings(recordings) => Ok(recordings),
        Found::Unusable { path, why } => Err(Error::Unusable { name, path, why }),
        Found::Absent => Err(Error::Absent { name, root: root.to_owned() }),
    }
}

fn look(name: Name, root: &Path, split: Option<Split>) -> Result<Found, Error> {
    let layout = name.set().layout;
    let names = files::names(root)?;
    match named(root, &names, layout.folders)?[..] {
        [] if (layout.recognise)(root, &names) => {
            load(name, layout, root, split).map(Found::Recordings)
        }
        [] => Ok(Found::Absent),
        [folder] => below(name, layout, &root.join(folder), split),
        [first, second, ..] => Err(two(name, root, first, second)),
    }
}

/// The refusal of two folders of one data set.
pub(crate) fn two(name: Name, root: &Path, first: &str, second: &str) -> Error {
    Error::Layout {
        path: root.to_owned(),
        expected: format!("one folder with {}", name.title()),
        found: format!("{first} and {second}"),
        advice: "move all but one away",
    }
}

/// Those of the folders in `root` whose plain names are among `wanted`.
///
/// # Errors
/// Something else has such a name, or a link that leads nowhere: a data set on a disk that is not
/// mounted is not an absent one.
pub(crate) fn named<'a>(
    root: &Path,
    names: &'a [String],
    wanted: &[&str],
) -> Result<Vec<&'a String>, Error> {
    let plain = |folder: &str| folder.to_lowercase().replace(['-', '_'], "");
    let mut found = Vec::new();
    for name in names {
        if wanted.contains(&plain(name).as_str()) && files::is_folder(&root.join(name))? {
            found.push(name);
        }
    }
    Ok(found)
}

fn below(name: Name, layout: &Layout, folder: &Path, split: Option<Split>) -> Result<Found, Error> {
    let names = files::names(folder)?;
    if !(layout.recognise)(folder, &names)
        && let [inner] = named(folder, &names, layout.inner)?[..]
    {
        return below(name, layout, &folder.join(inner), split);
    }
    if names.is_empty() {
        return Err(Error::Layout {
            path: folder.to_owned(),
            expected: layout.expected.to_owned(),
            found: "an empty folder".to_owned(),
            advice: "unpack the data set there, or remove the folder",
        });
    }
    if !(layout.recognise)(folder, &names) {
        let why = format!("expected {}, found {}", layout.expected, files::excerpt(&names));
        return Ok(Found::Unusable { path: folder.to_owned(), why });
    }
    load(name, layout, folder, split).map(Found::Recordings)
}

fn load(
    name: Name,
    layout: &Layout,
    folder: &Path,
    split: Option<Split>,
) -> Result<Recordings, Error> {
    let Listing { train, validation, test, files, split, origin, mut notes, faults } =
        (layout.list)(folder, split)?;
    notes.extend(faults.iter().cloned());
    for (recordings, half) in [(&train, "train"), (&test, "test")] {
        if recordings.is_empty() {
            return Err(Error::Layout {
                path: folder.to_owned(),
                expected: layout.expected.to_owned(),
                found: format!("no {half} recordings"),
                advice: "unpack the data set again, or choose another split",
            });
        }
    }
    let info = name.info();
    let found = (train.len(), validation.len(), test.len());
    let complete = found == (info.train, info.validation.unwrap_or(0), info.test);
    let origin = origin.unwrap_or(if complete { Origin::Complete } else { Origin::Sample });
    let sums = files::sums(&files, layout.most_bytes)?;
    let manifest_sha256 = files::manifest(folder, &files, &sums);
    let sources = Box::new(Sources { folder: folder.to_owned(), files, sums, faults });
    Ok(Recordings {
        name,
        origin,
        train,
        validation,
        held_out: Vec::new(),
        test,
        manifest_sha256,
        split,
        fold: None,
        notes,
        sources,
    })
}
