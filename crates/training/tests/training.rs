//! The loop learns, repeats itself bit by bit, and refuses what it cannot train.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Tensor, Var};
use events::{Frames, Grid, Shape};
use models::{Mode, Network, Spec, StatisticsOver};
use neuron::Config;
use std::borrow::Cow;
use training::{
    AdamWConfig, Augment, Compute, Error, Example, History, InputEncoding, Optimiser, Progress,
    Reduction, Refusal, Samples, SeededVars, Set, Setup, Values, learning_rate, mse, train,
};

const SETUP: Setup = Setup {
    epochs: 6,
    batch: 8,
    drop_last: false,
    learning_rate: 1e-2,
    ramp_epochs: 2,
    ..Setup::PAPER
};

/// Three classes: a bar in one of three rows, with a little noise that depends on the index.
fn examples(n: usize) -> Vec<Example> {
    (0..n)
        .map(|i| {
            let label = i % 3;
            let mut counts = vec![0u16; 4 * 6 * 6 * 2];
            for t in 0..4 {
                for x in 0..6 {
                    counts[((t * 6 + 2 * label) * 6 + x) * 2 + (i + t) % 2] = 2;
                }
                counts[(t * 36 + (i * 7 + t * 5) % 36) * 2] += 1;
            }
            let frames: Frames =
                Grid::new(Shape { steps: 4, height: 6, width: 6, channels: 2 }, counts).unwrap();
            Example { frames, label: label as u32 }
        })
        .collect()
}

fn network(vars: &SeededVars, text: &str) -> Network {
    let neuron = Config::bpsa_bpta().build().unwrap();
    let spec: Spec = text.parse().unwrap();
    Network::new(
        &spec,
        [6, 6, 2],
        3,
        neuron,
        StatisticsOver::Step,
        vars.builder(DType::F32, &Device::Cpu),
    )
    .unwrap()
}

fn run(seed: u64, threads: usize) -> (History, Vec<u32>) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let mut vars = SeededVars::new(seed);
        let net = network(&vars, "8C3-MP2-8C3-AP2-DP-10Voting");
        let (train_set, test_set) = (examples(30), examples(9));
        let sets = (Set::recorded(&train_set), Set::recorded(&test_set));
        let mut history =
            train(&net, &mut vars, sets, &SETUP, &Compute::default(), seed, &Device::Cpu, &mut ())
                .unwrap();
        history.epochs.iter_mut().for_each(|e| e.seconds = 0.0);
        let weights = vars.trainable().into_iter();
        let bits = weights
            .flat_map(|(_, v)| v.flatten_all().unwrap().to_vec1::<f32>().unwrap())
            .map(f32::to_bits);
        (history, bits.collect())
    })
}

#[test]
fn it_learns_and_the_same_seed_gives_the_same_bits_for_any_number_of_threads() {
    let (history, weights) = run(1, 1);
    assert!(history.best().unwrap().1 > 90.0, "{history:?}");
    assert!(history.epochs[5].train_loss < history.epochs[0].train_loss);
    assert_eq!(run(1, 1), (history.clone(), weights.clone()));
    assert_eq!(run(1, 2), (history.clone(), weights.clone()));
    assert_ne!(run(2, 1).1, weights);
}

#[test]
fn a_stage_inserted_elsewhere_changes_no_other_initial_weight() {
    let (a, b) = (SeededVars::new(7), SeededVars::new(7));
    network(&a, "4C3-MP2-4C3-AP2-10Voting");
    network(&b, "4C3-MP2-4C3-4C3-5C3-4C3-AP2-DP-10Voting");
    let values = |v: &Var| v.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for (name, var) in a.trainable() {
        assert_eq!(values(&var), values(&b.get(&name).unwrap()), "{name}");
    }
    let weight = values(&a.get("4C3-2.weight").unwrap());
    let bound = 1.0 / 36f32.sqrt();
    assert!(weight.iter().all(|w| w.abs() <= bound));
    assert!(weight.iter().fold(0f32, |m, w| m.max(w.abs())) > 0.9 * bound);
}

#[test]
fn running_statistics_move_once_per_step_and_are_not_trained() {
    let mut vars = SeededVars::new(0);
    let net = network(&vars, "4C3-AP2-10Voting");
    assert!(vars.trainable().iter().all(|(name, _)| !name.contains("running")));
    let frames = Tensor::ones((3, 2, 6, 6, 2), DType::F32, &Device::Cpu).unwrap();
    net.forward(&frames, Mode::Train { seed: 0 }, &mut vars).unwrap();
    // all steps are equal, so three moves take the mean 1 − 0.9³ of the way to the batch's
    let shared = vars.clone();
    let one = |name: &str| shared.get(name).unwrap().to_vec1::<f32>().unwrap();
    let mean = one("4C3-1.norm.running_mean");
    net.forward(&frames.narrow(0, 0, 1).unwrap(), Mode::Train { seed: 0 }, &mut vars).unwrap();
    let next = one("4C3-1.norm.running_mean");
    for (a, b) in mean.iter().zip(next) {
        let batch = a / (1.0 - 0.9f32.powi(3));
        assert!((b - (0.9 * a + 0.1 * batch)).abs() < 1e-6);
    }
    let before = one("4C3-1.norm.running_var");
    net.forward(&frames, Mode::Eval, &mut vars).unwrap();
    assert_eq!(before, one("4C3-1.norm.running_var"), "an evaluation moves nothing");
}

#[test]
fn loss_by_hand_in_both_reductions() {
    let scores = Tensor::new(&[[1.5f32, 0.0], [0.5, 0.5]], &Device::Cpu).unwrap();
    let loss = |r| mse(&scores, &[0, 1], r).unwrap().to_scalar::<f32>().unwrap();
    assert_eq!(loss(Reduction::Mean), (0.25 + 0.0 + 0.25 + 0.25) / 4.0);
    assert_eq!(loss(Reduction::SumOverClasses), (0.25 + 0.0 + 0.25 + 0.25) / 2.0);
    assert_eq!(loss(Reduction::Sum), 0.25 + 0.0 + 0.25 + 0.25);
    assert!(
        mse(&scores, &[0, 2], Reduction::Mean)
            .unwrap_err()
            .to_string()
            .contains("label 2 of sample 1")
    );
    assert!(mse(&scores, &[0], Reduction::Mean).is_err());
}

#[test]
fn one_step_of_adamw_by_hand() {
    let w = Var::new(&[1.0f32, -2.0, 0.5], &Device::Cpu).unwrap();
    let mut optimiser =
        Optimiser::adamw(vec![("w".into(), w.clone())], AdamWConfig::default()).unwrap();
    let grads =
        (w.as_tensor() * &Tensor::new(&[3.0f32, -1e-3, 0.0], &Device::Cpu).unwrap()).unwrap();
    optimiser.step(&grads.sum_all().unwrap().backward().unwrap(), 1e-3).unwrap();
    // the first step moves by lr · sign(g), after decay by lr · wd
    let expected = [1.0 * (1.0 - 1e-7) - 1e-3, -2.0 * (1.0 - 1e-7) + 1e-3, 0.5 * (1.0 - 1e-7)];
    for (a, b) in w.to_vec1::<f32>().unwrap().iter().zip(expected) {
        assert!((a - b).abs() < 2e-7, "{a} {b}");
    }
    assert_eq!(optimiser.steps, 1);
}

#[test]
fn the_schedule_of_twenty_epochs() {
    let lr: Vec<f64> = (0..20).map(|e| learning_rate(e, 20, 5, 1e-3)).collect();
    assert_eq!(lr[..6], [2e-4, 2.5e-4, 1e-3 / 3.0, 5e-4, 1e-3, 1e-3]);
    assert!(lr[6..].windows(2).all(|p| p[1] < p[0]));
    assert_eq!(learning_rate(0, 1, 0, 1e-3), 1e-3);
    assert!(learning_rate(3, 3, 3, 1e-3).is_finite());
}

#[test]
fn what_cannot_be_trained_is_refused_before_it_starts() {
    let mut vars = SeededVars::new(0);
    let net = network(&vars, "4C3-AP2-10Voting");
    let samples = examples(5);
    let mut go = |train_set: &Vec<Example>, test: &Vec<Example>, setup: Setup| {
        let sets = (Set::recorded(train_set), Set::recorded(test));
        train(&net, &mut vars, sets, &setup, &Compute::default(), 0, &Device::Cpu, &mut ())
            .unwrap_err()
    };
    assert!(matches!(go(&vec![], &samples, SETUP), Error::Empty("training")));
    assert!(matches!(go(&samples, &vec![], SETUP), Error::Empty("test")));
    let dropping = Setup { drop_last: true, ..SETUP };
    assert!(matches!(go(&samples, &samples, dropping), Error::NoBatch { samples: 5, batch: 8 }));
    assert_eq!(
        go(&samples, &samples, Setup { batch: 0, ..SETUP }).to_string(),
        "batch must be a whole number from 1 to 1048576, found 0"
    );
    let mut wrong = examples(8);
    wrong[2].label = 3;
    assert!(go(&wrong, &samples, SETUP).to_string().contains("label 3"));
    // beyond one step of it, no weight is a number that f32 has
    let adamw = AdamWConfig { weight_decay: 1000.0, ..SETUP.adamw };
    let diverging = Setup { learning_rate: 1000.0, ramp_epochs: 0, epochs: 3, adamw, ..SETUP };
    let sentence = go(&examples(90), &samples, diverging).to_string();
    assert!(
        sentence.starts_with("training diverged at epoch 1, step ") && sentence.contains("4C3-1."),
        "{sentence}"
    );
}

#[test]
fn progress_hears_every_step_and_epoch() {
    #[derive(Default)]
    struct Observed(usize, usize);
    impl Progress for Observed {
        fn step(&mut self, _: usize, step: usize, steps: usize, loss: f64, _: f64) {
            assert!(step < steps && steps == 4 && loss.is_finite());
            self.0 += 1;
        }
        fn epoch(&mut self, index: usize, epoch: &training::Epoch) {
            assert_eq!(index, self.1);
            assert_eq!(epoch.test.samples, 9);
            assert_eq!(epoch.test.firing_rates.len(), 2);
            self.1 += 1;
        }
    }
    let mut vars = SeededVars::new(1);
    let net = network(&vars, "4C3-AP2-10Voting");
    let mut observed = Observed::default();
    let setup = Setup { epochs: 2, ..SETUP };
    let (train_set, test_set) = (examples(30), examples(9));
    let sets = (Set::recorded(&train_set), Set::recorded(&test_set));
    train(&net, &mut vars, sets, &setup, &Compute::default(), 1, &Device::Cpu, &mut observed)
        .unwrap();
    assert_eq!((observed.0, observed.1), (8, 2));
}

#[test]
fn augmentation_is_a_function_of_seed_epoch_and_sample_and_leaves_the_test_set_alone() {
    let a = Augment { padding: 2, flip: true, degrees: 10.0 };
    let frames = &examples(2)[1].frames;
    assert_eq!(a.apply(frames, 1, 2, 3), a.apply(frames, 1, 2, 3));
    let seen: Vec<_> = (0..8).map(|epoch| a.apply(frames, 1, epoch, 3)).collect();
    assert!(seen.iter().any(|f| f != &seen[0]), "epochs see different versions");
    let identity = Augment { padding: 0, flip: false, degrees: 0.0 };
    assert_eq!(&identity.apply(frames, 1, 2, 3), frames);
    let mut vars = SeededVars::new(1);
    let neuron = Config::bpsa_bpta().build().unwrap();
    let spec: Spec = "4C3-AP2-10Voting".parse().unwrap();
    let builder = vars.builder(DType::F32, &Device::Cpu);
    let net = Network::new(&spec, [4, 4, 2], 3, neuron, StatisticsOver::Step, builder).unwrap();
    let setup = Setup { epochs: 1, augment: Some(a), side: Some(4), ..SETUP };
    let (train_set, test_set) = (examples(9), examples(3));
    let sets = (Set::recorded(&train_set), Set::recorded(&test_set));
    train(&net, &mut vars, sets, &setup, &Compute::default(), 1, &Device::Cpu, &mut ()).unwrap();
    let test = |setup: &Setup| {
        training::evaluate(&net, sets.1, setup, &Compute::default(), &Device::Cpu).unwrap()
    };
    assert_eq!(test(&setup), test(&Setup { augment: None, ..setup }));
}

/// Grey squares whose brightness is their class; the image that is `broken` cannot be read.
struct Images {
    broken: Option<usize>,
}

const IMAGE: Shape = Shape { steps: 1, height: 6, width: 6, channels: 2 };

impl Samples for Images {
    fn len(&self) -> usize {
        12
    }

    fn label(&self, index: usize) -> u32 {
        index as u32 % 3
    }

    fn values(&self, index: usize) -> Result<Values<'_>, Refusal> {
        if self.broken == Some(index) {
            return Err(format!("image {index} is broken").into());
        }
        let pixels = vec![self.label(index) as u8 * 100; 72];
        Ok(Values::Bytes(Cow::Owned(Grid::new(IMAGE, pixels)?)))
    }
}

/// The same as frames: each image repeated, its values already standardised.
struct Repeated;

impl Samples for Repeated {
    fn len(&self) -> usize {
        12
    }

    fn label(&self, index: usize) -> u32 {
        index as u32 % 3
    }

    fn values(&self, index: usize) -> Result<Values<'_>, Refusal> {
        let value = |i: usize| {
            (self.label(index) as f32 * 100.0 - [50.0, 20.0][i % 2]) / [70.0, 30.0][i % 2]
        };
        let grid = Grid::new(Shape { steps: 5, ..IMAGE }, (0..5 * 72).map(value).collect())?;
        Ok(Values::Features(Cow::Owned(grid)))
    }
}

#[test]
fn an_image_shown_for_five_steps_is_five_equal_frames() {
    let shown = InputEncoding {
        still: Some(5),
        standard: vec![(50.0, 70.0), (20.0, 30.0)],
        bernoulli: None,
    };
    let images = Images { broken: None };
    let stills = Set { samples: &images, encoding: &shown };
    let run = |set: Set| {
        let mut vars = SeededVars::new(3);
        let net = network(&vars, "4C3-AP2-10Voting");
        let setup = Setup { epochs: 2, ..SETUP };
        let mut history = train(
            &net,
            &mut vars,
            (set, set),
            &setup,
            &Compute::default(),
            3,
            &Device::Cpu,
            &mut (),
        )
        .unwrap();
        history.epochs.iter_mut().for_each(|e| e.seconds = 0.0);
        history
    };
    assert_eq!(run(stills), run(Set::recorded(&Repeated)));
}

#[test]
fn a_sample_that_cannot_be_read_stops_the_run_with_its_own_sentence() {
    let mut vars = SeededVars::new(3);
    let net = network(&vars, "4C3-AP2-10Voting");
    let images = Images { broken: Some(7) };
    let set = Set {
        samples: &images,
        encoding: &InputEncoding { still: Some(2), standard: vec![], bernoulli: None },
    };
    let error =
        train(&net, &mut vars, (set, set), &SETUP, &Compute::default(), 3, &Device::Cpu, &mut ())
            .unwrap_err();
    assert_eq!(error.to_string(), "image 7 is broken");
    let good = Images { broken: None };
    let one_channel = Set {
        samples: &good,
        encoding: &InputEncoding { still: Some(2), standard: vec![(0.0, 1.0)], bernoulli: None },
    };
    let error = train(
        &net,
        &mut vars,
        (one_channel, set),
        &SETUP,
        &Compute::default(),
        3,
        &Device::Cpu,
        &mut (),
    )
    .unwrap_err();
    assert!(error.to_string().contains("expected 1 channels, found 2"), "{error}");
}

/// The event-driven passes and the tensor operations train the same network to the same losses. In
/// evaluation they differ by more: the gradient of a convolution's bias below a norm is rounding
/// alone, AdamW makes steps of full size of it, and the running mean follows such a bias some steps
/// late.
#[test]
fn both_kinds_of_passes_have_the_same_loss_curve() {
    let data = examples(48);
    let sets = (Set::recorded(&data), Set::recorded(&data));
    let curves = |blocks| {
        let mut vars = SeededVars::new(7);
        let net = network(&vars, "8C3-MP2-8C3-AP2-DP-10Voting");
        let compute = Compute { blocks, ..Compute::default() };
        let history =
            train(&net, &mut vars, sets, &SETUP, &compute, 7, &Device::Cpu, &mut ()).unwrap();
        let rates =
            |e: &training::Epoch| e.test.firing_rates.iter().map(|r| r.1).collect::<Vec<f64>>();
        let test = history
            .epochs
            .iter()
            .flat_map(|e| [vec![e.test.loss], rates(e)].concat())
            .collect::<Vec<f64>>();
        (history.epochs.iter().map(|e| e.train_loss).collect::<Vec<f64>>(), test)
    };
    let (event, tensor) = (curves(true), curves(false));
    let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0f64, |m, (a, b)| m.max((a - b).abs()));
    assert!(apart(&event.0, &tensor.0) <= 1e-3, "training: {event:?} {tensor:?}");
    assert!(apart(&event.1, &tensor.1) <= 1e-2, "evaluation: {event:?} {tensor:?}");
}
