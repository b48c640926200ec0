//! A window of pixels through all steps, and a row of windows as a task.

use super::{Pooling, Stage, Upstream};
use crate::scan::loops::{Back, Charge, Count, First, Spikes};
use crate::scan::{Rows, parameter_sums};
use pulp::{Simd, WithSimd};

/// Factors of one set: x = (z − mean) · scale + shift. They stand there once for each pixel that a
/// tile may hold side by side, so that one loop takes all of them.
pub struct Affine {
    mean: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Affine {
    pub fn of(stage: &Stage) -> Affine {
        let c = stage.shape[3];
        let side_by_side = stage.side_by_side();
        let repeated = |set: &[f32]| -> Vec<f32> {
            set.chunks_exact(c).flat_map(|set| set.repeat(side_by_side)).collect()
        };
        let Some(n) = stage.norm else {
            let [zero, one] = [0.0, 1.0].map(|number| vec![number; side_by_side * c]);
            return Affine { mean: zero.clone(), scale: one, shift: zero };
        };
        let scale: Vec<f32> =
            n.inverse.iter().enumerate().map(|(i, inverse)| n.gamma[i % c] * inverse).collect();
        let shift = scale
            .iter()
            .zip(n.lost)
            .enumerate()
            .map(|(i, (scale, lost))| n.beta[i % c] - scale * lost);
        let shift: Vec<f32> = shift.collect();
        Affine { mean: repeated(n.mean), shift: repeated(&shift), scale: repeated(&scale) }
    }

    /// The factors of step t, `set` of them a set, from `start` on.
    fn at(&self, t: usize, set: usize, start: usize, len: usize) -> [&[f32]; 3] {
        let first = if self.mean.len() == set { 0 } else { t * set };
        [&self.mean, &self.scale, &self.shift].map(|v| &v[first + start..][..len])
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

/// A window of pixels and some channels of it, or several windows side by side and all channels:
/// where its neurons stand in one step, and through it their membranes.
struct Tile<'a, R> {
    rows: R,
    stage: &'a Stage<'a>,
    affine: &'a Affine,
    z: &'a [f32],
    sample: usize,
    /// First row and column of the window, and its sides.
    at: [usize; 2],
    sides: [usize; 2],
    /// Windows side by side: of few channels one alone has no full vector.
    windows: usize,
    channels: std::ops::Range<usize>,
}

/// A stretch of a member's neurons that lie side by side in z too.
#[derive(Clone, Copy)]
struct Stretch {
    /// Where it starts in one sample, in its row of windows, and in the member.
    place: usize,
    in_row: usize,
    in_member: usize,
    len: usize,
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

    /// Neurons of a member.
    fn width(&self) -> usize {
        self.windows * self.channels.len()
    }

    /// The stretches of member `i`: one, or one a window where its pixels lie apart.
    #[inline(always)]
    fn stretches(&self, i: usize) -> impl Iterator<Item = Stretch> + use<R> {
        let [.., w, c] = self.stage.shape;
        let [_, wide] = self.sides;
        let (row, column, start) = (i / wide, self.at[1] + i % wide, self.channels.start);
        let (apart, width, top) = (wide > 1, self.channels.len(), self.at[0]);
        let (many, len) = if apart { (self.windows, width) } else { (1, self.windows * width) };
        (0..many).map(move |j| {
            let x = column + j * wide;
            let place = ((top + row) * w + x) * c + start;
            Stretch { place, in_row: (row * w + x) * c + start, in_member: j * width, len }
        })
    }

    /// Takes all neurons through all steps, and keeps of each what its way back needs.
    #[inline(always)]
    fn charge<S: Simd>(&self, simd: S, memory: &mut Memory) {
        let (stage, rows, width) = (self.stage, self.rows, self.width());
        let size = self.members() * width;
        memory.x.resize(size, 0.0);
        memory.kept.resize(stage.steps * R::KEPT * size, 0.0);
        zeros(&mut memory.v, R::STATES * size);
        let [batch, .., c] = stage.shape;
        let (side_by_side, start) = (stage.side_by_side(), self.channels.start);
        for t in 0..stage.steps {
            if t == 0 || !stage.still {
                for (i, x) in memory.x.chunks_exact_mut(width).enumerate() {
                    for Stretch { place, in_member, len, .. } in self.stretches(i) {
                        let place = self.sample * stage.map() + place;
                        let factors = self.affine.at(t, side_by_side * c, start, len);
                        let z = &self.z[t * batch * stage.map() + place..][..len];
                        let mask = stage.mask.map(|m| &m[place..][..len]);
                        currents(stage, z, factors, mask, &mut x[in_member..][..len]);
                    }
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
        let (width, size) = (self.width(), self.members() * self.width());
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
        let (stage, rows, width) = (self.stage, self.rows, self.width());
        let size = self.members() * width;
        memory.g.resize(size, 0.0);
        zeros(&mut memory.back, R::BACK * size);
        zeros(&mut memory.still, if stage.still { size } else { 0 });
        for t in (0..stage.steps).rev() {
            let kept = &memory.kept[t * R::KEPT * size..][..R::KEPT * size];
            let first = t * self.windows * stage.shape[3] + self.channels.start;
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
        let [batch, .., c] = stage.shape;
        let (side_by_side, channels) = (stage.side_by_side(), &self.channels);
        for (i, d) in d.chunks_exact(self.width()).enumerate() {
            for Stretch { place, in_row, in_member, len } in self.stretches(i) {
                let place = self.sample * stage.map() + place;
                let factors = self.affine.at(t, side_by_side * c, channels.start, len);
                let z = &self.z[t * batch * stage.map() + place..][..len];
                let out = &mut out[in_row..][..len];
                let mask = stage.mask.map(|m| &m[place..][..len]);
                passed(stage, z, factors, mask, &d[in_member..][..len], out);
                let Some(norm) = stage.norm else { continue };
                let set = if stage.sets() == 1 { 0 } else { t };
                let moments = if norm.inverse.len() == c { 0 } else { t * c };
                let (mean, inverse) = (&norm.mean[moments..], &norm.inverse[moments..]);
                let (mean, inverse) = (&mean[channels.clone()], &inverse[channels.clone()]);
                let (sd, sx) = sums[2 * set * c..][..2 * c].split_at_mut(c);
                let (sd, sx) = (&mut sd[channels.clone()], &mut sx[channels.clone()]);
                let n = channels.len();
                for (out, z) in out.chunks_exact(n).zip(z.chunks_exact(n)) {
                    // slices of one known length: no index is checked inside the loop
                    let (sd, sx, mean, z, inverse, out) =
                        (&mut sd[..n], &mut sx[..n], &mean[..n], &z[..n], &inverse[..n], &out[..n]);
                    for i in 0..n {
                        sd[i] += out[i];
                        sx[i] += out[i] * ((z[i] - mean[i]) * inverse[i]);
                    }
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
            f(Tile { rows, stage, affine, z, sample, at, sides, windows: n, channels });
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
                let place = Some(i * c + tile.channels.start);
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
