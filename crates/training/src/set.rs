use crate::batches::{Batch, Gathering};
use crate::{Error, InputEncoding, Samples, Setup};
use candle_core::{Device, Tensor};

/// Samples and how a network sees them.
#[derive(Clone, Copy)]
pub struct Set<'a> {
    /// The samples.
    pub samples: &'a dyn Samples,
    /// What becomes of their values.
    pub encoding: &'a InputEncoding,
}

impl<'a> Set<'a> {
    /// The samples `indices` as a network sees them in an evaluation, `[T, B, H, W, C]`, and their
    /// classes; every step of them.
    ///
    /// # Errors
    /// A sample that cannot be read, or samples of unequal sizes.
    pub fn frames(
        self,
        indices: &[usize],
        setup: &Setup,
        device: &Device,
    ) -> Result<(Tensor, Vec<u32>), Error> {
        let work = Gathering { set: self, setup, epoch: None, bytes: false };
        let mut batch = Batch::gather(work, indices)?;
        let labels = std::mem::take(&mut batch.labels);
        Ok((batch.into_tensor(device)?, labels))
    }

    /// Samples that are shown as they are.
    pub fn recorded(samples: &'a dyn Samples) -> Self {
        const AS_THEY_ARE: &InputEncoding = &InputEncoding::RECORDED;
        Self { samples, encoding: AS_THEY_ARE }
    }
}
