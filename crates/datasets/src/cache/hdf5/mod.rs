//! The one place that knows HDF5: writes and describes files of the layout in docs/cache.md.
//!
//! Files are read by the HDF5 crate and written here, because it writes chunks by indexes of HDF5
//! 1.10 only, and of these one that HDF5 2.0 refuses where a sample has more than 65,535 bytes. A
//! chunk is one sample, so that a reader takes the chunks' places from here once and reads them
//! past the HDF5 crate.

mod messages;
mod writer;

use std::{
    io::{self, Read},
    path::Path,
};

use hdf5::{AttrValue, Datatype};

use super::Dtype;
use crate::open_file;
use messages::DEFLATE;
pub(super) use writer::Writer;

/// What the file says besides the frames.
pub(super) struct Tables {
    pub key: String,
    pub digest: String,
    pub labels: Vec<u32>,
    /// 0 train, 1 test.
    pub half: Vec<u8>,
    pub crc32: Vec<u32>,
}

/// A finished file as it describes itself; nothing of it is believed yet.
pub(super) struct Described {
    pub tables: Tables,
    pub dtype: Dtype,
    pub shape: [usize; 4],
    pub deflated: bool,
    /// Where the bytes of each sample lie: offset, length.
    pub places: Vec<(u64, u64)>,
}

/// Reads everything but the frames.
pub(super) fn describe(path: &Path) -> io::Result<Described> {
    let length = path.metadata()?.len();
    has_signature(path)?;
    let file = hdf5::File::open_streaming(path).map_err(unread("a head of HDF5"))?;
    let end = file.superblock().eof_address;
    if end != length {
        return Err(wrong(format!("{length} bytes where the file says {end}")));
    }
    let frames = file.dataset("frames").map_err(unread("a table frames"))?;
    let datatype = frames.datatype().map_err(unread("a type of the frames"))?;
    if matches!(datatype, Datatype::Array { .. }) {
        return Err(wrong("one of an older version of this program".to_owned()));
    }
    let dtype = [Dtype::U8, Dtype::U16, Dtype::F32].into_iter().find(|&d| of(d) == datatype);
    let dtype = dtype.ok_or_else(|| wrong("frames of another type".to_owned()))?;
    let filters = frames.filters();
    if !matches!(filters[..], [] | [DEFLATE]) {
        return Err(wrong(format!("filters {filters:?}")));
    }
    let sizes = frames.shape().map_err(unread("a shape of the frames"))?;
    let &[samples, ref shape @ ..] = &sizes[..] else {
        return Err(wrong("frames without sizes".to_owned()));
    };
    let shape = shape.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<Vec<_>>>();
    let shape: Option<[usize; 4]> = shape.and_then(|shape| shape.try_into().ok());
    let shape = shape.ok_or_else(|| wrong(format!("frames of the shape {sizes:?}")))?;
    let places = places(&frames, samples, length)?;
    let tables = tables(&file, samples)?;
    Ok(Described { tables, dtype, shape, deflated: !filters.is_empty(), places })
}

/// Refuses what is no HDF5 file, or has lost its beginning.
fn has_signature(path: &Path) -> io::Result<()> {
    let mut head = Vec::new();
    open_file(path)?.take(SIGNATURE.len() as u64).read_to_end(&mut head)?;
    match &head[..] {
        SIGNATURE => Ok(()),
        [] => Err(wrong("an empty file".to_owned())),
        head => Err(wrong(format!("a file that begins with {}", sentence::quoted(head)))),
    }
}

/// What every HDF5 file begins with.
const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Where the bytes of each sample lie, one chunk a sample.
fn places(frames: &hdf5::Dataset, samples: u64, length: u64) -> io::Result<Vec<(u64, u64)>> {
    let chunks = frames.chunks().map_err(unread("a list of the frames' places"))?;
    if samples != chunks.len() as u64 {
        return Err(wrong(format!("{} stored samples of {samples}", chunks.len())));
    }
    let mut places = Vec::with_capacity(chunks.len());
    for (index, chunk) in chunks.iter().enumerate() {
        let inside = chunk.address.checked_add(chunk.storage_size).is_some_and(|end| end <= length);
        let [first, rest @ ..] = &chunk.offset[..] else {
            return Err(wrong(format!("sample {index} without a place")));
        };
        let whole = *first == index as u64 && rest.iter().all(|&offset| offset == 0);
        if !inside || !whole || chunk.filter_mask != 0 {
            return Err(wrong(format!("sample {index} not inside the file")));
        }
        places.push((chunk.address, chunk.storage_size));
    }
    Ok(places)
}

fn tables(file: &hdf5::File, samples: u64) -> io::Result<Tables> {
    let table = |name: &str| {
        let what = format!("a table {name}");
        let table = file.dataset(name).map_err(unread(&what))?;
        let shape = table.shape().map_err(unread(&what))?;
        if shape == [samples] {
            Ok(table)
        } else {
            Err(wrong(format!("{name} of shape {shape:?} for {samples} samples")))
        }
    };
    let attributes = file.root().attrs().map_err(unread("attributes"))?;
    let text = |name: &str| {
        let text = attributes.get(name).and_then(AttrValue::as_str).map(str::to_owned);
        text.ok_or_else(|| wrong(format!("no attribute {name}")))
    };
    Ok(Tables {
        key: text("key")?,
        digest: text("digest")?,
        labels: table("labels")?.read_u32().map_err(unread("a table labels"))?,
        half: table("half")?.read_u8().map_err(unread("a table half"))?,
        crc32: table("crc32")?.read_u32().map_err(unread("a table crc32"))?,
    })
}

/// The HDF5 type of a value.
fn of(dtype: Dtype) -> Datatype {
    match dtype {
        Dtype::U8 => hdf5::make_u8_type(),
        Dtype::U16 => hdf5::make_u16_type(),
        Dtype::F32 => hdf5::make_f32_type(),
    }
}

/// What is said of a part that the HDF5 crate cannot read; the system's own error where there is
/// one, for whether a disk is full must not be lost in a text.
fn unread(what: &str) -> impl Fn(hdf5::Error) -> io::Error {
    move |error| match error {
        hdf5::Error::Io(error) if error.raw_os_error().is_some() => error,
        _ => wrong(format!("{what} that does not read")),
    }
}

fn wrong(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        fs::File,
        os::unix::fs::{FileExt, MetadataExt},
    };

    use super::*;

    /// Samples on both sides of 4 GiB, in a sparse file.
    #[test]
    fn places_beyond_4_gib_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.h5");
        let mut writer = Writer::create(&path, Dtype::U16, [1, 2, 3, 1], None).unwrap();
        writer.append(&(0..24).collect::<Vec<u8>>()).unwrap();
        writer.skip(5 << 30).unwrap();
        writer.append(&(24..36).collect::<Vec<u8>>()).unwrap();
        let tables = Tables {
            key: "key".to_owned(),
            digest: "digest".to_owned(),
            labels: vec![7, 8, 9],
            half: vec![0, 0, 1],
            crc32: writer.crc32().to_vec(),
        };
        writer.finish(&tables).unwrap();
        let Described { tables: found, dtype, shape, deflated, places } = describe(&path).unwrap();
        assert_eq!((dtype, shape, deflated), (Dtype::U16, [1, 2, 3, 1], false));
        assert_eq!(
            (found.labels, found.half, found.crc32),
            (tables.labels, tables.half, tables.crc32)
        );
        assert_eq!((found.key.as_str(), found.digest.as_str()), ("key", "digest"));
        let file = File::open(&path).unwrap();
        for (index, &(at, stored)) in places.iter().enumerate() {
            let mut sample = vec![0; stored as usize];
            file.read_exact_at(&mut sample, at).unwrap();
            assert_eq!(sample, (12 * index as u8..).take(12).collect::<Vec<u8>>());
        }
        assert!(places[2].0 > 5 << 30);
        let metadata = file.metadata().unwrap();
        println!("{} bytes, {} of them on the disk", metadata.len(), metadata.blocks() * 512);
    }

    #[test]
    fn a_key_or_sample_that_hdf5_cannot_hold_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refused.h5");
        let large = [1 << 12, 1 << 10, 1 << 10, 1];
        assert!(Writer::create(&path, Dtype::U8, large, None).is_err());
        let mut writer = Writer::create(&path, Dtype::U8, [1, 1, 1, 1], None).unwrap();
        writer.append(&[1]).unwrap();
        let (labels, half, crc32) = (vec![0], vec![0], vec![0]);
        let (key, digest) = ("k".repeat(60_001), String::new());
        assert!(writer.finish(&Tables { key, digest, labels, half, crc32 }).is_err());
    }
}
