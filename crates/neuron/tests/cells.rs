//! Every cell: its forms held equal over random constants, and its scan and stage beside its
//! unrolled equations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Tensor, Var};
use neuron::{
    Adaptive, Cell, Fires, Firing, Gradient, IntegrateAndFire, Lif, Neuron, Number, Plif, Pooling,
    Population, Refractory, Reset, ResetGradient, Sbpsnn, Stage, Synaptic, prove, unroll,
};
use proptest::prelude::*;
use std::array::from_fn;
use std::sync::Arc;
use surrogate::{Atan, Gaussian, InverseMembrane, Rectangular, Sigmoid, Surrogate};
use surrogate::{PiecewiseExponential, Triangular, WhereFired};

const RULES: [ResetGradient; 4] = [
    ResetGradient::Differentiated,
    ResetGradient::Detached,
    ResetGradient::Cut,
    ResetGradient::Residual { alpha: 0.2 },
];

/// Every way to fire and to reset, with one surrogate.
fn firings<S: Surrogate>(surrogate: S, threshold: f64) -> Vec<Firing<S>> {
    let mut all = Vec::new();
    for reset in [Reset::ToZero, Reset::Subtract] {
        for reset_gradient in RULES {
            for fires in [Fires::AtThreshold, Fires::AboveThreshold] {
                all.push(Firing { threshold, fires, reset, reset_gradient, surrogate });
            }
        }
    }
    all
}

fn lif<S: Surrogate>(firing: Firing<S>, decay: f64) -> Lif<S> {
    let Firing { threshold, fires, reset, reset_gradient, surrogate } = firing;
    Lif { threshold, decay, fires, reset, reset_gradient, surrogate }
}

/// Proves LIF, whose backward pass is by hand, with this surrogate and every rule.
fn lif_proven<S: Surrogate>(surrogate: S, threshold: f64, decay: f64) {
    for firing in firings(surrogate, threshold) {
        prove(&lif(firing, decay)).unwrap_or_else(|e| panic!("{firing:?} {decay}: {e}"));
    }
}

/// Proves the other cells, `a`, `b` and `c` in (0, 1) their constants.
fn others_proven<S: Surrogate>(surrogate: S, threshold: f64, [a, b, c]: [f64; 3]) {
    for firing in firings(surrogate, threshold) {
        let name = format!("{firing:?} {a} {b} {c}");
        prove(&Plif { firing, tau: 1.0 + 4.0 * a }).expect(&name);
        prove(&Synaptic { firing, decay: a, current_decay: b }).expect(&name);
        prove(&Adaptive { firing, decay: a, strength: c, adaptation_decay: b }).expect(&name);
        prove(&Sbpsnn { firing, decay: a }).expect(&name);
    }
    for fires in [Fires::AtThreshold, Fires::AboveThreshold] {
        prove(&IntegrateAndFire { threshold, fires, surrogate }).unwrap();
        let (trace_decay, decay) = (a, b);
        prove(&Refractory { threshold, fires, trace_decay, decay, surrogate }).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// LIF with 16 rules and 8 surrogates, the other cells with two, each on 512 random steps.
    #[test]
    fn step_is_autograd_is_dual_is_its_cuda_form(
        threshold in 0.3f64..1.0,
        constants in prop::array::uniform3(0.05f64..0.95),
        width in 0.2f64..2.0,
    ) {
        let decay = constants[0];
        lif_proven(Rectangular { half_width: width }, threshold, decay);
        lif_proven(InverseMembrane {}, threshold, decay);
        lif_proven(Atan { alpha: width }, threshold, decay);
        lif_proven(Sigmoid { alpha: 2.0 * width }, threshold, decay);
        lif_proven(Triangular { half_width: width, height: 0.3 }, threshold, decay);
        lif_proven(PiecewiseExponential { alpha: width }, threshold, decay);
        lif_proven(Gaussian { sigma: width }, threshold, decay);
        lif_proven(WhereFired { height: width }, threshold, decay);
        others_proven(InverseMembrane {}, threshold, constants);
        others_proven(Atan { alpha: width }, threshold, constants);
    }
}

/// A cell that uses every operation of a number.
#[derive(Clone, Copy, Debug)]
struct Everything;

impl Cell<1, 2> for Everything {
    fn parameters(&self) -> [neuron::Parameter; 2] {
        ["a", "b"].map(|name| neuron::Parameter { name, initial: 0.7 })
    }

    fn step<N: Number>(&self, x: N, [v]: [N; 1], [a, b]: [N; 2]) -> (N, [N; 1]) {
        let u = (a * v).exp() + (x.abs() + b).ln() - (x * x + a).sqrt() / (b + v * v);
        let u = N::select(x.above(v), u, -u.positive()) + a.sigmoid() * x;
        let o = N::spike(u, b * v, Fires::AtThreshold, &Atan::default());
        (o, [(u * N::of(0.5)).with_gradient_of(u) * (N::of(1.0) - o) + v.detach() * x])
    }
}

#[test]
fn every_operation_of_a_number_is_differentiated() {
    prove(&Everything).unwrap();
}

/// Some other cell, with one sign of its backward pass turned.
#[derive(Clone, Copy, Debug)]
struct Turned<C>(C, usize);

impl<C: Cell<2, 1>> Cell<2, 1> for Turned<C> {
    fn parameters(&self) -> [neuron::Parameter; 1] {
        self.0.parameters()
    }

    fn step<N: Number>(&self, x: N, state: [N; 2], p: [N; 1]) -> (N, [N; 2]) {
        self.0.step(x, state, p)
    }

    fn backward<N: Number>(
        &self,
        x: N,
        state: [N; 2],
        p: [N; 1],
        g: N,
        m: [N; 2],
    ) -> Gradient<N, 2, 1> {
        let mut gradient = self.0.backward(x, state, p, g, m);
        match self.1 {
            0 => gradient.x = -gradient.x,
            1 => gradient.state[1] = -gradient.state[1],
            2 => gradient.parameters[0] = -gradient.parameters[0],
            _ => {}
        }
        gradient
    }
}

/// Two states and one parameter, for the tests alone.
#[derive(Clone, Copy, Debug)]
struct Learned;

impl Cell<2, 1> for Learned {
    fn parameters(&self) -> [neuron::Parameter; 1] {
        [neuron::Parameter { name: "decay", initial: 0.4 }]
    }

    fn step<N: Number>(&self, x: N, [v, i]: [N; 2], [w]: [N; 1]) -> (N, [N; 2]) {
        let i = w.sigmoid() * i + x;
        let u = N::of(0.8) * v + i;
        let o = N::spike(u, N::of(0.7), Fires::AtThreshold, &Atan::default());
        (o, [u * (N::of(1.0) - o.detach()), i])
    }
}

#[test]
fn one_turned_sign_is_found() {
    for sign in 0..3 {
        let error = prove(&Turned(Learned, sign)).unwrap_err();
        assert!(error.starts_with("Cell::backward differs from candle's autograd"), "{error}");
    }
    prove(&Turned(Learned, 3)).unwrap();
}

#[test]
fn a_cell_that_promises_too_much_is_refused() {
    #[derive(Clone, Copy, Debug)]
    struct Promising;
    impl Cell<1, 0> for Promising {
        fn step<N: Number>(&self, x: N, [v]: [N; 1], _: [N; 0]) -> (N, [N; 1]) {
            let u = v + x;
            (N::spike(u, N::of(0.5), Fires::AtThreshold, &Atan::default()), [u])
        }
        fn only_where_fired(&self) -> bool {
            true
        }
    }
    let error = prove(&Promising).unwrap_err();
    assert_eq!(error, "a gradient passes where the neuron did not fire");

    #[derive(Clone, Copy, Debug)]
    struct Graded;
    impl Cell<1, 0> for Graded {
        fn step<N: Number>(&self, x: N, [v]: [N; 1], _: [N; 0]) -> (N, [N; 1]) {
            (x, [v + x])
        }
    }
    let error = prove(&Graded).unwrap_err();
    assert_eq!(error, "a spike is exactly 0 or 1, found another number");
}

/// Currents on a grid of 1/8, so that membranes hit the threshold exactly, and a gradient.
fn example(steps: usize, n: usize) -> [Tensor; 2] {
    let mut s = 1 + n as u64;
    let mut next = || {
        s = s.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((s >> 33) % 17) as f64 / 8.0 - 0.75
    };
    from_fn(|_| {
        let values: Vec<f64> = (0..steps * n).map(|_| next()).collect();
        Tensor::from_vec(values, (steps, n), &Device::Cpu).unwrap()
    })
}

fn values(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn near(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    let scale = expected.iter().fold(1e-300f64, |m, v| m.max(v.abs()));
    let worst = found.iter().zip(expected).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
    assert!(worst <= tolerance * scale, "{what}: differ by {worst} of {scale}");
}

/// A population with its variables in `dtype`.
fn made<C: Cell<S, P>, const S: usize, const P: usize>(
    cell: C,
    dtype: DType,
) -> (Arc<Population<C, S, P>>, Vec<Var>) {
    let variable = |initial: f64| {
        let value = Tensor::new(initial, &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
        Var::from_tensor(&value).unwrap()
    };
    let variables: Vec<Var> = cell.parameters().iter().map(|p| variable(p.initial)).collect();
    let tensors: [Tensor; P] = from_fn(|i| variables[i].as_tensor().clone());
    (Arc::new(Population::new(cell, tensors).unwrap()), variables)
}

/// Scan against unrolled definition: spikes, ∂L/∂x, ∂L/∂parameter; and the stage against the scan.
fn scan_is_unrolled<C: Cell<S, P>, const S: usize, const P: usize>(cell: C) {
    for (steps, n) in [(1, 1), (7, 63), (4, 65), (3, 1024), (5, 1031), (30, 2)] {
        for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 2e-5)] {
            let (neuron, variables) = made(cell, dtype);
            let [x, g] = example(steps, n).map(|t| t.to_dtype(dtype).unwrap());
            let x = Var::from_tensor(&x).unwrap();
            let gradients = |o: &Tensor| (o * &g).unwrap().sum_all().unwrap().backward().unwrap();
            let (plain, fused) = (unroll(neuron.as_ref(), &x).unwrap(), neuron.scan(&x).unwrap());
            let name = format!("{cell:?} {dtype:?} {steps} {n}");
            assert_eq!(values(&plain), values(&fused), "spikes of {name}");
            let (expected, found) = (gradients(&plain), gradients(&fused));
            let of =
                |grads: &candle_core::backprop::GradStore, v: &Var| values(grads.get(v).unwrap());
            near(&of(&found, &x), &of(&expected, &x), tolerance, &name);
            for variable in &variables {
                let sums: f64 = of(&found, &x).iter().map(|d| d.abs()).sum();
                let (found, expected) = (of(&found, variable), of(&expected, variable));
                let off = (found[0] - expected[0]).abs();
                assert!(off <= tolerance * sums.max(1e-6), "{name}: {found:?} {expected:?}");
            }
        }
    }
    stage_is_scan(cell);
}

fn stage_is_scan<C: Cell<S, P>, const S: usize, const P: usize>(cell: C) {
    let (steps, c) = (6, 37);
    let shape = [2, 2, 3, c];
    let n = 12 * c;
    let (neuron, variables) = made(cell, DType::F32);
    let [x, g] = example(steps, n).map(|t| t.to_dtype(DType::F32).unwrap());
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (currents, upstream) = (flat(&x), flat(&g));
    let (norm, mask, pool) = (None, None, Pooling::None);
    let stage = Stage { steps, shape, still: false, norm, rectify: false, mask, pool };
    let kernel = neuron.stage().unwrap();
    assert_eq!(kernel.states(), S);
    let x = Var::from_tensor(&x).unwrap();
    let spikes = neuron.scan(&x).unwrap();
    let fired = kernel.fire(&stage, &currents);
    let counts: Vec<f32> = fired.counts.iter().map(|&n| f32::from(n)).collect();
    assert_eq!(counts, flat(&spikes), "{cell:?}");
    let grads = (&spikes * &g).unwrap().sum_all().unwrap().backward().unwrap();
    let of_all = |p: usize, row: &mut [f32]| row.copy_from_slice(&upstream[p * c..][..c]);
    let found = kernel.backward(&stage, &currents, &of_all);
    assert_eq!(found.z, flat(grads.get(&x).unwrap()), "{cell:?}");
    let by_scan: Vec<f64> = variables.iter().flat_map(|v| values(grads.get(v).unwrap())).collect();
    let by_stage: Vec<f64> = found.parameters.iter().map(|p| f64::from(*p)).collect();
    assert_eq!(by_stage.len(), P);
    near(&by_stage, &by_scan, 1e-5, &format!("parameters of {cell:?}"));
    // one step alone
    let (mut v, mut out) = (vec![0.0; S * n], vec![0; n]);
    for t in 0..steps {
        kernel.step(&currents[t * n..][..n], &mut v, &mut out);
        assert_eq!(out, fired.counts[t * n..][..n], "{cell:?}, step {t}");
    }
    if kernel.only_where_fired() {
        let some = kernel.backward(&stage, &currents, &|p, row| {
            of_all(p, row);
            let counts = &fired.counts[p * c..][..c];
            row.iter_mut().zip(counts).filter(|(_, n)| **n == 0).for_each(|(g, _)| *g = 0.0);
        });
        assert_eq!(some.z, found.z, "{cell:?}");
    }
}

#[test]
fn scan_and_stage_are_the_unrolled_equations() {
    for firing in firings(Atan::default(), 0.5) {
        scan_is_unrolled(lif(firing, 0.9));
        scan_is_unrolled(Plif { firing, tau: 2.0 });
    }
    for firing in firings(Atan::default(), 0.5) {
        scan_is_unrolled(Synaptic { firing, decay: 0.9, current_decay: 0.5 });
        let adaptive = Adaptive { firing, decay: 0.9, strength: 0.25, adaptation_decay: 0.75 };
        scan_is_unrolled(adaptive);
        scan_is_unrolled(Sbpsnn { firing, decay: 0.9 });
    }
    let (surrogate, fires) = (Gaussian::default(), Fires::AboveThreshold);
    scan_is_unrolled(IntegrateAndFire { threshold: 0.5, fires, surrogate });
    let (trace_decay, decay) = (0.75, 0.5);
    scan_is_unrolled(Refractory { threshold: 0.5, fires, trace_decay, decay, surrogate });
    scan_is_unrolled(Learned);
}

/// LIF's own kernels, which keep one number of a step, beside those of any cell.
#[test]
fn the_kernels_of_lif_are_those_of_a_cell() {
    for firing in firings(Atan::default(), 0.5) {
        let cell = lif(firing, 0.9);
        let (population, _) = made(cell, DType::F64);
        let [x, g] = example(9, 130);
        let x = Var::from_tensor(&x).unwrap();
        let pass = |neuron: &dyn Neuron| {
            let spikes = neuron.scan(&x).unwrap();
            let grads = (&spikes * &g).unwrap().sum_all().unwrap().backward().unwrap();
            (values(&spikes), values(grads.get(&x).unwrap()))
        };
        assert_eq!(pass(&cell), pass(population.as_ref()), "{cell:?}");
    }
}

/// The same bits for any number of threads, sums over all neurons included.
#[test]
fn threads_change_no_bit() {
    let [x, g] = example(6, 9 * 1024 + 5).map(|t| t.to_dtype(DType::F32).unwrap());
    let pass = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (neuron, variables) = made(Learned, DType::F32);
            let x = Var::from_tensor(&x).unwrap();
            let spikes = neuron.scan(&x).unwrap();
            let grads = (&spikes * &g).unwrap().sum_all().unwrap().backward().unwrap();
            let by_x = grads.get(&x).unwrap();
            [values(&spikes), values(by_x), values(grads.get(&variables[0]).unwrap())]
        })
    };
    let one = pass(1);
    assert!(one[2][0] != 0.0);
    for threads in [2, 3, 7] {
        assert_eq!(one, pass(threads), "{threads} threads");
    }
}

#[test]
fn bad_parameters_and_states_are_refused_in_one_sentence() {
    let firing = firings(Atan::default(), 1.0)[0];
    let wide = Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap();
    let error = Population::new(Plif { firing, tau: 2.0 }, [wide]).unwrap_err().to_string();
    assert!(
        error.starts_with("a neuron's w is one number in f32 or f64, found F32 [3]"),
        "{error}"
    );
    let neuron = neuron::population(Synaptic { firing, decay: 0.9, current_decay: 0.5 }).unwrap();
    let x = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
    let error = Neuron::step(neuron.as_ref(), &x, &x).unwrap_err().to_string();
    assert!(error.starts_with("2 states of currents [2, 3] were expected"), "{error}");
    let integers = Tensor::zeros((2, 3), DType::U32, &Device::Cpu).unwrap();
    let error = neuron.scan(&integers).unwrap_err().to_string();
    assert!(error.starts_with("a neuron takes f32 or f64 currents, found U32"), "{error}");
}
