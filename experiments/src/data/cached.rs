//! Frames that `data prepare` has put on the disk.

use super::Sets;
use anyhow::{Result, anyhow};
use datasets::Recordings;
use datasets::cache::{Cache, Dtype, Key};
use events::Framing;
use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use training::{InputEncoding, Refusal, Samples, Values};

/// Both halves from a cache of exactly these recordings and this framing, if there is one.
pub(super) fn cached(
    recordings: &Recordings,
    framing: Framing,
    folder: &Path,
) -> Result<Option<Sets>> {
    for dtype in [Dtype::U8, Dtype::U16] {
        let key = Key::of_recordings(recordings, framing, None, dtype);
        // the error without its chain: its sentence holds its cause already
        if let Some(cache) = Cache::find(folder, &key).map_err(|error| anyhow!("{error}"))? {
            terminal::say!("{}: frames from {}", recordings.name.title(), cache.path().display());
            let cache = Arc::new(cache);
            let half = |range: Range<usize>| Box::new(Cached { cache: cache.clone(), range });
            let (train, test) = (half(cache.train()), half(cache.test()));
            return Ok(Some(Sets { train, test, encoding: InputEncoding::default() }));
        }
    }
    Ok(None)
}

/// Whether a cache of exactly these recordings and this framing is there.
///
/// # Errors
/// A damaged cache.
pub fn is_cached(recordings: &Recordings, framing: Framing, folder: Option<&Path>) -> Result<bool> {
    let Some(folder) = folder else { return Ok(false) };
    for dtype in [Dtype::U8, Dtype::U16] {
        let key = Key::of_recordings(recordings, framing, None, dtype);
        if Cache::find(folder, &key).map_err(|error| anyhow!("{error}"))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A half of a cache: every batch reads its samples from the file, so memory does not grow with the
/// data set.
struct Cached {
    cache: Arc<Cache>,
    range: Range<usize>,
}

impl Samples for Cached {
    fn len(&self) -> usize {
        self.range.len()
    }

    fn label(&self, index: usize) -> u32 {
        self.cache.labels()[self.range.start + index]
    }

    fn values(&self, index: usize) -> Result<Values<'_>, Refusal> {
        let index = self.range.start + index;
        Ok(match self.cache.dtype() {
            Dtype::U8 => Values::Bytes(Cow::Owned(self.cache.read(index)?)),
            Dtype::U16 => Values::Counts(Cow::Owned(self.cache.read(index)?)),
            Dtype::F32 => Values::Features(Cow::Owned(self.cache.read(index)?)),
        })
    }
}
