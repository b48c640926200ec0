//! Networks with recurrent neurons: the event-driven engine beside the layers one after the other,
//! and what a walk sees of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use blocks::Weight;
use candle_core::{DType, Device, Tensor};
use candle_nn::{Init, VarBuilder, VarMap};
use layers::{BatchNorm, Conv2d, Linear};
use models::{Layer, Mode, Network, Options, StatisticsOver};
use neuron::{Config, Neuron};
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
