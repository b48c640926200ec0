//! Neurons as plain data: every kind with every surrogate, its constants' ranges, what it costs,
//! and the membrane that it holds to its threshold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{Device, Tensor, Var};
use neuron::{
    Adaptive, Config, Cost, Fires, Firing, Kind, Lif, Neuron, PartialConfig, Plif, Refractory,
    Reset, ResetGradient, Sbpsnn, Synaptic, WhenSilent, cells, unroll,
};
use surrogate::Atan;

fn config(kind: Kind, surrogate: surrogate::Kind) -> Config {
    let config = Config { kind, surrogate, ..Config::baseline() };
    assert!(kind.resets() || config.reset == Reset::ToZero);
    config
}

fn currents() -> (Tensor, Tensor) {
    let mut state = 5u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let mut tensor = |low: f32, high: f32| {
        let values: Vec<f32> = (0..6 * 70).map(|_| low + (high - low) * next()).collect();
        Tensor::from_vec(values, (6, 70), &Device::Cpu).unwrap()
    };
    (tensor(-0.3, 1.2), tensor(-1.0, 1.0))
}

fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

fn largest(a: &[f32]) -> f32 {
    a.iter().fold(1e-6, |m, v| m.max(v.abs()))
}

#[test]
fn every_kind_with_every_surrogate_is_a_neuron() {
    let (x, g) = currents();
    let mut kinds = Kind::of_files();
    kinds.extend([Kind::If, Kind::Lif { decay: 0.9 }]);
    assert_eq!(kinds.len(), 7);
    for (kind, surrogate) in
        kinds.iter().flat_map(|kind| surrogate::Kind::all().map(|surrogate| (*kind, surrogate)))
    {
        let neuron = config(kind, surrogate).build().unwrap();
        let x = Var::from_tensor(&x).unwrap();
        let pass = |spikes: Tensor| {
            let grads = (&spikes * &g).unwrap().sum_all().unwrap().backward().unwrap();
            (values(&spikes), values(grads.get(&x).unwrap()))
        };
        let (fast, plain) =
            (pass(neuron.scan(&x).unwrap()), pass(unroll(neuron.as_ref(), &x).unwrap()));
        assert_eq!(fast.0, plain.0, "{kind:?} {surrogate:?}");
        assert!(fast.0.contains(&1.0) && fast.0.contains(&0.0), "{kind:?} {surrogate:?}");
        let off: Vec<f32> = fast.1.iter().zip(&plain.1).map(|(a, b)| a - b).collect();
        assert!(largest(&off) <= 1e-5 * largest(&plain.1), "{kind:?} {surrogate:?}");
    }
}

#[test]
fn constants_outside_their_range_are_named() {
    use cells::{adaptive, plif, refractory, sbpsnn, synaptic};
    let surrogate = surrogate::Kind::Atan(Atan::default());
    let (synaptic, adaptive, refractory) = (
        synaptic::Constants::default(),
        adaptive::Constants::default(),
        refractory::Constants::default(),
    );
    for (kind, words) in [
        (Kind::Plif(plif::Constants { tau: 1.0 }), "tau must be above 1 and at most 1000000"),
        (Kind::Plif(plif::Constants { tau: f64::NAN }), "found NaN"),
        (
            Kind::Synaptic(synaptic::Constants { current_decay: 1.0, ..synaptic }),
            "current_decay must be from 0 to below 1, found 1",
        ),
        (
            Kind::Synaptic(synaptic::Constants { decay: 0.0, ..synaptic }),
            "decay must be above 0 and at most 1, found 0",
        ),
        (
            Kind::Adaptive(adaptive::Constants { strength: -1.0, ..adaptive }),
            "strength must be from 0 to 1000000, found -1",
        ),
        (
            Kind::Adaptive(adaptive::Constants { adaptation_decay: 2.0, ..adaptive }),
            "adaptation_decay must be",
        ),
        (
            Kind::Refractory(refractory::Constants { trace_decay: 1.0, ..refractory }),
            "trace_decay must be from 0 to below 1",
        ),
        (
            Kind::Refractory(refractory::Constants { decay: 1.5, ..refractory }),
            "decay must be from 0 to 1, found 1.5",
        ),
        (
            Kind::Sbpsnn(sbpsnn::Constants { decay: 1.5, ..Default::default() }),
            "decay must be above 0 and at most 1",
        ),
    ] {
        let error = config(kind, surrogate).build().unwrap_err().to_string();
        assert!(error.starts_with("the neuron's ") && error.contains(words), "{kind:?}: {error}");
    }
    // a kind without a reset has none to set
    let none = config(Kind::Refractory(refractory), surrogate);
    none.build().unwrap();
    let error = Config { reset: Reset::Subtract, ..none }.build().unwrap_err().to_string();
    assert!(error.contains("this kind has no reset"), "{error}");
}

#[test]
fn a_part_changes_the_fields_it_has() {
    let lif = Config::bpsa_bpta();
    let part = PartialConfig { threshold: Some(1.0), ..PartialConfig::default() };
    assert_eq!(lif.changed(&part).unwrap(), Config { threshold: 1.0, ..lif });
    let kind = Some(Kind::Refractory(cells::refractory::Constants::default()));
    let part = PartialConfig { kind, ..PartialConfig::default() };
    let refractory = lif.changed(&part).unwrap();
    refractory.build().unwrap();
    let reset = Some(Reset::Subtract);
    for (config, part) in [
        (lif, PartialConfig { reset, ..part }),
        (refractory, PartialConfig { reset, ..PartialConfig::default() }),
        (refractory, PartialConfig { kind: Some(Kind::If), ..PartialConfig::default() }),
    ] {
        let error = config.changed(&part).unwrap_err().to_string();
        assert!(error.starts_with("the neuron's reset must be "), "{error}");
    }
    let reset_gradient = Some(ResetGradient::Cut);
    let back = PartialConfig { kind: Some(Kind::If), reset, reset_gradient, ..part };
    refractory.changed(&back).unwrap().build().unwrap();
}

/// Counted by hand on the equations; how the gradient crosses a reset costs nothing.
#[test]
fn what_a_neuron_costs() {
    let cost = |states, multiplications, additions| Cost { states, multiplications, additions };
    let surrogate = Atan::default();
    for reset_gradient in [
        ResetGradient::Differentiated,
        ResetGradient::Detached,
        ResetGradient::Cut,
        ResetGradient::Residual { alpha: 0.2 },
    ] {
        let (threshold, fires) = (0.5, Fires::AtThreshold);
        let firing = Firing { threshold, fires, reset: Reset::ToZero, reset_gradient, surrogate };
        let lif =
            Lif { threshold, decay: 0.9, fires, reset: Reset::ToZero, reset_gradient, surrogate };
        assert_eq!(Cost::of(&lif), Cost::LIF);
        assert_eq!(Neuron::cost(&lif), Cost::LIF);
        assert_eq!(Cost::of(&Plif { firing, tau: 2.0 }), cost(1, 1, 3));
        assert_eq!(Cost::of(&Sbpsnn { firing, decay: 0.9 }), cost(1, 1, 2));
        let synaptic = Synaptic { firing, decay: 0.9, current_decay: 0.5 };
        assert_eq!(Cost::of(&synaptic), cost(2, 2, 3));
        let adaptive = Adaptive { firing, decay: 0.9, strength: 0.1, adaptation_decay: 0.5 };
        assert_eq!(Cost::of(&adaptive), cost(2, 3, 4));
        // a soft reset subtracts, whatever the gradient does
        let soft = Firing { reset: Reset::Subtract, ..firing };
        assert_eq!(Cost::of(&Sbpsnn { firing: soft, decay: 0.9 }), cost(1, 1, 3));
    }
    let (threshold, fires) = (1.0, Fires::AboveThreshold);
    let refractory = Refractory { threshold, fires, trace_decay: 0.7, decay: 0.7, surrogate };
    assert_eq!(Cost::of(&refractory), cost(2, 2, 4));
}

#[test]
fn the_membrane_is_what_is_held_to_the_threshold() {
    let (x, _) = currents();
    let surrogate = surrogate::Kind::Atan(Atan::default());
    for kind in Kind::of_files() {
        let neuron = config(kind, surrogate).build().unwrap();
        let (u, o) = neuron::membranes(neuron.as_ref(), &x).unwrap();
        assert_eq!((u.dims(), values(&o)), (x.dims(), values(&neuron.scan(&x).unwrap())));
        if matches!(kind, Kind::Adaptive(_)) {
            continue; // its threshold moves
        }
        for (u, o) in values(&u).iter().zip(values(&o)) {
            assert_eq!(*u > 0.5, o == 1.0, "{kind:?}: membrane {u}");
        }
    }
    // of PLIF by hand: a step from rest charges half of the current where τ = 2
    let plif = config(Kind::Plif(cells::plif::Constants { tau: 2.0 }), surrogate).build().unwrap();
    let (u, _) = neuron::membranes(plif.as_ref(), &x).unwrap();
    let (u, x) = (values(&u.get(0).unwrap()), values(&x.get(0).unwrap()));
    u.iter().zip(x).for_each(|(u, x)| assert!((u - x / 2.0).abs() < 1e-6));
}

#[test]
fn parameters_are_given_and_read() {
    let surrogate = surrogate::Kind::Atan(Atan::default());
    let plif = config(Kind::Plif(cells::plif::Constants { tau: 3.0 }), surrogate);
    let neuron = plif.build().unwrap();
    let tau = |neuron: &dyn Neuron| neuron.readings().unwrap();
    assert!(matches!(tau(neuron.as_ref())[..], [("tau", t)] if (t - 3.0).abs() < 1e-6));
    let w = Tensor::new(0f32, &Device::Cpu).unwrap();
    let silent = WhenSilent::new(neuron.clone(), &plif, 0.1).unwrap();
    for neuron in [neuron.clone(), std::sync::Arc::new(silent) as _] {
        let other = neuron.with_parameters(std::slice::from_ref(&w)).unwrap().unwrap();
        assert_eq!(other.parameters()[0].1.id(), w.id());
        assert_eq!(tau(other.as_ref()), [("tau", 2.0)]);
        for at in [0.0, 0.9] {
            // the very variable, whichever slope a batch takes
            assert_eq!(other.stage_at(at).unwrap().variables()[0].id(), w.id());
        }
        assert!(neuron.with_parameters(&[]).is_err());
    }
    assert!(Config::bpsa().build().unwrap().with_parameters(&[]).unwrap().is_none());
}
