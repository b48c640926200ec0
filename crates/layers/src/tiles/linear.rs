//! Linear layers on tiles.

use super::aligned::{Aligned, LINE};
use super::pack::{self, pairs, spread};
use super::{BLOCK, OnTiles, TileProducts, Tiles};
use crate::{Sparse, written};
use rayon::prelude::*;

/// Blocks of rows of weights that are packed together: with the sums of all outputs they stay in
/// the second-level cache.
const DEPTH: usize = 2;
/// Rows of weights of one task, whose memory is read from one end to the other.
const ROWS: usize = 25 * DEPTH * BLOCK;

/// Activations as bf16, in blocks of 32 inputs: `[inputs/32, rows, 32]`, rows in whole blocks.
fn by_block(x: &Sparse, rows: usize) -> Aligned<u16> {
    let [n, h, w, c] = x.shape();
    let blocks = (h * w * c).div_ceil(BLOCK);
    let mut out = Aligned::zeros(blocks * rows * BLOCK);
    each_entry(x, n, |row, input, value| {
        out[(input / BLOCK * rows + row) * BLOCK + input % BLOCK] = value;
    });
    out
}

/// The same, by input: `[inputs, rows]`, inputs in whole blocks.
fn by_input(x: &Sparse, rows: usize) -> Aligned<u16> {
    let [n, h, w, c] = x.shape();
    let mut out = Aligned::zeros((h * w * c).next_multiple_of(BLOCK) * rows);
    each_entry(x, n, |row, input, value| out[input * rows + row] = value);
    out
}

/// Calls `f(row, input, value in bf16)` for each entry.
fn each_entry(x: &Sparse, n: usize, mut f: impl FnMut(usize, usize, u16)) {
    let [_, h, w, _] = x.shape();
    for row in 0..n {
        let range = x.starts()[row * h * w] as usize..x.starts()[(row + 1) * h * w] as usize;
        for at in range {
            let value = x.values().map_or(1.0, |values| values[at]);
            f(row, x.index()[at] as usize, pack::rounded(value) as u16);
        }
    }
}

/// Row `i` of a matrix, from column `first` on, or nothing.
fn row_of(matrix: &[f32], columns: usize, i: usize, first: usize) -> &[f32] {
    match matrix.get(i * columns..(i + 1) * columns) {
        Some(row) => &row[first.min(columns)..(first + BLOCK).min(columns)],
        None => &[],
    }
}

/// y = x·w + b, `[n, outputs]`.
pub fn forward(tiles: TileProducts, x: &Sparse, weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let (n, outputs) = (x.shape()[0], bias.len());
    if n * outputs == 0 {
        return Vec::new();
    }
    let rows = n.next_multiple_of(BLOCK);
    let width = outputs.next_multiple_of(BLOCK);
    let left = by_block(x, rows);
    // each task has the sums of some inputs, which are added up in order
    let tasks = weight.par_chunks(ROWS * outputs).zip(left.par_chunks(ROWS * rows));
    let found: Vec<Aligned<f32>> = tasks
        .map(|(weight, left)| {
            let mut sums = Aligned::zeros(rows * width);
            let sums_of = &mut sums[..];
            tiles.unit.run(Forward { tiles, left, rows, weight, outputs, sums: sums_of });
            sums
        })
        .collect();
    let mut y = vec![0.0; n * outputs];
    y.par_chunks_mut(outputs.max(1)).enumerate().for_each(|(row, y)| {
        y.copy_from_slice(bias);
        for sums in &found {
            y.iter_mut().zip(&sums[row * width..]).for_each(|(y, sum)| *y += sum);
        }
    });
    y
}

struct Forward<'a> {
    tiles: TileProducts,
    /// `[inputs/32, rows, 32]`
    left: &'a [u16],
    rows: usize,
    /// `[inputs, outputs]`
    weight: &'a [f32],
    outputs: usize,
    /// `[rows, outputs in whole blocks]`
    sums: &'a mut [f32],
}

impl OnTiles for Forward<'_> {
    fn run<T: Tiles>(self, unit: &mut T) {
        let Forward { tiles, left, rows, weight, outputs, sums } = self;
        let terms = tiles.parts.of_spikes();
        let (width, block, size) = (sums.len() / rows, rows * BLOCK, terms.packed());
        let columns = width / BLOCK;
        // [columns, DEPTH, part]
        let mut packed = Aligned::zeros(columns * DEPTH * size);
        for (deep, left) in left.chunks(DEPTH * block).enumerate() {
            let depth = left.len() / block;
            for i in 0..depth {
                let top = (deep * DEPTH + i) * BLOCK;
                for column in 0..columns {
                    let row = |r| row_of(weight, outputs, top + r, column * BLOCK);
                    pairs(terms.right(), row, &mut packed[(column * DEPTH + i) * size..][..size]);
                }
            }
            for (column, packed) in packed.chunks_exact(DEPTH * size).enumerate() {
                let column = column * BLOCK;
                for row in (0..rows).step_by(BLOCK) {
                    let sums = &mut sums[row * width + column..];
                    if deep == 0 {
                        unit.clear()
                    } else {
                        unit.load(sums, width)
                    }
                    for (left, packed) in left.chunks_exact(block).zip(packed.chunks_exact(size)) {
                        terms.add(unit, &left[row * BLOCK..], (BLOCK, 0), packed);
                    }
                    unit.store(sums, width);
                }
            }
        }
    }
}

/// ∂L/∂w `[inputs, outputs]`.
pub fn weight_gradient(tiles: TileProducts, x: &Sparse, g: &[f32], outputs: usize) -> Vec<f32> {
    let [n, h, w, c] = x.shape();
    let (inputs, rows) = (h * w * c, n.next_multiple_of(BLOCK));
    let left = by_input(x, rows);
    let right = packed_rows(tiles, g, n, outputs);
    // rows a little longer than the outputs: those that lie a page apart would share a set of the
    // cache
    let width = outputs.next_multiple_of(BLOCK) + LINE / size_of::<f32>();
    let sums = || Aligned::zeros(BLOCK * width);
    written::in_pieces(inputs * outputs, BLOCK * outputs, sums, |sums, i, dw| {
        let left = &left[i * BLOCK * rows..][..BLOCK * rows];
        tiles.unit.run(WeightGradient { tiles, left, rows, right: &right, width, sums });
        let here = BLOCK.min(inputs - i * BLOCK);
        sums.chunks_exact(width).take(here).for_each(|row| written::push(dw, &row[..outputs]));
    })
}

/// A matrix `[n, columns]` of real numbers as right operands, `[columns/32, n/32, part]`.
fn packed_rows(tiles: TileProducts, g: &[f32], n: usize, columns: usize) -> Aligned<u32> {
    let terms = tiles.parts.of_spikes();
    let deep = n.div_ceil(BLOCK);
    let mut out = Aligned::zeros(columns.div_ceil(BLOCK) * deep * terms.packed());
    out.par_chunks_mut(terms.packed()).enumerate().for_each(|(i, out)| {
        let (column, top) = (i / deep * BLOCK, i % deep * BLOCK);
        let row = |r| row_of(g, columns, top + r, column);
        pairs(terms.right(), row, out);
    });
    out
}

struct WeightGradient<'a> {
    tiles: TileProducts,
    /// `[32, rows]`
    left: &'a [u16],
    rows: usize,
    /// `[outputs/32, rows/32, part]`
    right: &'a [u32],
    width: usize,
    /// `[32, width]`
    sums: &'a mut [f32],
}

impl OnTiles for WeightGradient<'_> {
    fn run<T: Tiles>(self, unit: &mut T) {
        let WeightGradient { tiles, left, rows, right, width, sums } = self;
        let terms = tiles.parts.of_spikes();
        for (i, right) in right.chunks_exact(rows / BLOCK * terms.packed()).enumerate() {
            unit.clear();
            for (deep, packed) in right.chunks_exact(terms.packed()).enumerate() {
                terms.add(unit, &left[deep * BLOCK..], (rows, 0), packed);
            }
            unit.store(&mut sums[i * BLOCK..], width);
        }
    }
}

/// ∂L/∂x `[n, inputs]`: its transpose is w · gᵀ.
pub fn input_gradient(tiles: TileProducts, n: usize, weight: &[f32], g: &[f32]) -> Vec<f32> {
    let outputs = g.len() / n.max(1);
    if outputs == 0 {
        return Vec::new();
    }
    let inputs = weight.len() / outputs.max(1);
    let terms = tiles.parts.of_reals();
    let deep = outputs.div_ceil(BLOCK);
    let turned = transposed(g, n, outputs);
    let mut right = Aligned::zeros(n.div_ceil(BLOCK) * deep * terms.packed());
    right.par_chunks_mut(terms.packed()).enumerate().for_each(|(i, out)| {
        let (sample, top) = (i / deep * BLOCK, i % deep * BLOCK);
        let row = |r| row_of(&turned, n, top + r, sample);
        pairs(terms.right(), row, out);
    });
    let found: Vec<Aligned<f32>> = weight
        .par_chunks(BLOCK * outputs)
        .map_init(Aligned::default, |left, weight| {
            let mut sums = Aligned::zeros(BLOCK * n.next_multiple_of(BLOCK));
            let right = &right[..];
            tiles.unit.run(InputGradient { tiles, weight, outputs, left, right, sums: &mut sums });
            sums
        })
        .collect();
    let mut dx = vec![0.0; n * inputs];
    let width = n.next_multiple_of(BLOCK);
    dx.par_chunks_mut(inputs.max(1)).enumerate().for_each(|(sample, dx)| {
        for (dx, sums) in dx.chunks_mut(BLOCK).zip(&found) {
            dx.iter_mut().enumerate().for_each(|(i, dx)| *dx = sums[i * width + sample]);
        }
    });
    dx
}

/// The transpose of a row-major matrix, `[columns, rows]`.
fn transposed(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = vec![0.0; rows * columns];
    out.par_chunks_mut((BLOCK * rows).max(1)).enumerate().for_each(|(i, out)| {
        for (row, x) in x.chunks_exact(columns).enumerate() {
            let x = &x[i * BLOCK..];
            out.chunks_exact_mut(rows).zip(x).for_each(|(out, &x)| out[row] = x);
        }
    });
    out
}

struct InputGradient<'a> {
    tiles: TileProducts,
    /// `[32 or fewer, outputs]`
    weight: &'a [f32],
    outputs: usize,
    /// Of the thread, to lay rows of weights out in.
    left: &'a mut Aligned<u16>,
    /// `[n/32, outputs/32, part]`
    right: &'a [u32],
    /// `[32, n]`
    sums: &'a mut [f32],
}

impl OnTiles for InputGradient<'_> {
    fn run<T: Tiles>(self, unit: &mut T) {
        let InputGradient { tiles, weight, outputs, left, right, sums } = self;
        let terms = tiles.parts.of_reals();
        let deep = outputs.div_ceil(BLOCK);
        let plane = BLOCK * BLOCK;
        let size = terms.left() * plane;
        // [outputs/32, part, 32, 32]: rows that lie a page apart would share a set of the cache
        left.clear(deep * size);
        for (row, weight) in weight.chunks_exact(outputs).enumerate() {
            for (weight, left) in weight.chunks(BLOCK).zip(left.chunks_exact_mut(size)) {
                spread(terms.left(), weight, plane, &mut left[row * BLOCK..]);
            }
        }
        let n = sums.len() / BLOCK;
        for (i, right) in right.chunks_exact(deep * terms.packed()).enumerate() {
            unit.clear();
            for (left, packed) in left.chunks_exact(size).zip(right.chunks_exact(terms.packed())) {
                terms.add(unit, left, (BLOCK, plane), packed);
            }
            unit.store(&mut sums[i * BLOCK..], n);
        }
    }
}
