//! One sample at a time: a class is only given early where no later step could change it, whatever
//! the pool behind the neurons that are voted on.
#![allow(clippy::unwrap_used)]

use blocks::{Block, EventDriven, Frames, Graph, Origin, Source, Weight, tensors};
use candle_core::{Device, Tensor};
use layers::{Conv2d, Mode};
use neuron::{Config, Pooling};

const SIDE: usize = 4;
const CLASSES: usize = 3;
const MAP: usize = SIDE * SIDE * CLASSES;

/// A neuron for every pixel and class, which fires where its input is not zero; then the pool.
fn graph(pool: Pooling) -> Graph {
    let identity = Tensor::eye(CLASSES, candle_core::DType::F32, &Device::Cpu).unwrap();
    let weight = identity.reshape((1, 1, CLASSES, CLASSES)).unwrap();
    let conv = Weight::Conv(Conv2d { weight, bias: None, stride: 1, padding: 0 });
    let fires = Block {
        neuron: Some(Config::bpsa().build().unwrap()),
        pool,
        ..Block::of("fires".into(), vec![Source::now(Origin::Frames, Some(conv))])
    };
    let side = SIDE / pool.side();
    // voters of a class lie one behind the other, pixel by pixel
    Graph { blocks: vec![fires], voters: side * side * CLASSES / classes(pool) }
}

/// Classes that are voted on: of one pixel its channels, else its rows of pixels and channels.
fn classes(pool: Pooling) -> usize {
    if pool.side() == SIDE { CLASSES } else { SIDE / pool.side() }
}

/// `early` and the full run of the same sample.
fn both(pool: Pooling, values: &[f32]) -> [(usize, usize); 2] {
    let steps = values.len() / MAP;
    let frames =
        Frames { values, steps, bytes: None, shape: [1, SIDE, SIDE, CLASSES], still: false };
    let engine = EventDriven::new(graph(pool)).unwrap();
    let mut one = engine.inference([SIDE, SIDE, CLASSES]).unwrap();
    [true, false].map(|early| {
        let decision = one.classify(frames, early).unwrap();
        (decision.class, decision.steps)
    })
}

/// Three steps with a spike each for the first class, then two with a whole window for the second.
#[test]
fn a_window_of_average_pooling_is_as_many_votes_as_it_has_neurons() {
    let mut values = vec![0.0; 5 * MAP];
    for t in 0..5 {
        for pixel in 0..SIDE * SIDE {
            let at = t * MAP + pixel * CLASSES;
            match t < 3 {
                true => values[at] = if pixel == 5 { 9.0 } else { 0.0 },
                false => values[at + 1] = 9.0,
            }
        }
    }
    let [early, full] = both(Pooling::Average(SIDE), &values);
    assert_eq!((early, full), ((1, 5), (1, 5)));
    let all = Tensor::from_slice(&values, (5, 1, SIDE, SIDE, CLASSES), &Device::Cpu).unwrap();
    let scores =
        tensors::scores(&graph(Pooling::Average(SIDE)), &all, Mode::Eval, &mut ()).unwrap();
    assert_eq!(scores.argmax(1).unwrap().to_vec1::<u32>().unwrap(), [1], "the definition");
    // any of the window is one vote under max pooling: three steps of five have decided
    let [early, full] = both(Pooling::Max(SIDE), &values);
    assert_eq!((early, full), ((0, 3), (0, 5)));
}

#[test]
fn an_early_class_is_that_of_the_full_run() {
    let mut state = 7u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let (mut stopped, mut samples) = (0, 0);
    for pool in
        [Pooling::None, Pooling::Max(2), Pooling::Max(4), Pooling::Average(2), Pooling::Average(4)]
    {
        for _ in 0..60 {
            // some steps are empty, some full, some of one class
            let mut values = vec![0.0; 8 * MAP];
            for step in values.chunks_exact_mut(MAP) {
                let (rate, class) = (next() * next(), (4.0 * next()) as usize);
                for (i, value) in step.iter_mut().enumerate() {
                    let of = class == CLASSES || i % CLASSES == class;
                    *value = if of && next() < rate { 9.0 } else { 0.0 };
                }
            }
            let [early, full] = both(pool, &values);
            assert_eq!(early.0, full.0, "{pool:?}: {early:?} {full:?}");
            samples += 1;
            stopped += usize::from(early.1 < full.1);
        }
    }
    assert!(stopped > 20 && stopped < samples, "{stopped} of {samples} stopped early");
}
