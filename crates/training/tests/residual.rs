//! A residual network trains without a graph of tensors, and every norm of it is found by its name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Tensor};
use models::{Architecture, Frames, Network, Options, Spec, StatisticsOver, Variant};
use neuron::Config;
use training::{AdamWConfig, Compute, Engine, Optimiser, Reduction, SeededVars, loss_gradient};

fn network(vars: &SeededVars, spec: &Spec) -> Network {
    let neuron = Config::bpsa_bpta().build().unwrap();
    Network::new(
        spec,
        [16, 16, 3],
        3,
        neuron,
        StatisticsOver::Step,
        vars.builder(DType::F32, &Device::Cpu),
    )
    .unwrap()
}

/// Three classes: a bright third of the image.
fn frames(labels: &[u32]) -> Tensor {
    let pixel = |label: u32, i: usize| {
        if i / 16 / 6 == label as usize { 2.0 } else { (i % 7) as f32 / 20.0 }
    };
    let image = |&label: &u32| (0..16 * 16 * 3).map(move |i| pixel(label, i / 3));
    let batch: Vec<f32> = labels.iter().flat_map(image).collect();
    let one = Tensor::from_vec(batch, (1, labels.len(), 16, 16, 3), &Device::Cpu).unwrap();
    one.repeat((3, 1, 1, 1, 1)).unwrap()
}

#[test]
fn a_narrow_resnet34_trains_event_driven() {
    let spec = Architecture::ResNet34.spec(Variant::Code).unwrap().narrowed(16);
    for text in [spec.to_string().as_str(), "4C3-4RB3(post)-8RB3/2(post)-GAP-10Voting"] {
        let mut vars = SeededVars::new(3);
        let net = network(&vars, &text.parse().unwrap());
        let Engine::Events(engine) = Compute::default().engine(&net, &Device::Cpu).unwrap() else {
            panic!("{text} has no blocks")
        };
        let labels = [0, 1, 2, 0, 1, 2, 0, 1];
        let mut optimiser = Optimiser::adamw(vars.trainable(), AdamWConfig::default()).unwrap();
        let mut losses = Vec::new();
        for step in 0..12 {
            let values: Vec<f32> = frames(&labels).flatten_all().unwrap().to_vec1().unwrap();
            let shape = [labels.len(), 16, 16, 3];
            let frames = Frames { values: &values, steps: 3, bytes: None, shape, still: false };
            let mut loss = 0.0;
            let of = |scores: &Tensor| {
                let (gradient, value) = loss_gradient(scores, &labels, Reduction::Mean)?;
                loss = value;
                Ok(gradient)
            };
            let found = engine.gradients(frames, step, Options::default(), &mut vars, of).unwrap();
            optimiser.step(&found, 5e-3).unwrap();
            losses.push(loss);
        }
        assert!(losses[11] < losses[0], "{text}: {losses:?}");
        let norms = vars
            .trainable()
            .into_iter()
            .filter_map(|(name, _)| Some(name.strip_suffix(".weight")?.to_owned()));
        for norm in norms.filter(|name| name.ends_with(".norm")) {
            let mean: Vec<f32> =
                vars.get(&format!("{norm}.running_mean")).unwrap().to_vec1().unwrap();
            assert!(mean.iter().any(|&m| m != 0.0), "{text}: the statistics of {norm} never moved");
        }
    }
}

#[test]
fn the_same_seed_gives_a_block_the_same_weights_wherever_it_stands() {
    let (a, b) = (SeededVars::new(7), SeededVars::new(7));
    network(&a, &"4S3-4RB3-8RB3/2-BN-GAP-10Voting".parse().unwrap());
    network(&b, &"4S3-2*4RB3-8RB3/2-3*8RB3-BN-GAP-10Voting".parse().unwrap());
    for (name, var) in a.trainable() {
        let values = |var: &Tensor| var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(values(&var), values(&b.get(&name).unwrap()), "{name}");
    }
}
