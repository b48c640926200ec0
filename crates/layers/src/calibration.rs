use crate::{Crossover, Crossovers, Dense, Product, Sizes, Sparse};
use std::hint::black_box;
use std::time::Instant;

/// Densities at which the event-driven products are timed; between and beyond them time is taken to
/// be a line.
const DENSITIES: [f64; 2] = [0.1, 0.4];
/// Rounds; the fastest counts, since whatever else runs on the machine only adds.
const ROUNDS: usize = 5;

/// Measures on this machine from which density on the dense products are faster, in less than a
/// second: a 3×3 convolution of 128 to 128 channels, and a linear layer of 1024 to 512 units. Dense
/// ones multiply as `dense` says.
pub fn calibrate(dense: Dense) -> Crossovers {
    let sizes =
        Sizes { n: 4, h: 14, w: 14, ci: 128, k: 3, stride: 1, padding: 1, oh: 14, ow: 14, co: 128 };
    let linear = Product::Linear { n: 128, inputs: 1024, outputs: 512 };
    Crossovers {
        convolution: crossover(
            Product::Convolution(sizes),
            [4, 14, 14, 128],
            9 * 128 * 128,
            (128, dense),
        ),
        linear: crossover(linear, [128, 1, 1, 1024], 1024 * 512, (512, dense)),
        dense,
    }
}

fn crossover(
    product: Product,
    shape: [usize; 4],
    weights: usize,
    (outputs, dense): (usize, Dense),
) -> Crossover {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let weight: Vec<f32> = (0..weights).map(|_| next() - 0.5).collect();
    let bias = vec![0.0; outputs];
    let g: Vec<f32> = (0..product.outputs()).map(|_| next() - 0.5).collect();
    let inputs = DENSITIES.map(|density| {
        let x: Vec<f32> = (0..shape.iter().product())
            .map(|_| f32::from(u8::from(f64::from(next()) < density)))
            .collect();
        Sparse::of_dense(&x, shape, product.consumer())
    });
    let never = Crossovers::NEVER;
    let always = Crossovers { dense, ..Crossovers::ALWAYS };
    let line = |run: &dyn Fn(&Sparse, &Crossovers)| {
        let [low, high] = [0, 1].map(|i| fastest(|| run(&inputs[i], &never)));
        let dense = fastest(|| run(&inputs[0], &always));
        let [d, e] = [inputs[0].density(), inputs[1].density()];
        let slope = ((high - low) / (e - d)).max(f64::MIN_POSITIVE);
        ((dense - low) / slope + d).clamp(0.0, 1.0)
    };
    Crossover {
        forward: line(&|x, how| drop(black_box(product.forward(x, &weight, &bias, how)))),
        weight: line(&|x, how| drop(black_box(product.weight_gradient(x, &g, how)))),
        input: line(&|x, how| drop(black_box(product.input_gradient(x, &weight, &g, how)))),
    }
}

/// Seconds of the fastest of some runs, after one that warms up.
fn fastest(mut run: impl FnMut()) -> f64 {
    run();
    let once = |_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(once).fold(f64::INFINITY, f64::min)
}
