use std::path::{Path, PathBuf};

use crate::{Error, Name, Origin, Recording, Recordings, cifar10_dvs, dvs_gesture, files, nmnist};

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

/// How a data set lies on disk: what its file must say besides [`crate::Info`].
pub(crate) struct Layout {
    /// Folder names below the data root, lower case, without `-` and `_`.
    pub folders: &'static [&'static str],
    /// The layout in words.
    pub expected: &'static str,
    /// Whether a folder with these names in it is laid out so.
    pub recognise: fn(&[String]) -> bool,
    /// Lists the recordings of such a folder.
    pub list: fn(&Path) -> Result<Listing, Error>,
}

/// The recordings of a folder, and all files they stand on.
#[derive(Default)]
pub(crate) struct Listing {
    pub train: Vec<Recording>,
    pub test: Vec<Recording>,
    pub files: Vec<PathBuf>,
    pub split: String,
}

/// Looks for `name` below a data root: in a folder of its name (any case, with or without `-` and `_`), or in the root itself.
///
/// Reads every file once for the manifest's digest.
///
/// # Errors
/// A root or folder that cannot be read; two folders of the name; an empty folder; a half of the layout missing or without
/// recordings; a label that the data set does not have.
pub fn find(name: Name, root: &Path) -> Result<Found, Error> {
    let layout = match name {
        Name::NMnist => &nmnist::LAYOUT,
        Name::DvsGesture => &dvs_gesture::LAYOUT,
        Name::Cifar10Dvs => &cifar10_dvs::LAYOUT,
        Name::SpeechCommands | Name::Mnist | Name::Cifar10 | Name::Cifar100 => return Ok(Found::Absent),
    };
    let names = files::names(root)?;
    let plain = |folder: &str| folder.to_lowercase().replace(['-', '_'], "");
    let of_its_name = |folder: &&String| layout.folders.contains(&plain(folder).as_str()) && root.join(folder).is_dir();
    let folders: Vec<&String> = names.iter().filter(of_its_name).collect();
    match folders[..] {
        [] if (layout.recognise)(&names) => load(name, layout, root).map(Found::Recordings),
        [] => Ok(Found::Absent),
        [folder] => below(name, layout, &root.join(folder)),
        [first, second, ..] => Err(Error::Layout {
            path: root.to_owned(),
            expected: format!("one folder with {}", name.title()),
            found: format!("{first} and {second}"),
            advice: "move all but one away",
        }),
    }
}

fn below(name: Name, layout: &Layout, folder: &Path) -> Result<Found, Error> {
    let names = files::names(folder)?;
    if names.is_empty() {
        return Err(Error::Layout {
            path: folder.to_owned(),
            expected: layout.expected.to_owned(),
            found: "an empty folder".to_owned(),
            advice: "unpack the data set there, or remove the folder",
        });
    }
    if !(layout.recognise)(&names) {
        let why = format!("expected {}, found {}", layout.expected, files::excerpt(&names));
        return Ok(Found::Unusable { path: folder.to_owned(), why });
    }
    load(name, layout, folder).map(Found::Recordings)
}

fn load(name: Name, layout: &Layout, folder: &Path) -> Result<Recordings, Error> {
    let Listing { train, test, files, split } = (layout.list)(folder)?;
    for (recordings, half) in [(&train, "train"), (&test, "test")] {
        if recordings.is_empty() {
            return Err(Error::Layout {
                path: folder.to_owned(),
                expected: layout.expected.to_owned(),
                found: format!("no {half} recordings"),
                advice: "unpack the data set again",
            });
        }
    }
    let info = name.info();
    let origin = if (train.len(), test.len()) == (info.train, info.test) { Origin::Complete } else { Origin::Sample };
    let manifest_sha256 = files::manifest(folder, &files)?;
    Ok(Recordings { name, origin, train, test, manifest_sha256, split })
}
