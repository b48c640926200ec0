use crate::cache::{Cache, Dtype, Error, Key};
use crate::{Recordings, Refusal, Samples, Values};
use events::Framing;
use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

impl Cache {
    /// The cache in `folder` of exactly these recordings, framed so and not resized, if there is
    /// one: of bytes, else of 16 bits. A cache has two halves, so there is none of recordings of
    /// which a part is held out.
    ///
    /// # Errors
    /// A damaged cache.
    pub fn of_recordings(
        folder: &Path,
        recordings: &Recordings,
        framing: Framing,
    ) -> Result<Option<Self>, Error> {
        if !recordings.held_out.is_empty() {
            return Ok(None);
        }
        for dtype in [Dtype::U8, Dtype::U16] {
            let key = Key::of_recordings(recordings, framing, None, dtype);
            if let Some(cache) = Self::find(folder, &key)? {
                return Ok(Some(cache));
            }
        }
        Ok(None)
    }
}

/// A half of a cache.
pub(super) struct Cached {
    pub cache: Arc<Cache>,
    pub range: Range<usize>,
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
