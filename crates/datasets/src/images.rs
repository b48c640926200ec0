//! Files of many images: read once at listing, whole, and shared by all their recordings.

use std::{
    fmt,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use events::{Grid, Shape};
use flate2::bufread::MultiGzDecoder;

use crate::{Error, error::unlike, files};

/// A file of many images in memory, shared by its recordings.
pub struct ImageFile {
    path: PathBuf,
    records: Vec<u8>,
    format: Format,
}

/// How an image lies in its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    /// `[H, W, C]`.
    pub shape: [usize; 3],
    /// Bytes before the pixels: labels.
    pub labels: usize,
    /// Whether each channel stands by itself: `[C, H, W]` instead of `[H, W, C]`.
    pub planar: bool,
}

impl Format {
    /// Bytes of one record.
    pub fn record(self) -> usize {
        self.labels + self.shape.iter().product::<usize>()
    }
}

impl ImageFile {
    /// `records`: whole records of `format`, one after the other.
    pub(crate) fn new(path: PathBuf, records: Vec<u8>, format: Format) -> Self {
        Self { path, records, format }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The records in file order.
    pub(crate) fn records(&self) -> std::slice::ChunksExact<'_, u8> {
        self.records.chunks_exact(self.format.record())
    }

    /// The image of one record, channels last: `[1, H, W, C]`.
    pub(crate) fn image(&self, index: usize) -> Result<Grid<u8>, Error> {
        let Format { shape: [height, width, channels], labels, planar } = self.format;
        let record = self.records().nth(index).ok_or_else(|| {
            unlike(
                &self.path,
                format!("record {index}"),
                format!("{} records", self.records().len()),
                "find the data set again",
            )
        })?;
        let stored = &record[labels..];
        let values = if planar {
            let plane = height * width;
            (0..plane * channels).map(|i| stored[i % channels * plane + i / channels]).collect()
        } else {
            stored.to_vec()
        };
        let shape = Shape { steps: 1, height, width, channels };
        Grid::new(shape, values).map_err(|source| Error::Decode { path: self.path.clone(), source })
    }
}

impl fmt::Debug for ImageFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageFile({})", self.path.display())
    }
}

impl PartialEq for ImageFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for ImageFile {}

/// The first `most + 1` bytes of a file, unpacked if it is gzip: longer than `most` means that
/// there is more.
///
/// Whatever the file says, no more than that is read, so a bomb stays small.
pub(crate) fn read_at_most(path: &Path, most: usize) -> Result<Vec<u8>, Error> {
    let unreadable = |source| files::unreadable(path, source);
    let mut file = BufReader::new(files::open_file(path).map_err(unreadable)?);
    let packed = file.fill_buf().map_err(unreadable)?.starts_with(&[0x1f, 0x8b]);
    let mut bytes = Vec::new();
    let limit = most as u64 + 1;
    if packed {
        let unpacked = MultiGzDecoder::new(file).take(limit).read_to_end(&mut bytes);
        unpacked.map_err(|_| {
            let unpacked = sentence::counted(bytes.len(), "byte");
            let found = format!("bytes that do not unpack, after {unpacked} that did");
            unlike(path, "a whole gzip file", found, "it is damaged or cut off: download it again")
        })?;
    } else {
        file.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn planes_become_channels() {
        let format = Format { shape: [1, 2, 3], labels: 1, planar: true };
        let file = ImageFile::new(
            "f".into(),
            vec![9, 1, 2, 3, 4, 5, 6, 9, 10, 20, 30, 40, 50, 60],
            format,
        );
        assert_eq!(file.image(1).unwrap().values(), [10, 30, 50, 20, 40, 60]);
        let sentence = "f: expected record 2, found 2 records; find the data set again";
        assert_eq!(file.image(2).unwrap_err().to_string(), sentence);
    }
}
