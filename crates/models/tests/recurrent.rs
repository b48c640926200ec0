//! Networks with recurrent neurons: the event-driven engine beside the layers one after the other,
//! and what a walk sees of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use blocks::Weight;
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{Init, VarBuilder, VarMap};
use layers::{BatchNorm, Conv2d, Linear, NeuNorm};
use models::{BackEi, Layer, Mode, Network, Options, StatisticsOver};
use neuron::{Config, Kind, Neuron};
use std::sync::Arc;

mod common;
use common::{Case, Observed, agree_but, apart, loss, values};

/// Convolution, lateral connections, pooling; with a norm in front, and residual behind; votes.
fn network(vars: &VarMap, neuron: &Arc<dyn Neuron>, over: StatisticsOver) -> Network {
    let vb = VarBuilder::from_varmap(vars, DType::F32, &Device::Cpu);
    let get = |name: &str, shape: &[usize], init| vb.get_with_hints(shape, name, init).unwrap();
    let uniform = |fan: usize, low: f64, high: f64| {
        let bound = 1.0 / (fan as f64).sqrt();
        Init::Uniform { lo: low * bound, up: high * bound }
    };
    let conv = |name: &str, [k, i, o]: [usize; 3], bias: bool| Conv2d {
        weight: get(&format!("{name}.weight"), &[k, k, i, o], uniform(k * k * i, -1.0, 1.8)),
        bias: bias.then(|| get(&format!("{name}.bias"), &[o], uniform(i, -0.2, 0.3))),
        stride: 1,
        padding: k / 2,
    };
    let norm = |name: &str, c: usize| {
        let of = |what: &str, init| get(&format!("{name}.norm.{what}"), &[c], init);
        let running = [of("running_mean", Init::Const(0.1)), of("running_var", Init::Const(0.8))];
        let (weight, bias) = (of("weight", Init::Const(0.6)), of("bias", Init::Const(0.2)));
        let norm = BatchNorm::new(weight, bias, running, over);
        Layer::Norm(name.to_owned(), norm)
    };
    let recurrent = |name: &str, shape, bias| Layer::Recurrent {
        name: name.to_owned(),
        neuron: neuron.clone(),
        weight: Weight::Conv(conv(&format!("{name}.lateral"), shape, bias)),
    };
    let linear = Linear {
        weight: get("head.weight", &[3 * 3 * 4, 6], uniform(36, -1.0, 2.0)),
        bias: Some(get("head.bias", &[6], uniform(36, 0.0, 0.5))),
    };
    let body = vec![Layer::Conv(conv("d", [3, 4, 4], false)), norm("d", 4), Layer::Rectify];
    Network::of(vec![
        Layer::Conv(conv("a", [3, 2, 4], true)),
        recurrent("a", [5, 4, 4], false),
        Layer::MaxPool(2),
        Layer::Conv(conv("b", [3, 4, 4], false)),
        norm("b", 4),
        Layer::Rectify,
        recurrent("b", [3, 4, 4], true),
        Layer::Residual { body, shortcut: vec![] },
        Layer::Neuron("d".into(), neuron.clone()),
        Layer::Flatten,
        Layer::Linear(linear),
        Layer::Neuron("head".into(), neuron.clone()),
        Layer::Vote(2),
    ])
}

fn case(method: Config, steps: usize, still: bool, rate: f32) -> Case {
    let shape = [2, 6, 6, 2];
    let over = StatisticsOver::Step;
    let mut case = Case::new("2Voting", shape, (steps, still), method, over, rate);
    case.vars = VarMap::new();
    case.network = network(&case.vars, &method.build().unwrap(), over);
    case
}

#[test]
fn recurrent_neurons_equal_the_tensor_operations() {
    let (mut same, mut flipped) = (0, 0);
    for method in Config::paper() {
        for (steps, still) in [(4, false), (3, true), (1, false)] {
            for rate in [0.1, 0.3, 0.6, 1.0] {
                let case = case(method, steps, still, rate);
                let engine = case.network.event_driven().expect("it has blocks");
                let mut observed = Observed::default();
                let options = Options::default();
                let found =
                    engine.gradients(case.frames(), 5, options, &mut observed, loss).unwrap();
                let what = format!("{method:?}, T {steps}, still {still}, {rate}");
                match agree_but(&case, &observed, &found, 1e-6, &what) {
                    true => same += 1,
                    false => flipped += 1,
                }
            }
        }
    }
    eprintln!("{same} cases compared, {flipped} with a membrane at the threshold");
    assert!(flipped * 10 <= same, "{flipped} of {} cases have other spikes", same + flipped);
}

#[test]
fn a_walk_sees_recurrent_neurons_in_their_parts() {
    let case = case(Config::bpsa_bpta(), 4, false, 0.5);
    let plain = case.network.forward(&case.tensor(), Mode::Eval, &mut ()).unwrap();
    let (mut names, mut products) = (Vec::new(), 0);
    let walked = case.network.walk(&case.tensor(), &mut |layer, x, y| {
        match layer {
            Layer::Neuron(name, neuron) => {
                // the same spikes from the currents that the walk tells
                let again = neuron.scan(x)?;
                assert_eq!(values(&again), values(y), "{name}");
                names.push(name.clone());
            }
            Layer::Conv(conv) => {
                let off = apart(&values(&conv.forward(x)?), &values(y)).0;
                assert_eq!(off, 0.0);
                products += 1;
            }
            _ => {}
        }
        Ok(())
    });
    assert_eq!(values(&walked.unwrap()), values(&plain));
    assert_eq!((names.join(" ").as_str(), products), ("a b d head", 5));
    assert!(case.network.analogue().layers().len() == case.network.layers().len() - 4);
    let tensor = Tensor::zeros((2, 1, 6, 6, 2), DType::F32, &Device::Cpu).unwrap();
    assert!(case.network.analogue().forward(&tensor, Mode::Eval, &mut ()).is_ok());
}

/// NeuNorm by hand: a trace of both channels, which is taken from each by its weight, and back.
#[test]
fn neunorm_takes_the_trace_of_all_channels_from_each() {
    let of = |values: &[f64], shape: &[usize]| {
        let tensor = Tensor::from_slice(values, shape, &Device::Cpu).unwrap();
        Var::from_tensor(&tensor).unwrap()
    };
    let (spikes, w, k, b) = ([1.0, 0.0, 1.0, 1.0, 0.0, 1.0], [0.5, -2.0], 0.5, 0.25);
    let (x, weight) = (of(&spikes, &[3, 1, 1, 1, 2]), of(&w, &[1, 1, 2]));
    let norm = NeuNorm { weight: weight.as_tensor().clone(), decay: k, input: b };
    let y = Layer::NeuNorm(norm).forward(&x, Mode::Eval, &mut ()).unwrap();
    let a = [0.25, 0.625, 0.5625];
    let expected: Vec<f64> = (0..6).map(|i| spikes[i] - w[i % 2] * a[i / 2]).collect();
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    assert_eq!(flat(&y), expected);
    let g = [1.0, 2.0, 3.0, -1.0, 0.5, 4.0];
    let loss = (&y * of(&g, &[3, 1, 1, 1, 2]).as_tensor()).unwrap().sum_all().unwrap();
    let found = loss.backward().unwrap();
    let (mut back, mut by_x) = (0.0, [0.0; 6]);
    for t in (0..3).rev() {
        back = k * back - w[0] * g[2 * t] - w[1] * g[2 * t + 1];
        for c in 0..2 {
            by_x[2 * t + c] = g[2 * t + c] + b * back;
        }
    }
    assert_eq!(flat(found.get(&x).unwrap()), by_x);
    let by_w = [0, 1].map(|c| -(0..3).map(|t| g[2 * t + c] * a[t]).sum::<f64>());
    assert_eq!(flat(found.get(&weight).unwrap()), by_w);
}

/// BackEISNN's neuron on one pixel and channel, step by step, and which of its parts make its sign.
#[test]
fn feedback_gates_currents_and_signs_let_spikes_inhibit() {
    let conv = |weight: f64, bias: f64| {
        let of = |x: f64| Tensor::new(&[x], &Device::Cpu).unwrap();
        let weight = of(weight).reshape((1, 1, 1, 1)).unwrap();
        Conv2d { weight, bias: Some(of(bias)), stride: 1, padding: 0 }
    };
    let neuron = Config { threshold: 0.5, ..Config::baseline() };
    let (back, ei) = ((-1.5, 0.3), (-1.0, 0.9));
    let currents = [2.0, 1.0, 0.1, 3.0, -1.0, 2.5];
    let both = BackEi { back: Some(conv(back.0, back.1)), ei: Some(conv(ei.0, ei.1)) };
    let x = Tensor::from_slice(&currents, (6, 1, 1, 1, 1), &Device::Cpu).unwrap();
    let neuron = neuron.build().unwrap();
    let parts = both.parts(&x, neuron.as_ref()).unwrap();
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let (mut v, mut y, mut seen) = (0.0, 0.0, [0; 3]);
    let Kind::Lif { decay } = Config::baseline().kind else { panic!("the baseline is LIF") };
    for (t, x) in currents.into_iter().enumerate() {
        let gate: f64 = back.0 * y + back.1;
        let u = v + x / (1.0 + (-gate).exp());
        let o = if u > 0.5 { 1.0 } else { 0.0 };
        let z: f64 = ei.0 * u + ei.1;
        y = o * z.signum();
        v = decay * u * (1.0 - o);
        assert!((flat(&parts.membranes)[t] - u).abs() < 1e-12, "step {t}");
        assert_eq!(flat(&parts.outputs)[t], y, "step {t}");
        seen[(y + 1.0) as usize] += 1;
    }
    assert!(seen.iter().all(|n| *n > 0), "spikes of either sign, and none: {seen:?}");
    let (plain, _) = BackEi { back: None, ei: None }.forward(&x, neuron.as_ref()).unwrap();
    assert_eq!(flat(&plain), flat(&neuron.scan(&x).unwrap()));
}
