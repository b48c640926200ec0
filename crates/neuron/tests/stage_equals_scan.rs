//! The stage kernels of a neuron alone beside its scan, for every surrogate and every rule: spikes
//! and gradients.
#![allow(clippy::unwrap_used)]

use candle_core::{Device, Tensor, Var};
use neuron::{Config, Fires, Kind, Pooling, Reset, ResetGradient, Stage};

const STEPS: usize = 5;
const SHAPE: [usize; 4] = [2, 1, 3, 37];

fn numbers(low: f32, high: f32, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..STEPS * SHAPE.iter().product::<usize>()).map(|_| low + (high - low) * next()).collect()
}

/// Every combination of the rules.
fn configs() -> Vec<Config> {
    let mut all = Vec::new();
    let residual = ResetGradient::Residual { alpha: 0.2 };
    for surrogate in surrogate::Kind::all() {
        for reset_gradient in
            [ResetGradient::Differentiated, ResetGradient::Detached, ResetGradient::Cut, residual]
        {
            for reset in [Reset::ToZero, Reset::Subtract] {
                for fires in [Fires::AtThreshold, Fires::AboveThreshold] {
                    for kind in [Kind::Lif { decay: 0.9 }, Kind::If] {
                        all.push(Config {
                            kind,
                            threshold: 0.5,
                            fires,
                            reset,
                            reset_gradient,
                            surrogate,
                        });
                    }
                }
            }
        }
    }
    all
}

#[test]
fn a_stage_of_neurons_alone_is_the_scan() {
    let (x, g) = (numbers(-0.4, 0.9, 1), numbers(-1.0, 1.0, 2));
    let size = x.len() / STEPS;
    let tensor = |v: &[f32]| Tensor::from_slice(v, (STEPS, size), &Device::Cpu).unwrap();
    let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (var, upstream, c) = (Var::from_tensor(&tensor(&x)).unwrap(), tensor(&g), SHAPE[3]);
    let pool = Pooling::None;
    let stage = Stage {
        steps: STEPS,
        shape: SHAPE,
        still: false,
        norm: None,
        rectify: false,
        mask: None,
        pool,
    };
    let mut left_out = 0;
    for config in configs() {
        let neuron = config.build().unwrap();
        let spikes = neuron.scan(&var).unwrap();
        let grads = (&spikes * &upstream).unwrap().sum_all().unwrap().backward().unwrap();
        let kernel = neuron.stage().unwrap();
        let fired = kernel.fire(&stage, &x);
        let counts: Vec<f32> = fired.counts.iter().map(|&n| f32::from(n)).collect();
        assert_eq!(counts, values(&spikes), "{config:?}");
        let found = kernel.backward(&stage, &x, &|p, row| row.copy_from_slice(&g[p * c..][..c]));
        assert_eq!(found.z, values(grads.get(&var).unwrap()), "{config:?}");
        // where a gradient passes only what fired, the others may be left out
        if kernel.only_where_fired() {
            left_out += 1;
            let some = kernel.backward(&stage, &x, &|p, row| {
                let all = row.iter_mut().zip(&fired.counts[p * c..]).zip(&g[p * c..]);
                all.for_each(|((row, n), g)| *row = if *n == 1 { *g } else { 0.0 });
            });
            assert_eq!(some.z, found.z, "{config:?}");
        }
    }
    assert!(left_out > 0);
}
