//! A window of pixels through all steps, and a row of windows as a task.

use super::{Pooling, Stage, Upstream};
use crate::scan::loops::{Back, Charge, Count, First, Spikes};
use crate::scan::{Rows, parameter_sums};
use pulp::{Simd, WithSimd};

/// Factors of one set: x = (z − mean) · scale + shift.
pub struct Affine {
    mean: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Affine {
    pub fn of(stage: &Stage) -> Affine {
        let c = stage.shape[3];
        let Some(n) = stage.norm else {
            return Affine { mean: vec![0.0; c], scale: vec![1.0; c], shift: vec![0.0; c] };
        };
        // statistics and γ are each of all steps or of every one
        let of = |values: &[f32], i: usize| values[i % values.len()];
        let all = 0..n.factors();
        let scale: Vec<f32> = all.clone().map(|i| of(n.gamma, i) * of(n.inverse, i)).collect();
        let shift = all.clone().map(|i| n.beta[i % c] - scale[i] * of(n.lost, i)).collect();
        Affine { mean: all.map(|i| of(n.mean, i)).collect(), scale, shift }
    }

    /// The factors of step t, channels `range`.
    fn at(&self, t: usize, c: usize, range: std::ops::Range<usize>) -> [&[f32]; 3] {
        let set = if self.mean.len() == c { 0 } else { t * c };
        [&self.mean, &self.scale, &self.shift].map(|v| &v[set + range.start..set + range.end])
    }
}

/// A pixel's currents behind norm, ReLU and mask.
#[inline(always)]
fn currents(stage: &Stage, z: &[f32], factors: [&[f32]; 3], mask: Option<&[f32]>, x: &mut [f32]) {
    let n = x.len();
    let [mean, scale, shift] = factors.map(|f| &f[..n]);
    let z = &z[..n];
    match (stage.norm.is_some(), stage.rectify) {
        (true, true) => {
            (0..n).for_each(|i| x[i] = positive((z[i] - mean[i]) * scale[i] + shift[i]))
        }
        (true, false) => (0..n).for_each(|i| x[i] = (z[i] - mean[i]) * scale[i] + shift[i]),
        (false, true) => (0..n).for_each(|i| x[i] = positive(z[i])),
        (false, false) => x.copy_from_slice(z),
    }
    if let Some(mask) = mask {
        x.iter_mut().zip(mask).for_each(|(x, m)| *x *= m);
    }
}

#[inline(always)]
fn positive(y: f32) -> f32 {
    if y > 0.0 { y } else { 0.0 }
}

/// A window of pixels and some channels of it: where its neurons stand in one step, and through it
/// their membranes.
struct Tile<'a, R> {
    rows: R,
    stage: &'a Stage<'a>,
    affine: &'a Affine,
    z: &'a [f32],
    sample: usize,
    /// First row and column of the window, and its sides.
    at: [usize; 2],
    sides: [usize; 2],
    channels: std::ops::Range<usize>,
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
    fn members(&self) -> usize {
        self.sides[0] * self.sides[1]
    }

    /// Where the channels of member `i` start in one sample.
    fn place(&self, i: usize) -> usize {
        let [.., w, c] = self.stage.shape;
        let (y, x) = (self.at[0] + i / self.sides[1], self.at[1] + i % self.sides[1]);
        (y * w + x) * c + self.channels.start
    }

    /// Takes all neurons through all steps, and keeps of each what its way back needs.
    #[inline(always)]
    fn charge<S: Simd>(&self, simd: S, memory: &mut Memory) {
        let (stage, rows, width) = (self.stage, self.rows, self.channels.len());
        let size = self.members() * width;
        memory.x.resize(size, 0.0);
        memory.kept.resize(stage.steps * R::KEPT * size, 0.0);
        zeros(&mut memory.v, R::STATES * size);
        let [batch, .., c] = stage.shape;
        for t in 0..stage.steps {
            if t == 0 || !stage.still {
                let factors = self.affine.at(t, c, self.channels.clone());
                for (i, x) in memory.x.chunks_exact_mut(width).enumerate() {
                    let place = self.sample * stage.map() + self.place(i);
                    let z = &self.z[t * batch * stage.map() + place..][..width];
                    currents(stage, z, factors, stage.mask.map(|m| &m[place..][..width]), x);
                }
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
        let (width, size) = (self.channels.len(), self.members() * self.channels.len());
        let any = matches!(self.stage.pool, Pooling::Max(_));
        let kept = &memory.kept[..self.stage.steps * R::KEPT * size];
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
    /// pixel, `[T, C]`.
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
        let (stage, rows, width) = (self.stage, self.rows, self.channels.len());
        let size = self.members() * width;
        memory.g.resize(size, 0.0);
        zeros(&mut memory.back, R::BACK * size);
        zeros(&mut memory.still, if stage.still { size } else { 0 });
        for t in (0..stage.steps).rev() {
            let kept = &memory.kept[t * R::KEPT * size..][..R::KEPT * size];
            let row = &memory.row[t * stage.shape[3]..][self.channels.clone()];
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
                self.keep(t, &memory.back[..size], out[t], sums);
            }
        }
        if stage.still {
            self.keep(0, &memory.still, out[0], sums);
        }
        let by_parameter = parameter_sums::<R, f32>(&memory.back);
        parameters.iter_mut().zip(by_parameter).for_each(|(sum, part)| *sum += part);
    }

    /// Writes the gradient `d` of the currents behind norm, ReLU and mask as that of the currents
    /// behind the norm.
    #[inline(always)]
    fn keep(&self, t: usize, d: &[f32], out: &mut [f32], sums: &mut [f32]) {
        let stage = self.stage;
        let [batch, _, w, c] = stage.shape;
        let factors = self.affine.at(t, c, self.channels.clone());
        for (i, d) in d.chunks_exact(self.channels.len()).enumerate() {
            let place = self.sample * stage.map() + self.place(i);
            let z = &self.z[t * batch * stage.map() + place..][..d.len()];
            let at =
                (i / self.sides[1] * w + self.at[1] + i % self.sides[1]) * c + self.channels.start;
            let out = &mut out[at..][..d.len()];
            passed(stage, z, factors, stage.mask.map(|m| &m[place..][..d.len()]), d, out);
            if let Some(norm) = stage.norm {
                let set = if stage.sets() == 1 { 0 } else { t };
                let inverse = &norm.inverse[if norm.inverse.len() == c { 0 } else { t * c }..]
                    [self.channels.clone()];
                let (sd, sx) = sums[2 * set * c..][..2 * c].split_at_mut(c);
                let (sd, sx) = (&mut sd[self.channels.clone()], &mut sx[self.channels.clone()]);
                let n = out.len(); // slices of one known length: no index is checked inside the loop
                let (sd, sx, mean, z, inverse) =
                    (&mut sd[..n], &mut sx[..n], &factors[0][..n], &z[..n], &inverse[..n]);
                for i in 0..n {
                    sd[i] += out[i];
                    sx[i] += out[i] * ((z[i] - mean[i]) * inverse[i]);
                }
            }
        }
    }

    /// Shares the gradients `row` of a pooled pixel among the members of its window.
    #[inline(always)]
    fn share<S: Simd>(&self, simd: S, row: &[f32], u: &[f32], g: &mut [f32], free: &mut Vec<f32>) {
        let width = row.len();
        match self.stage.pool {
            Pooling::None => g.copy_from_slice(row),
            Pooling::Average(k) => {
                let share = 1.0 / (k * k) as f32;
                for g in g.chunks_exact_mut(width) {
                    g.iter_mut().zip(row).for_each(|(g, row)| *g = row * share);
                }
            }
            Pooling::Max(_) => {
                free.clear();
                free.extend_from_slice(row);
                for (u, g) in u.chunks_exact(width).zip(g.chunks_exact_mut(width)) {
                    simd.vectorize(First { rows: self.rows, u, free: &mut *free, g });
                }
                // where none fired all are equal, and the first of equals is the largest
                g[..width].iter_mut().zip(free).for_each(|(g, free)| *g += *free);
            }
        }
    }
}

/// What of a gradient `d` of the currents passes mask and ReLU.
#[inline(always)]
fn passed(
    stage: &Stage,
    z: &[f32],
    factors: [&[f32]; 3],
    mask: Option<&[f32]>,
    d: &[f32],
    out: &mut [f32],
) {
    let n = out.len();
    let [mean, scale, shift] = factors.map(|f| &f[..n]);
    let (z, d) = (&z[..n], &d[..n]);
    match (stage.norm.is_some(), stage.rectify) {
        (true, true) => {
            (0..n).for_each(|i| {
                out[i] = if (z[i] - mean[i]) * scale[i] + shift[i] > 0.0 { d[i] } else { 0.0 }
            });
        }
        (false, true) => (0..n).for_each(|i| out[i] = if z[i] > 0.0 { d[i] } else { 0.0 }),
        (_, false) => out.copy_from_slice(d),
    }
    if let Some(mask) = mask {
        out.iter_mut().zip(mask).for_each(|(d, m)| *d *= m);
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

    /// Calls `f` with the tiles of the window at column `i`, or beyond the last window of single
    /// pixels of the row.
    #[inline(always)]
    fn tiles(&self, i: usize, mut f: impl FnMut(Tile<'a, R>)) {
        let Row { rows, stage, affine, z, sample, row } = *self;
        let [_, h, _, c] = stage.shape;
        let (k, windows) = (stage.pool.side(), self.windows());
        let (column, wide) = if i < windows { (i * k, k) } else { (windows * k + i - windows, 1) };
        let (at, sides) = ([row * k, column], [k.min(h - row * k), wide]);
        let width = stage.tile(stage.steps * R::KEPT * sides[0] * sides[1]);
        for first in (0..c).step_by(width) {
            let channels = first..(first + width).min(c);
            f(Tile { rows, stage, affine, z, sample, at, sides, channels });
        }
    }
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
        let [.., w, c] = self.row.stage.shape;
        let (windows, k) = (self.row.windows(), self.row.stage.pool.side());
        let mut spikes = vec![0; self.row.stage.steps];
        for i in 0..windows + w - windows * k {
            self.row.tiles(i, |tile| {
                let place = (i < windows).then_some(i * c + tile.channels.start);
                tile.fire(simd, self.memory, self.counts, place, &mut spikes);
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
        for i in 0..row.windows() {
            memory.row.resize(stage.steps * c, 0.0);
            for (t, g) in memory.row.chunks_exact_mut(c).enumerate() {
                upstream(((t * batch + row.sample) * oh + row.row) * ow + i, g);
            }
            row.tiles(i, |tile| tile.backward(simd, memory, out, sums, parameters));
        }
    }
}
