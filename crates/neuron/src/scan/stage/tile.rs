//! A window of pixels through all steps, and a row of windows as a task.

use super::place::{Affine, Currents, Keep, Place};
use super::{Pooling, Stage, Upstream};
use crate::scan::loops::{Back, Charge, Count, First, Spikes};
use crate::scan::{Rows, parameter_sums};
use pulp::{Simd, WithSimd};

/// The neurons of a place through all steps.
struct Tile<'a, R> {
    rows: R,
    place: Place<'a>,
}

/// Working memory of a task.
#[derive(Default)]
pub struct Memory {
    x: Vec<f32>,
    v: Vec<f32>,
    /// What all steps kept, `[T, KEPT, members, channels]`.
    kept: Vec<f32>,
    g: Vec<f32>,
    back: Vec<f32>,
    /// D of a still image: its sum over the steps.
    still: Vec<f32>,
    row: Vec<f32>,
    free: Vec<f32>,
}

/// Zeros, `len` of them.
fn zeros(values: &mut Vec<f32>, len: usize) {
    values.clear();
    values.resize(len, 0.0);
}

impl<R: Rows> Tile<'_, R> {
    /// Takes all neurons through all steps, and keeps of each what its way back needs.
    #[inline(always)]
    fn charge<S: Simd>(&self, simd: S, memory: &mut Memory) {
        let (stage, rows) = (self.place.stage, self.rows);
        let size = self.place.members() * self.place.width();
        memory.x.resize(size, 0.0);
        memory.kept.resize(stage.steps * R::KEPT * size, 0.0);
        zeros(&mut memory.v, R::STATES * size);
        for t in 0..stage.steps {
            if t == 0 || !stage.still {
                simd.vectorize(Currents { place: &self.place, t, x: &mut memory.x });
            }
            let kept = &mut memory.kept[t * R::KEPT * size..][..R::KEPT * size];
            simd.vectorize(Charge { rows, x: &memory.x, v: &mut memory.v, kept });
        }
    }

    /// Adds the spikes of all neurons of the window to `spikes`, step by step, and if the window is
    /// that of a pooled pixel to its `counts`, from `place` on.
    #[inline(always)]
    fn fire<S: Simd>(
        &self,
        simd: S,
        memory: &mut Memory,
        counts: &mut [&mut [u8]],
        place: Option<usize>,
        spikes: &mut [u64],
    ) {
        self.charge(simd, memory);
        let (stage, width) = (self.place.stage, self.place.width());
        let size = self.place.members() * width;
        let any = matches!(stage.pool, Pooling::Max(_));
        let kept = &memory.kept[..stage.steps * R::KEPT * size];
        for (t, kept) in kept.chunks_exact(R::KEPT * size).enumerate() {
            let u = &kept[..size];
            spikes[t] += u64::from(simd.vectorize(Spikes { rows: self.rows, u }));
            let Some(place) = place else { continue };
            let counts = &mut counts[t][place..][..width];
            for u in u.chunks_exact(width) {
                simd.vectorize(Count { rows: self.rows, any, u, counts: &mut *counts });
            }
        }
    }

    /// D of the tile, zero where the ReLU is shut and times the mask, into the rows `out` of its
    /// windows' steps, and its sums into `sums`. `memory.row` holds the gradients of the pooled
    /// pixels, `[T, windows, C]`.
    #[inline(always)]
    fn backward<S: Simd>(
        &self,
        simd: S,
        memory: &mut Memory,
        out: &mut [&mut [f32]],
        sums: &mut [f32],
        parameters: &mut [f64],
    ) {
        self.charge(simd, memory);
        let (place, rows, width) = (&self.place, self.rows, self.place.width());
        let (stage, size) = (place.stage, place.members() * width);
        memory.g.resize(size, 0.0);
        zeros(&mut memory.back, R::BACK * size);
        zeros(&mut memory.still, if stage.still { size } else { 0 });
        for t in (0..stage.steps).rev() {
            let kept = &memory.kept[t * R::KEPT * size..][..R::KEPT * size];
            let first = t * place.windows * stage.shape[3] + place.channels.start;
            let row = &memory.row[first..][..width];
            let g = match stage.pool {
                Pooling::None => row,
                _ => {
                    self.share(simd, row, &kept[..size], &mut memory.g, &mut memory.free);
                    &memory.g
                }
            };
            let back = &mut memory.back;
            let sum = stage.still.then_some(&mut memory.still[..]);
            simd.vectorize(Back { rows, kept, g, back, sum });
            if !stage.still {
                let (d, out, sums) = (&memory.back[..size], &mut *out[t], &mut *sums);
                simd.vectorize(Keep { place, t, d, out, sums });
            }
        }
        if stage.still {
            let (d, out) = (&memory.still[..], &mut *out[0]);
            simd.vectorize(Keep { place, t: 0, d, out, sums });
        }
        let by_parameter = parameter_sums::<R, f32>(&memory.back);
        parameters.iter_mut().zip(by_parameter).for_each(|(sum, part)| *sum += part);
    }

    /// Shares the gradients `row` of a pooled pixel among the members of its window.
    #[inline(always)]
    fn share<S: Simd>(&self, simd: S, row: &[f32], u: &[f32], g: &mut [f32], free: &mut Vec<f32>) {
        let width = row.len();
        match self.place.stage.pool {
            Pooling::None => g.copy_from_slice(row),
            Pooling::Average(k) => {
                let share = 1.0 / (k * k) as f32;
                for g in g.chunks_exact_mut(width) {
                    for (g, row) in g.iter_mut().zip(row) {
                        *g = row * share;
                    }
                }
            }
            Pooling::Max(_) => {
                free.clear();
                free.extend_from_slice(row);
                for (u, g) in u.chunks_exact(width).zip(g.chunks_exact_mut(width)) {
                    simd.vectorize(First { rows: self.rows, u, free: &mut *free, g });
                }
                // where none fired all are equal, and the first of equals is the largest
                for (g, free) in g[..width].iter_mut().zip(free) {
                    *g += *free;
                }
            }
        }
    }
}

/// A row of windows of one sample: a task.
#[derive(Clone, Copy)]
pub struct Row<'a, R> {
    rows: R,
    stage: &'a Stage<'a>,
    affine: &'a Affine,
    z: &'a [f32],
    sample: usize,
    /// Row of windows; the last may be what fills none.
    row: usize,
}

impl<'a, R: Rows> Row<'a, R> {
    /// The row of task `i`.
    pub fn new(rows: R, stage: &'a Stage<'a>, affine: &'a Affine, z: &'a [f32], i: usize) -> Self {
        let down = stage.shape[1].div_ceil(stage.pool.side());
        Row { rows, stage, affine, z, sample: i / down, row: i % down }
    }

    /// Columns of windows.
    fn windows(&self) -> usize {
        let (oh, ow) = self.stage.pooled();
        if self.row < oh { ow } else { 0 }
    }

    /// The first and the number of the windows that go together, one group after the other.
    fn groups(&self) -> impl Iterator<Item = (usize, usize)> + use<R> {
        in_groups(0, self.windows(), self.stage.side_by_side())
    }

    /// The same of the single pixels of the row beyond its last window, counted on from there.
    fn rest(&self) -> impl Iterator<Item = (usize, usize)> + use<R> {
        let windows = self.windows();
        let all = windows + self.stage.shape[2] - windows * self.stage.pool.side();
        in_groups(windows, all, self.stage.side_by_side())
    }

    /// Calls `f` with the tiles of `n` windows from `i` on, or beyond the last window of single
    /// pixels of the row.
    #[inline(always)]
    fn tiles(&self, (i, n): (usize, usize), mut f: impl FnMut(Tile<'a, R>)) {
        let Row { rows, stage, affine, z, sample, row } = *self;
        let [_, h, _, c] = stage.shape;
        let (k, windows) = (stage.pool.side(), self.windows());
        let (column, wide) = if i < windows { (i * k, k) } else { (windows * k + i - windows, 1) };
        let (at, sides) = ([row * k, column], [k.min(h - row * k), wide]);
        // several windows go with all of their channels
        let fit = stage.tile(stage.steps * R::KEPT * sides[0] * sides[1]);
        let width = if n > 1 { c } else { fit };
        for first in (0..c).step_by(width) {
            let channels = first..(first + width).min(c);
            let place = Place { stage, affine, z, sample, at, sides, windows: n, channels };
            f(Tile { rows, place });
        }
    }
}

/// `from..to` in groups of `size`, each as its first and its number.
fn in_groups(from: usize, to: usize, size: usize) -> impl Iterator<Item = (usize, usize)> {
    (from..to).step_by(size).map(move |first| (first, size.min(to - first)))
}

pub struct Fire<'a, 'o, R> {
    pub row: Row<'a, R>,
    /// The row of counts of each step; none where no window is filled.
    pub counts: &'a mut [&'o mut [u8]],
    pub memory: &'a mut Memory,
}

impl<R: Rows> WithSimd for Fire<'_, '_, R> {
    type Output = Vec<u64>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<u64> {
        let c = self.row.stage.shape[3];
        let mut spikes = vec![0; self.row.stage.steps];
        for (i, n) in self.row.groups() {
            self.row.tiles((i, n), |tile| {
                let place = Some(i * c + tile.place.channels.start);
                tile.fire(simd, self.memory, self.counts, place, &mut spikes);
            });
        }
        for group in self.row.rest() {
            self.row.tiles(group, |tile| {
                tile.fire(simd, self.memory, self.counts, None, &mut spikes);
            });
        }
        spikes
    }
}

pub struct Backward<'a, 'o, R> {
    pub row: Row<'a, R>,
    pub upstream: &'a Upstream<'a>,
    /// The rows of D of each step of z.
    pub out: &'a mut [&'o mut [f32]],
    pub sums: &'a mut [f32],
    /// Sums of ∂L/∂parameter of the neurons.
    pub parameters: &'a mut [f64],
    pub memory: &'a mut Memory,
}

impl<R: Rows> WithSimd for Backward<'_, '_, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Backward { row, upstream, out, sums, parameters, memory } = self;
        let stage = row.stage;
        let [batch, .., c] = stage.shape;
        let (oh, ow) = stage.pooled();
        for (first, n) in row.groups() {
            memory.row.resize(stage.steps * n * c, 0.0);
            for (i, g) in memory.row.chunks_exact_mut(c).enumerate() {
                let (t, window) = (i / n, first + i % n);
                upstream(((t * batch + row.sample) * oh + row.row) * ow + window, g);
            }
            row.tiles((first, n), |tile| tile.backward(simd, memory, out, sums, parameters));
        }
    }
}
