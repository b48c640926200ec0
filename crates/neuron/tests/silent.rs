//! Neurons that take a sigmoid's slope where they fire too rarely.
#![allow(clippy::unwrap_used)]

use candle_core::{Device, Tensor, Var};
use neuron::{Config, Neuron, WhenSilent};
use std::sync::Arc;
use surrogate::{Kind, Sigmoid};

/// Spikes, and the gradient of the sum of squares of (spikes − 1).
fn run(neuron: &dyn Neuron, x: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let x =
        Var::from_tensor(&Tensor::from_slice(x, (4, x.len() / 4), &Device::Cpu).unwrap()).unwrap();
    let spikes = neuron.scan(&x).unwrap();
    let loss = (&spikes - 1.0).unwrap().sqr().unwrap().sum_all().unwrap();
    let gradient = loss.backward().unwrap().get(&x).unwrap().clone();
    let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1().unwrap();
    (values(&spikes), values(&gradient))
}

#[test]
fn a_silent_layer_gets_the_sigmoids_gradient_and_a_firing_one_its_own() {
    let config = Config::bpsa_bpta();
    let usual = config.build().unwrap();
    let sigmoid =
        Config { surrogate: Kind::Sigmoid(Sigmoid { alpha: 5.0 }), ..config }.build().unwrap();
    let both: Arc<dyn Neuron> = Arc::new(WhenSilent::new(usual.clone(), &config, 0.1).unwrap());
    let quiet = [0.1, 0.05, 0.02, 0.0, 0.1, 0.0, 0.03, 0.1];
    assert!(run(&*usual, &quiet).1.iter().all(|&g| g == 0.0), "under BPSA silence has no gradient");
    assert_eq!(run(&*both, &quiet), run(&*sigmoid, &quiet));
    assert!(run(&*both, &quiet).1.iter().all(|&g| g < 0.0), "and here it has one, towards firing");
    let loud = [0.6, 0.7, 0.1, 0.6, 0.9, 0.1, 0.2, 0.8];
    assert_eq!(run(&*both, &loud), run(&*usual, &loud));
    assert_ne!(run(&*sigmoid, &loud).1, run(&*usual, &loud).1);
    for wrong in [-0.1, 1.1, f64::NAN] {
        let error = WhenSilent::new(usual.clone(), &config, wrong).unwrap_err().to_string();
        assert!(error.contains("rate of the warm-up") && error.contains("from 0 to 1"), "{error}");
    }
}
