//! Neurons one step at a time beside their scan, for every surrogate and every rule: spikes and
//! gradients to the bit.
#![allow(clippy::unwrap_used)]

use candle_core::{Device, Tensor, Var};
use neuron::{Config, Fires, Kind, Reset, ResetGradient};

const STEPS: usize = 5;
const NEURONS: usize = 1003;

fn numbers(low: f32, high: f32, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..STEPS * NEURONS).map(|_| low + (high - low) * next()).collect()
}

#[test]
fn steps_in_turn_are_the_scan() {
    let (x, g) = (numbers(-0.4, 0.9, 1), numbers(-1.0, 1.0, 2));
    let tensor = |v: &[f32]| Tensor::from_slice(v, (STEPS, NEURONS), &Device::Cpu).unwrap();
    let residual = ResetGradient::Residual { alpha: 0.2 };
    let gradients =
        [ResetGradient::Differentiated, ResetGradient::Detached, ResetGradient::Cut, residual];
    let mut compared = 0;
    for surrogate in surrogate::Kind::all() {
        for reset_gradient in gradients {
            for reset in [Reset::ToZero, Reset::Subtract] {
                for fires in [Fires::AtThreshold, Fires::AboveThreshold] {
                    let kind = Kind::Lif { decay: 0.9 };
                    let config =
                        Config { kind, threshold: 0.5, fires, reset, reset_gradient, surrogate };
                    let neuron = config.build().unwrap();
                    let var = Var::from_tensor(&tensor(&x)).unwrap();
                    let spikes = neuron.scan(&var).unwrap();
                    let loss = (&spikes * tensor(&g)).unwrap().sum_all().unwrap();
                    let expected = loss.backward().unwrap().get(&var).unwrap().clone();
                    let stepwise = neuron.stepwise_at(0.3).unwrap();
                    let (mut v, mut u) = (vec![0.0; NEURONS], vec![0.0; x.len()]);
                    let mut fired = vec![0; x.len()];
                    for t in 0..STEPS {
                        let at = t * NEURONS..(t + 1) * NEURONS;
                        let (u, fired) = (&mut u[at.clone()], &mut fired[at.clone()]);
                        stepwise.forward(&x[at], &mut v, u, fired);
                    }
                    let (mut m, mut d) = (vec![0.0; NEURONS], vec![0.0; x.len()]);
                    for t in (0..STEPS).rev() {
                        let at = t * NEURONS..(t + 1) * NEURONS;
                        stepwise.backward(&u[at.clone()], &g[at.clone()], &mut m);
                        d[at].copy_from_slice(&m);
                    }
                    let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                    let spikes: Vec<u8> = values(&spikes).iter().map(|&o| o as u8).collect();
                    assert_eq!(fired, spikes, "{config:?}");
                    assert_eq!(d, values(&expected), "{config:?}");
                    compared += 1;
                }
            }
        }
    }
    assert_eq!(compared, 16 * surrogate::Kind::all().len());
}
