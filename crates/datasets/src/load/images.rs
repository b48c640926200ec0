use crate::{Error, ImageFile, Recording, Refusal, Samples, Source, Values, images::Format};
use events::Shape;
use rayon::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;

/// Images, read from the data set's own bytes for each batch.
pub(super) struct Images(Vec<Recording>);

impl Images {
    /// Of these recordings; see [`decoded`].
    pub fn of(list: &[Recording], progress: &(dyn Fn() + Sync)) -> Result<Self, Error> {
        decoded(list, progress).map(Self)
    }
}

impl Samples for Images {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn label(&self, index: usize) -> u32 {
        self.0[index].label
    }

    fn values(&self, index: usize) -> Result<Values<'_>, Refusal> {
        Ok(Values::Bytes(Cow::Owned(self.0[index].image()?)))
    }
}

/// These images in memory, each decoded once; those that are there already stay as they are.
/// `progress` is called after each.
///
/// # Errors
/// The first image, in their order, that cannot be read or decoded.
fn decoded(list: &[Recording], progress: &(dyn Fn() + Sync)) -> Result<Vec<Recording>, Error> {
    let decode = |recording: &Recording| -> Result<Recording, Error> {
        let Source::File(path) = &recording.source else { return Ok(recording.clone()) };
        let image = recording.image()?;
        let Shape { height, width, channels, .. } = image.shape();
        let format = Format { shape: [height, width, channels], labels: 0, planar: false };
        let file = Arc::new(ImageFile::new(path.clone(), image.values().to_vec(), format));
        progress();
        Ok(Recording { source: Source::Image { file, index: 0 }, ..recording.clone() })
    };
    // collected first, so that the error is the same for any number of threads
    let images: Vec<Result<Recording, Error>> = list.par_iter().map(decode).collect();
    images.into_iter().collect()
}
