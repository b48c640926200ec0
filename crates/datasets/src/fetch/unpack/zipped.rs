use std::io::BufReader;

use zip::ZipArchive;

use super::sink::Sink;
use crate::{fetch::Error, files::open_file};
use sentence::quoted;

/// The bits of a Unix mode that say what an entry is.
const TYPE_BITS: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;

pub(super) fn unpack(sink: &mut Sink<'_>) -> Result<(), Error> {
    let file =
        open_file(sink.archive).map_err(|source| Error::disk("read", sink.archive, source))?;
    let mut archive =
        ZipArchive::new(BufReader::new(file)).map_err(|error| sink.unreadable(error))?;
    if archive.has_duplicate_names() {
        return Err(sink.wrong("each name once, whatever its case", "a name twice"));
    }
    if let Some(bytes) = archive.decompressed_size() {
        sink.announce(u64::try_from(bytes).unwrap_or(u64::MAX))?;
    }
    for i in 0..archive.len() {
        sink.count()?;
        let mut entry = archive.by_index(i).map_err(|error| sink.unreadable(error))?;
        let name = entry.name().map_err(|error| sink.unreadable(error))?.into_owned();
        let kind = entry.unix_mode().map_or(0, |mode| mode & TYPE_BITS);
        if entry.is_symlink() || ![0, REGULAR, DIRECTORY].contains(&kind) {
            return Err(sink.wrong(
                "only files and folders in it",
                format!("{}, a link or a device", quoted(&name)),
            ));
        }
        match entry.is_dir() {
            true => sink.folder(&name)?,
            false => sink.file(&name, &mut entry)?,
        }
    }
    Ok(())
}
