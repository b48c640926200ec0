//! Depthwise convolution: a window of its own for each channel.

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

/// Depthwise convolution with stride 1 that keeps a map's size, `[…, H, W, C]` → `[…, H, W, C]`:
/// y[i, c] = Σ over the taps w[tap, c] · x[i + tap, c]. Lateral connections (LISNN) are made of it.
#[derive(Clone, Debug)]
pub struct Depthwise {
    /// `[k, k, 1, C]` with an odd k: row, column, one input channel each, channel.
    pub weight: Tensor,
}

impl Depthwise {
    /// Currents of the maps `x`, the definition: one product for each tap, differentiable.
    ///
    /// # Errors
    /// If `x` has other channels than the weight.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let rank = x.rank();
        if rank < 3 {
            bail!("a depthwise convolution takes maps […, H, W, C], found {:?}", x.shape());
        }
        let [h, w, c] = [x.dim(rank - 3)?, x.dim(rank - 2)?, x.dim(rank - 1)?];
        let sizes = DepthwiseSizes::new([1, h, w, c], self.weight.dims())?;
        let reach = sizes.k / 2;
        let maps = x.reshape(((), h, w, c))?;
        let maps = maps.pad_with_zeros(1, reach, reach)?.pad_with_zeros(2, reach, reach)?;
        let mut sum = maps.narrow(1, reach, h)?.narrow(2, reach, w)?.zeros_like()?;
        for ky in 0..sizes.k {
            let rows = maps.narrow(1, ky, h)?;
            for kx in 0..sizes.k {
                let tap = self.weight.get(ky)?.get(kx)?.get(0)?;
                sum = (sum + rows.narrow(2, kx, w)?.broadcast_mul(&tap)?)?;
            }
        }
        sum.reshape(x.shape())
    }
}

/// All sizes of one depthwise convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepthwiseSizes {
    /// Maps.
    pub n: usize,
    /// Height.
    pub h: usize,
    /// Width.
    pub w: usize,
    /// Channels.
    pub c: usize,
    /// Side of the window.
    pub k: usize,
}

impl DepthwiseSizes {
    /// Of maps `[n, h, w, c]` and a weight of these dimensions.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn new([n, h, w, c]: [usize; 4], weight: &[usize]) -> Result<DepthwiseSizes> {
        match *weight {
            [k, rows, 1, channels] if k == rows && k % 2 == 1 && channels == c => {
                Ok(DepthwiseSizes { n, h, w, c, k })
            }
            _ => bail!(
                "a depthwise convolution of weight {weight:?} cannot take maps {:?}; it takes \
                 [k, k, 1, {c}] with an odd k",
                [h, w, c]
            ),
        }
    }

    /// For an output index and a tap the input index along an axis of `size`, if it lies inside.
    fn input(&self, at: usize, tap: usize, size: usize) -> Option<usize> {
        (at + tap).checked_sub(self.k / 2).filter(|&i| i < size)
    }

    /// Calls `f` with each pair of pixels of a row of one map that a tap joins: the tap, the pixel
    /// in the row `row` of the output, and the pixel of the input, both counted in the map.
    #[inline(always)]
    fn joined(&self, row: usize, mut f: impl FnMut(usize, usize, usize)) {
        for ky in 0..self.k {
            let Some(iy) = self.input(row, ky, self.h) else { continue };
            for kx in 0..self.k {
                for ox in 0..self.w {
                    if let Some(ix) = self.input(ox, kx, self.w) {
                        f(ky * self.k + kx, row * self.w + ox, iy * self.w + ix);
                    }
                }
            }
        }
    }

    /// y of the maps `x`.
    pub(crate) fn forward(&self, x: &[f32], weight: &[f32]) -> Vec<f32> {
        let (c, line) = (self.c, self.w * self.c);
        let mut y = vec![0.0; x.len()];
        y.par_chunks_mut(line.max(1)).enumerate().for_each(|(i, y)| {
            let (map, row) = (i / self.h, i % self.h);
            let x = &x[map * self.h * line..][..self.h * line];
            self.joined(row, |tap, out, input| {
                let y = &mut y[(out - row * self.w) * c..][..c];
                add_product(y, &x[input * c..][..c], &weight[tap * c..][..c]);
            });
        });
        y
    }

    /// ∂L/∂x: the same with the window turned round.
    pub(crate) fn input_gradient(&self, weight: &[f32], g: &[f32]) -> Vec<f32> {
        let turned: Vec<f32> = weight.chunks_exact(self.c).rev().flatten().copied().collect();
        self.forward(g, &turned)
    }

    /// ∂L/∂w: maps are summed apart and added in order.
    pub(crate) fn weight_gradient(&self, x: &[f32], g: &[f32]) -> Vec<f32> {
        let (c, map) = (self.c, (self.h * self.w * self.c).max(1));
        let of_maps: Vec<Vec<f32>> = x
            .par_chunks(map)
            .zip(g.par_chunks(map))
            .map(|(x, g)| {
                let mut dw = vec![0.0; self.k * self.k * c];
                for row in 0..self.h {
                    self.joined(row, |tap, out, input| {
                        let dw = &mut dw[tap * c..][..c];
                        add_product(dw, &x[input * c..][..c], &g[out * c..][..c]);
                    });
                }
                dw
            })
            .collect();
        let mut sum = vec![0.0f64; self.k * self.k * c];
        of_maps.iter().for_each(|dw| sum.iter_mut().zip(dw).for_each(|(s, d)| *s += f64::from(*d)));
        sum.into_iter().map(|s| s as f32).collect()
    }

    /// Adds to `y` of one map what one entry of its input gives.
    #[inline(always)]
    pub(crate) fn scatter(&self, index: usize, value: f32, weight: &[f32], y: &mut [f32]) {
        let (pixel, channel) = (index / self.c, index % self.c);
        let (row, column) = (pixel / self.w + self.k / 2, pixel % self.w + self.k / 2);
        for ky in 0..self.k {
            let Some(oy) = row.checked_sub(ky).filter(|&oy| oy < self.h) else { continue };
            for kx in 0..self.k {
                let Some(ox) = column.checked_sub(kx).filter(|&ox| ox < self.w) else { continue };
                y[(oy * self.w + ox) * self.c + channel] +=
                    value * weight[(ky * self.k + kx) * self.c + channel];
            }
        }
    }
}

#[inline(always)]
fn add_product(sum: &mut [f32], a: &[f32], b: &[f32]) {
    sum.iter_mut().zip(a).zip(b).for_each(|((sum, a), b)| *sum += a * b);
}
