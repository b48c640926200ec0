use super::{gather, lanes, rows, rows_mut, tiled, vectors, with_vectors};
use crate::Sparse;
use crate::sizes::Sizes;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Elements of a tile of output that one pass over the window keeps at hand.
const OUTPUT: usize = 16 << 10;
/// Elements of weights that should stay in the second-level cache.
const WEIGHTS: usize = 50 << 10;

/// y = x ∗ w + b, `[n, oh, ow, co]`.
pub fn forward(s: Sizes, x: &Sparse, weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; s.n * s.pixels() * s.co];
    // the weights of a row of the window and a tile: 24 KiB fit the first-level cache, whatever its
    // owner
    let most = if s.k * s.ci * lanes() * 4 <= 8 << 10 { 4 } else { 2 };
    let vectors = vectors(s.co, most);
    let tile = vectors * lanes();
    let (weight, bias) = (tiled(weight, s.co, tile), tiled(bias, s.co, tile));
    let block = (OUTPUT / (s.ow * tile)).clamp(1, s.oh.max(1));
    y.par_chunks_mut(s.pixels() * s.co).enumerate().for_each_init(Vec::new, |buffer, (map, y)| {
        buffer.resize(block * s.ow * tile, 0.0);
        with_vectors!(vectors, N => Forward::<N> { s, x, weight: &weight, bias: &bias, map, block, buffer, y });
    });
    y
}

struct Forward<'a, const N: usize> {
    s: Sizes,
    x: &'a Sparse,
    weight: &'a [f32],
    bias: &'a [f32],
    map: usize,
    block: usize,
    buffer: &'a mut [f32],
    y: &'a mut [f32],
}

impl<const N: usize> WithSimd for Forward<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Forward { s, x, weight, bias, map, block, buffer, y } = self;
        let tile = N * S::F32_LANES;
        for (i, (weight, bias)) in
            weight.chunks(s.window() * tile).zip(bias.chunks(tile)).enumerate()
        {
            let (weight, bias) = (rows::<S, N>(weight), rows::<S, N>(bias));
            let (first, len) = (i * tile, tile.min(s.co - i * tile));
            for top in (0..s.oh).step_by(block) {
                let below = (top + block).min(s.oh);
                let buffer = &mut buffer[..(below - top) * s.ow * tile];
                rows_mut::<S, N>(buffer).fill(bias[0]);
                for ky in 0..s.k {
                    let weight = &weight[ky * s.k * s.ci..][..s.k * s.ci];
                    add_window_row(
                        simd,
                        s,
                        x,
                        weight,
                        map,
                        ky,
                        top..below,
                        rows_mut::<S, N>(buffer),
                    );
                }
                let y = &mut y[top * s.ow * s.co..below * s.ow * s.co];
                for (y, found) in y.chunks_exact_mut(s.co).zip(buffer.chunks_exact(tile)) {
                    y[first..first + len].copy_from_slice(&found[..len]);
                }
            }
        }
    }
}

/// What row `ky` of the window adds to the output rows `lines` of a map.
#[inline(always)]
fn add_window_row<S: Simd, const N: usize>(
    simd: S,
    s: Sizes,
    x: &Sparse,
    weight: &[[S::f32s; N]],
    map: usize,
    ky: usize,
    lines: std::ops::Range<usize>,
    out: &mut [[S::f32s; N]],
) {
    for (oy, out) in lines.zip(out.chunks_exact_mut(s.ow)) {
        let Some(y) = (oy * s.stride + ky).checked_sub(s.padding).filter(|y| *y < s.h) else {
            continue;
        };
        let starts = &x.starts()[(map * s.h + y) * s.w..][..s.w + 1];
        for (ox, out) in out.iter_mut().enumerate() {
            let left = ox * s.stride;
            let (from, to) = (
                left.saturating_sub(s.padding).min(s.w),
                (left + s.k).saturating_sub(s.padding).min(s.w),
            );
            let range = starts[from] as usize..starts[to.max(from)] as usize;
            let values = x.values().map(|v| &v[range.clone()]);
            let origin = (left as isize - s.padding as isize) * s.ci as isize;
            gather(simd, out, &x.index()[range], values, origin, weight);
        }
    }
}

/// Height, width and place of the first pixel of a gradient that is laid out with zeros between its
/// pixels (for a stride above 1) and around them, so that row y and tap ky of the window meet at
/// row y + k − 1 − ky.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub h: usize,
    pub w: usize,
    first: usize,
}

impl Frame {
    pub fn of(s: Sizes) -> Frame {
        assert!(s.padding < s.k, "padding {} reaches beyond the window of {}", s.padding, s.k);
        Frame { h: s.h + s.k - 1, w: s.w + s.k - 1, first: s.k - 1 - s.padding }
    }

    pub fn pixels(self) -> usize {
        self.h * self.w
    }

    /// Lays out channels `first..first + len` of the gradient `g` of one map into `out`
    /// `[pixels, tile]`, which is zero wherever no pixel of a map ever lies.
    pub fn lay_out(self, s: Sizes, g: &[f32], first: usize, tile: usize, out: &mut [f32]) {
        let len = tile.min(s.co - first);
        for (oy, g) in g.chunks_exact(s.ow * s.co).enumerate() {
            for (ox, g) in g.chunks_exact(s.co).enumerate() {
                let at = (self.first + oy * s.stride) * self.w + self.first + ox * s.stride;
                out[at * tile..at * tile + len].copy_from_slice(&g[first..first + len]);
            }
        }
    }
}

/// ∂L/∂x at the entries of x, in their order.
pub fn input_gradient(s: Sizes, x: &Sparse, weight: &[f32], g: &[f32]) -> Vec<f32> {
    let frame = Frame::of(s);
    // as many channels a tile as keep a window row of weights in the second-level cache
    let fits = |&vectors: &usize| s.k * s.ci * vectors * lanes() <= WEIGHTS;
    let vectors =
        [16, 8, 4, 2].into_iter().filter(|v| s.co > (v - 1) * lanes()).find(fits).unwrap_or(1);
    let tile = vectors * lanes();
    let tiles = s.co.div_ceil(tile);
    let weight = turned(s, weight, tile);
    let mut out = vec![0.0; x.entries()];
    let mut rest = &mut out[..];
    let maps: Vec<(usize, &mut [f32])> = (0..s.n)
        .map(|map| {
            let range = |p: usize| x.starts()[p * s.h * s.w] as usize;
            let (mine, others) =
                std::mem::take(&mut rest).split_at_mut(range(map + 1) - range(map));
            rest = others;
            (map, mine)
        })
        .collect();
    maps.into_par_iter().for_each_init(Vec::new, |laid_out, (map, out)| {
        let size = frame.pixels() * tile;
        laid_out.resize(size, 0.0);
        let g = &g[map * s.pixels() * s.co..][..s.pixels() * s.co];
        for (i, weight) in weight.chunks(s.window() * tile).enumerate().take(tiles) {
            if i * tile + tile > s.co {
                laid_out.fill(0.0);
            }
            frame.lay_out(s, g, i * tile, tile, laid_out);
            Arch::new().dispatch(InputGradient {
                s,
                frame,
                x,
                weight,
                tile,
                g: laid_out,
                map,
                out,
            });
        }
    });
    out
}

/// The weight as the input gradient reads it: `[tiles, ky, ci, k − 1 − kx, tile]`.
fn turned(s: Sizes, weight: &[f32], tile: usize) -> Vec<f32> {
    let mut out = vec![0.0; s.co.div_ceil(tile) * s.window() * tile];
    out.par_chunks_mut(s.k * tile).enumerate().for_each(|(i, out)| {
        let (c, ky, t) = (i % s.ci, i / s.ci % s.k, i / s.ci / s.k);
        let len = tile.min(s.co - t * tile);
        for (kx, out) in out.chunks_exact_mut(tile).rev().enumerate() {
            out[..len]
                .copy_from_slice(&weight[((ky * s.k + kx) * s.ci + c) * s.co + t * tile..][..len]);
        }
    });
    out
}

struct InputGradient<'a> {
    s: Sizes,
    frame: Frame,
    x: &'a Sparse,
    weight: &'a [f32],
    tile: usize,
    g: &'a [f32],
    map: usize,
    out: &'a mut [f32],
}

/// Entries of a pixel that are taken together, since they share what is read of g.
const TOGETHER: usize = 4;

impl WithSimd for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let InputGradient { s, frame, x, weight, tile, g, map, out } = self;
        let starts = &x.starts()[map * s.h * s.w..][..s.h * s.w + 1];
        let before = starts[0] as usize;
        let len = s.k * tile;
        for ky in 0..s.k {
            let weight = &weight[ky * s.ci * len..][..s.ci * len];
            for (p, range) in starts.windows(2).enumerate() {
                let (y, column) = (p / s.w, p % s.w);
                let range = range[0] as usize..range[1] as usize;
                let index = &x.index()[range.clone()];
                let out = &mut out[range.start - before..range.end - before];
                let g = &g[((y + s.k - 1 - ky) * frame.w + column) * tile..][..len];
                let g = S::as_simd_f32s(g).0;
                let row = |i: u32| {
                    S::as_simd_f32s(&weight[(i as usize - column * s.ci) * len..][..len]).0
                };
                let (fours, others) = index.as_chunks::<TOGETHER>();
                let (outs, other_outs) = out.as_chunks_mut::<TOGETHER>();
                for (&[i, j, k, l], out) in fours.iter().zip(outs) {
                    let products = dots(simd, g, [row(i), row(j), row(k), row(l)]);
                    for n in 0..TOGETHER {
                        out[n] += products[n];
                    }
                }
                for (&i, out) in others.iter().zip(other_outs) {
                    *out += dots(simd, g, [row(i)])[0];
                }
            }
        }
    }
}

/// Scalar products of `g` with each of the rows.
#[inline(always)]
pub(super) fn dots<S: Simd, const N: usize>(
    simd: S,
    g: &[S::f32s],
    rows: [&[S::f32s]; N],
) -> [f32; N] {
    // loops, not `map`: what runs in a closure of the standard library is compiled without this
    // CPU's vectors
    let mut rows = rows;
    for row in &mut rows {
        *row = &row[..g.len()];
    }
    let mut acc = [simd.splat_f32s(0.0); N];
    for (v, &g) in g.iter().enumerate() {
        for i in 0..N {
            acc[i] = simd.mul_add_e_f32s(rows[i][v], g, acc[i]);
        }
    }
    let mut sums = [0.0; N];
    for i in 0..N {
        sums[i] = simd.reduce_sum_f32s(acc[i]);
    }
    sums
}
