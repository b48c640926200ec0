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
