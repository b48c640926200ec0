//! Converted networks against their definition, their file and their analogue network.
#![allow(clippy::unwrap_used, clippy::panic)]

use candle_core::{DType, Device, Tensor};
use convert::{
    Analogue, Converted, Definition, Dynamics, Head, Pool, Reset, Simulator, SoftLif, Spiking,
    rules, scales,
};
use layers::{BatchNorm, Conv2d, Linear, StatisticsOver, Windows};
use models::{Layer, Network};

/// Multiples of 1/16 from −1 to 1, so that no order of sums differs.
fn dyadic(dims: &[usize], seed: u64) -> Tensor {
    let n: usize = dims.iter().product();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 33) % 33) as f32 / 16.0 - 1.0
    };
    Tensor::from_vec((0..n).map(|_| next()).collect::<Vec<f32>>(), dims, &Device::Cpu).unwrap()
}

fn conv(dims: [usize; 4], seed: u64) -> Layer {
    let (weight, bias) =
        (dyadic(&dims, seed), Some((dyadic(&[dims[3]], seed + 50) * 0.125).unwrap()));
    Layer::Conv(Conv2d { weight, bias, stride: 1, padding: dims[0] / 2 })
}

fn linear(inputs: usize, outputs: usize, seed: u64) -> Layer {
    // mostly above 0, so that every class has something to fire for
    let weight = (dyadic(&[inputs, outputs], seed) + 0.5).unwrap();
    let bias = Some((dyadic(&[outputs], seed + 50) * 0.125).unwrap());
    Layer::Linear(Linear { weight, bias })
}

/// Two convolutions, each with a pooling, and a head of two voters for each of three classes.
fn network(pools: [Layer; 2]) -> Network {
    let [first, second] = pools;
    let layers = vec![
        conv([3, 3, 1, 4], 1),
        Layer::Rectify,
        first,
        conv([3, 3, 4, 3], 2),
        Layer::Rectify,
        second,
        Layer::Flatten,
        linear(12, 6, 3),
        Layer::Vote(2),
    ];
    Network::of(layers)
}

fn samples(n: usize, seed: u64) -> Tensor {
    dyadic(&[n, 9, 9, 1], seed).abs().unwrap()
}

/// Every rule's network for `analogue`.
fn all_rules(analogue: &Analogue) -> Vec<(&'static str, Spiking)> {
    let set = [samples(8, 4), samples(8, 5)];
    let of = |made: candle_core::Result<Converted>| made.unwrap().network;
    let input = |_: usize| Ok(set[0].clone());
    vec![
        ("continue", of(rules::continuous(analogue, &set, 99.9, false))),
        ("pools with neurons", of(rules::continuous(analogue, &set, 99.9, true))),
        ("rnl", of(rules::rate_norm(analogue, &set, 2.5))),
        ("spike-norm", rules::balanced(analogue, 6, &mut { input }).unwrap().0.network),
        ("soft-lif", of(rules::soft_lif(analogue, &set, 99.9, SoftLif::fitted()))),
    ]
}

/// Of each stage the spikes of the whole run, and the readout's sums after each step.
fn defined(network: &Spiking, x: &Tensor, steps: usize) -> (f64, Vec<Vec<f32>>) {
    let mut run = Definition::new(network);
    let (mut spikes, mut outputs) = (0.0, Vec::new());
    for _ in 0..steps {
        let done = run.step(x).unwrap();
        let hidden = done.len() - 1;
        for (i, step) in done.iter().enumerate() {
            if i < hidden || network.head == Head::Spikes {
                let sum = step.output.sum_all().unwrap().to_dtype(DType::F64).unwrap();
                spikes += sum.to_scalar::<f64>().unwrap();
            }
            for (pool, out) in network.stages[i].pools.iter().zip(&step.pooled) {
                if matches!(pool, convert::SpikingPool::Neurons(_)) {
                    spikes += f64::from(out.sum_all().unwrap().to_scalar::<f32>().unwrap());
                }
            }
        }
        outputs.push(done[hidden].output.flatten_all().unwrap().to_vec1().unwrap());
    }
    (spikes, outputs)
}

#[test]
fn by_events_is_as_defined() {
    let windows = Windows { side: 3, stride: 2, padding: 1 };
    let pools = [
        [Layer::MaxPool(2), Layer::MaxPool(2)],
        [Layer::AvgPool(2), Layer::AvgPool(2)],
        [Layer::StridedAvgPool(windows), Layer::MaxPool(2)],
    ];
    let x = samples(1, 9);
    let frame: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
    for (k, pools) in pools.into_iter().enumerate() {
        let mut analogue = Analogue::of(&network(pools)).unwrap();
        for (rule, mut network) in all_rules(&analogue) {
            // weights that are exact, so that both orders of sums give the same
            for stage in &mut network.stages {
                let exact = |t: &Tensor| ((t * 256.0).unwrap().round().unwrap() / 256.0).unwrap();
                let (w, b) = (exact(stage.product.weight()), stage.product.bias().map(exact));
                stage.product = stage.product.with(w, b);
            }
            let (spikes, outputs) = defined(&network, &x, 40);
            let mut run = Simulator::new(&network, [9, 9, 1]).unwrap();
            for _ in 0..2 {
                let mut sums = vec![0f64; 3];
                run.begin();
                for (t, output) in outputs.iter().enumerate() {
                    run.step((t == 0).then_some(&frame[..])).unwrap();
                    if !matches!(network.head, Head::Window(_)) {
                        sums.iter_mut().zip(output).for_each(|(s, o)| *s += f64::from(*o));
                        for (ours, sum) in run.readout().sums().iter().zip(&sums) {
                            assert!((ours - sum).abs() < 1e-3, "{rule}, pools {k}, step {t}");
                        }
                    }
                }
                // means of nine are rounded, and a LIF neuron's exponentials too
                let slack = if k == 2 || rule == "soft-lif" { 4.0 } else { 0.0 };
                let found = run.counts().spikes as f64;
                assert!((found - spikes).abs() <= slack, "{rule}, {k}: {found} and {spikes}");
                assert!(spikes > 20.0, "{rule}, {k}: only {spikes} spikes");
            }
        }
        analogue.stages[0].pools = vec![Pool::Max(0)];
        let one = vec![1.0; 3];
        let odd =
            Spiking::rescaled(&analogue, &one, Dynamics::Integrate(Reset::Subtract), Head::Spikes)
                .unwrap();
        assert!(Simulator::new(&odd, [9, 9, 1]).is_err());
    }
}

#[test]
fn many_steps_are_the_analogue_network() {
    let analogue = Analogue::of(&network([Layer::AvgPool(2), Layer::AvgPool(2)])).unwrap();
    let x = samples(1, 11);
    let frame: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
    let scores = analogue.forward(&x, &mut |_, _| Ok(())).unwrap();
    let scores: Vec<f32> = scores.flatten_all().unwrap().to_vec1().unwrap();
    for (rule, network) in all_rules(&analogue) {
        if rule == "soft-lif" {
            continue; // its rate is close to a ReLU, not equal
        }
        let mut run = Simulator::new(&network, [9, 9, 1]).unwrap();
        run.begin();
        for t in 0..2000 {
            run.step((t == 0).then_some(&frame[..])).unwrap();
        }
        let all = run.readout().sums();
        // proportional to the scores, or to their positive part
        let largest = (0..3).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
        assert!(scores[largest] > 0.1, "{scores:?}");
        for c in 0..3 {
            let wanted = match network.head {
                Head::Spikes => scores[c].max(0.0),
                _ => scores[c],
            };
            let (found, wanted) = (all[c] / all[largest], f64::from(wanted / scores[largest]));
            assert!((found - wanted).abs() < 0.05, "{rule}: {all:?} and {scores:?}");
        }
    }
}

#[test]
fn a_norm_is_folded_and_a_file_read_again() {
    let of = |values: &[f32]| Tensor::new(values, &Device::Cpu).unwrap();
    let running = [of(&[0.5, -0.25]), of(&[4.0, 0.25])];
    let norm = BatchNorm {
        scale: 2.0,
        ..BatchNorm::new(of(&[1.5, -0.5]), of(&[0.1, 0.2]), running, StatisticsOver::Step)
    };
    let product = conv([3, 3, 1, 2], 21);
    let head = linear(2 * 81, 3, 22);
    let layers = vec![
        product,
        Layer::Norm("2C3-1".into(), norm),
        Layer::Rectify,
        Layer::Flatten,
        head,
        Layer::Vote(1),
    ];
    let network = Network::of(layers);
    let analogue = Analogue::of(&network).unwrap();
    assert_eq!(analogue.stages[0].name, "2C3-1");
    let x = samples(4, 23);
    let ours = analogue.forward(&x, &mut |_, _| Ok(())).unwrap();
    let whole = network.forward(&x.unsqueeze(0).unwrap(), models::Mode::Eval, &mut ()).unwrap();
    let error = (ours - whole).unwrap().abs().unwrap().max_all().unwrap();
    assert!(error.to_scalar::<f32>().unwrap() < 1e-4);

    for (rule, network) in all_rules(&analogue) {
        let bytes = network.to_bytes(serde_json::json!({"rule": rule})).unwrap();
        let (again, about) = Spiking::of_bytes(&bytes).unwrap();
        assert_eq!(about["rule"], rule);
        assert_eq!(again.to_bytes(about).unwrap(), bytes);
        let step = |n: &Spiking| defined(n, &x, 3);
        assert_eq!(step(&network), step(&again), "{rule}");
        for cut in [0, 7, 40, bytes.len() - 1] {
            assert!(Spiking::of_bytes(&bytes[..cut]).is_err());
        }
    }
}

#[test]
fn what_is_no_chain_is_refused() {
    let refused = |layers: Vec<Layer>| Analogue::of(&Network::of(layers)).unwrap_err().to_string();
    let (product, head) = (|| conv([3, 3, 1, 1], 1), || linear(81, 3, 2));
    let block = Layer::Residual { body: vec![], shortcut: vec![] };
    assert!(refused(vec![product(), Layer::Rectify, block]).contains("a residual block"));
    assert!(refused(vec![product(), head()]).contains("expected a ReLU"));
    assert!(refused(vec![product(), Layer::Rectify]).contains("ends in its head"));
    assert!(refused(vec![product(), Layer::Vote(1)]).contains("linear"));
    let silent = Analogue::of(&Network::of(vec![
        Layer::Linear(Linear {
            weight: dyadic(&[1, 1], 1).abs().unwrap().neg().unwrap(),
            bias: None,
        }),
        Layer::Rectify,
        linear(1, 3, 1),
    ]));
    let one = [Tensor::ones((1, 1, 1, 1), DType::F32, &Device::Cpu).unwrap()];
    let error = rules::continuous(&silent.unwrap(), &one, 99.9, false).unwrap_err();
    assert!(error.to_string().contains("silent on all 1 samples"), "{error}");
}

#[test]
fn percentiles_are_numpys() {
    let mut values = vec![0.0, 4.0, 1.0, 3.0, 2.0, 0.0];
    assert_eq!(scales::percentile(&mut values, 50.0), Some(2.5));
    assert_eq!(scales::percentile(&mut values, 100.0), Some(4.0));
    assert!((scales::percentile(&mut values, 99.9).unwrap() - 3.997).abs() < 1e-12);
    assert_eq!(scales::percentile(&mut vec![0.0], 50.0), None);
}

#[test]
fn the_fitted_rate_is_close_to_a_relu() {
    let neuron = SoftLif::fitted();
    for x in [-1.0, 1.0, 2.0, 5.0, 10.0] {
        assert!((neuron.rate(x) - f64::max(x, 0.0)).abs() < 0.8, "{x}: {}", neuron.rate(x));
        let slope = (neuron.rate(x + 1e-6) - neuron.rate(x - 1e-6)) / 2e-6;
        assert!((slope - neuron.slope(x)).abs() < 1e-4 * (1.0 + slope));
    }
}
