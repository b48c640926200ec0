//! Graphs with lateral, recurrent and feedback connections: the event-driven engine beside the
//! definition in tensor operations: spikes, scores, statistics and every gradient.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use blocks::{
    Block, Delay, EventDriven, Frames, Graph, Observer, Options, Origin, Source, Weight, tensors,
};
use candle_core::{Device, Result, Tensor, Var};
use layers::{BatchNorm, BatchStatistics, Conv2d, Crossovers, Linear, Mode, StatisticsOver};
use neuron::{Config, Neuron, Pooling, WhenSilent};
use std::sync::Arc;

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }

    fn var(&mut self, shape: &[usize], low: f32, high: f32) -> Tensor {
        let size = shape.iter().product();
        let values: Vec<f32> = (0..size).map(|_| low + (high - low) * self.next()).collect();
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
        Var::from_tensor(&tensor).unwrap().as_tensor().clone()
    }

    fn conv(&mut self, k: usize, inputs: usize, outputs: usize, bias: bool) -> Option<Weight> {
        let reach = 1.5 / ((k * k * inputs) as f32).sqrt();
        let weight = self.var(&[k, k, inputs, outputs], -0.7 * reach, reach);
        let bias = bias.then(|| self.var(&[outputs], -0.1, 0.1));
        Some(Weight::Conv(Conv2d { weight, bias, stride: 1, padding: k / 2 }))
    }

    fn norm(&mut self, channels: usize) -> BatchNorm {
        let (weight, bias) = (self.var(&[channels], 0.3, 0.7), self.var(&[channels], -0.1, 0.3));
        let running = [self.var(&[channels], -0.1, 0.1), self.var(&[channels], 0.5, 1.5)];
        BatchNorm::new(weight, bias, running, StatisticsOver::Step)
    }
}

fn next(from: usize, weight: Option<Weight>) -> Source {
    Source { from: Origin::Block(from), weight, delay: Delay::Next }
}

fn now(from: usize, weight: Option<Weight>) -> Source {
    Source::now(Origin::Block(from), weight)
}

fn head(n: &mut Numbers, from: usize, inputs: usize, neuron: &Arc<dyn Neuron>) -> Block {
    let weight = n.var(&[inputs, 6], -0.1, 0.2);
    let linear = Weight::Linear(Linear { weight, bias: Some(n.var(&[6], 0.0, 0.1)) });
    Block {
        neuron: Some(neuron.clone()),
        ..Block::of("head".into(), vec![now(from, Some(linear))])
    }
}

/// LISNN's: neurons that hear their neighbours, pooled behind.
fn lateral(n: &mut Numbers, neuron: &Arc<dyn Neuron>) -> Graph {
    let first = Source::now(Origin::Frames, n.conv(3, 2, 5, true));
    let a = Block {
        neuron: Some(neuron.clone()),
        ..Block::of("a".into(), vec![first, next(0, n.conv(5, 5, 5, false))])
    };
    let pooled = Block { pool: Pooling::Max(2), ..Block::of("pool".into(), vec![now(0, None)]) };
    let head = head(n, 1, 3 * 3 * 5, neuron);
    Graph { blocks: vec![a, pooled, head], voters: 2 }
}

/// BackEISNN's and a cell's: a block behind feeds back to one before, through a norm without
/// neurons, one hears itself, another the block before it one step late; dropout, pools and both
/// kinds of readers.
fn feedback(n: &mut Numbers, neuron: &Arc<dyn Neuron>) -> Graph {
    let stem = Block::of("stem".into(), vec![Source::now(Origin::Frames, n.conv(3, 2, 4, false))]);
    let a = Block {
        affine: Some(("a".into(), n.norm(4))),
        rectify: true,
        drop_currents: Some("a".into()),
        neuron: Some(neuron.clone()),
        ..Block::of("a".into(), vec![now(0, None), next(3, n.conv(3, 4, 4, true))])
    };
    let plain = Block {
        affine: Some(("plain".into(), n.norm(4))),
        rectify: true,
        drop_activations: Some("plain".into()),
        ..Block::of("plain".into(), vec![now(1, n.conv(3, 4, 4, true)), next(2, None)])
    };
    let b = Block {
        neuron: Some(neuron.clone()),
        drop_activations: Some("b".into()),
        ..Block::of("b".into(), vec![now(2, None), next(1, n.conv(1, 4, 4, true)), now(1, None)])
    };
    let c = Block {
        neuron: Some(neuron.clone()),
        pool: Pooling::Average(2),
        ..Block::of("c".into(), vec![now(3, n.conv(3, 4, 3, true)), now(0, n.conv(1, 4, 3, false))])
    };
    let head = head(n, 4, 3 * 3 * 3, neuron);
    Graph { blocks: vec![stem, a, plain, b, c, head], voters: 2 }
}

/// The same with norms that differ from step to step, of more steps than any batch has.
fn feedback_by_step(n: &mut Numbers, neuron: &Arc<dyn Neuron>) -> Graph {
    let mut graph = feedback(n, neuron);
    for (_, norm) in graph.blocks.iter_mut().filter_map(|block| block.affine.as_mut()) {
        let shape = [6, norm.channels()];
        (norm.scale, norm.momentum) = (0.8, 0.3);
        norm.weight = n.var(&shape, 0.5, 0.9);
        norm.running_mean = n.var(&shape, -0.1, 0.1);
        norm.running_var = n.var(&shape, 0.5, 1.5);
    }
    if let Some((_, norm)) = &mut graph.blocks[2].affine {
        norm.bias = None;
    }
    graph
}

/// The neurons that are voted on hear each other, and pools stand within the range.
fn recurrent_head(n: &mut Numbers, neuron: &Arc<dyn Neuron>) -> Graph {
    let first = Source::now(Origin::Frames, n.conv(3, 2, 4, true));
    let a = Block {
        neuron: Some(neuron.clone()),
        pool: Pooling::Max(2),
        ..Block::of("a".into(), vec![first])
    };
    let b = Block {
        neuron: Some(neuron.clone()),
        pool: Pooling::Average(3),
        ..Block::of("b".into(), vec![now(0, n.conv(3, 4, 4, true))])
    };
    let mut c = head(n, 1, 4, neuron);
    c.sources.push(next(2, n.conv(1, 6, 6, false)));
    let weight = n.var(&[4, 6], -0.3, 0.3);
    let bias = Some(n.var(&[6], -0.1, 0.1));
    c.sources.push(next(1, Some(Weight::Linear(Linear { weight, bias }))));
    Graph { blocks: vec![a, b, c], voters: 3 }
}

#[derive(Default)]
struct Observed {
    spikes: Vec<(String, Vec<f64>)>,
    statistics: Vec<(String, Vec<f32>)>,
}

impl Observer for Observed {
    fn spikes(&mut self, layer: &str, spikes: &Tensor) -> Result<()> {
        let steps: Vec<f32> = spikes.flatten_from(1)?.sum(1)?.to_vec1()?;
        self.spikes.push((layer.into(), steps.into_iter().map(f64::from).collect()));
        Ok(())
    }

    fn count(&mut self, layer: &str, spikes: &[u64], _: u64) -> Result<()> {
        self.spikes.push((layer.into(), spikes.iter().map(|&n| n as f64).collect()));
        Ok(())
    }

    fn statistics(&mut self, layer: &str, s: &BatchStatistics) -> Result<()> {
        let both = Tensor::cat(&[&s.mean, &s.unbiased_var], 0)?;
        self.statistics.push((layer.into(), both.flatten_all()?.to_vec1()?));
        Ok(())
    }
}

fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(0f32, |m, (a, b)| m.max((a - b).abs()))
}

fn largest(a: &[f32]) -> f32 {
    apart(a, &vec![0.0; a.len()])
}

type Build = fn(&mut Numbers, &Arc<dyn Neuron>) -> Graph;
const GRAPHS: [(&str, Build); 4] = [
    ("lateral", lateral),
    ("feedback", feedback),
    ("feedback by step", feedback_by_step),
    ("recurrent head", recurrent_head),
];
const SHAPE: [usize; 4] = [2, 6, 6, 2];

/// Frames of a batch, and as a tensor of all steps.
fn frames(n: &mut Numbers, (steps, still): (usize, bool)) -> (Vec<f32>, Tensor) {
    let shown = if still { 1 } else { steps };
    let size = shown * SHAPE.iter().product::<usize>();
    let some: Vec<f32> =
        (0..size).map(|_| if n.next() < 0.5 { (3.0 * n.next()).ceil() } else { 0.0 }).collect();
    let [b, h, w, c] = SHAPE;
    let once = Tensor::from_vec(some.clone(), (shown, b, h, w, c), &Device::Cpu).unwrap();
    let all = once.broadcast_as((steps, b, h, w, c)).unwrap().contiguous().unwrap();
    (some, all)
}

fn neurons(method: Config, silent: Option<f64>) -> Arc<dyn Neuron> {
    let usual = method.build().unwrap();
    match silent {
        Some(rate) => Arc::new(WhenSilent::new(usual, &method, rate).unwrap()),
        None => usual,
    }
}

#[test]
fn delayed_connections_equal_the_tensor_operations() {
    let train = Mode::Train { seed: 5 };
    let (mut same, mut flipped, mut trained) = (0, 0, 0);
    for (name, build) in GRAPHS {
        for method in Config::paper() {
            for shown in [(4, false), (3, true), (1, false)] {
                for crossover in [f64::INFINITY, 0.0, 0.5] {
                    for seed in 0..4 {
                        let what = format!("{name}, {method:?}, {shown:?}, {crossover}, {seed}");
                        let mut n = Numbers(17 + seed);
                        let graph = build(&mut n, &neurons(method, None));
                        let (some, all) = frames(&mut n, shown);
                        let (steps, still) = shown;
                        let frames =
                            Frames { values: &some, steps, bytes: None, shape: SHAPE, still };
                        let mut plain = Observed::default();
                        let scores = tensors::scores(&graph, &all, train, &mut plain).unwrap();
                        let mut fast = Observed::default();
                        let engine = EventDriven::new(graph.clone()).expect(name);
                        let crossover = Crossovers::at(crossover);
                        let options = Options { crossover, memory_budget: None };
                        let loss = |s: &Tensor| s.affine(2.0, 0.3);
                        let found = engine.gradients(frames, 5, options, &mut fast, loss).unwrap();
                        if fast.spikes != plain.spikes {
                            flipped += 1;
                            continue;
                        }
                        same += 1;
                        assert!(fast.spikes.iter().all(|(_, n)| n.len() == steps), "{what}");
                        assert!(apart(&values(&found.scores), &values(&scores)) < 1e-6, "{what}");
                        assert_eq!(fast.statistics.len(), plain.statistics.len(), "{what}");
                        for ((norm, a), (_, b)) in fast.statistics.iter().zip(&plain.statistics) {
                            assert!(a.len() == b.len(), "{what}: statistics of {norm}");
                            assert!(apart(a, b) <= 1e-5 * largest(b), "{what}: {norm}");
                        }
                        let loss = (scores.sqr().unwrap() + (&scores * 0.3).unwrap()).unwrap();
                        let grads = loss.sum_all().unwrap().backward().unwrap();
                        trained += usize::from(compare(&graph, &found, &grads, &what));
                    }
                }
            }
        }
    }
    eprintln!("{same} cases compared, {flipped} with a membrane at the threshold");
    assert!(trained * 2 > same, "{trained} of {same} cases have a gradient");
    assert!(flipped * 20 <= same, "{flipped} of {} cases have other spikes", same + flipped);
}

/// Every gradient, to 1e-5 of its largest entry, or 1e-6 of the largest of all: of what a norm
/// takes off again, rounding is left. Whether there is any at all.
fn compare(
    graph: &Graph,
    found: &blocks::Gradients,
    grads: &candle_core::backprop::GradStore,
    what: &str,
) -> bool {
    let trained: Vec<(&str, &Tensor)> = graph
        .blocks
        .iter()
        .flat_map(|block| block.tensors().map(|t| (block.name.as_str(), t)))
        .filter(|(_, t)| grads.get(t).is_some())
        .collect();
    let all = trained.iter().map(|(_, t)| largest(&values(grads.get(t).unwrap())));
    let floor = 1e-6 * all.fold(0.0, f32::max);
    for (block, tensor) in trained {
        let b = values(grads.get(tensor).unwrap());
        let a = found.get(tensor).map(values).unwrap_or_else(|| panic!("{what}: {block}"));
        let off = apart(&a, &b);
        let shape = tensor.dims();
        assert!(
            off <= (1e-5 * largest(&b)).max(floor),
            "{what}: gradient of {block} {shape:?} differs by {off:e} of {:e}",
            largest(&b)
        );
    }
    floor > 0.0
}

/// Evaluation, whole and one sample at a time.
#[test]
fn single_samples_hear_the_step_before() {
    for (name, build) in GRAPHS {
        let mut same = 0;
        for seed in 0..6 {
            for still in [false, true] {
                let mut n = Numbers(5 + seed);
                let graph = build(&mut n, &neurons(Config::bpsa_bpta(), None));
                let (some, all) = frames(&mut n, (5, still));
                let scores = tensors::scores(&graph, &all, Mode::Eval, &mut ()).unwrap();
                let scores: Vec<Vec<f32>> = scores.to_vec2().unwrap();
                let engine = EventDriven::new(graph.clone()).unwrap();
                let whole = Frames { values: &some, steps: 5, bytes: None, shape: SHAPE, still };
                let found = engine.scores(whole, Mode::Eval, Options::default(), &mut ()).unwrap();
                let found: Vec<Vec<f32>> = found.to_vec2().unwrap();
                let [batch, h, w, c] = SHAPE;
                let mut one = engine.inference([h, w, c]).unwrap();
                for sample in 0..batch {
                    let maps = some.chunks(h * w * c).skip(sample).step_by(batch);
                    let own: Vec<f32> = maps.flatten().copied().collect();
                    let frames = Frames { values: &own, shape: [1, h, w, c], ..whole };
                    one.classify(frames, false).unwrap();
                    let votes = one.votes().iter().map(|&v| v as f32);
                    let votes: Vec<f32> = votes.map(|v| v / (graph.voters * 5) as f32).collect();
                    let off = apart(&votes, &scores[sample]);
                    same += usize::from(off.max(apart(&found[sample], &scores[sample])) < 1e-6);
                }
            }
        }
        assert!(same >= 22, "{name}: {same} of 24 samples have the same votes");
    }
}

#[test]
fn sigmoids_in_silent_layers_reach_delayed_connections() {
    let (mut compared, mut flipped) = (0, 0);
    for (name, build) in GRAPHS {
        for rate in [0.0, 0.2, 1.0] {
            let mut n = Numbers(31);
            let graph = build(&mut n, &neurons(Config::bpsa_bpta(), Some(rate)));
            let (some, _) = frames(&mut n, (3, false));
            let engine = EventDriven::new(graph.clone()).expect(name);
            let frames =
                Frames { values: &some, steps: 3, bytes: None, shape: SHAPE, still: false };
            let options = Options::default();
            let loss = |s: &Tensor| s.affine(2.0, 0.3);
            let mut observed = Observed::default();
            let found = engine.gradients(frames, 5, options, &mut observed, loss).unwrap();
            // with every layer's neurons exchanged for those it then takes
            let layers: Vec<(String, f64)> =
                found.layers.iter().map(|l| (l.name.clone(), l.firing_rate)).collect();
            let usual = neurons(Config::bpsa_bpta(), None);
            let sigmoid = {
                let alpha = surrogate::Sigmoid { alpha: 5.0 };
                let kind = surrogate::Kind::Sigmoid(alpha);
                Config { surrogate: kind, ..Config::bpsa_bpta() }.build().unwrap()
            };
            let mut other = graph.clone();
            for block in other.blocks.iter_mut().filter(|block| block.neuron.is_some()) {
                let (_, fired) = layers.iter().find(|(name, _)| *name == block.name).unwrap();
                let silent = *fired <= rate;
                flipped += usize::from(silent);
                block.neuron = Some(if silent { sigmoid.clone() } else { usual.clone() });
            }
            let engine = EventDriven::new(other).unwrap();
            let expected = engine.gradients(frames, 5, options, &mut (), loss).unwrap();
            for (id, a) in &found.of {
                let (_, b) = expected.of.iter().find(|(other, _)| other == id).unwrap();
                assert_eq!(values(a), values(b), "{name}, {rate}");
            }
            compared += 1;
        }
    }
    assert!(compared == 12 && flipped > 9, "{flipped} silent layers");
}

#[test]
fn what_cannot_run_step_by_step_says_why() {
    let mut n = Numbers(3);
    let mut graph = feedback(&mut n, &neurons(Config::bpsa(), None));
    let (some, all) = frames(&mut n, (2, false));
    let frames = Frames { values: &some, steps: 2, bytes: None, shape: SHAPE, still: false };
    let train = Mode::Train { seed: 5 };
    let said = |graph: &Graph| {
        let engine = EventDriven::new(graph.clone()).unwrap();
        engine.scores(frames, train, Options::default(), &mut ()).unwrap_err().to_string()
    };
    if let Some((_, norm)) = &mut graph.blocks[1].affine {
        norm.over = StatisticsOver::Time;
    }
    assert!(said(&graph).contains("the norm a takes its statistics over time"), "{}", said(&graph));
    let plain = tensors::scores(&graph, &all, train, &mut ()).unwrap_err().to_string();
    assert!(plain.contains("the norm a takes its statistics over time"), "{plain}");
    for (change, expected) in [
        (
            (|graph: &mut Graph| graph.blocks[1].sources[0].from = Origin::Block(4))
                as fn(&mut Graph),
            "the block a reads the block 4 before it has run",
        ),
        (|graph| graph.blocks[1].sources[1].from = Origin::Block(9), "which is not there"),
        (|graph| graph.blocks[2].sources.clear(), "the block plain reads nothing"),
        (|graph| graph.blocks[5].sources[0].from = Origin::Block(3), "cannot take maps"),
        (|graph| graph.voters = 4, "voting takes a multiple of 4 units, found 6"),
        (
            |graph| graph.blocks[4].sources[0].from = Origin::Block(5),
            "the block c reads the block 5 before it has run",
        ),
    ] {
        let mut graph = feedback(&mut Numbers(3), &neurons(Config::bpsa(), None));
        change(&mut graph);
        assert!(said(&graph).contains(expected), "{expected}: {}", said(&graph));
    }
}
