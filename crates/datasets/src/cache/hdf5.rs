//! The one place that knows the HDF5 crate: writes and describes files of the layout in
//! docs/cache.md.
//!
//! `frames` has rank 1 and elements of the HDF5 array type `[T, H, W, C]`, since that crate appends
//! to rank 1 alone; h5py shows such an element as an array of that shape. A chunk is one sample, so
//! that a reader takes the chunks' places from here once and reads them past the HDF5 crate.

use std::{io, path::Path};

use hdf5::{AttrValue, Datatype, FileAccessProperties, FileBuilder, MaxExtent, SyncPolicy};

use super::Dtype;

/// What the file says besides the frames.
pub(super) struct Tables {
    pub key: String,
    pub digest: String,
    pub labels: Vec<u32>,
    /// 0 train, 1 test.
    pub half: Vec<u8>,
    pub crc32: Vec<u32>,
}

/// A file being written.
pub(super) struct Writer {
    file: hdf5::File,
    frames: hdf5::Dataset,
}

impl Writer {
    /// A new file without samples; with a deflate `level`, samples are compressed.
    pub(super) fn create(
        path: &Path,
        dtype: Dtype,
        shape: [usize; 4],
        level: Option<u32>,
    ) -> io::Result<Self> {
        let mut builder = FileBuilder::new();
        let frames = builder.create_dataset("frames");
        let none = MaxExtent::Unlimited;
        frames
            .with_dtype(element(dtype, shape)?)
            .with_shape(&[0])
            .with_maxshape(&[none])
            .with_chunks(&[1]);
        if let Some(level) = level {
            frames.with_deflate(level);
        }
        builder.write(path).map_err(plain)?;
        // one fsync at the end: until then the file is nobody's
        let access = FileAccessProperties::new().with_sync_policy(SyncPolicy::OnClose);
        let file = hdf5::File::open_rw_with_options(path, access).map_err(plain)?;
        let frames = file.dataset("frames").map_err(plain)?;
        Ok(Self { file, frames })
    }

    /// Appends whole samples.
    pub(super) fn append(&mut self, samples: &[u8]) -> io::Result<()> {
        self.frames.append_raw(samples).map_err(plain)
    }

    /// Where the bytes of each sample lie so far: offset, length.
    pub(super) fn places(&self) -> io::Result<Vec<(u64, u64)>> {
        places(&self.frames, u64::MAX)
    }

    /// Adds the tables, and brings the file to the disk.
    pub(super) fn finish(self, tables: &Tables) -> io::Result<()> {
        let Self { file, frames } = self;
        drop(frames);
        let root = file.root();
        let table = |name: &str, build: &dyn Fn(&mut hdf5::DatasetBuilder)| {
            root.create_dataset(name, |table| build(table))
        };
        let made = [
            table("labels", &|table| {
                table.with_u32_data(&tables.labels);
            }),
            table("half", &|table| {
                table.with_u8_data(&tables.half);
            }),
            table("crc32", &|table| {
                table.with_u32_data(&tables.crc32);
            }),
        ];
        made.into_iter().collect::<Result<Vec<_>, _>>().map_err(plain)?;
        for (name, text) in [("key", &tables.key), ("digest", &tables.digest)] {
            root.set_attr(name, AttrValue::String(text.clone())).map_err(plain)?;
        }
        file.commit().map_err(plain)?;
        drop(root);
        file.close().map_err(plain)
    }
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
    let file = hdf5::File::open_streaming(path).map_err(plain)?;
    let end = file.superblock().eof_address;
    if end != length {
        return Err(wrong(format!("{length} bytes where the file says {end}")));
    }
    let frames = file.dataset("frames").map_err(plain)?;
    let (dtype, shape) = of_element(&frames.datatype().map_err(plain)?)?;
    let filters = frames.filters();
    if !matches!(filters[..], [] | [DEFLATE]) {
        return Err(wrong(format!("filters {filters:?}")));
    }
    let places = places(&frames, length)?;
    let tables = tables(&file, places.len() as u64)?;
    Ok(Described { tables, dtype, shape, deflated: !filters.is_empty(), places })
}

/// The number by which HDF5 knows deflate.
const DEFLATE: u16 = 1;

fn places(frames: &hdf5::Dataset, length: u64) -> io::Result<Vec<(u64, u64)>> {
    let chunks = frames.chunks().map_err(plain)?;
    let shape = frames.shape().map_err(plain)?;
    if shape != [chunks.len() as u64] {
        return Err(wrong(format!("{} stored samples for the shape {shape:?}", chunks.len())));
    }
    let place = |(index, chunk): (usize, hdf5::Chunk)| {
        let inside = chunk.address.checked_add(chunk.storage_size).is_some_and(|end| end <= length);
        if inside && chunk.offset == [index as u64] && chunk.filter_mask == 0 {
            Ok((chunk.address, chunk.storage_size))
        } else {
            Err(wrong(format!("sample {index} not inside the file")))
        }
    };
    chunks.into_iter().enumerate().map(place).collect()
}

fn tables(file: &hdf5::File, samples: u64) -> io::Result<Tables> {
    let table = |name: &str| {
        let table = file.dataset(name).map_err(plain)?;
        let shape = table.shape().map_err(plain)?;
        if shape == [samples] {
            Ok(table)
        } else {
            Err(wrong(format!("{name} of shape {shape:?} for {samples} samples")))
        }
    };
    let attributes = file.root().attrs().map_err(plain)?;
    let text = |name: &str| {
        let text = attributes.get(name).and_then(AttrValue::as_str).map(str::to_owned);
        text.ok_or_else(|| wrong(format!("no attribute {name}")))
    };
    Ok(Tables {
        key: text("key")?,
        digest: text("digest")?,
        labels: table("labels")?.read_u32().map_err(plain)?,
        half: table("half")?.read_u8().map_err(plain)?,
        crc32: table("crc32")?.read_u32().map_err(plain)?,
    })
}

fn element(dtype: Dtype, shape: [usize; 4]) -> io::Result<Datatype> {
    let base = match dtype {
        Dtype::U8 => hdf5::make_u8_type(),
        Dtype::U16 => hdf5::make_u16_type(),
        Dtype::F32 => hdf5::make_f32_type(),
    };
    let size =
        |size| u32::try_from(size).map_err(|_| wrong(format!("a sample of shape {shape:?}")));
    let dimensions = shape.into_iter().map(size).collect::<io::Result<_>>()?;
    Ok(Datatype::Array { base_type: Box::new(base), dimensions })
}

fn of_element(datatype: &Datatype) -> io::Result<(Dtype, [usize; 4])> {
    if let Datatype::Array { dimensions, .. } = datatype
        && let [steps, height, width, channels] = dimensions[..]
    {
        let shape = [steps, height, width, channels].map(|size| size as usize);
        for dtype in [Dtype::U8, Dtype::U16, Dtype::F32] {
            if element(dtype, shape)? == *datatype {
                return Ok((dtype, shape));
            }
        }
    }
    Err(wrong("frames of another type".to_owned()))
}

/// The system's own error where there is one: whether a disk is full must not be lost in a text.
fn plain(error: hdf5::Error) -> io::Error {
    match error {
        hdf5::Error::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

fn wrong(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
