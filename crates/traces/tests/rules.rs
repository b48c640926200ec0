//! Filters beside their adjoints, and rules beside what follows from their equations.
#![allow(clippy::unwrap_used)]

use traces::{
    Counted, Exponential, Kernel, Layer, Output, Side, Slayer, Tssl, count_loss, lateral_factors,
    spike_time_loss, target_train, trace_loss,
};

fn numbers(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    (0..n).map(|_| next()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn adjoints_are_adjoint() {
    let (x, g, steps) = (numbers(60, 1), numbers(60, 2), 20);
    let exponential = Exponential { tau: 3.0 };
    let forward = exponential.forward(&x, steps);
    let adjoint = exponential.adjoint(&g, steps);
    assert!((dot(&forward, &g) - dot(&x, &adjoint)).abs() < 1e-12);
    let again = exponential.unadjoint(&adjoint, steps);
    assert!(again.iter().zip(&g).all(|(a, b)| (a - b).abs() < 1e-12));
    let kernel: Kernel<f64> = Kernel::alpha(4.0, 2.0, 0.5, 10.0);
    assert_eq!(kernel.values.len(), 20);
    let (forward, adjoint) = (kernel.forward(&x, steps), kernel.adjoint(&g, steps));
    assert!((dot(&forward, &g) - dot(&x, &adjoint)).abs() < 1e-12);
    // cut where it is below 0.01 behind its maximum
    let long: Kernel<f64> = Kernel::alpha(1.0, 1.0, 1.0, 100.0);
    assert!(long.values.len() == 8 && long.values[7] >= 0.01, "{long:?}");
}

#[test]
fn losses_have_their_gradients() {
    let (steps, h) = (12, 1e-6);
    let kernel: Kernel<f64> = Kernel::alpha(3.0, 1.0, 1.0, 12.0);
    let (x, y) = (numbers(36, 3), numbers(36, 4));
    let labels = [true, false, false];
    let numeric = |loss: &dyn Fn(&[f64]) -> f64, i: usize| {
        let at = |d: f64| {
            let mut x = x.clone();
            x[i] += d;
            loss(&x)
        };
        (at(h) - at(-h)) / (2.0 * h)
    };
    let (_, g) = trace_loss(&x, &y);
    let (_, times) = spike_time_loss(&x, &y, steps, &kernel);
    let counts = [5.0, -5.0];
    let (loss, by_count) = count_loss(&x, steps, &labels, counts);
    assert!(loss > 0.0);
    for i in [0, 7, 20, 35] {
        assert!((g[i] - numeric(&|x| trace_loss(x, &y).0, i)).abs() < 1e-6);
        let of_time = numeric(&|x| spike_time_loss(x, &y, steps, &kernel).0, i);
        assert!((times[i] - of_time).abs() < 1e-6);
        let of_count = numeric(&|x| count_loss(x, steps, &labels, counts).0, i);
        assert!((by_count[i] - of_count).abs() < 1e-6);
    }
    // what fires enough has no error
    let (loss, g) = count_loss(&x, steps, &labels, [-9.0, 9.0]);
    assert!(loss == 0.0 && g.iter().all(|g| *g == 0.0));
    // without spikes outside of its region only the counts matter
    let mut x = vec![0.0; 36];
    x[5] = 1.0;
    let wanted = Counted { region: [2, 10], desired: 3.0, undesired: 0.0 };
    let (loss, g) = wanted.loss(&x, steps, &labels, &kernel);
    assert!((loss - 0.5 * 8.0 * (2.0f64 / 8.0).powi(2)).abs() < 1e-12);
    assert!(g[..10].iter().all(|g| *g < 0.0) && g[12..].iter().all(|g| *g == 0.0));
    assert_eq!(target_train::<f32>(5, true), [0.0, 1.0, 0.0, 1.0, 1.0]);
    assert_eq!(target_train::<f32>(4, true), [0.0, 1.0, 0.0, 1.0]);
}

#[test]
fn a_gradient_goes_where_a_neuron_fired_or_falls_back() {
    let (steps, g) = (10, vec![1.0; 20]);
    let x: Vec<f64> = [vec![0.6; 10], vec![0.01; 10]].concat();
    let head = Tssl::of_head(5.0, 2.0, 1.0);
    let tape = head.forward(&x, steps);
    assert!(tape.spikes[..10].iter().sum::<f64>() >= 3.0);
    assert_eq!(tape.spikes[10..], [0.0; 10]);
    let d = head.backward(&tape, &g);
    assert!(d.iter().all(|d| *d > 0.0));
    let published = Tssl::published(5.0, 2.0, 1.0);
    assert!(!published.falls_back(&tape));
    let d = published.backward(&tape, &g);
    for (d, o) in d.iter().zip(&tape.spikes) {
        assert_eq!(*d != 0.0, *o > 0.0);
    }
    let silent = published.forward(&x[10..], steps);
    assert!(published.falls_back(&silent));
    assert!(published.backward(&silent, &g[10..]).iter().all(|d| *d > 0.0));
}

#[test]
fn refractory_responses_add_up() {
    let slayer = Slayer {
        threshold: 10.0,
        tau_sr: 10.0,
        tau_ref: 1.0,
        scale_ref: 2.0,
        tau_rho: 1.0,
        scale_rho: 1.0,
        step: 1.0,
    };
    let mut u = vec![12.0f64, 45.0, 12.0, 12.0];
    let spikes = slayer.fire(&mut u, 4);
    let nu = slayer.nu::<f64>(4.0).values;
    assert_eq!(spikes, [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(u, [12.0, 45.0 + nu[1], 12.0 + nu[2] + nu[1], 12.0 + nu[3] + nu[2]]);
    let d = slayer.backward(&[10.0f64, 20.0], &[1.0, 1.0]);
    assert!((d[0] - 0.1).abs() < 1e-12 && (d[1] - 0.1 * (-1.0f64).exp()).abs() < 1e-12);
}

#[test]
fn trains_act_on_each_other() {
    let layer = Layer {
        weight: vec![vec![9.0, 3.0], vec![-1.0, 0.0]],
        lateral: -1.0,
        threshold: 1.0,
        tau_m: 64.0,
        tau_s: 8.0,
        refractory: 2,
    };
    let below = vec![(0..40).step_by(5).collect(), vec![3, 9]];
    let trains = layer.forward(&below, 50);
    assert!(trains[0].len() > 4 && trains[1].is_empty() && trains[0][0] > 0, "{trains:?}");
    assert!(trains[0].windows(2).all(|pair| pair[1] - pair[0] > 2));
    let output = Output { desired: 10, undesired: 2, margin: 1 };
    let (cost, delta) = output.cost(&trains, 1);
    assert_eq!(delta[1], -10.0);
    assert_eq!(cost, delta[0] * delta[0] + 100.0);
    let helped = output.helped(&trains, 1, 50);
    assert_eq!((helped[1].len(), &helped[0]), (9, &trains[0]));
    let effects = layer.effects(&below, &trains, false);
    assert_eq!(effects[1], [0.1, 0.1]);
    assert!(effects[0][0] > effects[0][1] && effects[0][1] > 0.0);
    let simulated = layer.effects(&below, &trains, true);
    assert_eq!(simulated[1], [0.0, 0.0]);
    // two ways to one thing, which differ by their steps
    assert!((simulated[0][0] / effects[0][0] - 1.0).abs() < 0.3, "{simulated:?} {effects:?}");
    let factors = lateral_factors(&layer, &trains, &helped);
    assert!(factors[0] == factors[1] && factors[0] != 1.0);
    let down = layer.below(&delta, &effects, [&below, &trains], &Side::Count);
    let sums = [2.0, 2.0];
    let halved = layer.below(&delta, &effects, [&below, &helped], &Side::Sums(&sums));
    assert_eq!((down.len(), halved.len()), (2, 2));
    let g = layer.gradient(&delta, &effects, &trains, &[1.0, 1.0], &Side::Count);
    assert_eq!((g.len(), g[0].len()), (2, 2));
    assert_eq!(layer.regularisation(0.0, 0.01, 8.0), [[0.0, 0.0], [-0.0, 0.0]]);
}
