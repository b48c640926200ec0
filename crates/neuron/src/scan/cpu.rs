use super::loops::{Back, Charge, Fire};
use super::rows::Rows;
use pulp::Arch;
use rayon::prelude::*;
use surrogate::Real;

/// Neurons that one task takes through all steps: at T = 16 the recomputed membranes of a block are
/// 64 KiB in f32, which stay in the second-level cache between the two directions of the backward
/// pass. Blocks half as large were measured to be slower, larger ones no faster, and they would
/// leave threads without work on small layers.
const BLOCK: usize = 1024;

/// Spikes of currents `x` `[steps, n]`.
pub fn forward<R: Rows, F: Real>(rows: &R, x: &[F], steps: usize) -> Vec<F> {
    spikes(rows.forward(), x, steps)
}

fn spikes<R: Rows, F: Real>(rows: R, x: &[F], steps: usize) -> Vec<F> {
    let n = x.len() / steps;
    let (out, _) = by_blocks(x.len(), n, &|first, pieces, Memory { v, .. }| {
        let arch = Arch::new();
        zeros(v, R::STATES * pieces[0].len());
        for (t, o) in pieces.iter_mut().enumerate() {
            arch.dispatch(Fire { rows, x: &x[t * n + first..][..o.len()], v, o });
        }
        Vec::new()
    });
    out
}

/// D = ∂L/∂x of currents `x` and spike gradients `g`, all `[steps, n]`, and ∂L/∂parameter of each.
/// Sums are taken block after block, so that they are the same for any number of threads.
pub fn backward<R: Rows, F: Real>(rows: &R, x: &[F], g: &[F], steps: usize) -> (Vec<F>, Vec<f64>) {
    let n = x.len() / steps;
    let (out, parts) = by_blocks(x.len(), n, &|first, pieces, memory| {
        block_gradient(*rows, (x, g), (n, first), pieces, memory)
    });
    let mut sums = vec![0.0; R::PARAMETERS];
    parts.iter().for_each(|part| sums.iter_mut().zip(part).for_each(|(sum, p)| *sum += p));
    (out, sums)
}

/// What a task does to the neurons from the given one on: their pieces of each step, its sums.
type Work<'a, F> = dyn Fn(usize, &mut [&mut [F]], &mut Memory<F>) -> Vec<f64> + Sync + 'a;

/// `len` numbers, `n` a step, and the sums of the tasks that wrote them, in their order. Behind a
/// pointer, so that the compiler makes one parallel loop and not one for each neuron.
fn by_blocks<F: Real>(len: usize, n: usize, work: &Work<F>) -> (Vec<F>, Vec<Vec<f64>>) {
    let mut out = vec![F::zero(); len];
    let tasks = blocks(&mut out, n, BLOCK).into_par_iter().enumerate();
    let sums = tasks
        .map_init(Memory::new, |memory, (b, mut pieces)| work(b * BLOCK, &mut pieces, memory))
        .collect();
    (out, sums)
}

/// Working memory of a task: states, what all steps kept, gradients.
struct Memory<F> {
    v: Vec<F>,
    kept: Vec<F>,
    back: Vec<F>,
}

impl<F> Memory<F> {
    fn new() -> Self {
        Memory { v: Vec::new(), kept: Vec::new(), back: Vec::new() }
    }
}

/// D of the neurons from `first` on, of `n`, into their `pieces` of each step; gives the sums of
/// the parameters' gradients.
fn block_gradient<R: Rows, F: Real>(
    rows: R,
    (x, g): (&[F], &[F]),
    (n, first): (usize, usize),
    pieces: &mut [&mut [F]],
    memory: &mut Memory<F>,
) -> Vec<f64> {
    let (arch, len) = (Arch::new(), pieces[0].len());
    let Memory { v, kept, back } = memory;
    zeros(v, R::STATES * len);
    zeros(back, R::BACK * len);
    kept.resize(pieces.len() * R::KEPT * len, F::zero());
    for (t, kept) in kept.chunks_exact_mut(R::KEPT * len).enumerate() {
        arch.dispatch(Charge { rows, x: &x[t * n + first..][..len], v, kept });
    }
    for (t, d) in pieces.iter_mut().enumerate().rev() {
        let kept = &kept[t * R::KEPT * len..][..R::KEPT * len];
        arch.dispatch(Back { rows, kept, g: &g[t * n + first..][..len], back, sum: None });
        d.copy_from_slice(&back[..len]);
    }
    parameter_sums::<R, F>(back)
}

/// Zeros, `len` of them.
fn zeros<F: Real>(values: &mut Vec<F>, len: usize) {
    values.clear();
    values.resize(len, F::zero());
}

/// The sum of each of the last planes of `back`, which hold ∂L/∂parameter of single neurons.
pub(super) fn parameter_sums<R: Rows, F: Real>(back: &[F]) -> Vec<f64> {
    let len = back.len() / R::BACK;
    let planes = back.chunks_exact(len.max(1)).skip(R::BACK - R::PARAMETERS);
    planes.map(|plane| plane.iter().map(|q| (*q).into()).sum()).collect()
}

/// `out` `[steps, n]` cut into blocks of `size` neurons, each with its piece of every step, so that
/// tasks own what they write and no pointer has to be trusted.
fn blocks<F>(out: &mut [F], n: usize, size: usize) -> Vec<Vec<&mut [F]>> {
    let mut blocks: Vec<Vec<&mut [F]>> = Vec::new();
    blocks.resize_with(n.div_ceil(size), Vec::new);
    if n > 0 {
        for row in out.chunks_exact_mut(n) {
            row.chunks_mut(size).zip(&mut blocks).for_each(|(piece, block)| block.push(piece));
        }
    }
    blocks
}
