//! From recordings to [`Samples`]: events become frames, sounds spectrograms, images stay bytes.

mod cached;
mod error;
mod frames;
mod images;
mod sounds;

use crate::cache::Cache;
use crate::{Content, Error, Recording, Recordings, Samples, speech};
use cached::Cached;
use events::Framing;
use images::Images;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub use error::LoadError;

/// What becomes of each recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// Of events: counts `[T, H, W, 2]`.
    Frames(Framing),
    /// Of an image: its bytes `[1, H, W, C]`.
    Images,
    /// Of a sound: its log-mel spectrogram `[1, 64, 64, 1]`, each band standardised by the training
    /// half.
    Spectrograms,
    /// Of a sound: windows of that spectrogram, one a step; see [`speech::chunks`].
    Chunks,
}

/// The training and the test half of a data set, ready for batches.
pub struct Halves {
    /// To train on.
    pub train: Box<dyn Samples>,
    /// What was held out of them, if anything was.
    pub held_out: Option<Box<dyn Samples>>,
    /// To test on.
    pub test: Box<dyn Samples>,
}

/// Makes `form` of every recording, in parallel, in the order given.
///
/// Frames are read from the folder `cache`, if one is given and [`crate::cache::prepare`] has put
/// these very frames there; else they are counted into memory before this returns. Images stay the
/// bytes they are until a batch asks for them; those in a PNG file each are decoded into memory.
/// The training half of sounds is rebalanced, as the paper does: classes with fewer recordings
/// repeat some, drawn with seed 0; a repeat takes no memory.
///
/// `progress` is called once a recording that is decoded, from several threads. Validation
/// recordings are left alone.
///
/// # Errors
/// The first recording, in that order, that cannot be decoded or framed; recordings that give
/// unequal numbers of frames; a damaged cache; a form that is not for such recordings.
pub fn load(
    recordings: &Recordings,
    form: Form,
    cache: Option<&Path>,
    progress: &(dyn Fn() + Sync),
) -> Result<Halves, LoadError> {
    let Recordings { name, train, held_out, test, .. } = recordings;
    match (form, name.info().content) {
        (Form::Frames(framing), Content::Events { .. }) => {
            if let Some(folder) = cache
                && let Some(cache) = Cache::of_recordings(folder, recordings, framing)?
            {
                return Ok(Halves::of_cache(cache));
            }
            frames::counted([train, held_out, test], framing, progress)
        }
        (Form::Images, Content::Images { .. }) => {
            let half = |list: &[Recording]| Images::of(list, progress).map(Box::new);
            Ok(Halves::of([half(train)?, half(held_out)?, half(test)?]))
        }
        (Form::Spectrograms, Content::Speech { .. }) => {
            sounds::heard([train, held_out, test], None, progress)
        }
        (Form::Chunks, Content::Speech { .. }) => {
            sounds::heard([train, held_out, test], Some(speech::chunks), progress)
        }
        (_, content) => {
            let wanted = match form {
                Form::Frames(_) => "events",
                Form::Images => "images",
                Form::Spectrograms | Form::Chunks => "sounds",
            };
            Err(Error::Content { name: *name, wanted, holds: content.noun() }.into())
        }
    }
}

/// Training and test samples that [`load()`] makes of recordings, told without reading any.
pub fn sample_counts(recordings: &Recordings) -> (usize, usize) {
    let Recordings { name, train, test, .. } = recordings;
    let train = match name.info().content {
        Content::Speech { .. } => {
            let labels: Vec<u32> = train.iter().map(|recording| recording.label).collect();
            speech::rebalance_indices(&labels, 0).len()
        }
        Content::Events { .. } | Content::Images { .. } => train.len(),
    };
    (train, test.len())
}

impl Halves {
    /// Training samples, what was held out of them, and test samples.
    fn of<S: Samples + 'static>([train, held_out, test]: [Box<S>; 3]) -> Self {
        let held_out = (!held_out.is_empty()).then_some(held_out as Box<dyn Samples>);
        Self { train, held_out, test }
    }

    /// Both halves of a cache: each batch reads its samples from the file, so memory does not grow
    /// with the data set.
    pub fn of_cache(cache: Cache) -> Self {
        let cache = Arc::new(cache);
        let half = |range: Range<usize>| Box::new(Cached { cache: cache.clone(), range });
        Self { train: half(cache.train()), held_out: None, test: half(cache.test()) }
    }
}
