//! Average pooling whose windows step, overlap and reach over the border.

use candle_core::{Result, Tensor, bail};

/// Windows of average pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Side of a window.
    pub side: usize,
    /// Step from a window to the next.
    pub stride: usize,
    /// Zeros on every side of a map, at most half of a window.
    pub padding: usize,
}

impl Windows {
    /// How many windows fit into `size` pixels and the padding; `None` where none does.
    pub fn across(self, size: usize) -> Option<usize> {
        let last = (size + 2 * self.padding).checked_sub(self.side)?;
        last.checked_div(self.stride).map(|steps| steps + 1)
    }

    /// The mean of each window of `[…, H, W, C]`, with the zeros of the padding counted as pixels:
    /// PyTorch's `AvgPool2d` with `count_include_pad=True` and `ceil_mode=False`, its defaults.
    /// Pixels behind the last whole window are dropped.
    ///
    /// Made of candle's tensor operations, rows first, so that autograd and every device have it.
    ///
    /// # Errors
    /// A padding of more than half of a window, or maps in which no window fits.
    pub fn average(self, x: &Tensor) -> Result<Tensor> {
        let Windows { side, padding, .. } = self;
        if 2 * padding > side {
            bail!("pooling with a {side}×{side} window takes a padding of at most {}", side / 2);
        }
        let [rows, columns] = match x.rank() {
            0..3 => bail!("pooling takes maps […, H, W, C], found shape {:?}", x.shape()),
            rank => [rank - 3, rank - 2],
        };
        let sums = self.sums(&self.sums(x, rows)?, columns)?;
        sums.affine(1.0 / (side * side) as f64, 0.0)
    }

    /// The sum of each window along one axis.
    fn sums(self, x: &Tensor, axis: usize) -> Result<Tensor> {
        let Windows { side, stride, padding } = self;
        let Some(count) = self.across(x.dim(axis)?) else {
            let found = x.dim(axis)?;
            bail!(
                "pooling with a window of {side} and a padding of {padding} needs larger maps, found {found}"
            );
        };
        let x = x.pad_with_zeros(axis, padding, padding)?.contiguous()?;
        // the i-th pixels of all windows
        let members = |i: usize| {
            let last = i + (count - 1) * stride;
            let pixels = Tensor::arange_step(i as u32, last as u32 + 1, stride as u32, x.device())?;
            x.index_select(&pixels, axis)
        };
        (1..side).try_fold(members(0)?, |sum, i| sum + members(i)?)
    }
}
