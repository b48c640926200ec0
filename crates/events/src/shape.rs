use std::fmt;

/// The most frames of a grid that is made of events.
pub(crate) const MOST_FRAMES: usize = 65_536;

/// The sizes of a [`crate::Grid`]'s axes, outermost first: `[T, H, W, C]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Frames (T).
    pub steps: usize,
    /// Rows (H).
    pub height: usize,
    /// Columns (W).
    pub width: usize,
    /// Values per pixel (C).
    pub channels: usize,
}

impl Shape {
    /// Number of values, `None` if it does not fit a `usize`.
    pub(crate) fn len(self) -> Option<usize> {
        self.steps.checked_mul(self.height)?.checked_mul(self.width)?.checked_mul(self.channels)
    }
}

impl fmt::Display for Shape {
    /// As `16x34x34x2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, height, width, channels } = self;
        write!(f, "{steps}x{height}x{width}x{channels}")
    }
}
