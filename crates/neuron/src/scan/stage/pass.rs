//! Whole stages: rows of windows as tasks, and what their sums make of batch norm's gradient.

use super::place::Affine;
use super::tile::{Backward, Fire, Memory, Row};
use super::{Fired, Norm, Stage, StageGradient, Upstream};
use crate::scan::{Rows, loops};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// `out`, maps of all samples step after step, each cut into rows of `size` (the last may be
/// shorter): for each of the `tasks` rows of a step its pieces at all steps.
fn by_row<F>(out: &mut [F], map: usize, size: usize, tasks: usize) -> Vec<Vec<&mut [F]>> {
    let mut rows: Vec<Vec<&mut [F]>> = Vec::new();
    rows.resize_with(tasks, Vec::new);
    if map > 0 {
        let pieces = out.chunks_exact_mut(map).flat_map(|map| map.chunks_mut(size));
        pieces.enumerate().for_each(|(i, piece)| rows[i % tasks].push(piece));
    }
    rows
}

/// What a task does to the pieces of its row.
type Work<'a, P, T> = dyn Fn(usize, &mut P, &mut Memory) -> T + Sync + 'a;

/// What the tasks give, in their order. Behind a pointer, so that the compiler makes one parallel
/// loop and not one for each neuron.
fn in_parallel<P: Send, T: Send>(tasks: &mut [P], work: &Work<P, T>) -> Vec<T> {
    let tasks = tasks.par_iter_mut().enumerate();
    tasks.map_init(Memory::default, |memory, (i, pieces)| work(i, pieces, memory)).collect()
}

/// [`Kernel::fire`](super::Kernel::fire) of neurons.
pub fn fire<R: Rows>(rows: R, stage: &Stage, z: &[f32]) -> Fired {
    fired(rows.forward(), stage, z)
}

fn fired<R: Rows>(rows: R, stage: &Stage, z: &[f32]) -> Fired {
    stage.check(z);
    let [batch, h, _, c] = stage.shape;
    let (oh, ow) = stage.pooled();
    let k = stage.pool.side();
    let affine = Affine::of(stage);
    let mut counts = vec![0; stage.steps * batch * oh * ow * c];
    // a row of windows that is none has no counts
    let mut pieces = by_row(&mut counts, oh * ow * c, (ow * c).max(1), batch * oh).into_iter();
    let down = h.div_ceil(k);
    let mut tasks: Vec<Vec<&mut [u8]>> = (0..batch * down)
        .map(|i| if i % down < oh { pieces.next().unwrap_or_default() } else { vec![] })
        .collect();
    let by_task: Vec<Vec<u64>> = in_parallel(&mut tasks, &|i, counts, memory| {
        let row = Row::new(rows, stage, &affine, z, i);
        Arch::new().dispatch(Fire { row, counts, memory })
    });
    drop(tasks);
    let mut spikes = vec![0; stage.steps];
    by_task.iter().for_each(|task| spikes.iter_mut().zip(task).for_each(|(sum, n)| *sum += n));
    Fired { counts, spikes }
}

/// [`Kernel::step`](super::Kernel::step) of neurons.
pub fn step<R: Rows>(rows: R, x: &[f32], v: &mut [f32], fired: &mut [u8]) {
    let (n, states, spikes) = (x.len(), v.len(), fired.len());
    assert!(states == R::STATES * n && spikes == n, "{n} {states} {spikes}");
    Arch::new().dispatch(loops::Fire { rows: rows.forward(), x, v, o: fired });
}

/// [`Kernel::backward`](super::Kernel::backward) of neurons.
pub fn backward<R: Rows>(rows: R, stage: &Stage, z: &[f32], upstream: &Upstream) -> StageGradient {
    stage.check(z);
    let [batch, h, w, c] = stage.shape;
    let down = h.div_ceil(stage.pool.side());
    let affine = Affine::of(stage);
    let size = if stage.norm.is_some() { stage.sets() * 2 * c } else { 0 };
    let mut d = vec![0.0; z.len()];
    let mut pieces = by_row(&mut d, stage.map(), stage.pool.side() * w * c, batch * down);
    let sums: Vec<(Vec<f32>, Vec<f64>)> = in_parallel(&mut pieces, &|i, out, memory| {
        let (mut sums, mut own) = (vec![0.0; size], vec![0.0; R::PARAMETERS]);
        let row = Row::new(rows, stage, &affine, z, i);
        let (sums_now, parameters) = (&mut sums, &mut own);
        let task = Backward { row, upstream, out, sums: sums_now, parameters, memory };
        Arch::new().dispatch(task);
        (sums, own)
    });
    drop(pieces);
    // task after task, so that the sums are the same for any number of threads
    let mut parameters = vec![0.0f64; R::PARAMETERS];
    sums.iter().for_each(|(_, own)| parameters.iter_mut().zip(own).for_each(|(t, s)| *t += s));
    let parameters = parameters.into_iter().map(|sum| sum as f32).collect();
    let Some(norm) = stage.norm else { return StageGradient { z: d, norm: None, parameters } };
    let mut total = vec![0.0f64; size];
    sums.iter()
        .for_each(|(sums, _)| total.iter_mut().zip(sums).for_each(|(t, s)| *t += f64::from(*s)));
    finish(stage, &norm, z, &total, &mut d);
    let sum = |which: usize| -> Vec<f32> {
        let channel =
            |i| (0..stage.sets()).map(|set| total[(2 * set + which) * c + i]).sum::<f64>() as f32;
        (0..c).map(channel).collect()
    };
    let gamma = match norm.gamma.len() > c {
        true => total.chunks(2 * c).flat_map(|set| &set[c..]).map(|&sum| sum as f32).collect(),
        false => sum(1),
    };
    StageGradient { z: d, norm: Some((gamma, sum(0))), parameters }
}

/// Where statistics are of all steps and γ is of each, the sums over the steps of γ·D and γ·D·x̂.
fn weighted(norm: &Norm, sums: &[f64]) -> Vec<f64> {
    let c = norm.beta.len();
    let mut together = vec![0.0; 2 * c];
    for (gamma, sums) in norm.gamma.chunks(c).zip(sums.chunks(2 * c)) {
        for (i, (total, sum)) in together.iter_mut().zip(sums).enumerate() {
            *total += f64::from(gamma[i % c]) * sum;
        }
    }
    together
}

/// D → ∂L/∂z = γ/√(σ² + ε) · (D − ΣD/n − x̂ · Σ(D·x̂)/n) in place. Of a still image D is the sum
/// over its steps, and so are the two sums: the formula is linear in D, and x̂ the same for all
/// steps.
fn finish(stage: &Stage, norm: &Norm, z: &[f32], sums: &[f64], d: &mut [f32]) {
    let c = stage.shape[3];
    let step = stage.shape.iter().product::<usize>();
    let sets = if norm.mean.len() == c { 1 } else { stage.sets() };
    let count = (step / c * if sets == 1 { stage.z_steps() } else { 1 }) as f64;
    // a γ that differs within a set of statistics is no factor of its sums: it goes into D
    let within = sets == 1 && norm.gamma.len() > c;
    let together = within.then(|| weighted(norm, sums));
    let sums = together.as_deref().unwrap_or(sums);
    let ones = vec![1.0; c];
    for (t, (d, z)) in d.chunks_mut(step).zip(z.chunks(step)).enumerate() {
        let set = if sets == 1 { 0 } else { t };
        let (sd, sx) = sums[2 * set * c..][..2 * c].split_at(c);
        let (mean, inverse) = (norm.at(norm.mean, t), norm.at(norm.inverse, t));
        let gamma = norm.at(norm.gamma, t);
        if within {
            let weigh = |d: &mut [f32]| d.iter_mut().zip(gamma).for_each(|(d, gamma)| *d *= gamma);
            d.par_chunks_mut(c).for_each(weigh);
        }
        let gamma = if within { &ones } else { gamma };
        let p: Vec<f32> = gamma.iter().zip(inverse).map(|(g, i)| g * i).collect();
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
