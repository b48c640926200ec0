//! All that lies between the currents of one product and the activations that the next one reads, as one pass over
//! slices of f32: batch norm, ReLU, dropout of currents, neurons, pooling.
//!
//! Forward reads z and writes counts of spikes in bytes, already pooled. Backward reads z again and computes the
//! membranes again, keeps D for one more look at it (the sums that batch norm's gradient needs are known only at the
//! end), and turns D into ∂L/∂z in place. A tile is one pooled pixel and some of its channels through all steps; it
//! stays in the second-level cache.

use super::Cell;
use pulp::{Arch, NullaryFnOnce, Simd, WithSimd};
use rayon::prelude::*;

/// What a [`Kernel`] does to currents `[T, B, H, W, C]`.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// T.
    pub steps: usize,
    /// B, H, W, C.
    pub shape: [usize; 4],
    /// Whether z holds one step `[B, H, W, C]` that is the same at all T.
    pub still: bool,
    /// Batch norm, if there is one.
    pub norm: Option<Norm<'a>>,
    /// Whether a ReLU follows.
    pub rectify: bool,
    /// Factors of the currents behind the ReLU, `[B, H, W, C]`.
    pub mask: Option<&'a [f32]>,
    /// What happens to the spikes.
    pub pool: Pooling,
}

/// Batch norm with given moments: one number per channel for each set of steps that shares them, `[S, C]`; S = 1 if
/// all steps do, else T.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// μ.
    pub mean: &'a [f32],
    /// What rounding took from the mean.
    pub lost: &'a [f32],
    /// 1/√(σ² + ε).
    pub inverse: &'a [f32],
    /// γ `[C]`.
    pub gamma: &'a [f32],
    /// β `[C]`.
    pub beta: &'a [f32],
}

/// How the spikes of k×k pixels become one number; rows and columns that fill no window are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Every pixel for itself.
    None,
    /// Whether any of them fired. The gradient goes to the first that did, else to the first.
    Max(usize),
    /// How many of them fired; the caller divides by k². The gradient is that of the mean.
    Average(usize),
}

impl Pooling {
    /// k.
    pub fn side(self) -> usize {
        match self {
            Pooling::None => 1,
            Pooling::Max(k) | Pooling::Average(k) => k,
        }
    }
}

/// What a stage gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Fired {
    /// Spikes of each window, `[T, B, H/k, W/k, C]`.
    pub counts: Vec<u8>,
    /// Spikes of all neurons at each step, pooled or not.
    pub spikes: Vec<u64>,
}

/// Gradients of a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct StageGradient {
    /// ∂L/∂z, in the shape of z.
    pub z: Vec<f32>,
    /// ∂L/∂γ and ∂L/∂β.
    pub norm: Option<(Vec<f32>, Vec<f32>)>,
}

/// Writes the gradient of one pooled pixel, counted through `[T, B, H/k, W/k]`, into a row of channels: all of them,
/// since the row holds whatever was there.
pub type Upstream<'a> = dyn Fn(usize, &mut [f32]) + Sync + 'a;

/// The kernels of a neuron that computes whole stages.
pub trait Kernel: Send + Sync {
    /// Spikes of the currents `z`.
    ///
    /// # Panics
    /// If they, or the norm's or the mask's numbers, are not those of the stage.
    fn fire(&self, stage: &Stage, z: &[f32]) -> Fired;

    /// Gradients from those of the pooled spikes.
    ///
    /// # Panics
    /// As [`Kernel::fire`].
    fn backward(&self, stage: &Stage, z: &[f32], upstream: &Upstream) -> StageGradient;

    /// One step alone: currents `x` behind norm and ReLU and the carried membranes `v`, which are changed, to spikes.
    ///
    /// # Panics
    /// If the three differ in length.
    fn step(&self, x: &[f32], v: &mut [f32], fired: &mut [u8]);

    /// Whether a gradient passes a neuron only where it fired, so that all others may be left out.
    fn only_where_fired(&self) -> bool;
}

impl Stage<'_> {
    fn map(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// Steps of z.
    fn z_steps(&self) -> usize {
        if self.still { 1 } else { self.steps }
    }

    /// Height and width behind the pool.
    pub fn pooled(&self) -> (usize, usize) {
        let k = self.pool.side();
        (self.shape[1] / k, self.shape[2] / k)
    }

    /// Statistics sets that the sums of the backward pass tell apart.
    fn sets(&self) -> usize {
        match self.norm {
            Some(norm) if !self.still && norm.mean.len() > self.shape[3] => self.steps,
            _ => 1,
        }
    }

    /// Channels of a tile: as many as keep `rows` rows of them in the second-level cache.
    fn tile(&self, rows: usize) -> usize {
        ((32 << 10) / rows.max(1)).next_multiple_of(16).min(self.shape[3]).max(1)
    }

    fn check(&self, z: &[f32]) {
        let [batch, .., c] = self.shape;
        assert!(self.steps > 0 && c > 0 && self.pool.side() > 0 && self.pool.side() < 16, "{self:?}");
        assert_eq!(z.len(), self.z_steps() * batch * self.map(), "currents of {:?}", self.shape);
        if let Some(norm) = self.norm {
            let sets = norm.mean.len() / c;
            assert!(sets == 1 || sets == self.steps, "{sets} sets of moments for {} steps", self.steps);
            assert!(norm.gamma.len() == c && norm.beta.len() == c, "{c} channels");
            let rest = [norm.lost.len(), norm.inverse.len()];
            assert_eq!(rest, [norm.mean.len(); 2], "one number for each mean");
        }
        if let Some(mask) = self.mask {
            assert_eq!(mask.len(), batch * self.map(), "a mask of {:?}", self.shape);
        }
    }
}

/// Factors of one set: x = (z − mean) · scale + shift.
struct Affine {
    mean: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Affine {
    fn of(stage: &Stage) -> Affine {
        let c = stage.shape[3];
        let Some(n) = stage.norm else {
            return Affine { mean: vec![0.0; c], scale: vec![1.0; c], shift: vec![0.0; c] };
        };
        let scale: Vec<f32> = n.inverse.iter().enumerate().map(|(i, inverse)| n.gamma[i % c] * inverse).collect();
        let shift = scale.iter().zip(n.lost).enumerate().map(|(i, (scale, lost))| n.beta[i % c] - scale * lost);
        Affine { mean: n.mean.to_vec(), shift: shift.collect(), scale }
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
        (true, true) => (0..n).for_each(|i| x[i] = positive((z[i] - mean[i]) * scale[i] + shift[i])),
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

/// A window of pixels and some channels of it: where its neurons stand in one step, and through it their membranes.
struct Tile<'a, C> {
    cell: C,
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
struct Memory {
    x: Vec<f32>,
    v: Vec<f32>,
    u: Vec<f32>,
    g: Vec<f32>,
    m: Vec<f32>,
    row: Vec<f32>,
    free: Vec<f32>,
}

impl<C: Cell> Tile<'_, C> {
    fn members(&self) -> usize {
        self.sides[0] * self.sides[1]
    }

    /// Where the channels of member `i` start in one sample.
    fn place(&self, i: usize) -> usize {
        let [.., w, c] = self.stage.shape;
        let (y, x) = (self.at[0] + i / self.sides[1], self.at[1] + i % self.sides[1]);
        (y * w + x) * c + self.channels.start
    }

    /// Membranes u of all steps, `[T, members, channels]`, into `memory.u`.
    #[inline(always)]
    fn membranes<S: Simd>(&self, simd: S, memory: &mut Memory) {
        let (stage, cell, width) = (self.stage, self.cell, self.channels.len());
        let size = self.members() * width;
        memory.x.resize(size, 0.0);
        memory.u.resize(stage.steps * size, 0.0);
        memory.v.clear();
        memory.v.resize(size, 0.0);
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
            let u = &mut memory.u[t * size..][..size];
            simd.vectorize(Charge { cell, x: &memory.x, v: &mut memory.v, u });
        }
    }

    /// Adds the spikes of the window to the counts of each step, from `place` on, if it belongs to a pooled pixel.
    /// Adds the spikes of all its neurons to those of each step.
    #[inline(always)]
    fn fire<S: Simd>(
        &self,
        simd: S,
        memory: &mut Memory,
        counts: &mut [&mut [u8]],
        place: Option<usize>,
        spikes: &mut [u64],
    ) {
        self.membranes(simd, memory);
        let (width, size) = (self.channels.len(), self.members() * self.channels.len());
        let any = matches!(self.stage.pool, Pooling::Max(_));
        for (t, u) in memory.u[..self.stage.steps * size].chunks_exact(size).enumerate() {
            spikes[t] += u64::from(simd.vectorize(Spikes { cell: self.cell, u }));
            let Some(place) = place else { continue };
            let counts = &mut counts[t][place..][..width];
            for u in u.chunks_exact(width) {
                simd.vectorize(Count { cell: self.cell, any, u, counts: &mut *counts });
            }
        }
    }

    /// D of the tile, zero where the ReLU is shut and times the mask, into the rows `out` of its windows' steps, and
    /// its sums into `sums`. `memory.row` holds the gradients of the pooled pixel, `[T, C]`.
    #[inline(always)]
    fn backward<S: Simd>(&self, simd: S, memory: &mut Memory, out: &mut [&mut [f32]], sums: &mut [f32]) {
        self.membranes(simd, memory);
        let (stage, cell, width) = (self.stage, self.cell, self.channels.len());
        let size = self.members() * width;
        memory.g.resize(size, 0.0);
        memory.m.clear();
        memory.m.resize(size, 0.0);
        memory.v.clear();
        memory.v.resize(size, 0.0); // of a still image: sums over the steps
        for t in (0..stage.steps).rev() {
            let u = &memory.u[t * size..][..size];
            let row = &memory.row[t * stage.shape[3]..][self.channels.clone()];
            let g = match stage.pool {
                Pooling::None => row,
                _ => {
                    self.share(simd, row, u, &mut memory.g, &mut memory.free);
                    &memory.g
                }
            };
            let m = &mut memory.m;
            let sum = stage.still.then_some(&mut memory.v[..]);
            simd.vectorize(Back { cell, u, g, m, sum });
            if !stage.still {
                self.keep(t, &memory.m, out[t], sums);
            }
        }
        if stage.still {
            self.keep(0, &memory.v, out[0], sums);
        }
    }

    /// Writes the gradient `d` of the currents behind norm, ReLU and mask as that of the currents behind the norm.
    #[inline(always)]
    fn keep(&self, t: usize, d: &[f32], out: &mut [f32], sums: &mut [f32]) {
        let stage = self.stage;
        let [batch, _, w, c] = stage.shape;
        let factors = self.affine.at(t, c, self.channels.clone());
        for (i, d) in d.chunks_exact(self.channels.len()).enumerate() {
            let place = self.sample * stage.map() + self.place(i);
            let z = &self.z[t * batch * stage.map() + place..][..d.len()];
            let at = (i / self.sides[1] * w + self.at[1] + i % self.sides[1]) * c + self.channels.start;
            let out = &mut out[at..][..d.len()];
            passed(stage, z, factors, stage.mask.map(|m| &m[place..][..d.len()]), d, out);
            if let Some(norm) = stage.norm {
                let set = if stage.sets() == 1 { 0 } else { t };
                let inverse = &norm.inverse[if norm.inverse.len() == c { 0 } else { t * c }..][self.channels.clone()];
                let (sd, sx) = sums[2 * set * c..][..2 * c].split_at_mut(c);
                let (sd, sx) = (&mut sd[self.channels.clone()], &mut sx[self.channels.clone()]);
                let n = out.len(); // slices of one known length: no index is checked inside the loop
                let (sd, sx, mean, z, inverse) = (&mut sd[..n], &mut sx[..n], &factors[0][..n], &z[..n], &inverse[..n]);
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
                    simd.vectorize(First { cell: self.cell, u, free: &mut *free, g });
                }
                // where none fired all are equal, and the first of equals is the largest
                g[..width].iter_mut().zip(free).for_each(|(g, free)| *g += *free);
            }
        }
    }
}

// The innermost loops, each a function of its own: in one large function the compiler leaves the neuron's constant
// choices (how it fires, how it resets) as branches inside the loop, and then uses no vectors.

/// One step of charge, fire, reset and leak; u is kept.
struct Charge<'a, C> {
    cell: C,
    x: &'a [f32],
    v: &'a mut [f32],
    u: &'a mut [f32],
}

impl<C: Cell> NullaryFnOnce for Charge<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let cell = self.cell;
        for ((u, v), &x) in self.u.iter_mut().zip(self.v).zip(self.x) {
            let now = cell.charge(x, *v);
            *u = now;
            *v = cell.carry(now, cell.fires(now));
        }
    }
}

/// One step backward: M from G, added to a sum if there is one.
struct Back<'a, C> {
    cell: C,
    u: &'a [f32],
    g: &'a [f32],
    m: &'a mut [f32],
    sum: Option<&'a mut [f32]>,
}

impl<C: Cell> NullaryFnOnce for Back<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let cell = self.cell;
        for ((m, &u), &g) in self.m.iter_mut().zip(self.u).zip(self.g) {
            *m = cell.backward(u, cell.fires(u), g, *m);
        }
        if let Some(sum) = self.sum {
            sum.iter_mut().zip(self.m).for_each(|(sum, m)| *sum += *m);
        }
    }
}

/// Spikes of some neurons.
struct Spikes<'a, C> {
    cell: C,
    u: &'a [f32],
}

impl<C: Cell> NullaryFnOnce for Spikes<'_, C> {
    type Output = u32;

    #[inline(always)]
    fn call(self) -> u32 {
        let cell = self.cell;
        self.u.iter().map(|&u| u32::from(cell.fires(u))).sum()
    }
}

/// Adds the spikes of one member to the counts of its window, or whether there are `any`.
struct Count<'a, C> {
    cell: C,
    any: bool,
    u: &'a [f32],
    counts: &'a mut [u8],
}

impl<C: Cell> NullaryFnOnce for Count<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let cell = self.cell;
        let all = self.counts.iter_mut().zip(self.u);
        match self.any {
            true => all.for_each(|(count, &u)| *count |= u8::from(cell.fires(u))),
            false => all.for_each(|(count, &u)| *count += u8::from(cell.fires(u))),
        }
    }
}

/// Gives one member of a window what is free of the gradient where it fired.
struct First<'a, C> {
    cell: C,
    u: &'a [f32],
    free: &'a mut [f32],
    g: &'a mut [f32],
}

impl<C: Cell> NullaryFnOnce for First<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let cell = self.cell;
        for ((g, free), &u) in self.g.iter_mut().zip(self.free).zip(self.u) {
            let taken = if cell.fires(u) { *free } else { 0.0 };
            *g = taken;
            *free -= taken; // all of it or nothing, without a branch
        }
    }
}

/// What of a gradient `d` of the currents passes mask and ReLU.
#[inline(always)]
fn passed(stage: &Stage, z: &[f32], factors: [&[f32]; 3], mask: Option<&[f32]>, d: &[f32], out: &mut [f32]) {
    let n = out.len();
    let [mean, scale, shift] = factors.map(|f| &f[..n]);
    let (z, d) = (&z[..n], &d[..n]);
    match (stage.norm.is_some(), stage.rectify) {
        (true, true) => {
            (0..n).for_each(|i| out[i] = if (z[i] - mean[i]) * scale[i] + shift[i] > 0.0 { d[i] } else { 0.0 });
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
struct Row<'a, C> {
    cell: C,
    stage: &'a Stage<'a>,
    affine: &'a Affine,
    z: &'a [f32],
    sample: usize,
    /// Row of windows; the last may be what fills none.
    row: usize,
}

impl<'a, C: Cell> Row<'a, C> {
    /// The row of task `i`.
    fn new(cell: C, stage: &'a Stage<'a>, affine: &'a Affine, z: &'a [f32], i: usize) -> Self {
        let rows = stage.shape[1].div_ceil(stage.pool.side());
        Row { cell, stage, affine, z, sample: i / rows, row: i % rows }
    }

    /// Columns of windows.
    fn windows(&self) -> usize {
        let (oh, ow) = self.stage.pooled();
        if self.row < oh { ow } else { 0 }
    }

    /// Calls `f` with the tiles of the window at column `i`, or beyond the last window of single pixels of the row.
    #[inline(always)]
    fn tiles(&self, i: usize, mut f: impl FnMut(Tile<'a, C>)) {
        let Row { cell, stage, affine, z, sample, row } = *self;
        let [_, h, _, c] = stage.shape;
        let (k, windows) = (stage.pool.side(), self.windows());
        let (column, wide) = if i < windows { (i * k, k) } else { (windows * k + i - windows, 1) };
        let (at, sides) = ([row * k, column], [k.min(h - row * k), wide]);
        let width = stage.tile(stage.steps * sides[0] * sides[1]);
        for first in (0..c).step_by(width) {
            let channels = first..(first + width).min(c);
            f(Tile { cell, stage, affine, z, sample, at, sides, channels });
        }
    }
}

struct Fire<'a, 'o, C> {
    row: Row<'a, C>,
    /// The row of counts of each step; none where no window is filled.
    counts: &'a mut [&'o mut [u8]],
    memory: &'a mut Memory,
}

impl<C: Cell> WithSimd for Fire<'_, '_, C> {
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

struct Backward<'a, 'o, C> {
    row: Row<'a, C>,
    upstream: &'a Upstream<'a>,
    /// The rows of D of each step of z.
    out: &'a mut [&'o mut [f32]],
    sums: &'a mut [f32],
    memory: &'a mut Memory,
}

impl<C: Cell> WithSimd for Backward<'_, '_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Backward { row, upstream, out, sums, memory } = self;
        let stage = row.stage;
        let [batch, .., c] = stage.shape;
        let (oh, ow) = stage.pooled();
        for i in 0..row.windows() {
            memory.row.resize(stage.steps * c, 0.0);
            for (t, g) in memory.row.chunks_exact_mut(c).enumerate() {
                upstream(((t * batch + row.sample) * oh + row.row) * ow + i, g);
            }
            row.tiles(i, |tile| tile.backward(simd, memory, out, sums));
        }
    }
}

/// `out`, maps of all samples step after step, each cut into rows of `size` (the last may be shorter): for each of the
/// `tasks` rows of a step its pieces at all steps.
fn by_row<F>(out: &mut [F], map: usize, size: usize, tasks: usize) -> Vec<Vec<&mut [F]>> {
    let mut rows: Vec<Vec<&mut [F]>> = Vec::new();
    rows.resize_with(tasks, Vec::new);
    if map > 0 {
        let pieces = out.chunks_exact_mut(map).flat_map(|map| map.chunks_mut(size));
        pieces.enumerate().for_each(|(i, piece)| rows[i % tasks].push(piece));
    }
    rows
}

/// [`Kernel::fire`] of a cell.
pub fn fire<C: Cell>(cell: C, stage: &Stage, z: &[f32]) -> Fired {
    stage.check(z);
    let [batch, h, _, c] = stage.shape;
    let (oh, ow) = stage.pooled();
    let k = stage.pool.side();
    let affine = Affine::of(stage);
    let mut counts = vec![0; stage.steps * batch * oh * ow * c];
    // a row of windows that is none has no counts
    let mut pieces = by_row(&mut counts, oh * ow * c, (ow * c).max(1), batch * oh).into_iter();
    let rows = h.div_ceil(k);
    let mut tasks: Vec<Vec<&mut [u8]>> =
        (0..batch * rows).map(|i| if i % rows < oh { pieces.next().unwrap_or_default() } else { vec![] }).collect();
    let by_task = tasks.par_iter_mut().enumerate().map_init(Memory::default, |memory, (i, counts)| {
        let row = Row::new(cell, stage, &affine, z, i);
        Arch::new().dispatch(Fire { row, counts, memory })
    });
    let by_task: Vec<Vec<u64>> = by_task.collect();
    drop(tasks);
    let mut spikes = vec![0; stage.steps];
    by_task.iter().for_each(|task| spikes.iter_mut().zip(task).for_each(|(sum, n)| *sum += n));
    Fired { counts, spikes }
}

/// [`Kernel::step`] of a cell.
pub fn step<C: Cell>(cell: C, x: &[f32], v: &mut [f32], fired: &mut [u8]) {
    assert!(x.len() == v.len() && x.len() == fired.len(), "{} {} {}", x.len(), v.len(), fired.len());
    Arch::new().dispatch(Step { cell, x, v, fired });
}

struct Step<'a, C> {
    cell: C,
    x: &'a [f32],
    v: &'a mut [f32],
    fired: &'a mut [u8],
}

impl<C: Cell> WithSimd for Step<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let cell = self.cell;
        for ((v, fired), &x) in self.v.iter_mut().zip(self.fired).zip(self.x) {
            let u = cell.charge(x, *v);
            let now = cell.fires(u);
            *fired = u8::from(now);
            *v = cell.carry(u, now);
        }
    }
}

/// [`Kernel::backward`] of a cell.
pub fn backward<C: Cell>(cell: C, stage: &Stage, z: &[f32], upstream: &Upstream) -> StageGradient {
    stage.check(z);
    let [batch, h, w, c] = stage.shape;
    let rows = h.div_ceil(stage.pool.side());
    let affine = Affine::of(stage);
    let size = if stage.norm.is_some() { stage.sets() * 2 * c } else { 0 };
    let mut d = vec![0.0; z.len()];
    let mut pieces = by_row(&mut d, stage.map(), stage.pool.side() * w * c, batch * rows);
    let sums: Vec<Vec<f32>> = pieces
        .par_iter_mut()
        .enumerate()
        .map_init(Memory::default, |memory, (i, out)| {
            let mut sums = vec![0.0; size];
            let row = Row::new(cell, stage, &affine, z, i);
            Arch::new().dispatch(Backward { row, upstream, out, sums: &mut sums, memory });
            sums
        })
        .collect();
    drop(pieces);
    let Some(norm) = stage.norm else { return StageGradient { z: d, norm: None } };
    let mut total = vec![0.0f64; size];
    sums.iter().for_each(|sums| total.iter_mut().zip(sums).for_each(|(t, s)| *t += f64::from(*s)));
    finish(stage, &norm, z, &total, &mut d);
    let sum = |which: usize| -> Vec<f32> {
        let channel = |i| (0..stage.sets()).map(|set| total[(2 * set + which) * c + i]).sum::<f64>() as f32;
        (0..c).map(channel).collect()
    };
    StageGradient { z: d, norm: Some((sum(1), sum(0))) }
}

/// D → ∂L/∂z = γ/√(σ² + ε) · (D − ΣD/n − x̂ · Σ(D·x̂)/n) in place. Of a still image D is the sum over its steps, and
/// so are the two sums: the formula is linear in D, and x̂ the same for all steps.
fn finish(stage: &Stage, norm: &Norm, z: &[f32], sums: &[f64], d: &mut [f32]) {
    let c = stage.shape[3];
    let step = stage.shape.iter().product::<usize>();
    let count = (step / c * if stage.sets() == 1 { stage.z_steps() } else { 1 }) as f64;
    for (t, (d, z)) in d.chunks_mut(step).zip(z.chunks(step)).enumerate() {
        let set = if stage.sets() == 1 { 0 } else { t };
        let at = if norm.mean.len() == c { 0 } else { t * c };
        let (sd, sx) = sums[2 * set * c..][..2 * c].split_at(c);
        let (mean, inverse) = (&norm.mean[at..][..c], &norm.inverse[at..][..c]);
        let p: Vec<f32> = norm.gamma.iter().zip(inverse).map(|(g, i)| g * i).collect();
        let q: Vec<f32> = sx.iter().zip(inverse).map(|(&s, i)| (s / count) as f32 * i).collect();
        let r: Vec<f32> = sd.iter().map(|&s| (s / count) as f32).collect();
        let chunk = (4096usize.div_ceil(c) * c).max(c);
        d.par_chunks_mut(chunk).zip(z.par_chunks(chunk)).for_each(|(d, z)| {
            Arch::new().dispatch(Finish { d, z, factors: [mean, &p, &q, &r] });
        });
    }
}

struct Finish<'a> {
    d: &'a mut [f32],
    z: &'a [f32],
    factors: [&'a [f32]; 4],
}

impl WithSimd for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let c = self.factors[0].len();
        let [mean, p, q, r] = self.factors.map(|f| &f[..c]);
        for (d, z) in self.d.chunks_exact_mut(c).zip(self.z.chunks_exact(c)) {
            let (d, z) = (&mut d[..c], &z[..c]);
            for i in 0..c {
                d[i] = p[i] * (d[i] - r[i] - (z[i] - mean[i]) * q[i]);
            }
        }
    }
}
