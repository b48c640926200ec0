//! Every column of NeuroBench 2.3.0 beside the numbers of the package itself, which
//! benches/peers/neurobench/make.py stored with the networks' weights and inputs. Equal means equal
//! to the last bit.
#![allow(clippy::unwrap_used, clippy::panic)]

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use energy::{Activity, neurobench, observe};
use models::{Network, Spec, StatisticsOver};
use neuron::Config;
use serde_json::Value;
use std::collections::HashMap;

fn cases() -> Vec<Value> {
    let mut file: Value = serde_json::from_str(include_str!("neurobench/cases.json")).unwrap();
    assert_eq!(file["versions"]["neurobench"], "2.3.0");
    serde_json::from_value(file["cases"].take()).unwrap()
}

fn case(name: &str) -> Value {
    cases().into_iter().find(|case| case["name"] == name).unwrap()
}

fn tensor(value: &Value) -> Tensor {
    let shape: Vec<usize> = serde_json::from_value(value["shape"].clone()).unwrap();
    let values: Vec<f32> = serde_json::from_value(value["values"].clone()).unwrap();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// The stored network; its neurons fire above 0.5, keep 0.9 and reset to zero.
fn network(case: &Value) -> Network {
    let weights = case["weights"].as_object().unwrap();
    let weights: HashMap<String, Tensor> =
        weights.iter().map(|(name, value)| (name.clone(), tensor(value))).collect();
    let vb = VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu);
    let spec: Spec = case["notation"].as_str().unwrap().parse().unwrap();
    let sample: [usize; 3] = serde_json::from_value(case["sample"].clone()).unwrap();
    let neuron = Config::baseline().build().unwrap();
    let network = Network::new(&spec, sample, 3, neuron, StatisticsOver::Step, vb).unwrap();
    if case["analogue"] == true { network.analogue() } else { network }
}

fn activity(case: &Value) -> Activity {
    let network = network(case);
    let mut activity = Activity::default();
    for batch in case["batches"].as_array().unwrap() {
        observe(&network, &tensor(batch), &mut activity).unwrap();
    }
    activity
}

/// What the package says, by the name of our column.
fn published(results: &Value, column: &str) -> Option<f64> {
    let name = column.strip_prefix("NeuroBench ")?;
    [&results[name], &results["SynapticOperations"][name], &results["NeuronOperations"][name]]
        .into_iter()
        .find_map(Value::as_f64)
}

#[test]
fn every_column_is_the_package_s_own_number() {
    let (mut compared, mut differ) = (0, Vec::new());
    for case in cases() {
        for column in neurobench::columns(&activity(&case)) {
            let Some(expected) = published(&case["results"], column.name) else { continue };
            println!(
                "{:9} {:34} ours {:?}, package {expected:?}",
                case["name"], column.name, column.value
            );
            compared += 1;
            if column.value.to_bits() != expected.to_bits() {
                differ.push(format!(
                    "{} {}: ours {:?}, package {expected:?}",
                    case["name"], column.name, column.value
                ));
            }
        }
    }
    assert_eq!(differ, [""; 0]);
    // eight columns of four networks, and the two of NeuronOperations where there is no ReLU
    assert_eq!(compared, 4 * 8 + 2);
}

/// A comparison of zeros would show nothing: both kinds of operation occur, in one network too, and
/// neither rests nor fires always.
#[test]
fn the_stored_networks_do_something() {
    let conv = neurobench::synaptic_operations(&activity(&case("conv")));
    assert!(
        conv.effective_acs > 0.0 && conv.effective_macs > 0.0 && conv.effective_acs < conv.dense
    );
    for name in ["conv", "linear", "head"] {
        let seen = activity(&case(name));
        let rate = seen.firing_rate();
        assert!((0.02..0.8).contains(&rate), "{name}: firing rate {rate}");
        let (effective, dense) = neurobench::neuron_operations(&seen);
        assert!(
            effective > 0.0 && (name == "head" || effective < dense),
            "{name}: no membrane ever rests"
        );
        assert!((neurobench::spike_sparsity(&seen) - (1.0 - rate)).abs() < 1e-12);
    }
    assert!(neurobench::connection_sparsity(&activity(&case("conv"))) > 0.1);
}
