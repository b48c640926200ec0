//! Networks that blocks have no word for: pooling with a stride, dropout that is drawn anew at each
//! step. They run by tensor operations.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};
use models::{Layer, Masks, Mode, Network, Spec, StageOptions};
use neuron::Config;

fn network(text: &str, dropout: Masks) -> Network {
    let vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
    let (spec, neuron): (Spec, _) = (text.parse().unwrap(), Config::bpsa().build().unwrap());
    let options = StageOptions { dropout, ..StageOptions::default() };
    Network::new(&spec, [9, 9, 2], 3, neuron, options, vb).unwrap()
}

fn frames() -> Tensor {
    Tensor::rand(0f32, 1.0, (4, 2, 9, 9, 2), &Device::Cpu).unwrap()
}

#[test]
fn a_stride_and_a_border_give_the_sizes_of_pytorch() {
    for (text, side) in [("AP3/2(P1)", 5), ("AP3/2", 4), ("AP2/1(P1)", 10), ("AP5/3(P2)", 3)] {
        let network = network(&format!("4C3-{text}-2Voting"), Masks::Pass);
        assert!(network.event_driven().is_none(), "{text}");
        let mut shapes = Vec::new();
        let visit = &mut |layer: &Layer, _: &Tensor, y: &Tensor| {
            if let Layer::StridedAvgPool(_) = layer {
                shapes.push(y.dims().to_vec());
            }
            Ok(())
        };
        assert_eq!(network.walk(&frames(), visit).unwrap().dims(), [2, 3]);
        assert_eq!(shapes, [[4, 2, side, side, 4]], "{text}");
        // told by sizes alone, it is the same: weights, norm's four, and of the head both
        let weights = 9 * 2 * 4 + 4 + 4 * 4 + side * side * 4 * 6 + 6;
        assert_eq!(network.footprint([9, 9, 2]).weights, weights as u128, "{text}");
    }
    assert!(network("4C3-AP3/3-2Voting", Masks::Pass).event_driven().is_some(), "AP3 written out");
    let small: Spec = "4C3-AP9-AP3/2-2Voting".parse().unwrap();
    let neuron = Config::bpsa().build().unwrap();
    let refused = Network::outline(&small, [9, 9, 2], 3, neuron, StageOptions::default());
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("AP3/2 needs maps of at least 3×3, found 1×1"), "{said}");
}

#[test]
fn dropout_of_each_step_changes_a_training_pass_alone() {
    let text = "4C3-AP3-DP-6FC(DP)-2Voting";
    let [pass, step] = [Masks::Pass, Masks::Step].map(|masks| network(text, masks));
    assert!(pass.event_driven().is_some() && step.event_driven().is_none());
    let frames = frames();
    let scores = |network: &Network, mode| -> Vec<Vec<f32>> {
        network.forward(&frames, mode, &mut ()).unwrap().to_vec2().unwrap()
    };
    let mut dropped = Vec::new();
    let train = Mode::Train { seed: 7 };
    assert_eq!(scores(&step, train), scores(&step, train));
    let mut x = frames.clone();
    for layer in step.layers() {
        let y = layer.forward(&x, train, &mut ()).unwrap();
        if let Layer::Dropout(..) = layer {
            let first: Vec<f32> = y.get(0).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            let ones = layer.forward(&x.ones_like().unwrap(), train, &mut ()).unwrap();
            let masks: Vec<Vec<f32>> = ones.flatten_from(1).unwrap().to_vec2().unwrap();
            dropped.push((first.len(), masks));
        }
        x = y;
    }
    assert_eq!(dropped.len(), 2);
    for (values, masks) in dropped {
        assert!(masks.iter().all(|mask| mask.len() == values));
        assert!((1..masks.len()).all(|t| !masks[..t].contains(&masks[t])));
    }
}
