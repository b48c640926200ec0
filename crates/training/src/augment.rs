use crate::range::check;
use crate::{BadField, stream};
use events::{Grid, transforms};
use rand_chacha::rand_core::RngCore;
use serde::{Deserialize, Serialize};

/// Random changes of a training sample, one draw for all its frames and both polarities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// Zeros around the frame before a window of its own size is cut out at a uniform offset.
    pub padding: usize,
    /// Whether a sample is mirrored left to right with probability ½.
    pub flip: bool,
    /// Rotation uniform in ±this many degrees.
    pub degrees: f64,
}

impl Augment {
    /// Proves that every number lies in its range.
    ///
    /// # Errors
    /// The first that does not; it names field, range and value.
    pub fn check(&self) -> Result<(), BadField> {
        check("augment.padding", self.padding)?;
        check("augment.degrees", self.degrees)
    }

    /// The sample as epoch `epoch` sees it: crop, mirror, rotation in this order, a pure function
    /// of (seed, epoch, index).
    pub fn apply<T: Copy + Default>(
        &self,
        frames: &Grid<T>,
        seed: u64,
        epoch: usize,
        index: usize,
    ) -> Grid<T> {
        let mut rng = stream(seed, &format!("augmentation of sample {index} in epoch {epoch}"));
        let mut offset = || (rng.next_u64() % (2 * self.padding as u64 + 1)) as usize;
        let (row, column) = (offset(), offset());
        let mirrored = rng.next_u32() % 2 == 1;
        let angle = (f64::from(rng.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0) * self.degrees;
        let mut frames = transforms::crop(frames, self.padding, row, column);
        if self.flip && mirrored {
            frames = transforms::hflip(&frames);
        }
        if self.degrees > 0.0 { transforms::rotate(&frames, angle) } else { frames }
    }
}
