//! Average pooling whose windows step, overlap and reach over the border.

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

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

    /// Rows and columns of the maps that come of `[h, w]`, if windows fit.
    fn fit(self, [h, w]: [usize; 2]) -> Option<[usize; 2]> {
        let fits = 2 * self.padding <= self.side;
        Some([self.across(h)?, self.across(w)?]).filter(|_| fits)
    }

    /// [`Windows::average`] of maps `[n, h, w, c]` on slices.
    ///
    /// # Panics
    /// If `x` has another size, or no window fits.
    pub fn averaged(self, x: &[f32], [n, h, w, c]: [usize; 4]) -> Vec<f32> {
        let fit = self.fit([h, w]);
        assert!(fit.is_some(), "{self:?} on maps of {h}×{w}");
        let [oh, ow] = fit.unwrap_or_default();
        assert_eq!(x.len(), n * h * w * c, "maps of {:?}", [n, h, w, c]);
        let share = 1.0 / (self.side * self.side) as f32;
        let mut y = vec![0.0; n * oh * ow * c];
        let maps = y.par_chunks_mut((oh * ow * c).max(1)).zip(x.par_chunks((h * w * c).max(1)));
        maps.for_each(|(y, x)| {
            for (p, y) in y.chunks_exact_mut(c).enumerate() {
                self.members([p / ow, p % ow], [h, w], |pixel| {
                    y.iter_mut().zip(&x[pixel * c..][..c]).for_each(|(y, x)| *y += x);
                });
                y.iter_mut().for_each(|y| *y *= share);
            }
        });
        y
    }

    /// The gradient of [`Windows::averaged`] with respect to `x`, from that of what it gave.
    ///
    /// # Panics
    /// As there.
    pub fn averaged_gradient(self, g: &[f32], [n, h, w, c]: [usize; 4]) -> Vec<f32> {
        let fit = self.fit([h, w]);
        assert!(fit.is_some(), "{self:?} on maps of {h}×{w}");
        let [oh, ow] = fit.unwrap_or_default();
        assert_eq!(g.len(), n * oh * ow * c, "gradients of {:?}", [n, oh, ow, c]);
        let share = 1.0 / (self.side * self.side) as f32;
        let mut d = vec![0.0; n * h * w * c];
        let maps = d.par_chunks_mut((h * w * c).max(1)).zip(g.par_chunks((oh * ow * c).max(1)));
        maps.for_each(|(d, g)| {
            for (p, g) in g.chunks_exact(c).enumerate() {
                self.members([p / ow, p % ow], [h, w], |pixel| {
                    d[pixel * c..][..c].iter_mut().zip(g).for_each(|(d, g)| *d += g * share);
                });
            }
        });
        d
    }

    /// Calls `f` with each pixel of a window that lies on the map.
    fn members(self, [row, column]: [usize; 2], [h, w]: [usize; 2], mut f: impl FnMut(usize)) {
        // a window may begin before the map, in the zeros around it
        let range = |at: usize, size: usize| {
            let first = at * self.stride;
            let end = (first + self.side).saturating_sub(self.padding).min(size);
            first.saturating_sub(self.padding)..end
        };
        for y in range(row, h) {
            for x in range(column, w) {
                f(y * w + x);
            }
        }
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
