//! Convolutions on tiles.
//!
//! Maps are laid out with their zeros around them, channels last. Then the window's row ky of an
//! output pixel is one run of k · ci numbers, and pixels of a row of the map lie one step apart: 32
//! pixels are an operand as they lie in memory, and nothing is unfolded. Pixels are counted through
//! rows of the laid-out width; those that no output has are computed and dropped.

use super::aligned::{Aligned, Aside};
use super::pack::{self, pairs, spread};
use super::{BLOCK, OnTiles, Terms, TileProducts, Tiles};
use crate::{Sizes, Sparse};
use rayon::prelude::*;

/// How output pixels, counted through rows of `width`, find their windows.
#[derive(Clone, Copy)]
struct Windows {
    /// Rows of a window.
    k: usize,
    /// Numbers of a row of the window.
    run: usize,
    /// Numbers of a row of the map.
    line: usize,
    /// Numbers between the windows of neighbours.
    step: usize,
    /// Pixels counted in a row, of which `ow` are outputs.
    width: usize,
    oh: usize,
    ow: usize,
}

impl Windows {
    /// Of a convolution of maps with their zeros around them.
    fn of(s: Sizes) -> Windows {
        let width = s.w + 2 * s.padding;
        let (line, step) = (width * s.ci, s.stride * s.ci);
        Windows { k: s.k, run: s.k * s.ci, line, step, width, oh: s.oh, ow: s.ow }
    }

    /// Pixels counted, in whole blocks.
    fn rows(&self) -> usize {
        (self.oh * self.width).next_multiple_of(BLOCK)
    }

    /// Numbers that windows reach over.
    fn size(&self) -> usize {
        let reach = (self.rows() - 1) * self.step + (self.k - 1) * self.line + self.deep() * BLOCK;
        reach.next_multiple_of(BLOCK)
    }

    /// Blocks of a row of the window.
    fn deep(&self) -> usize {
        self.run.div_ceil(BLOCK)
    }
}

/// Weights `[k, run, co]` as right operands, `[co/32, k, run/32, part]`.
fn packed_weights(terms: Terms, windows: Windows, weight: &[f32], co: usize) -> Aligned<u32> {
    let (k, run, deep) = (windows.k, windows.run, windows.deep());
    let mut out = Aligned::zeros(co.div_ceil(BLOCK) * k * deep * terms.packed());
    out.par_chunks_mut(terms.packed()).enumerate().for_each(|(i, out)| {
        let (column, ky, top) = (i / deep / k * BLOCK, i / deep % k, i % deep * BLOCK);
        let row = |r| match top + r < run {
            true => &weight[(ky * run + top + r) * co..][..co][column..(column + BLOCK).min(co)],
            false => &[],
        };
        pairs(terms.right(), row, out);
    });
    out
}

/// All windows of one map with all weights.
struct Convolve<'a> {
    terms: Terms,
    windows: Windows,
    left: &'a [u16],
    right: &'a [u32],
    bias: Option<&'a [f32]>,
    co: usize,
    /// `[oh, ow, co]`
    y: &'a mut [f32],
}

impl OnTiles for Convolve<'_> {
    fn run<T: Tiles>(self, unit: &mut T) {
        let Convolve { terms, windows, left, right, bias, co, y } = self;
        let Windows { k, line, step, width, oh, ow, .. } = windows;
        let (plane, deep) = (windows.size(), windows.deep());
        let mut aside = Aside::new();
        for (i, right) in right.chunks_exact(k * deep * terms.packed()).enumerate() {
            let (first, len) = (i * BLOCK, BLOCK.min(co - i * BLOCK));
            let bias = bias.map(|bias| &bias[first..first + len]);
            for top in (0..oh * width).step_by(BLOCK) {
                unit.clear();
                for (ky, right) in right.chunks_exact(deep * terms.packed()).enumerate() {
                    let left = &left[top * step + ky * line..];
                    for (at, packed) in right.chunks_exact(terms.packed()).enumerate() {
                        terms.add(unit, &left[at * BLOCK..], (step, plane), packed);
                    }
                }
                unit.store(&mut aside.0, BLOCK);
                for (p, found) in (top..oh * width).zip(aside.0.chunks_exact(BLOCK)) {
                    let (oy, ox) = (p / width, p % width);
                    if ox < ow {
                        let y = &mut y[(oy * ow + ox) * co + first..][..len];
                        match bias {
                            Some(bias) => {
                                let all = y.iter_mut().zip(found).zip(bias);
                                all.for_each(|((y, found), bias)| *y = found + bias);
                            }
                            None => y.copy_from_slice(&found[..len]),
                        }
                    }
                }
            }
        }
    }
}

/// y = x ∗ w + b, `[n, oh, ow, co]`.
pub fn forward(
    tiles: TileProducts,
    s: Sizes,
    x: &Sparse,
    weight: &[f32],
    bias: &[f32],
) -> Vec<f32> {
    let (terms, windows) = (tiles.parts.of_spikes(), Windows::of(s));
    let right = packed_weights(terms, windows, weight, s.co);
    let mut y = vec![0.0; s.n * s.pixels() * s.co];
    y.par_chunks_mut(s.pixels() * s.co).enumerate().for_each_init(
        Aligned::default,
        |left, (map, y)| {
            left.clear(windows.size());
            lay_out(s, x, map, left);
            let right = &right[..];
            tiles.unit.run(Convolve { terms, windows, left, right, bias: Some(bias), co: s.co, y });
        },
    );
    y
}

/// Writes the entries of a map to where windows find them.
fn lay_out(s: Sizes, x: &Sparse, map: usize, out: &mut [u16]) {
    let line = (s.w + 2 * s.padding) * s.ci;
    for y in 0..s.h {
        let first = (map * s.h + y) * s.w;
        let range = x.starts()[first] as usize..x.starts()[first + s.w] as usize;
        let from = ((y + s.padding) * line + s.padding * s.ci).min(out.len());
        let row = &mut out[from..];
        for at in range {
            let value = x.values().map_or(1.0, |values| values[at]);
            // the last rows are read by no window where the step passes them by
            if let Some(place) = row.get_mut(x.index()[at] as usize) {
                *place = pack::rounded(value) as u16;
            }
        }
    }
}

/// ∂L/∂x `[n, h, w, ci]`: g, with zeros between and around its pixels, under the turned window.
pub fn input_gradient(tiles: TileProducts, s: Sizes, weight: &[f32], g: &[f32]) -> Vec<f32> {
    let terms = tiles.parts.of_reals();
    let (width, first) = (s.w + s.k - 1, s.k - 1 - s.padding);
    let (run, line) = (s.k * s.co, width * s.co);
    let windows = Windows { k: s.k, run, line, step: s.co, width, oh: s.h, ow: s.w };
    let right = packed_weights(terms, windows, &turned(s, weight), s.ci);
    let plane = windows.size();
    let mut dx = vec![0.0; s.n * s.h * s.w * s.ci];
    let maps = dx.par_chunks_mut(s.h * s.w * s.ci).zip(g.par_chunks(s.pixels() * s.co));
    maps.for_each_init(Aligned::default, |left, (y, g)| {
        left.clear(terms.left() * plane);
        for (oy, g) in g.chunks_exact(s.ow * s.co).enumerate() {
            for (ox, g) in g.chunks_exact(s.co).enumerate() {
                let at = (first + oy * s.stride) * line + (first + ox * s.stride) * s.co;
                let left = &mut left[at..];
                spread(terms.left(), g, plane, left);
            }
        }
        let right = &right[..];
        tiles.unit.run(Convolve { terms, windows, left, right, bias: None, co: s.ci, y });
    });
    dx
}

/// The weight `[k, k, co, ci]` of a convolution the other way.
fn turned(s: Sizes, weight: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; weight.len()];
    let taps = s.k * s.k;
    out.par_chunks_mut(s.ci * s.co).enumerate().for_each(|(tap, out)| {
        let weight = &weight[(taps - 1 - tap) * s.ci * s.co..][..s.ci * s.co];
        for (c, weight) in weight.chunks_exact(s.co).enumerate() {
            out.chunks_exact_mut(s.ci).zip(weight).for_each(|(out, &w)| out[c] = w);
        }
    });
    out
}

/// Maps with their channels apart: for a step above 1 also their rows and columns by the rest that
/// the step leaves, so that pixels that one tap of the window meets are neighbours.
#[derive(Clone, Copy)]
struct Planes {
    s: Sizes,
    /// Pixels of a row.
    width: usize,
    /// Pixels that windows' corners are counted through, in whole blocks.
    corners: usize,
    /// Numbers of a channel.
    plane: usize,
}

impl Planes {
    fn of(s: Sizes) -> Planes {
        let beyond = (s.k - 1) / s.stride;
        let width = s.ow + beyond;
        let corners = (s.oh * width).next_multiple_of(BLOCK);
        // whole lines of the cache
        let plane = (corners + beyond * (width + 1)).next_multiple_of(BLOCK);
        Planes { s, width, corners, plane }
    }

    /// Numbers of a map.
    fn size(&self) -> usize {
        self.s.stride * self.s.stride * self.s.ci * self.plane
    }

    /// Where the numbers that a tap of the window meets in channel 0 start.
    fn tap(&self, ky: usize, kx: usize) -> usize {
        let stride = self.s.stride;
        let kind = ky % stride * stride + kx % stride;
        kind * self.s.ci * self.plane + ky / stride * self.width + kx / stride
    }

    /// Writes the entries of a map.
    fn lay_out(&self, x: &Sparse, map: usize, out: &mut [u16]) {
        let Sizes { h, w, ci, stride, padding, .. } = self.s;
        for p in 0..h * w {
            let (y, column) = (p / w + padding, p % w + padding);
            let at = y / stride * self.width + column / stride;
            if column / stride >= self.width || at >= self.plane {
                continue;
            }
            let kind = y % stride * stride + column % stride;
            let out = &mut out[kind * ci * self.plane..];
            let (range, channels) = x.pixel(map * h * w + p);
            for (entry, c) in range.zip(channels) {
                let value = x.values().map_or(1.0, |values| values[entry]);
                out[c * self.plane + at] = pack::rounded(value) as u16;
            }
        }
    }
}

/// Numbers of the gradients that are packed at a time, about.
const TOGETHER: usize = 1 << 18;

/// ∂L/∂w `[k, k, ci, co]`.
pub fn weight_gradient(tiles: TileProducts, s: Sizes, x: &Sparse, g: &[f32]) -> Vec<f32> {
    let (terms, planes) = (tiles.parts.of_spikes(), Planes::of(s));
    let (columns, deep) = (s.co.div_ceil(BLOCK), planes.corners / BLOCK);
    let group = (TOGETHER / (planes.corners * s.co).max(1)).clamp(1, s.n.max(1));
    // a block of channels may reach beyond the last one's
    let mut left = Aligned::zeros(group * planes.size() + BLOCK * planes.plane);
    let mut right = Aligned::zeros(group * columns * deep * terms.packed());
    let rows = s.ci.next_multiple_of(BLOCK);
    let mut sums: Vec<Aligned<f32>> =
        (0..columns * s.k).map(|_| Aligned::zeros(s.k * rows * BLOCK)).collect();
    for first in (0..s.n).step_by(group) {
        let these = group.min(s.n - first);
        let maps = left.par_chunks_mut(planes.size()).take(these).enumerate();
        maps.for_each(|(map, left)| {
            left.fill(0);
            planes.lay_out(x, first + map, left);
        });
        let packs = right.par_chunks_mut(terms.packed()).take(these * columns * deep).enumerate();
        packs.for_each(|(i, out)| {
            // [columns, maps, deep]
            let (column, map, top) = (i / deep / these * BLOCK, i / deep % these, i % deep * BLOCK);
            let g = &g[(first + map) * s.pixels() * s.co..][..s.pixels() * s.co];
            let row = |r: usize| {
                let (oy, ox) = ((top + r) / planes.width, (top + r) % planes.width);
                match oy < s.oh && ox < s.ow {
                    true => {
                        &g[(oy * s.ow + ox) * s.co..][..s.co][column..(column + BLOCK).min(s.co)]
                    }
                    false => &[],
                }
            };
            pairs(terms.right(), row, out);
        });
        let (left, right) = (&left[..], &right[..these * columns * deep * terms.packed()]);
        sums.par_iter_mut().enumerate().for_each(|(i, sums)| {
            let (column, ky) = (i / s.k, i % s.k);
            let right = &right[column * these * deep * terms.packed()..];
            let right = &right[..these * deep * terms.packed()];
            tiles.unit.run(WeightGradient { terms, planes, ky, left, right, sums });
        });
    }
    let mut dw = vec![0.0; s.window() * s.co];
    dw.par_chunks_mut(s.co.max(1)).enumerate().for_each(|(row, dw)| {
        let (c, kx, ky) = (row % s.ci, row / s.ci % s.k, row / s.ci / s.k);
        for (column, dw) in dw.chunks_mut(BLOCK).enumerate() {
            let sums = &sums[column * s.k + ky][(kx * rows + c) * BLOCK..];
            dw.copy_from_slice(&sums[..dw.len()]);
        }
    });
    dw
}

/// Row ky of the window, 32 output channels, some maps.
struct WeightGradient<'a> {
    terms: Terms,
    planes: Planes,
    ky: usize,
    left: &'a [u16],
    /// `[maps, corners/32, part]`
    right: &'a [u32],
    /// `[k, ci in whole blocks, 32]`
    sums: &'a mut [f32],
}

impl OnTiles for WeightGradient<'_> {
    fn run<T: Tiles>(self, unit: &mut T) {
        let WeightGradient { terms, planes, ky, left, right, sums } = self;
        let deep = planes.corners / BLOCK;
        let rows = planes.s.ci.next_multiple_of(BLOCK);
        for (i, sums) in sums.chunks_exact_mut(BLOCK * BLOCK).enumerate() {
            let (kx, channel) = (i * BLOCK / rows, i * BLOCK % rows);
            let first = planes.tap(ky, kx) + channel * planes.plane;
            unit.load(sums, BLOCK);
            for (map, right) in right.chunks_exact(deep * terms.packed()).enumerate() {
                let left = &left[map * planes.size() + first..];
                for (at, packed) in right.chunks_exact(terms.packed()).enumerate() {
                    terms.add(unit, &left[at * BLOCK..], (planes.plane, 0), packed);
                }
            }
            unit.store(sums, BLOCK);
        }
    }
}
