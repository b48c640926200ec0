//! Event-driven products beside the dense ones: values and both gradients, over random sizes, rates
//! and values.
#![allow(clippy::unwrap_used, clippy::panic)]

use layers::{Crossovers, InputGradient, Path, Product, Sizes, Sparse};
use proptest::prelude::*;

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }
    /// Uniform in ±1.
    fn some(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| 2.0 * self.next() - 1.0).collect()
    }
    /// Zero but for the given part, which is one, a count, or anything.
    fn sparse(&mut self, n: usize, rate: f32, kind: usize) -> Vec<f32> {
        (0..n)
            .map(|_| match (self.next() < rate, kind) {
                (false, _) => 0.0,
                (true, 0) => 1.0,
                (true, 1) => (1.0 + (3.0 * self.next()).floor()) / 4.0,
                (true, _) => 2.0 * self.next() - 1.0,
            })
            .collect()
    }
}

/// Largest difference, relative to the largest value.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    apart_by(a, b, b)
}

/// Largest difference, relative to the largest value of `all`.
fn apart_by(a: &[f32], b: &[f32], all: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = all.iter().fold(0f32, |m, b| m.max(b.abs()));
    a.iter().zip(b).fold(0f32, |m, (a, b)| m.max((a - b).abs())) / largest.max(1e-30)
}

fn compare(
    product: Product,
    shape: [usize; 4],
    weights: usize,
    outputs: usize,
    rate: f32,
    kind: usize,
    seed: u64,
) {
    let mut numbers = Numbers(seed);
    let dense = numbers.sparse(shape.iter().product(), rate, kind);
    let (weight, bias) = (numbers.some(weights), numbers.some(outputs));
    let g = numbers.some(product.outputs());
    let x = Sparse::of_dense(&dense, shape, product.consumer());
    assert_eq!(x.to_dense(), dense);
    let what = format!("{product:?}, {rate} of them not zero, kind {kind}");

    let (y, path) = product.forward(&x, &weight, &bias, &Crossovers::NEVER);
    assert_eq!(path, Path::Event);
    let off = apart(&y, &product.dense_forward(&dense, &weight, &bias));
    assert!(off <= 1e-5, "{what}: values {off:e}");

    let dw = product.weight_gradient(&x, &g, &Crossovers::NEVER).0;
    let off = apart(&dw, &product.dense_weight_gradient(&dense, &g));
    assert!(off <= 1e-5, "{what}: weight gradient {off:e}");

    let db = product.bias_gradient(&g);
    let sum = |c: usize, f: fn(f64) -> f64| {
        g.iter().skip(c).step_by(outputs).map(|g| f(f64::from(*g))).sum::<f64>() as f32
    };
    let sums: Vec<f32> = (0..outputs).map(|c| sum(c, |g| g)).collect();
    // of the terms: what is left of terms that cancel has their rounding
    let terms: Vec<f32> = (0..outputs).map(|c| sum(c, f64::abs)).collect();
    let off = apart_by(&db, &sums, &terms);
    assert!(off <= 1e-6, "{what}: bias gradient {off:e}");

    let InputGradient::AtEntries(dx) =
        product.input_gradient(&x, &weight, &g, &Crossovers::NEVER).0
    else {
        panic!("{what}: expected a gradient at the entries")
    };
    let plain = product.dense_input_gradient(&weight, &g);
    // of the whole tensor: a single entry may be what is left of terms that cancel
    let off = apart_by(&dx, &x.gather(&plain), &plain);
    assert!(off <= 1e-5, "{what}: input gradient {off:e}");
    assert_eq!(x.gather(&x.spread(&dx)), dx);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn event_driven_convolution_equals_the_dense_one(
        (n, h, w) in (1usize..4, 1usize..18, 1usize..12),
        (ci, co) in (1usize..40, prop_oneof![1usize..20, 60usize..70, Just(128)]),
        (k, stride) in (prop_oneof![Just(1usize), Just(2), Just(3), Just(5), Just(7)], 1usize..3),
        rate in prop_oneof![Just(0f32), Just(1e-4), Just(0.1), Just(0.6), Just(1.0)],
        (padding, kind, seed) in (0usize..4, 0usize..3, any::<u64>()),
    ) {
        let padding = padding.min(k - 1);
        prop_assume!(h + 2 * padding >= k && w + 2 * padding >= k);
        let sizes = Sizes::new([n, h, w, ci], &[k, k, ci, co], stride, padding).unwrap();
        compare(Product::Convolution(sizes), [n, h, w, ci], k * k * ci * co, co, rate, kind, seed);
    }

    #[test]
    fn event_driven_linear_layer_equals_the_dense_one(
        (n, h, w, c) in (1usize..40, 1usize..4, 1usize..4, 1usize..30),
        outputs in prop_oneof![1usize..20, 60usize..70, Just(256)],
        rate in prop_oneof![Just(0f32), Just(1e-4), Just(0.1), Just(0.6), Just(1.0)],
        (kind, seed) in (0usize..3, any::<u64>()),
    ) {
        let inputs = h * w * c;
        compare(Product::Linear { n, inputs, outputs }, [n, h, w, c], inputs * outputs, outputs, rate, kind, seed);
    }

    #[test]
    fn counts_become_the_same_lists_as_their_values(
        (n, h, w, c) in (1usize..5, 1usize..5, 1usize..5, 1usize..30),
        (scale, masked, seed) in (prop_oneof![Just(1f32), Just(0.25)], any::<bool>(), any::<u64>()),
    ) {
        let mut numbers = Numbers(seed);
        let size = h * w * c;
        let counts: Vec<u8> = (0..n * size).map(|_| (6.0 * numbers.next()) as u8 % 5).collect();
        let mask: Vec<f32> = (0..size).map(|_| if numbers.next() < 0.5 { 0.0 } else { 2.0 }).collect();
        let factor = |i: usize| if masked { mask[i % size] } else { 1.0 };
        let values: Vec<f32> = counts.iter().enumerate().map(|(i, &n)| f32::from(n) * scale * factor(i)).collect();
        for consumer in [layers::Consumer::Convolution, layers::Consumer::Linear] {
            let lists = Sparse::of_counts(&counts, [n, h, w, c], consumer, scale, masked.then_some(&mask[..]));
            prop_assert_eq!(lists.to_dense(), values.clone());
        }
    }
}

#[test]
fn the_crossover_decides_the_path() {
    let product = Product::Linear { n: 1, inputs: 4, outputs: 2 };
    let x = Sparse::of_dense(&[1.0, 0.0, 0.0, 1.0], [1, 1, 1, 4], product.consumer());
    let at = |forward| product.forward(&x, &[1.0; 8], &[0.5; 2], &Crossovers::at(forward));
    assert_eq!(at(0.5), (vec![2.5; 2], Path::Dense));
    assert_eq!(at(0.51), (vec![2.5; 2], Path::Event));
}

/// Sizes that cross every border at which the kernels cut their work: rows of a map, channels of a
/// task, maps laid out at a time, outputs of a task, columns of a pass.
#[test]
fn large_sizes_are_cut_without_a_seam() {
    for (shape, k, co) in [
        ([1, 45, 40, 4], 3, 33),
        ([2, 5, 6, 130], 3, 40),
        ([40, 17, 11, 3], 3, 128),
        ([1, 3, 3, 600], 1, 8),
    ] {
        let [_, _, _, ci] = shape;
        let sizes = Sizes::new(shape, &[k, k, ci, co], 1, k / 2).unwrap();
        compare(Product::Convolution(sizes), shape, k * k * ci * co, co, 0.2, 1, 7);
    }
    for (n, inputs, outputs) in [(3, 300, 700), (2100, 20, 64), (5, 1000, 257)] {
        let product = Product::Linear { n, inputs, outputs };
        compare(product, [n, 1, 1, inputs], inputs * outputs, outputs, 0.3, 2, 8);
    }
}

#[test]
#[should_panic(expected = "are not those of")]
fn lists_made_for_another_product_are_refused() {
    let x = Sparse::of_dense(&[1.0; 4], [1, 2, 2, 1], layers::Consumer::Convolution);
    let product = Product::Linear { n: 1, inputs: 4, outputs: 2 };
    product.forward(&x, &[1.0; 8], &[0.0; 2], &Crossovers::NEVER);
}
