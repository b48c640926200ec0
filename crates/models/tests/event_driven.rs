//! Event-driven passes beside the tensor operations: spikes, scores, statistics and every gradient.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{VarBuilder, VarMap};
use models::{BatchStatistics, Crossovers, Frames, Gradients, Mode, Network, Observer, Options, Spec, StatisticsOver};
use neuron::Method;

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }
}

/// One network on one batch.
struct Case {
    network: Network,
    vars: VarMap,
    values: Vec<f32>,
    steps: usize,
    shape: [usize; 4],
    still: bool,
}

/// What an observer hears, in a form in which both passes say it.
#[derive(Default)]
struct Heard {
    /// By step.
    spikes: Vec<(String, Vec<f64>)>,
    statistics: Vec<(String, Vec<f32>)>,
}

impl Observer for Heard {
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

impl Case {
    fn new(
        text: &str,
        shape: [usize; 4],
        (steps, still): (usize, bool),
        method: Method,
        over: StatisticsOver,
        rate: f32,
    ) -> Case {
        let vars = VarMap::new();
        let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
        let spec: Spec = text.parse().unwrap();
        let [_, h, w, c] = shape;
        let network = Network::new(&spec, [h, w, c], 3, method.config().build().unwrap(), over, vb).unwrap();
        let mut numbers = Numbers(17 + steps as u64 + 100 * text.len() as u64);
        let mut named: Vec<_> = vars.data().lock().unwrap().clone().into_iter().collect();
        named.sort_by(|a, b| a.0.cmp(&b.0)); // a map has another order every time
        for (name, var) in &named {
            let size = var.elem_count();
            let fan_in = (size / var.dims().last().unwrap()).max(1) as f32;
            // norms scale and shift so that a part of the neurons fires; linear layers get positive currents
            let (low, high) = match name {
                _ if name.ends_with("running_var") => (0.5, 1.5),
                _ if name.contains("norm.weight") => (0.2, 0.6),
                _ if name.contains("norm.bias") => (-0.3, 0.3),
                _ if name.contains("C3") => (-1.0, 1.0),
                _ => (-1.0 / fan_in.sqrt(), 2.0 / fan_in.sqrt()),
            };
            let values: Vec<f32> = (0..size).map(|_| low + (high - low) * numbers.next()).collect();
            var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap()).unwrap();
        }
        let size = shape.iter().product::<usize>() * if still { 1 } else { steps };
        let values =
            (0..size).map(|_| if numbers.next() < rate { (4.0 * numbers.next()).ceil() } else { 0.0 }).collect();
        Case { network, vars, values, steps, shape, still }
    }

    fn frames(&self) -> Frames<'_> {
        Frames { values: &self.values, steps: self.steps, shape: self.shape, still: self.still }
    }

    fn tensor(&self) -> Tensor {
        let [b, h, w, c] = self.shape;
        let steps = if self.still { 1 } else { self.steps };
        let once = Tensor::from_vec(self.values.clone(), (steps, b, h, w, c), &Device::Cpu).unwrap();
        once.broadcast_as((self.steps, b, h, w, c)).unwrap().contiguous().unwrap()
    }

    fn fast(&self, options: Options, heard: &mut Heard) -> Gradients {
        let engine = self.network.event_driven().expect("these networks have blocks");
        engine
            .gradients(self.frames(), 5, options, heard, |scores| Tensor::ones_like(scores)?.affine(0.7, 0.1)? + scores)
            .unwrap()
    }
}

fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

fn apart(a: &[f32], b: &[f32]) -> (f32, f32) {
    let largest = b.iter().fold(0f32, |m, b| m.max(b.abs()));
    (a.iter().zip(b).fold(0f32, |m, (a, b)| m.max((a - b).abs())), largest)
}

/// Whether the spikes agree; where they do, everything else must, to 1e-5 of each tensor's largest
/// entry, in a degenerate case 1e-3 of that of all tensors: without input all values of a channel are equal, and
/// each norm divides what rounding left of their differences by √ε = 1/316.
fn agree(case: &Case, options: Options, degenerate: bool, what: &str) -> bool {
    let (mut fast, mut plain) = (Heard::default(), Heard::default());
    let found = case.fast(options, &mut fast);
    let scores = case.network.forward(&case.tensor(), Mode::Train { seed: 5 }, &mut plain).unwrap();
    if fast.spikes != plain.spikes {
        // a membrane at the threshold up to rounding
        let flipped: f64 = fast
            .spikes
            .iter()
            .zip(&plain.spikes)
            .map(|(a, b)| a.1.iter().zip(&b.1).map(|(a, b)| (a - b).abs()).sum::<f64>())
            .sum();
        assert!(flipped <= 4.0, "{what}: {:?} {:?}", fast.spikes, plain.spikes);
        return false;
    }
    let (off, largest) = apart(&values(&found.scores), &values(&scores));
    assert!(off <= 1e-6 * largest.max(1e-3), "{what}: scores {off}");
    for ((name, a), (_, b)) in fast.statistics.iter().zip(&plain.statistics) {
        let (off, largest) = apart(a, b);
        assert!(off <= 1e-5 * largest, "{what}: statistics of {name} {off}");
    }
    assert_eq!(fast.statistics.len(), plain.statistics.len());
    // ∂L/∂s = s + 0.8
    let loss = ((scores.sqr().unwrap() / 2.0).unwrap().sum_all().unwrap() + (scores.sum_all().unwrap() * 0.8).unwrap())
        .unwrap();
    let grads = loss.backward().unwrap();
    let vars = case.vars.data().lock().unwrap();
    let all = vars.values().filter_map(|var| grads.get(var)).map(|g| apart(&[], &values(g)).1);
    let floor = if degenerate { 1e-3 * all.fold(0.0, f32::max) } else { 0.0 };
    for (name, var) in vars.iter().filter(|(name, _)| !name.contains("running")) {
        let a = values(found.get(var).unwrap_or_else(|| panic!("{what}: no gradient of {name}")));
        let b = values(grads.get(var).unwrap());
        let (off, largest) = apart(&a, &b);
        // a bias below a norm changes nothing: its gradient is what rounding leaves of zero
        let nothing = name.strip_suffix(".bias").is_some_and(|stage| vars.contains_key(&format!("{stage}.norm.bias")));
        // γ and β of a norm are counted together: that of γ is rounding alone where all values are equal
        let twin = name.contains("norm.weight").then(|| name.replace("weight", "bias"));
        let largest = twin.map_or(largest, |twin| apart(&[], &values(grads.get(&vars[&twin]).unwrap())).1.max(largest));
        assert!(
            nothing || off <= (1e-5 * largest).max(floor),
            "{what}: gradient of {name} differs by {off:e} of {largest:e}"
        );
    }
    true
}

const NETWORKS: [&str; 6] = [
    "8C3-MP2-20C3-16C3-AP2-30FC(DP)-2Voting",
    "70C3-2Voting",
    "5C3-AP2-DP-9C3-MP3-20FC-DP-4Voting",
    "8C5-MP2-8C1-DP-2Voting",
    "12FC-2Voting",
    "3Voting",
];

/// Every network, method and kind of statistics at some rates and shapes, 17 → 8 pooling and a batch of one among them.
#[test]
fn event_driven_training_equals_the_tensor_operations() {
    let mut compared = [0, 0];
    for text in NETWORKS {
        for method in Method::ALL {
            for over in [StatisticsOver::Step, StatisticsOver::Time] {
                for (shape, steps, still) in
                    [([2, 17, 17, 2], 3, false), ([1, 17, 13, 1], 4, true), ([3, 12, 13, 2], 1, false)]
                {
                    for rate in [0.0, 1e-4, 0.1, 0.6, 1.0] {
                        let case = Case::new(text, shape, (steps, still), method, over, rate);
                        let what =
                            format!("{text}, {method:?}, {over:?}, {shape:?}, T {steps}, still {still}, rate {rate}");
                        // without input a first layer's values are all equal: its norm divides rounding by √ε
                        for crossover in
                            [Crossovers::at(f64::INFINITY), Crossovers::at(0.0), Options::default().crossover]
                        {
                            let options = Options { crossover, memory_budget: None };
                            compared[usize::from(agree(&case, options, rate < 1e-3, &what))] += 1;
                        }
                    }
                }
            }
        }
    }
    let [flipped, same] = compared;
    eprintln!("{same} cases compared, {flipped} with a membrane at the threshold");
    assert!(flipped * 20 <= same, "{flipped} of {} cases have other spikes", same + flipped);
}

/// Evaluation, samples one at a time and early exits, beside the tensor operations.
#[test]
fn single_samples_get_the_class_that_the_tensor_operations_give() {
    let (mut same, mut flipped) = (0, 0);
    for text in NETWORKS {
        for (shape, steps, still) in [([1, 17, 17, 2], 6, false), ([1, 12, 13, 1], 7, true)] {
            for rate in [0.05, 0.3, 1.0] {
                let case = Case::new(text, shape, (steps, still), Method::BpsaBpta, StatisticsOver::Step, rate);
                let blocks = case.network.event_driven().unwrap();
                let plain = values(&case.network.forward(&case.tensor(), Mode::Eval, &mut ()).unwrap());
                let whole = blocks.scores(case.frames(), Mode::Eval, Options::default(), &mut ()).unwrap();
                let mut one = blocks.inference([shape[1], shape[2], shape[3]]).unwrap();
                let full = one.classify(case.frames(), false).unwrap();
                let votes: Vec<f32> = one.votes().iter().map(|&v| v as f32).collect();
                let total: f32 = votes.iter().sum();
                let scaled: Vec<f32> = plain.iter().map(|s| s * total / plain.iter().sum::<f32>().max(1e-9)).collect();
                let off = apart(&votes, &scaled).0.max(apart(&values(&whole), &plain).0);
                if off > 1e-3 {
                    flipped += 1;
                    continue;
                }
                same += 1;
                let most = plain.iter().copied().fold(f32::MIN, f32::max);
                assert_eq!(Some(full.class), plain.iter().position(|&s| s >= most - 1e-6), "{text}, {shape:?}, {rate}");
                let early = one.classify(case.frames(), true).unwrap();
                assert_eq!((early.class, full.steps), (full.class, steps), "{text}, {shape:?}, {rate}");
                assert!(early.steps <= steps);
                // the state starts anew with every sample
                assert_eq!(one.classify(case.frames(), false).unwrap(), full);
            }
        }
    }
    assert!(flipped * 8 <= same, "{flipped} of {} samples have other spikes", same + flipped);
}

/// Three voters of the first class fire at every step and no others: of seven steps, four are a majority.
#[test]
fn a_sample_stops_when_its_class_can_no_longer_change() {
    let case = Case::new("3Voting", [1, 2, 2, 1], (7, true), Method::Bpsa, StatisticsOver::Step, 1.0);
    let vars = case.vars.data().lock().unwrap();
    let zeros = vars["head.weight"].zeros_like().unwrap();
    vars["head.weight"].set(&zeros).unwrap();
    let bias: Vec<f32> = (0..9).map(|unit| if unit < 3 { 1.0 } else { -1.0 }).collect();
    vars["head.bias"].set(&Tensor::from_vec(bias, 9, &Device::Cpu).unwrap()).unwrap();
    let blocks = case.network.event_driven().unwrap();
    let mut one = blocks.inference([2, 2, 1]).unwrap();
    let early = one.classify(case.frames(), true).unwrap();
    assert_eq!((early.class, early.steps, one.votes()), (0, 4, &[12, 0, 0][..]));
    let full = one.classify(case.frames(), false).unwrap();
    assert_eq!((full.class, full.steps, one.votes()), (0, 7, &[21, 0, 0][..]));
    // a network that is being used does not lock its weights
    vars["head.weight"].set(&zeros).unwrap();
    assert!(one.classify(Frames { steps: 0, ..case.frames() }, true).is_err());
}

/// A step under a memory budget computes currents again, and every bit is the same.
#[test]
fn a_memory_budget_changes_no_bit() {
    let shape = [2, 17, 17, 2];
    let case = Case::new(NETWORKS[0], shape, (4, false), Method::BpsaBpta, StatisticsOver::Step, 0.2);
    let blocks = case.network.event_driven().unwrap();
    let plan = |memory_budget| blocks.plan(case.frames(), Options { memory_budget, ..Options::default() });
    let all = plan(None).unwrap();
    assert!(all.keep.iter().all(|keep| *keep));
    let run = |memory_budget| case.fast(Options { memory_budget, ..Options::default() }, &mut Heard::default());
    let free = run(None);
    let (mut before, mut recomputed) = (all.clone(), 0);
    for budget in (0..all.bytes).step_by(16).rev() {
        let Ok(found) = plan(Some(budget)) else { break };
        assert!(found.bytes <= budget);
        if found.keep == before.keep {
            continue;
        }
        before = found;
        let tight = run(Some(budget));
        recomputed = tight.layers.iter().filter(|l| l.recomputed).count();
        assert_eq!(recomputed, before.keep.iter().filter(|keep| !**keep).count());
        for (id, gradient) in &free.of {
            let other = tight.of.iter().find(|(other, _)| other == id).unwrap();
            assert_eq!(values(gradient), values(&other.1));
        }
    }
    assert_eq!(recomputed, free.layers.len(), "no budget made it compute everything again");
    let error = plan(Some(1000)).unwrap_err().to_string();
    assert!(error.contains("the memory budget is 0 MiB"), "{error}");
}
