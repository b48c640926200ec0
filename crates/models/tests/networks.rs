//! The paper's networks: sizes as published, names that survive an insertion, errors in one
//! sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};
use models::{Architecture, Layer, Mode, Network, Observer, Spec, StatisticsOver, Variant};
use neuron::Config;

fn build(text: &str, sample: [usize; 3], classes: usize) -> candle_core::Result<(Network, VarMap)> {
    let vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
    let neuron = Config::bpsa_bpta().build().unwrap();
    let spec: Spec = text.parse().unwrap();
    Ok((Network::new(&spec, sample, classes, neuron, StatisticsOver::Step, vb)?, vars))
}

fn parameters(vars: &VarMap) -> usize {
    let vars = vars.data().lock().unwrap();
    vars.iter().filter(|(name, _)| !name.contains("running")).map(|(_, v)| v.elem_count()).sum()
}

/// Trainable parameters of the paper's released code, counted in it: 1.828 M (CIFAR-10), 1.679 M
/// (N-MNIST) and 6.610 M (DVS-Gesture).
#[test]
fn the_code_variants_have_the_published_number_of_parameters() {
    for (architecture, sample, classes, millions) in [
        (Architecture::MiddleCifar, [32, 32, 3], 10, 1.828),
        (Architecture::Middle, [34, 34, 2], 10, 1.679),
        (Architecture::Large, [64, 64, 2], 11, 6.610),
    ] {
        let (_, vars) = build(architecture.notation(Variant::Code), sample, classes).unwrap();
        let found = parameters(&vars) as f64 / 1e6;
        assert!(
            (found - millions).abs() < 0.0006,
            "{architecture:?}: {found} M, published {millions} M"
        );
    }
}

#[test]
fn every_named_network_parses_and_maps_frames_to_scores() {
    for (architecture, sample) in [
        (Architecture::Small, [28, 28, 1]),
        (Architecture::Middle, [34, 34, 2]),
        (Architecture::MiddleCifar, [32, 32, 3]),
        (Architecture::Large, [64, 64, 2]),
        (Architecture::ResNet34, [32, 32, 3]),
    ] {
        for variant in [Variant::Paper, Variant::Code] {
            let text = architecture.spec(variant).unwrap().narrowed(32).to_string();
            let (network, _) = build(&text, sample, 7).unwrap();
            let frames =
                Tensor::ones((2, 3, sample[0], sample[1], sample[2]), DType::F32, &Device::Cpu)
                    .unwrap();
            let scores = network.forward(&frames, Mode::Train { seed: 0 }, &mut ()).unwrap();
            assert_eq!(scores.dims(), [3, 7]);
        }
    }
}

#[test]
fn an_inserted_stage_renames_no_other() {
    let names = |text| {
        let (_, vars) = build(text, [16, 16, 2], 10).unwrap();
        let mut names: Vec<String> = vars.data().lock().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    let before = names("8C3-MP2-16C3-AP4-20FC-10Voting");
    let after = names("4C3-8C3-MP2-16C3-MP2-AP2-20FC-10Voting");
    assert!(before.iter().all(|n| after.contains(n)), "{before:?} {after:?}");
    assert_eq!(after.len(), before.len() + 6);
    // Among equal stages names go by order: one more in front is the new second one to its names.
    let (one, two) = (names("8C3-MP2-16C3-AP4-10Voting"), names("8C3-8C3-MP2-16C3-AP4-10Voting"));
    assert!(one.iter().all(|n| two.contains(n)));
    assert!(two.iter().filter(|n| !one.contains(n)).all(|n| n.starts_with("8C3-2")));
}

#[test]
fn an_observer_sees_every_neuron_and_every_norm_and_the_analogue_network_has_none() {
    #[derive(Default)]
    struct Seen(Vec<String>);
    impl Observer for Seen {
        fn spikes(&mut self, layer: &str, spikes: &Tensor) -> candle_core::Result<()> {
            let all: Vec<f32> = spikes.flatten_all()?.to_vec1()?;
            assert!(all.iter().all(|&o| o == 0.0 || o == 1.0));
            self.0.push(layer.into());
            Ok(())
        }
        fn statistics(
            &mut self,
            layer: &str,
            s: &models::BatchStatistics,
        ) -> candle_core::Result<()> {
            assert_eq!(s.mean.dim(0)?, 3);
            self.0.push(format!("norm of {layer}"));
            Ok(())
        }
    }
    let (network, _) = build("4C3-4C3-AP2-5FC-2Voting", [4, 4, 2], 3).unwrap();
    let frames = Tensor::ones((3, 2, 4, 4, 2), DType::F32, &Device::Cpu).unwrap();
    let mut seen = Seen::default();
    network.forward(&frames, Mode::Train { seed: 0 }, &mut seen).unwrap();
    assert_eq!(seen.0, ["norm of 4C3-1", "4C3-1", "norm of 4C3-2", "4C3-2", "5FC-1", "head"]);
    let mut seen = Seen::default();
    network.analogue().forward(&frames, Mode::Eval, &mut seen).unwrap();
    assert!(seen.0.is_empty());
    assert!(!network.analogue().layers().iter().any(|l| matches!(l, Layer::Neuron(..))));
}

#[test]
fn networks_that_cannot_be_built_say_why() {
    let error = |text, sample| build(text, sample, 10).map(|_| ()).unwrap_err().to_string();
    assert!(
        error("8C3-MP2-MP8-10Voting", [8, 8, 2])
            .contains("MP8 needs maps of at least 8×8, found 4×4")
    );
    assert!(error("1048576FC-1048576FC-10Voting", [8, 8, 2]).contains("more than 2³² numbers"));
    assert!(error("20FC-8C3-10Voting", [8, 8, 2]).contains("8C3-1 needs maps"));
}

/// Every operation is seen once and in order, each takes what the one before gave, and the scores
/// are those of `forward`. The kinds of `layers`; of a residual block those of its body, of its
/// shortcut, and its own.
fn in_turn(layers: &[Layer], kinds: &mut Vec<std::mem::Discriminant<Layer>>) {
    for layer in layers {
        if let Layer::Residual { body, shortcut } = layer {
            in_turn(body, kinds);
            in_turn(shortcut, kinds);
        }
        kinds.push(std::mem::discriminant(layer));
    }
}

#[test]
fn walking_through_a_network_equals_forward() {
    for architecture in Architecture::ALL {
        let text = architecture.spec(Variant::Code).unwrap().narrowed(32).to_string();
        let sample = if architecture == Architecture::Large { [64, 64, 2] } else { [34, 34, 2] };
        let (network, _) = build(&text, sample, 3).unwrap();
        let frames =
            Tensor::rand(0f32, 30.0, (3, 2, sample[0], sample[1], sample[2]), &Device::Cpu)
                .unwrap();
        let (mut seen, mut last, mut spikes) = (Vec::new(), frames.clone(), 0.0);
        let scores = network
            .walk(&frames, &mut |layer, x, y| {
                // within a residual block two ways begin at one input
                assert!(x.id() == last.id() || architecture == Architecture::ResNet34, "{layer:?}");
                seen.push(std::mem::discriminant(layer));
                if matches!(layer, Layer::Neuron(..)) {
                    spikes += y.sum_all()?.to_scalar::<f32>()?;
                }
                last = y.clone();
                Ok(())
            })
            .unwrap();
        let mut layers = Vec::new();
        in_turn(network.layers(), &mut layers);
        assert_eq!(seen, layers);
        let forward = network.forward(&frames, Mode::Eval, &mut ()).unwrap();
        assert_eq!(scores.to_vec2::<f32>().unwrap(), forward.to_vec2::<f32>().unwrap());
        assert!(spikes > 0.0, "{text}: a silent network shows nothing");
    }
}
