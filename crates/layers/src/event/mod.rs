//! Event-driven products: what a convolution or a linear layer computes, taken at the non-zero
//! entries of its input alone. Sums run in another order than a matrix product's, and nothing else
//! differs.
//!
//! With x the input, w the weight and g the gradient of the output, each of the three products
//!
//! ```text
//! y = x ∗ w + b        ∂L/∂w = x ⋆ g        ∂L/∂x = g ⋆ w  (wanted at the entries of x only)
//! ```
//!
//! costs one vector of output channels for each entry and tap of the window. That the last one is
//! wanted at the entries only is a property of the neuron below: see [`neuron::Neuron::stage`].
//!
//! Kernels are written once, over `pulp`'s vectors: AVX-512, AVX2, NEON or plain scalars, as the
//! machine has it. Output channels are cut into tiles of a few vectors, so that the weights of one
//! row of the window stay in the first-level cache while all pixels of a map pass by. Tasks are cut
//! by sizes and densities, never by threads, and no two of them write to the same number: results
//! have the same bits for any number of threads.

mod conv;
mod linear;
mod scatter;
mod weights;

pub use conv::{forward as conv_forward, input_gradient as conv_input_gradient};
pub use linear::{
    forward as linear_forward, input_gradient as linear_input_gradient,
    weight_gradient as linear_weight_gradient,
};

pub use scatter::scatter;
pub use weights::conv_weight_gradient;

use pulp::{Arch, Simd, WithSimd};

/// f32s of one vector of this machine.
fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    Arch::new().dispatch(Lanes)
}

/// Vectors of a tile of output channels: as many of 4, 2, 1 as the channels fill.
fn vectors(channels: usize, most: usize) -> usize {
    [4, 2, 1].into_iter().find(|&v| v <= most && channels >= v * lanes()).unwrap_or(1)
}

/// Rows of N vectors.
#[inline(always)]
fn rows<S: Simd, const N: usize>(x: &[f32]) -> &[[S::f32s; N]] {
    S::as_simd_f32s(x).0.as_chunks().0
}

/// Rows of N vectors, to write to.
#[inline(always)]
fn rows_mut<S: Simd, const N: usize>(x: &mut [f32]) -> &mut [[S::f32s; N]] {
    S::as_mut_simd_f32s(x).0.as_chunks_mut().0
}

/// a + b, vector by vector.
#[inline(always)]
fn add<S: Simd, const N: usize>(simd: S, a: &mut [S::f32s; N], b: &[S::f32s; N]) {
    for v in 0..N {
        a[v] = simd.add_f32s(a[v], b[v]);
    }
}

/// a + value · b, vector by vector.
#[inline(always)]
fn add_scaled<S: Simd, const N: usize>(
    simd: S,
    a: &mut [S::f32s; N],
    value: f32,
    b: &[S::f32s; N],
) {
    let value = simd.splat_f32s(value);
    for v in 0..N {
        a[v] = simd.mul_add_e_f32s(value, b[v], a[v]);
    }
}

/// Adds to `acc` the rows `index − origin` of `w`, each times its value if there are any; two
/// chains of additions, since one would wait for itself.
#[inline(always)]
fn gather<S: Simd, const N: usize>(
    simd: S,
    acc: &mut [S::f32s; N],
    index: &[u32],
    values: Option<&[f32]>,
    origin: isize,
    w: &[[S::f32s; N]],
) {
    let row = |i: u32| &w[(i as isize - origin) as usize];
    // a copy on the stack: an index out of bounds would have to find `acc` up to date, after every
    // addition
    let mut one = *acc;
    let mut other = [simd.splat_f32s(0.0); N];
    let (pairs, last) = index.as_chunks::<2>();
    match values {
        None => {
            for &[i, j] in pairs {
                add(simd, &mut one, row(i));
                add(simd, &mut other, row(j));
            }
            last.iter().for_each(|&i| add(simd, &mut one, row(i)));
        }
        Some(values) => {
            let (value_pairs, last_value) = values.as_chunks::<2>();
            for (&[i, j], &[a, b]) in pairs.iter().zip(value_pairs) {
                add_scaled(simd, &mut one, a, row(i));
                add_scaled(simd, &mut other, b, row(j));
            }
            last.iter().zip(last_value).for_each(|(&i, &a)| add_scaled(simd, &mut one, a, row(i)));
        }
    }
    add(simd, &mut one, &other);
    *acc = one;
}

/// Calls a generic kernel with N = 4, 2 or 1 vectors a tile.
macro_rules! with_vectors {
    ($vectors:expr, $n:ident => $kernel:expr) => {
        match $vectors {
            4 => {
                const $n: usize = 4;
                Arch::new().dispatch($kernel)
            }
            2 => {
                const $n: usize = 2;
                Arch::new().dispatch($kernel)
            }
            _ => {
                const $n: usize = 1;
                Arch::new().dispatch($kernel)
            }
        }
    };
}
use with_vectors;

/// Columns of a row-major matrix `[rows, columns]` cut into tiles of `tile` columns, the last
/// filled up with zeros: `[tiles, rows, tile]`.
fn tiled(w: &[f32], columns: usize, tile: usize) -> Vec<f32> {
    use rayon::prelude::*;
    let (rows, tiles) = (w.len() / columns, columns.div_ceil(tile));
    let mut out = vec![0.0; tiles * rows * tile];
    out.par_chunks_mut(rows * tile).enumerate().for_each(|(i, out)| {
        let (first, len) = (i * tile, tile.min(columns - i * tile));
        for (to, from) in out.chunks_exact_mut(tile).zip(w.chunks_exact(columns)) {
            to[..len].copy_from_slice(&from[first..first + len]);
        }
    });
    out
}
