//! Optimisers beside PyTorch's formulas, written again in f64; bounds, schedules, first weights.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{Init, VarBuilder};
use rand_chacha::rand_core::RngCore;
use training::{
    AdamWConfig, Clip, Fan, GradientsOf, Initialisation, Law, Milestones, Optimiser, OptimiserKind,
    Schedule, SeededVars, Words, learning_rate, stream,
};

const KINDS: [OptimiserKind; 7] = [
    OptimiserKind::AdamW,
    OptimiserKind::Adam,
    OptimiserKind::AmsGrad,
    OptimiserKind::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 },
    OptimiserKind::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.1 },
    OptimiserKind::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.1 },
    OptimiserKind::Sgd { momentum: 0.9, nesterov: true, weight_decay: 0.1 },
];
const ADAM: AdamWConfig = AdamWConfig { beta1: 0.9, beta2: 0.99, eps: 1e-6, weight_decay: 0.1 };
const SIZE: usize = 5;
const RATE: f64 = 0.02;

/// The gradient of step t: large ones first, so that AMSGrad's largest moment counts.
fn gradient(t: usize) -> Vec<f32> {
    let of = |i: usize| ((i * 7 + t * 5) % 11) as f32 / 5.0 - 1.0;
    (0..SIZE).map(|i| of(i) * if t < 3 { 4.0 } else { 0.3 }).collect()
}

/// A gradient for one variable.
struct One(Var, Tensor);

impl GradientsOf for One {
    fn of(&self, var: &Var) -> Option<&Tensor> {
        (var.id() == self.0.id()).then_some(&self.1)
    }
}

fn start() -> Vec<f32> {
    (0..SIZE).map(|i| i as f32 - 2.0).collect()
}

fn optimiser(kind: OptimiserKind) -> (Var, Optimiser) {
    let w = Var::new(start(), &Device::Cpu).unwrap();
    let optimiser = Optimiser::new(vec![("w".into(), w.clone())], kind, ADAM).unwrap();
    (w, optimiser)
}

fn grads(w: &Var, t: usize) -> One {
    One(w.clone(), Tensor::new(gradient(t), &Device::Cpu).unwrap())
}

/// One weight under torch.optim's documented formulas, in f64.
#[derive(Default)]
struct Torch {
    w: f64,
    m: f64,
    v: f64,
    largest: f64,
    velocity: Option<f64>,
}

impl Torch {
    fn step(&mut self, kind: OptimiserKind, t: i32, mut g: f64) {
        if let OptimiserKind::Sgd { momentum, nesterov, weight_decay } = kind {
            g += weight_decay * self.w;
            if momentum != 0.0 {
                let velocity = self.velocity.map_or(g, |b| momentum * b + g);
                self.velocity = Some(velocity);
                g = if nesterov { g + momentum * velocity } else { velocity };
            }
            self.w -= RATE * g;
            return;
        }
        match kind {
            OptimiserKind::AdamW => self.w -= RATE * ADAM.weight_decay * self.w,
            _ => g += ADAM.weight_decay * self.w,
        }
        self.m = ADAM.beta1 * self.m + (1.0 - ADAM.beta1) * g;
        self.v = ADAM.beta2 * self.v + (1.0 - ADAM.beta2) * g * g;
        self.largest = self.largest.max(self.v);
        let v = if kind == OptimiserKind::AmsGrad { self.largest } else { self.v };
        let (m, v) = (self.m / (1.0 - ADAM.beta1.powi(t)), v / (1.0 - ADAM.beta2.powi(t)));
        self.w -= RATE * m / (v.sqrt() + ADAM.eps);
    }
}

#[test]
fn every_optimiser_takes_the_steps_of_pytorchs_formulas() {
    let mut ends = Vec::new();
    for kind in KINDS {
        let (w, mut optimiser) = optimiser(kind);
        let of = |w: &f32| Torch { w: f64::from(*w), ..Torch::default() };
        let mut torch: Vec<Torch> = start().iter().map(of).collect();
        for t in 0..20 {
            assert_eq!(optimiser.step(&grads(&w, t), RATE).unwrap(), None);
            for (torch, g) in torch.iter_mut().zip(gradient(t)) {
                torch.step(kind, t as i32 + 1, f64::from(g));
            }
        }
        let found = w.to_vec1::<f32>().unwrap();
        for (a, b) in found.iter().zip(&torch) {
            assert!(
                (f64::from(*a) - b.w).abs() <= 1e-6 * b.w.abs().max(1.0),
                "{kind:?} {a} {}",
                b.w
            );
        }
        assert_eq!(optimiser.steps, 20);
        assert!(!ends.contains(&found), "{kind:?} is another's");
        ends.push(found);
    }
}

#[test]
fn slices_take_the_steps_of_the_definition() {
    for kind in KINDS {
        let ((fast, mut quick), (plain, mut defined)) = (optimiser(kind), optimiser(kind));
        for t in 0..10 {
            quick.step(&grads(&fast, t), RATE).unwrap();
            defined.steps += 1;
            let g = grads(&plain, t).1;
            assert!(defined.define(&defined.state[0], &g, RATE).unwrap());
        }
        let (a, b) = (fast.to_vec1::<f32>().unwrap(), plain.to_vec1::<f32>().unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5), "{kind:?} {a:?} {b:?}");
        for (a, b) in quick.state[0].slots.iter().zip(&defined.state[0].slots) {
            let (a, b) = (a.to_vec1::<f32>().unwrap(), b.to_vec1::<f32>().unwrap());
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5), "{kind:?} {a:?} {b:?}");
        }
    }
}

#[test]
fn adamw_has_the_bits_that_it_always_had() {
    let (w, mut optimiser) = optimiser(OptimiserKind::AdamW);
    let (mut expected, mut m, mut v) = (start(), [0f32; SIZE], [0f32; SIZE]);
    for t in 0..20 {
        optimiser.step(&grads(&w, t), RATE).unwrap();
        let n = (t + 1) as f64;
        let keep = (1.0 - RATE * ADAM.weight_decay) as f32;
        let size = (RATE / (1.0 - ADAM.beta1.powf(n))) as f32;
        let root = (1.0 - ADAM.beta2.powf(n)).sqrt() as f32;
        for (i, g) in gradient(t).into_iter().enumerate() {
            m[i] += (1.0 - ADAM.beta1) as f32 * (g - m[i]);
            v[i] = v[i] * ADAM.beta2 as f32 + (1.0 - ADAM.beta2) as f32 * g * g;
            expected[i] =
                expected[i] * keep - size * (m[i] / (v[i].sqrt() / root + ADAM.eps as f32));
        }
    }
    let bits = |all: Vec<f32>| all.into_iter().map(f32::to_bits).collect::<Vec<u32>>();
    assert_eq!(bits(w.to_vec1().unwrap()), bits(expected));
}

#[test]
fn a_weight_that_is_not_finite_is_named() {
    for kind in KINDS {
        let (w, mut optimiser) = optimiser(kind);
        let g = One(w.clone(), Tensor::new(vec![f32::NAN; SIZE], &Device::Cpu).unwrap());
        assert_eq!(optimiser.step(&g, RATE).unwrap().as_deref(), Some("w"), "{kind:?}");
        let state = &optimiser.state[0];
        assert!(!optimiser.define(state, &g.1, RATE).unwrap());
    }
    let none = OptimiserKind::Sgd { momentum: 0.0, nesterov: true, weight_decay: 0.0 };
    let said = Optimiser::new(Vec::new(), none, ADAM).err().unwrap().to_string();
    assert!(said.contains("optimiser.sgd.momentum must be a number above 0"), "{said}");
}

#[test]
fn gradients_are_bounded_by_norm_and_by_value() {
    let vars: Vec<Var> = [3.0f32, 4.0].map(|v| Var::new(&[v], &Device::Cpu).unwrap()).to_vec();
    let sum =
        ((vars[0].as_tensor() * 3.0).unwrap() + (vars[1].as_tensor() * -4.0).unwrap()).unwrap();
    let grads = sum.sum_all().unwrap().backward().unwrap();
    let of = |clip: Clip| -> Vec<f32> {
        let clipped = clip.clipped(vars.iter(), &grads).unwrap();
        let one = |var| clipped.of(var).unwrap().to_vec1::<f32>().unwrap()[0];
        vars.iter().map(one).collect()
    };
    assert_eq!(of(Clip::Norm(5.1)), [3.0, -4.0], "shorter already");
    // ‖(3, −4)‖ = 5
    let found = of(Clip::Norm(1.0));
    assert!((found[0] - 0.6).abs() < 1e-6 && (found[1] + 0.8).abs() < 1e-6, "{found:?}");
    assert_eq!(of(Clip::Value(3.5)), [3.0, -3.5]);
    type Bound = Option<Clip>;
    assert_eq!(Bound::parse("norm:2"), Some(Some(Clip::Norm(2.0))));
    assert_eq!(Bound::parse("none"), Some(None));
    assert_eq!(Bound::parse("norm"), None);
}

#[test]
fn schedules_are_those_of_pytorch_behind_the_ramp() {
    let rates = |schedule: Schedule, ramp| -> Vec<f64> {
        (0..8).map(|epoch| schedule.rate(epoch, 8, ramp, 0.1)).collect()
    };
    let usual: Vec<f64> = (0..8).map(|epoch| learning_rate(epoch, 8, 3, 0.1)).collect();
    assert_eq!(rates(Schedule::Sgdr, 3), usual);
    assert_eq!(rates(Schedule::Constant, 2)[..3], [0.05, 0.1, 0.1]);
    let close = |found: Vec<f64>, expected: [f64; 8]| {
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-12, "{found:?}");
        }
    };
    let step = Schedule::Step { every: 3, factor: 0.1 };
    close(rates(step, 0), [0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001]);
    close(rates(step, 2), [0.05, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01]);
    let at = Milestones::new(&[1, 5]).unwrap();
    let multistep = Schedule::Multistep { at, factor: 0.5 };
    close(rates(multistep, 0), [0.1, 0.05, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025]);
    // down to the floor, and up again
    let cosine = Schedule::Cosine { period: 2, floor: 0.02 };
    close(rates(cosine, 0), [0.1, 0.06, 0.02, 0.06, 0.1, 0.06, 0.02, 0.06]);
    assert_eq!(Schedule::parse("cosine:2:0.02"), Some(cosine));
    assert_eq!(Schedule::parse("multistep:1,5:0.5"), Some(multistep));
    assert_eq!(Schedule::parse("step:3:0.1"), Some(step));
    assert_eq!(Schedule::parse("sgdr"), Some(Schedule::Sgdr));
    for wrong in ["", "step", "step:3", "multistep:5,1:0.5", "multistep::0.5", "cosine:1.5"] {
        assert_eq!(Schedule::parse(wrong), None, "{wrong}");
    }
    assert!(Milestones::new(&[1; 9]).is_none() && Milestones::new(&[]).is_none());
}

#[test]
fn first_weights_are_functions_of_seed_and_name_with_the_law_asked_for() {
    let of = |initialisation: Initialisation, seed: u64| -> (Vec<f32>, Vec<f32>) {
        let vars = SeededVars::with(seed, initialisation);
        let builder: VarBuilder = vars.builder(DType::F32, &Device::Cpu);
        let bound = 1.0 / 90f64.sqrt();
        let hint = Init::Uniform { lo: -bound, up: bound };
        let weight = builder.get_with_hints((3, 3, 10, 40), "a.weight", hint).unwrap();
        let bias = builder.get_with_hints(40, "a.bias", hint).unwrap();
        let all = |t: Tensor| t.flatten_all().unwrap().to_vec1().unwrap();
        (all(weight), all(bias))
    };
    let (weight, bias) = of(Initialisation::Pytorch, 7);
    // the bits of every run so far
    let mut rng = stream(7, "weight a.weight");
    let bound = 1.0 / 90f64.sqrt();
    let usual = |r: u32| (-bound + 2.0 * bound * (f64::from(r >> 8) / f64::from(1 << 24))) as f32;
    assert!(weight.iter().all(|w| *w == usual(rng.next_u32())));
    assert!(bias.iter().any(|b| *b != 0.0));
    let kaiming = |law, fan| Initialisation::Kaiming { law, fan };
    let xavier = |law, gain| Initialisation::Xavier { law, gain };
    for (initialisation, variance) in [
        (kaiming(Law::Uniform, Fan::In), 2.0 / 90.0),
        (kaiming(Law::Normal, Fan::In), 2.0 / 90.0),
        (kaiming(Law::Normal, Fan::Out), 2.0 / 360.0),
        (xavier(Law::Uniform, 1.0), 2.0 / 450.0),
        (xavier(Law::Normal, 2.0), 8.0 / 450.0),
    ] {
        let (weight, bias) = of(initialisation, 7);
        assert_eq!(of(initialisation, 7), (weight.clone(), bias.clone()));
        assert_ne!(of(initialisation, 8).0, weight);
        assert!(bias.iter().all(|b| *b == 0.0));
        let n = weight.len() as f64;
        let mean = weight.iter().map(|w| f64::from(*w)).sum::<f64>() / n;
        let found = weight.iter().map(|w| (f64::from(*w) - mean).powi(2)).sum::<f64>() / n;
        assert!((found / variance - 1.0).abs() < 0.05, "{initialisation:?} {found} {variance}");
        assert!(mean.abs() < 4.0 * (variance / n).sqrt(), "{initialisation:?} {mean}");
        let largest = weight.iter().fold(0f32, |m, w| m.max(w.abs()));
        let bound = (3.0 * variance).sqrt() as f32;
        let normal = largest > bound;
        let is_normal = matches!(
            initialisation,
            Initialisation::Kaiming { law: Law::Normal, .. }
                | Initialisation::Xavier { law: Law::Normal, .. }
        );
        assert_eq!(normal, is_normal, "{initialisation:?}: {largest} {bound}");
    }
    assert_eq!(
        Initialisation::parse("kaiming-normal:fan-out"),
        Some(kaiming(Law::Normal, Fan::Out))
    );
    assert_eq!(Initialisation::parse("xavier-uniform:2"), Some(xavier(Law::Uniform, 2.0)));
    for wrong in ["", "kaiming", "kaiming-norm", "xavier-normal:x", "pytorch:1"] {
        assert_eq!(Initialisation::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn short_words_of_optimisers_are_read() {
    let sgd = |momentum, nesterov, weight_decay| {
        Some(OptimiserKind::Sgd { momentum, nesterov, weight_decay })
    };
    assert_eq!(OptimiserKind::parse("adam"), Some(OptimiserKind::Adam));
    assert_eq!(OptimiserKind::parse("sgd"), sgd(0.0, false, 0.0));
    assert_eq!(OptimiserKind::parse("sgd:0.9"), sgd(0.9, false, 0.0));
    assert_eq!(OptimiserKind::parse("nesterov:0.9:5e-4"), sgd(0.9, true, 5e-4));
    for wrong in ["", "adamw:1", "sgd:", "nesterov", "SGD", "sgd:0.9:0:0"] {
        assert_eq!(OptimiserKind::parse(wrong), None, "{wrong}");
    }
}
