use std::{
    cell::Cell,
    io::{self, BufReader, Read},
};

use flate2::bufread::MultiGzDecoder;
use tar::EntryType;

use super::sink::{BETWEEN_FILES, Sink};
use crate::{fetch::Error, files::open_file};
use sentence::quoted;

/// The most that may stand between two files: headers with long names, and the rest of the last
/// block. The tar reader keeps it in memory, so it must not be what a bomb unpacks to.
const BETWEEN_FILES_BYTES: u64 = 1 << 20;

/// A reader with an allowance that its user renews.
struct Allowed<'a, R> {
    reader: R,
    bytes: &'a Cell<u64>,
}

impl<R: Read> Read for Allowed<'_, R> {
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(chunk)?;
        let left = self.bytes.get().checked_sub(n as u64);
        self.bytes.set(left.ok_or_else(|| io::Error::other(BETWEEN_FILES))?);
        Ok(n)
    }
}

pub(super) fn unpack(sink: &mut Sink<'_>) -> Result<(), Error> {
    let file =
        open_file(sink.archive).map_err(|source| Error::disk("read", sink.archive, source))?;
    let allowance = Cell::new(BETWEEN_FILES_BYTES);
    let reader = Allowed { reader: MultiGzDecoder::new(BufReader::new(file)), bytes: &allowance };
    let mut archive = tar::Archive::new(reader);
    let mut entries = archive.entries().map_err(|error| sink.unreadable(error))?;
    loop {
        allowance.set(BETWEEN_FILES_BYTES);
        let Some(entry) = entries.next() else { break };
        sink.count()?;
        let mut entry = entry.map_err(|error| sink.unreadable(error))?;
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|error| sink.wrong("names in UTF-8", quoted(error.as_bytes())))?;
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {
                // the sink counts these
                allowance.set(u64::MAX);
                let size = entry.size();
                sink.file(&name, &mut Exactly { reader: &mut entry, left: size })?;
            }
            EntryType::Directory => sink.folder(&name)?,
            // says something about all entries, such as a commit
            EntryType::XGlobalHeader => {}
            _ => {
                return Err(sink.wrong(
                    "only files and folders in it",
                    format!("{}, a link or a device", quoted(&name)),
                ));
            }
        }
    }
    // the checksum stands at the end, behind padding
    allowance.set(BETWEEN_FILES_BYTES);
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(|error| sink.unreadable(error))?;
    Ok(())
}

/// A reader whose end before `left` bytes is an error: the tar reader takes an archive's end for a
/// file's.
struct Exactly<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(chunk)?;
        if n == 0 && self.left > 0 && !chunk.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left = self.left.saturating_sub(n as u64);
        Ok(n)
    }
}
