//! Learnable parameters of neurons: each layer its own variable, and the gradients of the fast
//! engine are those of the tensor operations. Layers with neurons of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};
use models::{Crossovers, Layer, Network, Neurons, Options, StatisticsOver};
use neuron::cells::{plif, synaptic};
use neuron::surrogate::{self, Atan};
use neuron::{Config, Kind, Neuron, WhenSilent};
use std::sync::Arc;

mod common;
use common::{Case, Observed, agree_but, loss};

fn plif(surrogate: surrogate::Kind) -> Config {
    let kind = Kind::Plif(plif::Constants { tau: 2.0 });
    Config { kind, surrogate, threshold: 0.3, ..Config::baseline() }
}

#[test]
fn gradients_of_the_fast_engine_are_those_of_the_tensor_operations() {
    let dense = plif(surrogate::Kind::Atan(Atan::default()));
    let sparse = plif(Config::bpsa_bpta().surrogate);
    let warm: Arc<dyn Neuron> =
        Arc::new(WhenSilent::new(sparse.build().unwrap(), &sparse, 0.2).unwrap());
    let mut compared = 0;
    for (neuron, what) in
        [(dense.build().unwrap(), "dense"), (sparse.build().unwrap(), "sparse"), (warm, "warm-up")]
    {
        // a chain of two convolutions, and residual graphs of both styles
        for (text, layers) in [
            ("8C3-MP2-6C3-AP2-2Voting", 3),
            ("4S3-2*4RB3-6RB3/2-5RB3-BN-GAP-2Voting", 11),
            ("4C3-4RB3(post)-6RB3/2(post)-GAP-2Voting", 6),
        ] {
            for still in [false, true] {
                let (shape, shown, over) = ([2, 9, 9, 2], (4, still), StatisticsOver::Step);
                let case = Case::with(text, shape, shown, neuron.clone(), over, 0.6);
                assert_eq!(case.network.neuron_parameters().len(), layers, "{text}");
                for crossover in [Crossovers::at(f64::INFINITY), Crossovers::at(0.0)] {
                    let options = Options { crossover, memory_budget: None };
                    let engine = case.network.event_driven().expect(text);
                    let mut observed = Observed::default();
                    let found =
                        engine.gradients(case.frames(), 5, options, &mut observed, loss).unwrap();
                    for (name, tensor) in case.network.neuron_parameters() {
                        let var = &case.vars.data().lock().unwrap()[&name];
                        assert_eq!(var.as_tensor().id(), tensor.id(), "{name}");
                        assert!(found.get(var).is_some(), "{what} {text}: {name}");
                    }
                    let what = format!("{what} {text}, still {still}");
                    compared += usize::from(agree_but(&case, &observed, &found, 1e-6, &what));
                }
            }
        }
    }
    assert!(compared >= 30, "{compared} of 36 without a membrane at its threshold");
}

fn built(neurons: impl Into<Neurons>) -> candle_core::Result<(Network, VarMap)> {
    let vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
    let spec = "4C3-MP2-4C3-AP2-6FC-2Voting".parse().unwrap();
    Ok((Network::new(&spec, [8, 8, 1], 3, neurons, StatisticsOver::Step, vb)?, vars))
}

#[test]
fn each_layer_has_its_own_neurons_and_parameters() {
    let usual = plif(surrogate::Kind::Atan(Atan::default()));
    let slow = Config { kind: Kind::Plif(plif::Constants { tau: 5.0 }), ..usual };
    let other = Config { kind: Kind::Synaptic(synaptic::Constants::default()), ..usual };
    let neurons = Neurons::from(usual.build().unwrap())
        .with("4C3-2", slow.build().unwrap())
        .with("head", other.build().unwrap());
    let (network, vars) = built(neurons).unwrap();
    let names: Vec<String> =
        network.neuron_parameters().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["4C3-1.w", "4C3-2.w", "6FC-1.w"]);
    let tau: Vec<(String, f64)> = network.neuron_readings().unwrap();
    for ((name, found), (layer, expected)) in
        tau.iter().zip([("4C3-1", 2.0), ("4C3-2", 5.0), ("6FC-1", 2.0)])
    {
        assert_eq!(*name, format!("tau of {layer}"));
        assert!((found - expected).abs() < 1e-5, "{name}: {found}");
    }
    let var = vars.data().lock().unwrap()["4C3-1.w"].clone();
    var.set(&Tensor::new(-1f32, &Device::Cpu).unwrap()).unwrap();
    let now = network.neuron_readings().unwrap();
    assert_eq!(now[1..], tau[1..], "the others keep theirs");
    assert!((now[0].1 - (1.0 + std::f64::consts::E)).abs() < 1e-5);
    let kinds = network.layers().iter().filter(|layer| matches!(layer, Layer::Neuron(..))).count();
    assert_eq!(kinds, network.neurons().len());
    // counted with the weights
    let weights: usize = vars.data().lock().unwrap().values().map(|v| v.elem_count()).sum();
    assert_eq!(network.footprint([8, 8, 1]).weights, weights as u128);
}

#[test]
fn a_layer_that_is_not_there_is_refused_with_those_that_are() {
    let lif = Config::bpsa().build().unwrap();
    let built = built(Neurons::from(lif.clone()).with("4C3-3", lif));
    let error = built.map(drop).unwrap_err().to_string();
    assert!(error.contains("4C3-3") && error.contains("4C3-1, 4C3-2, 6FC-1, head"), "{error}");
}
