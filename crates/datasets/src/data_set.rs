use std::path::Path;

use events::{Columns, formats::Format};

use crate::{Info, division::Person, layout::Layout, synthetic::Generator};

/// All that a data set's own file has to tell; [`crate::Name`] lists them.
pub(crate) struct DataSet {
    /// What is published about it.
    pub info: &'static Info,
    /// How it lies on disk.
    pub layout: &'static Layout,
    /// How it may be split, as it is written; `N` stands for a seed. The first is the usual one.
    pub splits: &'static [&'static str],
    /// Its files, if they hold events.
    pub events: Option<EventFiles>,
    /// Whom its recordings are of, if names of files tell.
    pub person: Option<Person>,
    /// What stands in for its recordings.
    pub stand_in: Generator,
}

/// Files of events.
pub(crate) struct EventFiles {
    /// What a file is written in: decides, with the decoder's version, which caches are its own.
    pub format: fn(&Path) -> Format,
    /// Decodes the bytes of a file.
    pub decode: fn(&Path, &[u8]) -> Result<Columns, events::Error>,
}
