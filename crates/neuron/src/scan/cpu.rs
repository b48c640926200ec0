use super::Cell;
use rayon::prelude::*;
use surrogate::Real;

/// Neurons that one task takes through all steps: at T = 16 the recomputed membranes of a block are
/// 64 KiB in f32, which stay in the second-level cache between the two directions of the backward
/// pass. Blocks half as large were measured to be slower, larger ones no faster, and they would
/// leave threads without work on small layers.
const BLOCK: usize = 1024;

/// Spikes of currents `x` `[steps, n]`.
pub fn forward<C: Cell, F: Real>(cell: &C, x: &[F], steps: usize) -> Vec<F> {
    let n = x.len() / steps;
    let mut out = vec![F::zero(); x.len()];
    blocks(&mut out, n, BLOCK).into_par_iter().enumerate().for_each(|(b, mut rows)| {
        let cell = *cell; // on the stack, where no write to a slice can change it: without that, no SIMD
        let first = b * BLOCK;
        let mut v = [F::zero(); BLOCK];
        for (t, o) in rows.iter_mut().enumerate() {
            let x = &x[t * n + first..][..o.len()];
            for ((o, v), &x) in o.iter_mut().zip(&mut v).zip(x) {
                let u = cell.charge(x, *v);
                let fired = cell.fires(u);
                *o = if fired { F::one() } else { F::zero() };
                *v = cell.carry(u, fired);
            }
        }
    });
    out
}

/// D = ∂L/∂x of currents `x` and spike gradients `g`, all `[steps, n]`.
pub fn backward<C: Cell, F: Real>(cell: &C, x: &[F], g: &[F], steps: usize) -> Vec<F> {
    let n = x.len() / steps;
    let mut out = vec![F::zero(); x.len()];
    let tasks = blocks(&mut out, n, BLOCK).into_par_iter().enumerate();
    tasks.for_each_init(
        || vec![F::zero(); steps * BLOCK],
        |membranes, (b, mut rows)| {
            let cell = *cell; // as in `forward`
            let first = b * BLOCK;
            let mut v = [F::zero(); BLOCK];
            for (t, u) in membranes.chunks_exact_mut(BLOCK).enumerate() {
                let x = &x[t * n + first..][..rows[t].len()];
                for ((u, v), &x) in u.iter_mut().zip(&mut v).zip(x) {
                    *u = cell.charge(x, *v);
                    *v = cell.carry(*u, cell.fires(*u));
                }
            }
            let mut m = [F::zero(); BLOCK];
            for (t, d) in rows.iter_mut().enumerate().rev() {
                let (u, g) = (&membranes[t * BLOCK..][..d.len()], &g[t * n + first..][..d.len()]);
                for (((d, m), &u), &g) in d.iter_mut().zip(&mut m).zip(u).zip(g) {
                    *m = cell.backward(u, cell.fires(u), g, *m);
                    *d = *m;
                }
            }
        },
    );
    out
}

/// `out` `[steps, n]` cut into blocks of `size` neurons, each with its piece of every step, so that
/// tasks own what they write and no pointer has to be trusted.
pub(super) fn blocks<F>(out: &mut [F], n: usize, size: usize) -> Vec<Vec<&mut [F]>> {
    let mut blocks: Vec<Vec<&mut [F]>> = Vec::new();
    blocks.resize_with(n.div_ceil(size), Vec::new);
    if n > 0 {
        for row in out.chunks_exact_mut(n) {
            row.chunks_mut(size).zip(&mut blocks).for_each(|(piece, block)| block.push(piece));
        }
    }
    blocks
}
