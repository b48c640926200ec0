use super::{Parts, TileProducts, Unit};
use crate::conv::{forward, input_gradient, weight_gradient};
use crate::{Consumer, Sizes, Sparse};
use proptest::prelude::*;

/// The model, and the instructions where the CPU has them.
fn units() -> Vec<Unit> {
    [Some(Unit::Model), Unit::found()].into_iter().flatten().collect()
}

/// Numbers from −0.5 to 0.5.
fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let next = |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..len).map(next).collect()
}

/// Activations of which about a third is not zero: ones, or quarters.
fn activations(seed: u64, len: usize, quarters: bool) -> Vec<f32> {
    let value = |x: f32| match (x < -0.17, quarters) {
        (true, true) => ((x + 0.5) * 12.0).floor() / 4.0,
        (true, false) => 1.0,
        (false, _) => 0.0,
    };
    numbers(seed, len).into_iter().map(value).collect()
}

fn doubled(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Fails where numbers are further from those in f64 than so many parts of the largest.
#[track_caller]
fn near(found: &[f32], expected: &[f64], within: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-30f64, |a, b| a.max(b.abs()));
    for (at, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let off = (f64::from(found) - expected).abs() / largest;
        assert!(off <= within, "{what} [{at}]: {found}, expected {expected}, off by {off:e}");
    }
}

fn transposed(x: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    (0..rows * columns).map(|i| x[i % rows * columns + i / rows]).collect()
}

fn product(a: &[f64], b: &[f64], (m, k, n): (usize, usize, usize)) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    for i in 0..m {
        for (a, b) in a[i * k..][..k].iter().zip(b.chunks_exact(n)) {
            out[i * n..][..n].iter_mut().zip(b).for_each(|(out, b)| *out += a * b);
        }
    }
    out
}

/// How far products may be from those in f64: with spikes, without.
fn bounds(parts: Parts) -> [f64; 2] {
    match parts {
        Parts::Single => [1e-6, 1e-5],
        Parts::Bf16 => [5e-3, 1e-2],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn convolutions_are_those_in_f64(
        (n, h, w) in (1usize..4, 1usize..12, 1usize..12),
        (ci, co) in (1usize..70, 1usize..70),
        (k, stride, padding) in (1usize..5, 1usize..4, 0usize..4),
        (seed, quarters) in (0u64..1000, any::<bool>()),
    ) {
        prop_assume!(padding < k && h + 2 * padding >= k && w + 2 * padding >= k);
        let s = Sizes::new([n, h, w, ci], &[k, k, ci, co], stride, padding)
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        let x = activations(seed, n * h * w * ci, quarters);
        let lists = Sparse::of_dense(&x, [n, h, w, ci], Consumer::Convolution);
        let weight = numbers(seed + 1, s.window() * co);
        let bias = numbers(seed + 2, co);
        let g = numbers(seed + 3, s.n * s.pixels() * co);
        let (x, wide, wide_g) = (doubled(&x), doubled(&weight), doubled(&g));
        let y = forward(s, &x, &wide, &doubled(&bias));
        let dw = weight_gradient(s, &x, &wide_g).0;
        let dx = input_gradient(s, &wide, &wide_g);
        for unit in units() {
            for parts in [Parts::Single, Parts::Bf16] {
                let tiles = TileProducts { unit, parts };
                let what = |product: &str| format!("{product} of {s:?} by {tiles:?}");
                let [spikes, reals] = bounds(parts);
                let found = tiles.conv_forward(s, &lists, &weight, &bias);
                near(&found, &y, spikes, &what("y"));
                near(&tiles.conv_weight_gradient(s, &lists, &g), &dw, spikes, &what("∂L/∂w"));
                near(&tiles.conv_input_gradient(s, &weight, &g), &dx, reals, &what("∂L/∂x"));
            }
        }
    }

    #[test]
    fn linear_products_are_those_in_f64(
        (n, inputs, outputs) in (1usize..70, 1usize..700, 1usize..300),
        (seed, quarters) in (0u64..1000, any::<bool>()),
    ) {
        let x = activations(seed, n * inputs, quarters);
        let lists = Sparse::of_dense(&x, [n, 1, 1, inputs], Consumer::Linear);
        let (weight, bias) = (numbers(seed + 1, inputs * outputs), numbers(seed + 2, outputs));
        let g = numbers(seed + 3, n * outputs);
        let (x, wide, wide_g) = (doubled(&x), doubled(&weight), doubled(&g));
        let mut y = product(&x, &wide, (n, inputs, outputs));
        y.iter_mut().enumerate().for_each(|(i, y)| *y += f64::from(bias[i % outputs]));
        let dw = product(&transposed(&x, n, inputs), &wide_g, (inputs, n, outputs));
        let dx = product(&wide_g, &transposed(&wide, inputs, outputs), (n, outputs, inputs));
        for unit in units() {
            for parts in [Parts::Single, Parts::Bf16] {
                let tiles = TileProducts { unit, parts };
                let what = |product: &str| {
                    format!("{product} of {n} × {inputs} × {outputs} by {tiles:?}")
                };
                let [spikes, reals] = bounds(parts);
                near(&tiles.linear_forward(&lists, &weight, &bias), &y, spikes, &what("y"));
                let found = tiles.linear_weight_gradient(&lists, &g, outputs);
                near(&found, &dw, spikes, &what("∂L/∂w"));
                near(&tiles.linear_input_gradient(n, &weight, &g), &dx, reals, &what("∂L/∂x"));
            }
        }
    }
}

#[test]
fn what_is_not_finite_stays_so() {
    let lists = Sparse::of_dense(&[1.0; 32], [1, 1, 1, 32], Consumer::Linear);
    for wrong in [f32::NAN, f32::from_bits(0x7fff_ffff), f32::INFINITY, f32::NEG_INFINITY] {
        let mut weight = vec![0.5; 32 * 3];
        weight[4] = wrong;
        for unit in units() {
            let tiles = TileProducts { unit, parts: Parts::Single };
            let y = tiles.linear_forward(&lists, &weight, &[0.0; 3]);
            assert_eq!([y[0], y[2]], [16.0; 2]);
            assert!(!y[1].is_finite(), "{wrong} became {}", y[1]);
        }
    }
}

#[test]
fn three_parts_are_the_number() {
    for x in numbers(7, 10_000).into_iter().chain([1.0, -3.3e38, 1e-30, 0.0, -0.0]) {
        let parts = super::pack::parts::<3>(x).map(|part| f32::from_bits(u32::from(part) << 16));
        assert_eq!(parts[2] + parts[1] + parts[0], x, "{parts:?}");
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let s = Sizes { n: 5, h: 7, w: 6, ci: 40, k: 3, stride: 1, padding: 1, oh: 7, ow: 6, co: 70 };
    let x = activations(3, s.n * s.h * s.w * s.ci, false);
    let lists = Sparse::of_dense(&x, [s.n, s.h, s.w, s.ci], Consumer::Convolution);
    let flat = Sparse::of_dense(&x, [s.n, s.h, s.w, s.ci], Consumer::Linear);
    let (inputs, outputs) = (s.h * s.w * s.ci, 300);
    let weight = numbers(4, s.window() * s.co);
    let wide = numbers(5, inputs * outputs);
    let (g, of_rows) = (numbers(6, s.n * s.pixels() * s.co), numbers(7, s.n * outputs));
    for unit in units() {
        let tiles = TileProducts { unit, parts: Parts::Single };
        let all = || {
            [
                tiles.conv_forward(s, &lists, &weight, &vec![0.5; s.co]),
                tiles.conv_weight_gradient(s, &lists, &g),
                tiles.conv_input_gradient(s, &weight, &g),
                tiles.linear_forward(&flat, &wide, &vec![0.5; outputs]),
                tiles.linear_weight_gradient(&flat, &of_rows, outputs),
                tiles.linear_input_gradient(s.n, &wide, &of_rows),
            ]
        };
        let [one, three] = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.map(|pool| pool.install(all)).ok()
        });
        assert!(one.is_some());
        assert_eq!(one, three);
    }
}
