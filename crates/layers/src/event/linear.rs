use super::conv::dots;
use super::{gather, lanes, rows, rows_mut, tiled, vectors, with_vectors};
use crate::{Sparse, written};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Inputs whose weights for one tile of outputs stay in the first-level cache.
const INPUTS: usize = 128;

/// Outputs of one task: as much of each row of weights as memory reads in one go, and few enough
/// that weights and sums stay in the second-level cache.
const OUTPUTS: usize = 512;

/// y = x·w + b, `[n, outputs]`, of a weight `[inputs, outputs]`.
pub fn forward(x: &Sparse, weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let [n, h, w, c] = x.shape();
    let (inputs, outputs) = (h * w * c, bias.len());
    let vectors = vectors(outputs, 4);
    let tile = vectors * lanes();
    let width = OUTPUTS.next_multiple_of(tile);
    let parts: Vec<Vec<f32>> = (0..outputs.div_ceil(width))
        .into_par_iter()
        .map(|i| {
            let (first, len) = (i * width, width.min(outputs - i * width));
            let tiles = len.div_ceil(tile);
            let mut y = vec![0.0; tiles * n * tile];
            for (t, y) in y.chunks_exact_mut(n * tile).enumerate() {
                let bias = &bias[first + t * tile..first + (t * tile + tile).min(len)];
                y.chunks_exact_mut(tile).for_each(|y| y[..bias.len()].copy_from_slice(bias));
            }
            let mut block = vec![0.0; tiles * INPUTS * tile];
            let mut from: Vec<u32> = (0..n).map(|sample| x.starts()[sample * h * w]).collect();
            let mut to = from.clone();
            for input in (0..inputs).step_by(INPUTS) {
                let below = (input + INPUTS).min(inputs);
                for (i, row) in
                    weight[input * outputs..below * outputs].chunks_exact(outputs).enumerate()
                {
                    for (t, row) in row[first..first + len].chunks(tile).enumerate() {
                        block[(t * INPUTS + i) * tile..][..row.len()].copy_from_slice(row);
                    }
                }
                for (sample, to) in to.iter_mut().enumerate() {
                    let rest = &x.index()[*to as usize..x.starts()[(sample + 1) * h * w] as usize];
                    *to += rest.iter().take_while(|i| (**i as usize) < below).count() as u32;
                }
                for (block, y) in
                    block.chunks_exact(INPUTS * tile).zip(y.chunks_exact_mut(n * tile))
                {
                    let (from, to) = (&from[..], &to[..]);
                    with_vectors!(vectors, N => Forward::<N> { x, block, input, y, from, to });
                }
                from.copy_from_slice(&to);
            }
            y
        })
        .collect();
    let mut y = vec![0.0; n * outputs];
    y.par_chunks_mut(outputs).enumerate().for_each(|(sample, y)| {
        for (y, part) in y.chunks_mut(width).zip(&parts) {
            for (y, tiled) in y.chunks_mut(tile).zip(part.chunks_exact(n * tile)) {
                y.copy_from_slice(&tiled[sample * tile..][..y.len()]);
            }
        }
    });
    y
}

struct Forward<'a, const N: usize> {
    x: &'a Sparse,
    /// `[INPUTS, tile]`, from `input` on.
    block: &'a [f32],
    input: usize,
    /// `[n, tile]`
    y: &'a mut [f32],
    /// The entries of each sample that belong to the block.
    from: &'a [u32],
    to: &'a [u32],
}

impl<const N: usize> WithSimd for Forward<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let block = rows::<S, N>(self.block);
        for (y, (&from, &to)) in
            rows_mut::<S, N>(self.y).iter_mut().zip(self.from.iter().zip(self.to))
        {
            let range = from as usize..to as usize;
            let values = self.x.values().map(|v| &v[range.clone()]);
            gather(simd, y, &self.x.index()[range], values, self.input as isize, block);
        }
    }
}

/// The entries of all samples in the order of their input.
struct ByInput {
    starts: Vec<u32>,
    sample: Vec<u32>,
    /// Where the entry stands in the activations' own order.
    entry: Vec<u32>,
    values: Option<Vec<f32>>,
}

impl ByInput {
    fn of(x: &Sparse) -> ByInput {
        let [n, h, w, c] = x.shape();
        let mut starts = vec![0u32; h * w * c + 1];
        x.index().iter().for_each(|&i| starts[i as usize + 1] += 1);
        (1..starts.len()).for_each(|i| starts[i] += starts[i - 1]);
        let mut next = starts.clone();
        let (mut sample, mut entry) = (vec![0; x.entries()], vec![0; x.entries()]);
        for s in 0..n {
            let range = x.starts()[s * h * w] as usize..x.starts()[(s + 1) * h * w] as usize;
            for at in range {
                let to = &mut next[x.index()[at] as usize];
                (sample[*to as usize], entry[*to as usize]) = (s as u32, at as u32);
                *to += 1;
            }
        }
        let values = x.values().map(|v| entry.iter().map(|&at| v[at as usize]).collect());
        ByInput { starts, sample, entry, values }
    }

    fn range(&self, inputs: std::ops::Range<usize>) -> std::ops::Range<usize> {
        self.starts[inputs.start] as usize..self.starts[inputs.end] as usize
    }
}

/// ∂L/∂w `[inputs, outputs]`.
pub fn weight_gradient(x: &Sparse, g: &[f32], outputs: usize) -> Vec<f32> {
    let [_, h, w, c] = x.shape();
    let lists = ByInput::of(x);
    let vectors = vectors(outputs, 4);
    let tile = vectors * lanes();
    let g = tiled(g, outputs, tile);
    let row = || vec![0.0; outputs.next_multiple_of(tile)];
    written::in_pieces(h * w * c * outputs, INPUTS * outputs, row, |row, i, dw| {
        let inputs = i * INPUTS..((i + 1) * INPUTS).min(h * w * c);
        for input in inputs {
            with_vectors!(vectors, N => WeightGradient::<N> { lists: &lists, g: &g, input, row });
            written::push(dw, &row[..outputs]);
        }
    })
}

/// Row `input` of ∂L/∂w. It is written from one end to the other, which memory is fast at; g stays
/// in the second-level cache.
struct WeightGradient<'a, const N: usize> {
    lists: &'a ByInput,
    /// `[tiles, n, tile]`
    g: &'a [f32],
    input: usize,
    row: &'a mut [f32],
}

impl<const N: usize> WithSimd for WeightGradient<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let range = self.lists.range(self.input..self.input + 1);
        let values = self.lists.values.as_ref().map(|v| &v[range.clone()]);
        let samples = &self.lists.sample[range];
        let row = rows_mut::<S, N>(self.row);
        let size = self.g.len() / row.len();
        for (acc, g) in row.iter_mut().zip(self.g.chunks_exact(size)) {
            *acc = [simd.splat_f32s(0.0); N];
            gather(simd, acc, samples, values, 0, rows::<S, N>(g));
        }
    }
}

/// ∂L/∂x at the entries of x, in their order, of a weight `[inputs, outputs]`.
pub fn input_gradient(x: &Sparse, weight: &[f32], g: &[f32], outputs: usize) -> Vec<f32> {
    let [_, h, w, c] = x.shape();
    let (inputs, lists) = (h * w * c, ByInput::of(x));
    // rows of whole vectors, so that no product has a rest; and only as many columns at a time as
    // keep g in the cache
    let padded = outputs.next_multiple_of(lanes());
    let block = (COLUMNS / (x.shape()[0].max(1) * lanes())).max(1) * lanes();
    let g = tiled(g, outputs, block.min(padded));
    let block = block.min(padded);
    let tasks: Vec<Vec<f32>> = (0..inputs.div_ceil(INPUTS))
        .into_par_iter()
        .map(|i| {
            let these = i * INPUTS..((i + 1) * INPUTS).min(inputs);
            let mut out = vec![0.0; lists.range(these.clone()).len()];
            Arch::new().dispatch(InputGradient {
                lists: &lists,
                g: &g,
                weight,
                inputs: these,
                outputs,
                block,
                out: &mut out,
            });
            out
        })
        .collect();
    let mut dx = vec![0.0; x.entries()];
    for (&entry, product) in lists.entry.iter().zip(tasks.iter().flatten()) {
        dx[entry as usize] = *product;
    }
    dx
}

/// Elements of the gradient that one pass over some inputs reads.
const COLUMNS: usize = 64 << 10;

struct InputGradient<'a> {
    lists: &'a ByInput,
    /// `[blocks, n, block]`
    g: &'a [f32],
    weight: &'a [f32],
    inputs: std::ops::Range<usize>,
    outputs: usize,
    block: usize,
    out: &'a mut [f32],
}

impl WithSimd for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let InputGradient { lists, g, weight, inputs, outputs, block, out } = self;
        let before = lists.range(inputs.clone()).start;
        let mut row = vec![0.0; block];
        for (b, g) in g.chunks_exact(g.len() / outputs.div_ceil(block)).enumerate() {
            let len = block.min(outputs - b * block);
            for input in inputs.clone() {
                row[..len].copy_from_slice(&weight[input * outputs + b * block..][..len]);
                row[len..].fill(0.0);
                let row = S::as_simd_f32s(&row).0;
                let range = lists.range(input..input + 1);
                let out = &mut out[range.start - before..range.end - before];
                let (fours, others) = lists.sample[range].as_chunks::<4>();
                let (outs, other_outs) = out.as_chunks_mut::<4>();
                let of = |sample: u32| S::as_simd_f32s(&g[sample as usize * block..][..block]).0;
                for (&[i, j, k, l], out) in fours.iter().zip(outs) {
                    let products = dots(simd, row, [of(i), of(j), of(k), of(l)]);
                    for n in 0..4 {
                        out[n] += products[n];
                    }
                }
                for (&sample, out) in others.iter().zip(other_outs) {
                    *out += dots(simd, row, [of(sample)])[0];
                }
            }
        }
    }
}
