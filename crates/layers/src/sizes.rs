use candle_core::{Result, bail};

/// All sizes of one convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Maps.
    pub n: usize,
    /// Height of the input.
    pub h: usize,
    /// Width of the input.
    pub w: usize,
    /// Input channels.
    pub ci: usize,
    /// Side of the window.
    pub k: usize,
    /// Step of the window.
    pub stride: usize,
    /// Zeros around the map.
    pub padding: usize,
    /// Height of the output.
    pub oh: usize,
    /// Width of the output.
    pub ow: usize,
    /// Output channels.
    pub co: usize,
}

impl Sizes {
    /// Sizes of a convolution of maps `[n, h, w, ci]` with a weight `[k, k, ci, co]`.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn new(
        [n, h, w, ci]: [usize; 4],
        weight: &[usize],
        stride: usize,
        padding: usize,
    ) -> Result<Sizes> {
        match *weight {
            [k, k2, ci2, co]
                if k == k2
                    && ci == ci2
                    && stride > 0
                    && h + 2 * padding >= k
                    && w + 2 * padding >= k =>
            {
                let out = |size: usize| (size + 2 * padding - k) / stride + 1;
                Ok(Sizes { n, h, w, ci, k, stride, padding, oh: out(h), ow: out(w), co })
            }
            _ => bail!(
                "a convolution of weight {weight:?} (k, k, in, out), padding {padding}, stride {stride} cannot take maps \
                 {:?}",
                [n, h, w, ci]
            ),
        }
    }

    /// Output pixels of a map.
    pub fn pixels(&self) -> usize {
        self.oh * self.ow
    }

    /// Elements of the window of one output pixel.
    pub fn window(&self) -> usize {
        self.k * self.k * self.ci
    }
}
