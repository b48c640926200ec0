//! The fused scan and the plain definition, forward and backward, over every combination of rules.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Tensor, Var};
use neuron::{Config, Fires, Kind, Reset, ResetGradient, membranes, unroll};

fn every_config() -> Vec<Config> {
    let mut all = Vec::new();
    for surrogate in surrogate::Kind::all() {
        for kind in [Kind::Lif { decay: 0.9 }, Kind::If] {
            for reset in [Reset::ToZero, Reset::Subtract] {
                for reset_gradient in [
                    ResetGradient::Differentiated,
                    ResetGradient::Detached,
                    ResetGradient::Cut,
                    ResetGradient::Residual { alpha: 0.2 },
                ] {
                    for fires in [Fires::AtThreshold, Fires::AboveThreshold] {
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

/// Currents on a grid of 1/8, so that membranes hit the threshold, 0 and 1 exactly, and a gradient.
fn example(steps: usize, n: usize, seed: u64) -> (Tensor, Tensor) {
    let mut s = seed;
    let mut next = || {
        s = s.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((s >> 33) % 17) as f64 / 8.0 - 0.75
    };
    let x: Vec<f64> = (0..steps * n).map(|_| next()).collect();
    let g: Vec<f64> = (0..steps * n).map(|_| next()).collect();
    let tensor = |v| Tensor::from_vec(v, (steps, n), &Device::Cpu).unwrap();
    (tensor(x), tensor(g))
}

fn gradient(x: &Var, spikes: &Tensor, g: &Tensor) -> Vec<f64> {
    let grads = (spikes * g).unwrap().sum_all().unwrap().backward().unwrap();
    values(grads.get(x).unwrap())
}

fn values(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn check(config: &Config, dtype: DType, steps: usize, n: usize, tolerance: f64) {
    let (x, g) = example(steps, n, 1 + n as u64);
    let x = Var::from_tensor(&x.to_dtype(dtype).unwrap()).unwrap();
    let g = g.to_dtype(dtype).unwrap();
    let neuron = config.build().unwrap();
    let (plain, fused) = (unroll(neuron.as_ref(), &x).unwrap(), neuron.scan(&x).unwrap());
    assert_eq!(values(&plain), values(&fused), "spikes of {config:?}");
    assert!(
        values(&fused).iter().all(|&o| o == 0.0 || o == 1.0),
        "a spike is exactly 0 or 1: {config:?}"
    );
    let (a, b) = (gradient(&x, &plain, &g), gradient(&x, &fused, &g));
    let scale = a.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let worst = a.iter().zip(&b).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
    assert!(worst <= tolerance * scale, "{config:?}: gradients differ by {worst} of {scale}");
}

#[test]
fn in_single_and_double_precision() {
    for config in every_config() {
        check(&config, DType::F64, 7, 33, 1e-13);
        check(&config, DType::F32, 7, 33, 1e-5);
    }
}

#[test]
fn across_the_edges_of_a_block_and_for_one_step_or_one_neuron() {
    // a block of the scan is 1,024 neurons
    for (steps, n) in [(1, 1), (1, 1023), (3, 1024), (3, 1025), (5, 3 * 1024 + 7), (40, 1)] {
        for method in Config::paper() {
            check(&method, DType::F64, steps, n, 1e-13);
            check(&method, DType::F32, steps, n, 1e-5);
        }
    }
}

/// BPSA by hand: θ = 0.5, λ = 0.9, currents 0.3, 0.3, 0.6 → u = 0.3, 0.57 (fires), 0.6 (fires).
#[test]
fn three_steps_by_hand() {
    for (method, expected) in [
        // D[2] = G/u = 1/0.6; D[1] = (1 + α·λ·D[2]) / 0.57; D[0] = λ·D[1]
        (Config::bpsa(), [0.9 / 0.57, 1.0 / 0.57, 1.0 / 0.6]),
        (
            Config::bpsa_bpta(),
            [0.9 * (1.0 + 0.18 / 0.6) / 0.57, (1.0 + 0.18 / 0.6) / 0.57, 1.0 / 0.6],
        ),
        // D[2] = 1; D[1] = 1 − λ·u·D[2] = 1 − 0.513; D[0] = 1·(1 − 0.27·D[1]) + 0.9·D[1]
        (Config::baseline(), [1.0 - 0.27 * 0.487 + 0.9 * 0.487, 0.487, 1.0]),
    ] {
        let x = Var::from_vec(vec![0.3f64, 0.3, 0.6], (3, 1), &Device::Cpu).unwrap();
        let spikes = method.build().unwrap().scan(&x).unwrap();
        assert_eq!(values(&spikes), [0.0, 1.0, 1.0]);
        let d = gradient(&x, &spikes, &spikes.ones_like().unwrap());
        for (found, wanted) in d.iter().zip(expected) {
            assert!((found - wanted).abs() < 1e-12, "{method:?}: {d:?}, expected {expected:?}");
        }
    }
}

#[test]
fn after_a_hard_reset_detached_and_cut_and_no_residual_are_the_same() {
    let (x, g) = example(9, 40, 5);
    let x = Var::from_tensor(&x).unwrap();
    let d = |reset_gradient| {
        let config = Config { reset_gradient, ..Config::bpsa() };
        gradient(&x, &config.build().unwrap().scan(&x).unwrap(), &g)
    };
    assert_eq!(d(ResetGradient::Detached), d(ResetGradient::Cut));
    assert_eq!(d(ResetGradient::Cut), d(ResetGradient::Residual { alpha: 0.0 }));
    assert_ne!(d(ResetGradient::Cut), d(ResetGradient::Residual { alpha: 0.2 }));
    assert_ne!(d(ResetGradient::Cut), d(ResetGradient::Differentiated));
}

#[test]
fn bad_parameters_and_bad_tensors_are_refused_in_one_sentence() {
    let bad = |c: Config| c.build().unwrap_err().to_string();
    let ok = Config::bpsa_bpta();
    assert_eq!(
        bad(Config { threshold: 0.0, ..ok }),
        "the neuron's threshold must be positive and at most 1000000, found 0"
    );
    assert_eq!(
        bad(Config { kind: Kind::Lif { decay: 1.5 }, ..ok }),
        "the neuron's decay must be above 0 and at most 1, found 1.5"
    );
    assert!(
        bad(Config { reset_gradient: ResetGradient::Residual { alpha: f64::NAN }, ..ok })
            .contains("alpha")
    );
    let neuron = ok.build().unwrap();
    let whole = Tensor::zeros((2, 3), DType::U32, &Device::Cpu).unwrap();
    assert!(neuron.scan(&whole).unwrap_err().to_string().contains("f32 or f64"));
    let empty = Tensor::zeros((0, 3), DType::F32, &Device::Cpu).unwrap();
    assert!(neuron.scan(&empty).unwrap_err().to_string().contains("at least one step"));
}

/// Membranes by hand, in scalars and without `step`: u = v + x, a spike where u crosses θ, then
/// reset and leak.
#[test]
fn membranes_are_what_the_equations_say() {
    let (steps, n) = (7, 33);
    let (x, _) = example(steps, n, 5);
    for config in every_config() {
        let (u, o) = membranes(config.build().unwrap().as_ref(), &x).unwrap();
        assert_eq!(
            values(&o),
            values(&config.build().unwrap().scan(&x).unwrap()),
            "spikes of {config:?}"
        );
        let decay = if let Kind::Lif { decay } = config.kind { decay } else { 1.0 };
        let (x, u) = (values(&x), values(&u));
        for i in 0..n {
            let mut v = 0.0;
            for t in 0..steps {
                let expected = v + x[t * n + i];
                assert_eq!(u[t * n + i], expected, "u[{t}] of {config:?}");
                let fired = expected > config.threshold
                    || expected == config.threshold && config.fires == Fires::AtThreshold;
                v = match (fired, config.reset) {
                    (false, _) => decay * expected,
                    (true, Reset::ToZero) => 0.0,
                    (true, Reset::Subtract) => decay * (expected - config.threshold),
                };
            }
        }
    }
}
