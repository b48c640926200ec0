use std::{
    cell::RefCell,
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use events::{Grid, Shape};
use flate2::{Crc, Decompress, FlushDecompress, Status};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{
    Dtype, Element, Error, Key,
    hdf5::{self, Described, Tables},
};
use crate::{files, open_file};

/// A finished cache: samples `[T, H, W, C]` of one type with their labels, train before test.
///
/// Any number of threads may read at once: every read is its own read of the file, into the
/// caller's memory.
#[derive(Debug)]
pub struct Cache {
    path: PathBuf,
    file: File,
    key: Key,
    dtype: Dtype,
    shape: Shape,
    sample_bytes: usize,
    deflated: bool,
    labels: Vec<u32>,
    train: usize,
    crc32: Vec<u32>,
    places: Vec<(u64, u64)>,
}

/// What a thread needs to read a sample, kept from one to the next.
struct Scratch {
    stored: Vec<u8>,
    inflate: Decompress,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch { stored: Vec::new(), inflate: Decompress::new(false) });
}

impl Cache {
    /// Opens a cache file and checks everything but the samples, which are checked as they are
    /// read.
    ///
    /// # Errors
    /// The file cannot be read, is no cache, or is not as it was written.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let unreadable = |source| Error::Io { path: path.to_owned(), doing: "read", source };
        let foreign =
            |found| Error::Foreign { path: path.to_owned(), expected: "a frame cache", found };
        let file = open_file(path).map_err(unreadable)?;
        let Described { tables, dtype, shape, deflated, places } =
            hdf5::describe(path).map_err(|error| match error.kind() {
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                    foreign(sentence::cause(&error))
                }
                _ => unreadable(error),
            })?;
        if tables.digest != digest(&tables, dtype, shape) {
            return Err(foreign("tables that are not as they were written".to_owned()));
        }
        let key: Key = serde_json::from_str(&tables.key)
            .map_err(|_| foreign("a key that does not read".to_owned()))?;
        let Tables { labels, half, crc32, .. } = tables;
        let train = half.partition_point(|&half| half == 0);
        let sample_bytes =
            shape.into_iter().try_fold(dtype.bytes(), usize::checked_mul).unwrap_or(usize::MAX);
        // no memory is taken on the word of a damaged file; deflate stores at best 258 bytes in 2
        // bits
        let limit = |stored: u64| if deflated { stored.saturating_mul(1032) } else { stored };
        if sample_bytes == 0
            || places.iter().any(|&(_, stored)| sample_bytes as u64 > limit(stored))
        {
            return Err(foreign("stored bytes too few for a sample".to_owned()));
        }
        let [steps, height, width, channels] = shape;
        let shape = Shape { steps, height, width, channels };
        let path = path.to_owned();
        Ok(Self {
            path,
            file,
            key,
            dtype,
            shape,
            sample_bytes,
            deflated,
            labels,
            train,
            crc32,
            places,
        })
    }

    /// The cache of `key` in `folder`, or `None` if there is none yet.
    ///
    /// # Errors
    /// As [`Cache::open`]; and a file of that name that was made from another key.
    pub fn find(folder: &Path, key: &Key) -> Result<Option<Self>, Error> {
        let path = folder.join(key.file_name());
        match Self::open(&path) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Ok(cache) if cache.key != *key => Err(Error::Foreign {
                path,
                expected: "the key of its name",
                found: format!("the key {}", cache.key.json()),
            }),
            other => other.map(Some),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it was made from.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The labels of all samples, in order.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The indices of the training samples.
    pub fn train(&self) -> Range<usize> {
        0..self.train
    }

    /// The indices of the test samples.
    pub fn test(&self) -> Range<usize> {
        self.train..self.len()
    }

    /// The shape of every sample.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The type of a value.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Bytes of a sample in memory.
    pub fn sample_bytes(&self) -> usize {
        self.sample_bytes
    }

    /// Sample `index` as values.
    ///
    /// # Errors
    /// As [`Cache::read_into`]; and a `T` that is not the cache's type.
    pub fn read<T: Element>(&self, index: usize) -> Result<Grid<T>, Error> {
        if T::DTYPE != self.dtype {
            return Err(self.asked(T::DTYPE.to_string()));
        }
        let mut bytes = vec![0; self.sample_bytes];
        self.read_into(index, &mut bytes)?;
        let damaged = |error: events::Error| self.damaged(index, error.to_string());
        Grid::new(self.shape, T::of_bytes(bytes)).map_err(damaged)
    }

    /// Sample `index` as little-endian bytes into `bytes`, of exactly [`Cache::sample_bytes`].
    ///
    /// # Errors
    /// An index or a size that does not fit, a file that cannot be read, or bytes that are not
    /// those written; `bytes` then holds nothing of meaning.
    pub fn read_into(&self, index: usize, bytes: &mut [u8]) -> Result<(), Error> {
        let (Some(&(at, stored)), Some(&crc32)) = (self.places.get(index), self.crc32.get(index))
        else {
            return Err(Error::Index { path: self.path.clone(), index, len: self.len() });
        };
        if bytes.len() != self.sample_bytes {
            return Err(self.asked(format!("{} bytes", bytes.len())));
        }
        if !self.deflated {
            return self.read_stored(index, at, crc32, bytes);
        }
        SCRATCH.with_borrow_mut(|Scratch { stored: buffer, inflate }| {
            buffer.resize(stored as usize, 0);
            self.read_stored(index, at, crc32, buffer)?;
            self::inflate(inflate, buffer, bytes).map_err(|found| self.damaged(index, found))
        })
    }

    /// The bytes in the file. They are what is checked, for there are far fewer of them than
    /// values.
    fn read_stored(
        &self,
        index: usize,
        at: u64,
        crc32: u32,
        stored: &mut [u8],
    ) -> Result<(), Error> {
        let unreadable = |source| Error::Io { path: self.path.clone(), doing: "read", source };
        self.file.read_exact_at(stored, at).map_err(unreadable)?;
        let found = crc32_of(stored);
        if found == crc32 {
            Ok(())
        } else {
            Err(self.damaged(index, format!("the CRC-32 {found:08x} for {crc32:08x}")))
        }
    }

    /// Reads every sample once.
    ///
    /// # Errors
    /// The first sample, in order, that cannot be read.
    pub fn verify(&self) -> Result<(), Error> {
        self.verify_some(0..self.len())
    }

    /// As [`Cache::verify`], of some of them.
    pub(super) fn verify_some(&self, samples: Range<usize>) -> Result<(), Error> {
        let bytes = || vec![0; self.sample_bytes];
        let read = |bytes: &mut Vec<u8>, index| self.read_into(index, bytes);
        let all: Vec<Result<(), Error>> = samples.into_par_iter().map_init(bytes, read).collect();
        all.into_iter().collect()
    }

    fn asked(&self, found: String) -> Error {
        Error::Asked { path: self.path.clone(), bytes: self.sample_bytes, dtype: self.dtype, found }
    }

    fn damaged(&self, index: usize, found: String) -> Error {
        Error::Sample { path: self.path.clone(), index, found }
    }
}

/// Undoes deflate. The zlib frame is taken off first: its Adler-32 would be a second, slower check
/// of what the CRC-32 vouches for.
fn inflate(inflate: &mut Decompress, stored: &[u8], bytes: &mut [u8]) -> Result<(), String> {
    let deflated = stored.get(2..stored.len().saturating_sub(4)).unwrap_or_default();
    inflate.reset(false);
    match inflate.decompress(deflated, bytes, FlushDecompress::Finish) {
        Ok(Status::StreamEnd) if inflate.total_out() == bytes.len() as u64 => Ok(()),
        Ok(_) => Err("bytes of another length".to_owned()),
        Err(_) => Err("bytes that do not unpack".to_owned()),
    }
}

fn crc32_of(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// SHA-256 over all that the file says besides the samples.
pub(super) fn digest(tables: &Tables, dtype: Dtype, shape: [usize; 4]) -> String {
    let Tables { key, labels, half, crc32, .. } = tables;
    let mut digest = Sha256::new();
    digest.update(format!("{key}\n{dtype} {shape:?} {}\n", half.len()));
    for column in [labels, crc32] {
        digest.update(column.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
    }
    digest.update(half);
    files::hex(&digest.finalize())
}
