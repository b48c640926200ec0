//! Batch norm on slices: the arithmetic of [`crate::BatchNorm`], forward and backward.

use crate::kernel::Stored;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// Rows that one task sums in the working precision before the sum is added up in f64: few enough
/// to keep the rounding of an f32 sum far below the tolerance, many enough to keep the loop long.
const ROWS: usize = 128;

/// Σ over the rows of each set of `term(row index, channel)`, two sums at once: `[sets][2][c]` in
/// f64. Tasks are pieces of fixed size added in order, so the result does not depend on the number
/// of threads.
pub(crate) fn sums<F: Stored>(
    rows: usize,
    sets: usize,
    c: usize,
    add: impl Fn(usize, &mut [F], &mut [F]) + Sync,
) -> Vec<f64> {
    let per_set = rows / sets;
    let pieces = per_set.div_ceil(ROWS);
    let partial: Vec<Vec<F>> = (0..sets * pieces)
        .into_par_iter()
        .map(|i| {
            let (set, piece) = (i / pieces, i % pieces);
            let mut acc = vec![F::zero(); 2 * c];
            let (a, b) = acc.split_at_mut(c);
            let first = set * per_set + piece * ROWS;
            let rows = first..(first + ROWS).min((set + 1) * per_set);
            Arch::new().dispatch(Sum { rows, add: &add, a, b });
            acc
        })
        .collect();
    let mut total = vec![0.0; sets * 2 * c];
    for (i, part) in partial.iter().enumerate() {
        let total = &mut total[i / pieces * 2 * c..][..2 * c];
        total.iter_mut().zip(part).for_each(|(t, &p)| *t += p.to_f64());
    }
    total
}

/// The sums of one task, in a function that is compiled for this CPU's vectors.
struct Sum<'a, F, A> {
    rows: Range<usize>,
    add: &'a A,
    a: &'a mut [F],
    b: &'a mut [F],
}

impl<F, A: Fn(usize, &mut [F], &mut [F])> WithSimd for Sum<'_, F, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for row in self.rows {
            (self.add)(row, self.a, self.b);
        }
    }
}

/// What a batch norm normalises with, per set and channel, `[sets, C]`: values of a set share their
/// statistics.
#[derive(Clone, Debug)]
pub struct Scales<F> {
    /// μ.
    pub mean: Vec<F>,
    /// What rounding took from the mean.
    pub lost: Vec<F>,
    /// 1/√(σ² + ε).
    pub inverse: Vec<F>,
    /// C.
    pub channels: usize,
}

impl<F: Stored> Scales<F> {
    /// Of `moments` `[3, sets, C]`: mean, biased variance, what the mean lost; each of `size`
    /// numbers.
    pub fn of(moments: &[F], size: usize, channels: usize, eps: f64) -> Self {
        let (mean, others) = moments.split_at(size);
        let (var, lost) = others.split_at(size);
        let inverse = var.iter().map(|&v| F::of(1.0 / (v.to_f64() + eps).sqrt())).collect();
        Scales { mean: mean.to_vec(), lost: lost.to_vec(), inverse, channels }
    }

    /// Sets.
    pub fn sets(&self) -> usize {
        self.mean.len() / self.channels
    }

    /// These sets, and others behind them.
    pub fn followed_by(mut self, others: Self) -> Self {
        self.mean.extend(others.mean);
        self.lost.extend(others.lost);
        self.inverse.extend(others.inverse);
        self
    }

    /// One set alone; the only one if there are no others.
    ///
    /// # Panics
    /// If there are others, but not this one.
    pub fn set(&self, set: usize) -> Self {
        let c = self.channels;
        let at = if self.sets() == 1 { 0 } else { set * c };
        let [mean, lost, inverse] =
            [&self.mean, &self.lost, &self.inverse].map(|all| all[at..at + c].to_vec());
        Scales { mean, lost, inverse, channels: c }
    }

    /// The only set, once for each of so many steps.
    pub fn repeated(&self, steps: usize) -> Self {
        let [mean, lost, inverse] =
            [&self.mean, &self.lost, &self.inverse].map(|all| all.repeat(steps));
        Scales { mean, lost, inverse, channels: self.channels }
    }

    /// y = γ(x − μ)/√(σ² + ε) + β, with γ `[C]`, or one of each step, `[T, C]`.
    pub fn apply(&self, x: &[F], gamma: &[F], beta: &[F]) -> Vec<F> {
        let c = self.channels;
        let per_set = x.len() / self.sets().max(gamma.len() / c);
        let mut y = vec![F::zero(); x.len()];
        let chunk = ROWS * c;
        for ((set, y), x) in y.chunks_mut(per_set).enumerate().zip(x.chunks(per_set)) {
            let at = set * c % self.mean.len();
            let gamma = &gamma[set * c % gamma.len()..][..c];
            let scale: Vec<F> =
                gamma.iter().zip(&self.inverse[at..]).map(|(&g, &i)| g * i).collect();
            let shift = beta.iter().zip(&scale).zip(&self.lost[at..]);
            let shift: Vec<F> = shift.map(|((&b, &k), &lost)| b - k * lost).collect();
            let mean = &self.mean[at..][..c];
            let factors = [mean, &scale, &shift];
            y.par_chunks_mut(chunk).zip(x.par_chunks(chunk)).for_each(|(y, x)| {
                Arch::new().dispatch(Forward { y, x, factors });
            });
        }
        y
    }

    /// Σg and Σg·x̂ of each set, `[2, sets, C]`: the gradients of β and γ, summed over the sets.
    pub fn gradient_sums(&self, x: &[F], g: &[F]) -> Vec<F> {
        let (c, sets_of) = (self.channels, self.sets());
        let rows = x.len() / c;
        let per_set = rows / sets_of;
        let found = sums::<F>(rows, sets_of, c, |row, a, b| {
            let at = row / per_set * c;
            let (x, g) = (&x[row * c..][..c], &g[row * c..][..c]);
            let (mean, inverse) = (&self.mean[at..][..c], &self.inverse[at..][..c]);
            let (a, b) = (&mut a[..c], &mut b[..c]);
            for i in 0..c {
                a[i] += g[i];
                b[i] += g[i] * ((x[i] - mean[i]) * inverse[i]);
            }
        });
        let mut out = vec![F::zero(); found.len()];
        for (at, sum) in found.iter().enumerate() {
            let (set, which, channel) = (at / (2 * c), at / c % 2, at % c);
            out[(which * sets_of + set) * c + channel] = F::of(*sum);
        }
        out
    }

    /// ∂L/∂x = γ/√(σ² + ε) · (g − Σg/n − x̂ · Σ(g·x̂)/n) with the sums of
    /// [`Scales::gradient_sums`], and γ `[C]`, or one of each set.
    pub fn input_gradient(&self, x: &[F], g: &[F], sums: &[F], gamma: &[F]) -> Vec<F> {
        let (c, sets) = (self.channels, self.sets());
        let per_set = x.len() / sets;
        let n = F::of((per_set / c) as f64);
        let mut d = vec![F::zero(); x.len()];
        let chunk = ROWS * c;
        for (set, ((d, x), g)) in
            d.chunks_mut(per_set).zip(x.chunks(per_set)).zip(g.chunks(per_set)).enumerate()
        {
            // d = p·g − q·x + r with three numbers per channel
            let row = |which: usize| &sums[(which * sets + set) * c..][..c];
            let (mean, inverse) = (&self.mean[set * c..][..c], &self.inverse[set * c..][..c]);
            let gamma = &gamma[set * c % gamma.len()..][..c];
            let p: Vec<F> = gamma.iter().zip(inverse).map(|(&g, &i)| g * i).collect();
            let q: Vec<F> = (0..c).map(|i| row(1)[i] / n * inverse[i]).collect();
            let r: Vec<F> = (0..c).map(|i| row(0)[i] / n).collect();
            let factors = [mean, &p, &q, &r];
            let all = d.par_chunks_mut(chunk).zip(x.par_chunks(chunk)).zip(g.par_chunks(chunk));
            all.for_each(|((d, x), g)| Arch::new().dispatch(Backward { d, x, g, factors }));
        }
        d
    }
}

/// y of some rows: mean, scale and shift of each channel.
struct Forward<'a, F> {
    y: &'a mut [F],
    x: &'a [F],
    factors: [&'a [F]; 3],
}

impl<F: Stored> WithSimd for Forward<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let [mean, scale, shift] = self.factors;
        let c = mean.len();
        let (scale, shift) = (&scale[..c], &shift[..c]);
        for (y, x) in self.y.chunks_exact_mut(c).zip(self.x.chunks_exact(c)) {
            for i in 0..c {
                y[i] = (x[i] - mean[i]) * scale[i] + shift[i];
            }
        }
    }
}

/// ∂L/∂x of some rows: mean, p, q and r of each channel.
struct Backward<'a, F> {
    d: &'a mut [F],
    x: &'a [F],
    g: &'a [F],
    factors: [&'a [F]; 4],
}

impl<F: Stored> WithSimd for Backward<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let [mean, p, q, r] = self.factors;
        let c = mean.len();
        let (p, q, r) = (&p[..c], &q[..c], &r[..c]);
        let rows = self.d.chunks_exact_mut(c).zip(self.x.chunks_exact(c));
        for ((d, x), g) in rows.zip(self.g.chunks_exact(c)) {
            for i in 0..c {
                d[i] = p[i] * (g[i] - r[i] - (x[i] - mean[i]) * q[i]);
            }
        }
    }
}
