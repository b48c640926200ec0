use std::{
    fs, io,
    ops::{ControlFlow, Range},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use events::{Grid, Shape};
use rayon::prelude::*;

use super::{
    Cache, Dtype, Element, Error, Key,
    hdf5::{Tables, Writer},
    lock::Lock,
    reader,
};

/// The samples of a cache, train before test.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a> {
    /// The label of each sample.
    pub labels: &'a [u32],
    /// How many of them are training samples.
    pub train: usize,
    /// Runs of samples that are made together, as the cuts of one file are: they cover all samples
    /// in order.
    pub groups: &'a [Range<usize>],
}

/// A cache as it stands after [`write`].
#[derive(Debug)]
pub struct Prepared {
    /// The cache, open.
    pub cache: Cache,
    /// Whether it was there already; it was then read once, every sample.
    pub was_there: bool,
}

/// What [`write`] tells while it works. The answer is whether it is to go on; where not, it removes
/// what is unfinished and gives [`Error::Ended`].
#[derive(Debug)]
pub enum Step<'a> {
    /// Another process makes the same cache; this one waits for it.
    Waits,
    /// The file there cannot be used, for this reason, and is made anew.
    Replaces(&'a Error),
    /// So many samples are written, of so many.
    Done(usize, usize),
    /// Nothing new, while it waits, or reads what is there.
    Still,
}

/// Whom [`write`] tells.
pub type Report<'r> = dyn FnMut(Step) -> ControlFlow<()> + 'r;

fn tell(report: &mut Report, step: Step) -> Result<(), Error> {
    match report(step) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Ended),
    }
}

/// Pause between two looks at a lock that another process holds.
const PAUSE: Duration = Duration::from_millis(50);

/// Samples of a cache that are read between two questions.
const READ: usize = 256;

/// Samples that are made, then written, at a time. The file's bytes depend on it, and on nothing of
/// the machine.
const BATCH: usize = 32;

/// Higher levels inflate faster, for they leave fewer symbols, up to here; 9 writes several times
/// slower for little more.
const DEFLATE_LEVEL: u32 = 6;

/// Keeps samples in `folder` under the name of `key`, unless a good cache of that name is there.
///
/// `make` gives the samples of a group, in order; groups are made in parallel, and memory holds two
/// batches. The file appears whole, or not at all: whatever ends the process, no unfinished file
/// has a cache's name, and the next call removes it.
///
/// # Errors
/// No samples; groups that do not cover them; what `make` refuses; samples that differ in shape; a
/// folder or file that cannot be used; a full disk. The first error in the order of the samples is
/// given, and nothing is left behind.
pub fn write<T: Element>(
    folder: &Path,
    key: &Key,
    items: Items,
    make: &(impl Fn(Range<usize>) -> Result<Vec<Grid<T>>, Error> + Sync),
    report: &mut Report,
) -> Result<Prepared, Error> {
    write_if(folder, key, items, make, || Ok(()), report)
}

/// As [`write`], but what was written becomes a cache only if `confirm` then agrees.
pub(crate) fn write_if<T: Element>(
    folder: &Path,
    key: &Key,
    items: Items,
    make: &(impl Fn(Range<usize>) -> Result<Vec<Grid<T>>, Error> + Sync),
    confirm: impl FnOnce() -> Result<(), Error>,
    report: &mut Report,
) -> Result<Prepared, Error> {
    check(key, items, T::DTYPE.to_string())?;
    let path = folder.join(key.file_name());
    let unusable = |source| Error::Io { path: folder.to_owned(), doing: "write into", source };
    fs::create_dir_all(folder).map_err(unusable)?;
    let _lock = lock(&path.with_extension("lock"), &unusable, report)?;
    remove_unfinished(folder).map_err(unusable)?;
    let partial = Partial(path.with_extension(PARTIAL));
    match Cache::find(folder, key)
        .and_then(|found| found.map(|cache| verified(cache, report)).transpose())
    {
        Ok(Some(cache)) => return Ok(Prepared { cache, was_there: true }),
        Ok(None) => {}
        Err(error @ (Error::Foreign { .. } | Error::Sample { .. })) => {
            tell(report, Step::Replaces(&error))?;
        }
        Err(error) => return Err(error),
    }
    fill(&partial.0, key, items, make, report)?;
    confirm()?;
    fs::rename(&partial.0, &path)
        .and_then(|()| fs::File::open(folder)?.sync_all())
        .map_err(unusable)?;
    Ok(Prepared { cache: Cache::open(&path)?, was_there: false })
}

/// The lock, when it is free.
fn lock(
    path: &Path,
    unusable: &impl Fn(io::Error) -> Error,
    report: &mut Report,
) -> Result<Lock, Error> {
    let mut waits = false;
    loop {
        if let Some(lock) = Lock::try_take(path).map_err(unusable)? {
            return Ok(lock);
        }
        tell(report, if waits { Step::Still } else { Step::Waits })?;
        waits = true;
        thread::sleep(PAUSE);
    }
}

/// A cache of which every sample was read.
fn verified(cache: Cache, report: &mut Report) -> Result<Cache, Error> {
    for start in (0..cache.len()).step_by(READ) {
        tell(report, Step::Still)?;
        cache.verify_some(start..cache.len().min(start + READ))?;
    }
    Ok(cache)
}

/// Extension of a file that is not finished.
const PARTIAL: &str = "partial";

/// An unfinished file; whatever is there when this is dropped is removed. After the renaming that
/// is nothing.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn check(key: &Key, items: Items, dtype: String) -> Result<(), Error> {
    let unfit = |expected, found, advice| Err(Error::Unfit { expected, found, advice });
    let mut next = 0;
    let in_order = items
        .groups
        .iter()
        .all(|group| group.start == std::mem::replace(&mut next, group.end) && !group.is_empty());
    if items.labels.is_empty() {
        unfit("at least one sample", "none".to_owned(), "name a data set with recordings")
    } else if !in_order || next != items.labels.len() || items.train > next {
        unfit(
            "groups that cover all samples in order",
            format!("{:?}", items.groups),
            "mend the groups",
        )
    } else if key.dtype.to_string() != dtype {
        unfit("samples of the type in the key", dtype, "make one as the other")
    } else {
        Ok(())
    }
}

/// Removes what dead processes left unfinished in `folder`: files of a cache's name whose lock
/// nobody holds.
fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let is_ours = name.rsplit_once('-').is_some_and(|(_, hash)| {
            hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit())
        });
        if is_ours
            && path.extension().is_some_and(|extension| extension == PARTIAL || extension == "lock")
        {
            // whose lock is taken is at work: this process too
            if let Some(_lock) = Lock::try_take(&path.with_extension("lock"))? {
                drop(Partial(path.with_extension(PARTIAL)));
            }
        }
    }
    Ok(())
}

/// Samples ready to be written.
struct Made {
    shape: [usize; 4],
    bytes: Vec<u8>,
    samples: usize,
}

fn fill<T: Element>(
    path: &Path,
    key: &Key,
    items: Items,
    make: &(impl Fn(Range<usize>) -> Result<Vec<Grid<T>>, Error> + Sync),
    report: &mut Report,
) -> Result<(), Error> {
    let (batch, mut rest) = split(items.groups);
    let mut ready = make_batch(batch, None, make)?;
    let shape = ready.shape;
    let mut file = Unfinished::create(path, T::DTYPE, shape, items.labels.len())?;
    loop {
        let (batch, after) = split(rest);
        rest = after;
        // one batch is compressed and written while the next is made
        let next = || (!batch.is_empty()).then(|| make_batch(batch, Some(shape), make)).transpose();
        let (written, made) = rayon::join(|| file.append(&ready), next);
        tell(report, Step::Done(written?, file.samples))?;
        match made? {
            Some(made) => ready = made,
            None => return file.finish(key, items),
        }
    }
}

/// The groups of the next batch, and those after it.
fn split(groups: &[Range<usize>]) -> (&[Range<usize>], &[Range<usize>]) {
    let Some(first) = groups.first() else { return (&[], &[]) };
    groups.split_at(groups.partition_point(|group| group.end <= first.start + BATCH).max(1))
}

/// Makes the samples of some groups; `shape` is that of the samples before them.
fn make_batch<T: Element>(
    groups: &[Range<usize>],
    shape: Option<[usize; 4]>,
    make: &(impl Fn(Range<usize>) -> Result<Vec<Grid<T>>, Error> + Sync),
) -> Result<Made, Error> {
    let bytes_of = |group: &Range<usize>| {
        let grids = make(group.clone())?;
        if grids.len() != group.len() {
            let found = format!("{} for {group:?}", grids.len());
            return Err(Error::Unfit {
                expected: "one sample for each index",
                found,
                advice: "mend what makes them",
            });
        }
        Ok(grids
            .iter()
            .map(|grid| (dimensions(grid), T::to_bytes(grid.values())))
            .collect::<Vec<_>>())
    };
    let made: Vec<Result<Vec<_>, Error>> = groups.par_iter().map(bytes_of).collect();
    let samples = made.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    let expected = shape.or_else(|| samples.first().map(|(shape, _)| *shape)).unwrap_or_default();
    let start = groups.first().map_or(0, |group| group.start);
    if let Some(at) = samples.iter().position(|(found, _)| *found != expected) {
        return Err(Error::Shape { index: start + at, expected, found: samples[at].0 });
    }
    if expected.contains(&0) {
        let found = format!("the shape {expected:?}");
        return Err(Error::Unfit {
            expected: "samples with values",
            found,
            advice: "ask for at least one frame and pixel",
        });
    }
    let count = samples.len();
    Ok(Made {
        shape: expected,
        bytes: samples.into_iter().flat_map(|(_, bytes)| bytes).collect(),
        samples: count,
    })
}

fn dimensions<T>(grid: &Grid<T>) -> [usize; 4] {
    let Shape { steps, height, width, channels } = grid.shape();
    [steps, height, width, channels]
}

/// A file that grows by batches.
struct Unfinished<'a> {
    path: &'a Path,
    writer: Writer,
    dtype: Dtype,
    shape: [usize; 4],
    samples: usize,
    /// Samples and bytes that stand in the file.
    written: (usize, u64),
}

impl<'a> Unfinished<'a> {
    fn create(
        path: &'a Path,
        dtype: Dtype,
        shape: [usize; 4],
        samples: usize,
    ) -> Result<Self, Error> {
        // deflate finds nothing in analogue features, and would make reading slower than the disk
        let level = (dtype != Dtype::F32).then_some(DEFLATE_LEVEL);
        let raw = (shape.iter().product::<usize>() * dtype.bytes() * samples) as u64;
        let writer =
            Writer::create(path, dtype, shape, level).map_err(|error| failed(path, raw, error))?;
        Ok(Self { path, writer, dtype, shape, samples, written: (0, 0) })
    }

    /// Writes a batch, and says how many samples there are now.
    fn append(&mut self, made: &Made) -> Result<usize, Error> {
        self.writer.append(&made.bytes).map_err(|error| failed(self.path, self.needed(), error))?;
        self.written = (
            self.written.0 + made.samples,
            self.path.metadata().map_or(0, |metadata| metadata.len()),
        );
        Ok(self.written.0)
    }

    fn finish(self, key: &Key, items: Items) -> Result<(), Error> {
        let needed = self.needed();
        let half = (0..items.labels.len()).map(|index| u8::from(index >= items.train)).collect();
        let Self { path, writer, dtype, shape, .. } = self;
        let mut tables = Tables {
            key: key.json(),
            digest: String::new(),
            labels: items.labels.to_vec(),
            half,
            crc32: writer.crc32().to_vec(),
        };
        tables.digest = reader::digest(&tables, dtype, shape);
        writer.finish(&tables).map_err(|error| failed(path, needed, error))
    }

    /// Bytes of the whole file, if the samples to come are like those that are there.
    fn needed(&self) -> u64 {
        match self.written {
            (0, _) => {
                (self.shape.iter().product::<usize>() * self.dtype.bytes() * self.samples) as u64
            }
            (samples, bytes) => (u128::from(bytes) * self.samples as u128 / samples as u128) as u64,
        }
    }
}

fn failed(path: &Path, needed: u64, source: io::Error) -> Error {
    let folder = path.parent().unwrap_or(path).to_owned();
    if !matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return Error::Io { path: folder, doing: "write into", source };
    }
    // the unfinished file will be gone when this is read
    let there = path.metadata().map_or(0, |metadata| metadata.len());
    let free =
        rustix::fs::statvfs(&folder).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    let available = free + there;
    // whatever was estimated, what there is was not enough
    Error::Space { path: folder, needed: needed.max(available + 1), available }
}
