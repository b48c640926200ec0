//! Writes a cache file: samples as they come, everything else behind them.

use std::{
    fs::{self, File},
    io::{self, Seek, SeekFrom, Write},
    path::Path,
};

use flate2::{Compression, Crc, write::ZlibEncoder};
use rayon::prelude::*;

use super::{
    Dtype, Tables,
    messages::{self as hdf5, Child, Message},
    wrong,
};

/// Most bytes of a text in an object header: a message has 64 KiB, and the name needs some.
const TEXT_BYTES: usize = 60_000;

/// A file being written.
pub(in super::super) struct Writer {
    file: File,
    dtype: Dtype,
    shape: [usize; 4],
    level: Option<u32>,
    /// Bytes in the file so far.
    length: u64,
    chunks: Vec<Child>,
    crc32: Vec<u32>,
}

impl Writer {
    /// A new file without samples; with a deflate `level`, samples are compressed.
    pub(in super::super) fn create(
        path: &Path,
        dtype: Dtype,
        shape: [usize; 4],
        level: Option<u32>,
    ) -> io::Result<Self> {
        let bytes = shape.into_iter().try_fold(dtype.bytes(), usize::checked_mul);
        if bytes.is_none_or(|bytes| u32::try_from(bytes).is_err()) {
            return Err(wrong(format!("a sample of shape {shape:?}, more than 4 GiB")));
        }
        // what an earlier process left, if it is not gone yet
        let _ = fs::remove_file(path);
        let mut file = File::create_new(path)?;
        // until the end the file is no HDF5 file
        file.write_all(&[0; hdf5::SUPERBLOCK as usize])?;
        let (chunks, crc32) = (Vec::new(), Vec::new());
        Ok(Self { file, dtype, shape, level, length: hdf5::SUPERBLOCK, chunks, crc32 })
    }

    /// Appends whole samples.
    pub(in super::super) fn append(&mut self, samples: &[u8]) -> io::Result<()> {
        let bytes = self.shape.iter().product::<usize>() * self.dtype.bytes();
        let store = |sample: &[u8]| match self.level {
            Some(level) => deflate(sample, level),
            None => Ok(sample.to_vec()),
        };
        let stored: Vec<io::Result<Vec<u8>>> = samples.par_chunks_exact(bytes).map(store).collect();
        for stored in stored {
            let stored = stored?;
            self.file.write_all(&stored)?;
            let length = u32::try_from(stored.len())
                .map_err(|_| wrong("a sample of more than 4 GiB".to_owned()))?;
            let sample = self.chunks.len() as u64;
            self.chunks.push(Child { sample, at: self.length, stored: length });
            self.length += u64::from(length);
            let mut crc = Crc::new();
            crc.update(&stored);
            self.crc32.push(crc.sum());
        }
        Ok(())
    }

    /// Leaves a hole in the file, as if so many bytes of samples stood there.
    #[cfg(test)]
    pub(super) fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.length = self.file.seek(SeekFrom::Current(bytes as i64))?;
        Ok(())
    }

    /// The CRC-32 of the stored bytes of each sample so far.
    pub(in super::super) fn crc32(&self) -> &[u32] {
        &self.crc32
    }

    /// Adds the tables and all that leads to the samples, and brings the file to the disk.
    pub(in super::super) fn finish(mut self, tables: &Tables) -> io::Result<()> {
        for text in [&tables.key, &tables.digest] {
            if text.len() > TEXT_BYTES {
                let found = text.len();
                return Err(wrong(format!("a key of {found} bytes, more than {TEXT_BYTES}")));
            }
        }
        let frames = self.frames()?;
        let words = |values: &[u32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let crc32 = self.table(words(&tables.crc32), 32)?;
        let half = self.table(tables.half.clone(), 8)?;
        let labels = self.table(words(&tables.labels), 32)?;
        // in text order, as a group's members are searched
        let members = [("crc32", crc32), ("frames", frames), ("half", half), ("labels", labels)];
        let (group, blocks) = hdf5::group(self.end()?, &members);
        self.put(&blocks)?;
        let root = self.put(&hdf5::header(vec![
            group.message(),
            hdf5::attribute("key", &tables.key),
            hdf5::attribute("digest", &tables.digest),
        ]))?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&hdf5::superblock(self.length, root, group))?;
        self.file.sync_all()
    }

    /// The data set of samples, `[N, T, H, W, C]`, one chunk a sample: where its header lies.
    fn frames(&mut self) -> io::Result<u64> {
        let sizes: Vec<u64> =
            [self.chunks.len()].iter().chain(&self.shape).map(|&size| size as u64).collect();
        let size = |&size: &usize| u32::try_from(size).map_err(|_| wrong(format!("{size} values")));
        let chunk: Vec<u32> = [1].iter().chain(&self.shape).map(size).collect::<io::Result<_>>()?;
        let chunks = std::mem::take(&mut self.chunks);
        let (tree, blocks) = hdf5::chunk_tree(self.end()?, sizes.len(), chunks);
        self.put(&blocks)?;
        let mut messages = hdf5::dataset(&sizes, hdf5::of_dtype(self.dtype), false);
        messages.push(hdf5::chunked(tree, &chunk, self.dtype.bytes() as u32));
        messages.extend(self.level.map(hdf5::deflated));
        self.put(&hdf5::header(messages))
    }

    /// A table of numbers of so many bits, one a sample: where its header lies.
    fn table(&mut self, values: Vec<u8>, bits: u16) -> io::Result<u64> {
        let at = self.put(&values)?;
        let rows = values.len() as u64 / u64::from(bits / 8);
        let mut messages: Vec<Message> = hdf5::dataset(&[rows], hdf5::number(bits, false), true);
        messages.push(hdf5::contiguous(at, values.len() as u64));
        self.put(&hdf5::header(messages))
    }

    /// The end of the file, moved to a multiple of 8.
    fn end(&mut self) -> io::Result<u64> {
        let gap = self.length.next_multiple_of(8) - self.length;
        self.file.write_all(&[0; 8][..gap as usize])?;
        self.length += gap;
        Ok(self.length)
    }

    /// Writes a block at the end, and says where.
    fn put(&mut self, block: &[u8]) -> io::Result<u64> {
        let at = self.end()?;
        self.file.write_all(block)?;
        self.length += block.len() as u64;
        Ok(at)
    }
}

fn deflate(sample: &[u8], level: u32) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(sample)?;
    encoder.finish()
}
