use crate::batches::{Batch, Gathering};
use crate::{Error, InputEncoding, Setup};
use candle_core::{Device, Tensor};
use events::{Frames, Grid, Shape};
use std::borrow::Cow;

/// One sample as it lies in memory or in a cache: `[T, H, W, C]`, or `[1, H, W, C]` for what does
/// not move.
#[derive(Clone, Debug)]
pub enum Values<'a> {
    /// Event counts.
    Counts(Cow<'a, Frames>),
    /// Pixels of an image, or event counts that fit a byte.
    Bytes(Cow<'a, Grid<u8>>),
    /// Features, such as the bands of a log-mel spectrogram.
    Features(Cow<'a, Grid<f32>>),
}

impl Values<'_> {
    /// The sizes of the axes.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Counts(grid) => grid.shape(),
            Self::Bytes(grid) => grid.shape(),
            Self::Features(grid) => grid.shape(),
        }
    }
}

/// Why a sample could not be had; it names the sample.
pub type Refusal = Box<dyn std::error::Error + Send + Sync>;

/// Labelled samples by index, in memory or not: batches are made of them by several threads at
/// once.
pub trait Samples: Sync {
    /// Number of samples.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The class of sample `index`, from 0.
    fn label(&self, index: usize) -> u32;

    /// Sample `index`.
    ///
    /// # Errors
    /// If it cannot be read.
    fn values(&self, index: usize) -> Result<Values<'_>, Refusal>;
}

/// One sample in memory: its frames `[T, H, W, C]` and its class.
#[derive(Clone, Debug)]
pub struct Example {
    /// Event counts.
    pub frames: Frames,
    /// The class, from 0.
    pub label: u32,
}

impl Samples for Vec<Example> {
    fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn label(&self, index: usize) -> u32 {
        self[index].label
    }

    fn values(&self, index: usize) -> Result<Values<'_>, Refusal> {
        Ok(Values::Counts(Cow::Borrowed(&self[index].frames)))
    }
}

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
