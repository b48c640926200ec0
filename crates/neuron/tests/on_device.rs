//! The scan on a CUDA device beside the one on the CPU, for every surrogate and every combination
//! of rules.
//!
//! Without a device they are skipped, and say so; where SPIKEGRAD_CUDA is set they fail instead.
#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Tensor, Var};
use neuron::{
    Adaptive, Cell, Config, Fires, Firing, Kind, Neuron, Number, Parameter, Plif, Refractory,
    Reset, ResetGradient, Sbpsnn, Synaptic, population, unroll,
};
use surrogate::{Atan, Gaussian};

/// BPSA's surrogate with every combination of rules, each other one with two ways across a reset:
/// every line of source that there is, and each compiles for a tenth of a second.
fn every_config() -> Vec<Config> {
    let mut all = Vec::new();
    for surrogate in surrogate::Kind::all() {
        let main = matches!(surrogate, surrogate::Kind::InverseMembrane(_));
        for reset in [Reset::ToZero, Reset::Subtract] {
            for (reset_gradient, always) in [
                (ResetGradient::Differentiated, true),
                (ResetGradient::Detached, false),
                (ResetGradient::Cut, false),
                (ResetGradient::Residual { alpha: 0.2 }, true),
            ] {
                for fires in [Fires::AtThreshold, Fires::AboveThreshold] {
                    let kind = Kind::Lif { decay: 0.9 };
                    if main || always && reset == Reset::ToZero {
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

/// Currents on a grid of 1/8, so that membranes hit the threshold exactly, and a gradient.
fn example(steps: usize, n: usize, dtype: DType) -> (Tensor, Tensor) {
    let mut s = 3 + n as u64;
    let mut tensor = || {
        let mut next = || {
            s = s.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((s >> 33) % 17) as f64 / 8.0 - 0.75
        };
        let values: Vec<f64> = (0..steps * n).map(|_| next()).collect();
        Tensor::from_vec(values, (steps, n), &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
    };
    (tensor(), tensor())
}

fn values(t: &Tensor) -> Vec<f64> {
    t.to_device(&Device::Cpu)
        .unwrap()
        .to_dtype(DType::F64)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap()
}

/// Spikes and ∂L/∂x, of the scan or of the definition.
fn pass(
    neuron: &dyn Neuron,
    x: &Tensor,
    g: &Tensor,
    device: &Device,
    plain: bool,
) -> (Vec<f64>, Vec<f64>) {
    let x = Var::from_tensor(&x.to_device(device).unwrap()).unwrap();
    let spikes = if plain { unroll(neuron, &x).unwrap() } else { neuron.scan(&x).unwrap() };
    let loss = (spikes.to_device(&Device::Cpu).unwrap() * g).unwrap().sum_all().unwrap();
    let gradients = loss.backward().unwrap();
    (values(&spikes), values(gradients.get(&x).unwrap()))
}

fn worst(a: &[f64], b: &[f64]) -> f64 {
    let scale = b.iter().fold(1e-300f64, |m, v| m.max(v.abs()));
    a.iter().zip(b).fold(0.0f64, |m, (a, b)| m.max((a - b).abs())) / scale
}

/// The line of each surrogate in CUDA and in Rust, and all rules: bit for bit, but where an
/// exponential is in it.
#[test]
fn the_scan_is_the_same_on_a_device() {
    let Some(there) = device::for_a_test().unwrap() else { return };
    for config in every_config() {
        let neuron = config.build().unwrap();
        let exponential = matches!(
            config.surrogate,
            surrogate::Kind::Sigmoid(_)
                | surrogate::Kind::PiecewiseExponential(_)
                | surrogate::Kind::Gaussian(_)
        );
        for (dtype, rounding) in [(DType::F32, 1e-6), (DType::F64, 1e-14)] {
            let (x, g) = example(7, 129, dtype);
            let (spikes, gradient) = pass(neuron.as_ref(), &x, &g, &there, false);
            let (spikes_here, gradient_here) = pass(neuron.as_ref(), &x, &g, &Device::Cpu, false);
            assert_eq!(spikes, spikes_here, "{config:?} {dtype:?}");
            let limit = if exponential { rounding } else { 0.0 };
            let off = worst(&gradient, &gradient_here);
            assert!(off <= limit, "{config:?} {dtype:?}: gradients differ by {off:e}");
        }
    }
}

/// Shapes that fill no block, accesses that are not aligned, many steps in segments, and one.
#[test]
fn any_shape_is_the_same_on_a_device() {
    let Some(there) = device::for_a_test().unwrap() else { return };
    for (steps, n) in [(1, 1), (1, 4099), (3, 257), (64, 8), (65, 8), (130, 3), (500, 2)] {
        for method in Config::paper() {
            let neuron = method.build().unwrap();
            let (x, g) = example(steps, n, DType::F32);
            let found = pass(neuron.as_ref(), &x, &g, &there, false);
            assert_eq!(
                found,
                pass(neuron.as_ref(), &x, &g, &Device::Cpu, false),
                "{method:?}, {steps}, {n}"
            );
        }
    }
    // a view that starts inside a tensor
    let neuron = Config::bpsa_bpta().build().unwrap();
    let (x, _) = example(6, 33, DType::F32);
    let part = x.to_device(&there).unwrap().narrow(0, 1, 5).unwrap();
    let here = neuron.scan(&x.narrow(0, 1, 5).unwrap()).unwrap();
    assert_eq!(values(&neuron.scan(&part).unwrap()), values(&here));
}

/// The definition runs there too: tensor operations with the spike of one step.
#[test]
fn the_definition_is_the_same_on_a_device() {
    let Some(there) = device::for_a_test().unwrap() else { return };
    for method in Config::paper() {
        let neuron = method.build().unwrap();
        let (x, g) = example(5, 24, DType::F32);
        let found = pass(neuron.as_ref(), &x, &g, &there, true);
        let here = pass(neuron.as_ref(), &x, &g, &Device::Cpu, true);
        assert_eq!(found.0, here.0, "{method:?}");
        assert!(worst(&found.1, &here.1) <= 1e-6, "{method:?}");
    }
}

/// Halves: the scan in f32 of the currents that a half holds, its gradient rounded once.
#[test]
fn halves_are_computed_in_single_precision() {
    let Some(there) = device::for_a_test().unwrap() else { return };
    for (half, rounding) in [(DType::F16, 1e-3), (DType::BF16, 8e-3)] {
        for method in Config::paper() {
            let neuron = method.build().unwrap();
            let (x, g) = example(6, 96, half);
            let (spikes, gradient) = pass(neuron.as_ref(), &x, &g, &there, false);
            let exact = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
            let here = pass(neuron.as_ref(), &exact(&x), &exact(&g), &Device::Cpu, false);
            assert_eq!(spikes, here.0, "{method:?} {half:?}");
            assert!(worst(&gradient, &here.1) <= rounding, "{method:?} {half:?}");
        }
    }
}

/// Cells of two states, and one with a rule of its own, whose source is traced: forward and
/// backward by `Dual`.
#[test]
fn cells_are_the_same_on_a_device() {
    fn one<C: Cell<S, 0>, const S: usize>(cell: C, there: &Device) {
        let neuron = population(cell).unwrap();
        for (steps, n) in [(7, 129), (40, 16)] {
            for (dtype, rounding) in [(DType::F32, 1e-6), (DType::F64, 1e-14)] {
                let (x, g) = example(steps, n, dtype);
                let found = pass(neuron.as_ref(), &x, &g, there, false);
                let here = pass(neuron.as_ref(), &x, &g, &Device::Cpu, false);
                assert_eq!(found.0, here.0, "{cell:?} {dtype:?}");
                let off = worst(&found.1, &here.1);
                assert!(off <= rounding, "{cell:?} {dtype:?}: gradients differ by {off:e}");
            }
        }
    }
    let Some(there) = device::for_a_test().unwrap() else { return };
    for reset in [Reset::ToZero, Reset::Subtract] {
        for reset_gradient in
            [ResetGradient::Differentiated, ResetGradient::Residual { alpha: 0.2 }]
        {
            let (threshold, fires, surrogate) = (0.5, Fires::AtThreshold, Atan::default());
            let firing = Firing { threshold, fires, reset, reset_gradient, surrogate };
            one(Synaptic { firing, decay: 0.9, current_decay: 0.5 }, &there);
            let (strength, adaptation_decay) = (0.25, 0.75);
            one(Adaptive { firing, decay: 0.9, strength, adaptation_decay }, &there);
            one(Sbpsnn { firing, decay: 0.9 }, &there);
        }
    }
    let (threshold, fires, surrogate) = (0.5, Fires::AboveThreshold, Gaussian::default());
    one(Refractory { threshold, fires, trace_decay: 0.75, decay: 0.5, surrogate }, &there);
}

/// Two parameters and two states.
#[derive(Clone, Copy, Debug)]
struct Learning;

impl Cell<2, 2> for Learning {
    fn parameters(&self) -> [Parameter; 2] {
        [Parameter { name: "w", initial: 0.3 }, Parameter { name: "threshold", initial: 0.5 }]
    }

    fn step<N: Number>(&self, x: N, [v, i]: [N; 2], [w, threshold]: [N; 2]) -> (N, [N; 2]) {
        let i = w.sigmoid() * i + x;
        let u = N::of(0.75) * v + i;
        let o = N::spike(u, threshold, Fires::AtThreshold, &Atan::default());
        (o, [u * (N::of(1.0) - o.detach()), i])
    }
}

/// Neurons whose parameters are learnt: their gradients too, added up in an order that the launch
/// decides, so that they are the same bits every time.
#[test]
fn learnable_parameters_are_the_same_on_a_device() {
    fn one<C: Cell<S, P>, const S: usize, const P: usize>(
        cell: C,
        shapes: &[(usize, usize)],
        dtypes: &[(DType, f64)],
        there: &Device,
    ) {
        let gradients = |place: &Device, x: &Tensor, g: &Tensor| {
            let x = Var::from_tensor(&x.to_device(place).unwrap()).unwrap();
            let neuron = population(cell).unwrap();
            let spikes = neuron.scan(&x).unwrap();
            let loss = (spikes.to_device(&Device::Cpu).unwrap() * g).unwrap().sum_all().unwrap();
            let found = loss.backward().unwrap();
            let learned =
                neuron.parameters().into_iter().map(|(_, p)| values(found.get(&p).unwrap())[0]);
            (values(&spikes), values(found.get(&x).unwrap()), learned.collect::<Vec<f64>>())
        };
        for &(steps, n) in shapes {
            for &(dtype, rounding) in dtypes {
                let (x, g) = example(steps, n, dtype);
                let found = gradients(there, &x, &g);
                assert_eq!(found, gradients(there, &x, &g));
                let here = gradients(&Device::Cpu, &x, &g);
                assert_eq!(found.0, here.0, "{cell:?} {dtype:?}");
                assert!(worst(&found.1, &here.1) <= rounding, "{cell:?} {dtype:?}");
                for (a, b) in found.2.iter().zip(&here.2) {
                    // parameters are f32, and so are their gradients
                    let off = (a - b).abs() / b.abs().max(1.0);
                    assert!(off <= 1e-6, "{cell:?} {dtype:?}, {steps} × {n}: {a} and {b}");
                }
            }
        }
    }
    let Some(there) = device::for_a_test().unwrap() else { return };
    for reset in [Reset::ToZero, Reset::Subtract] {
        for reset_gradient in [
            ResetGradient::Differentiated,
            ResetGradient::Detached,
            ResetGradient::Cut,
            ResetGradient::Residual { alpha: 0.2 },
        ] {
            let (threshold, fires, surrogate) = (1.0, Fires::AtThreshold, Atan::default());
            let firing = Firing { threshold, fires, reset, reset_gradient, surrogate };
            one(Plif { firing, tau: 2.0 }, &[(7, 129)], &[(DType::F32, 1e-6)], &there);
        }
    }
    let dtypes = [(DType::F32, 1e-6), (DType::F64, 1e-13)];
    one(Learning, &[(7, 129), (40, 16), (1, 5000)], &dtypes, &there);
}
