//! A network of a cell with two states and a learnable parameter: event-driven passes beside the
//! tensor operations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use models::{Crossovers, Frames, Mode, Network, Options, Spec, StatisticsOver};
use neuron::surrogate::{Atan, Surrogate, WhereFired};
use neuron::{Cell, Fires, Neuron, Number, Parameter, population};
use std::sync::Arc;

#[derive(Clone, Copy, Debug)]
struct Synapse<S>(S);

impl<S: Surrogate> Cell<2, 1> for Synapse<S> {
    fn parameters(&self) -> [Parameter; 1] {
        [Parameter { name: "w", initial: 0.3 }]
    }

    fn step<N: Number>(&self, x: N, [v, i]: [N; 2], [w]: [N; 1]) -> (N, [N; 2]) {
        let i = w.sigmoid() * i + x;
        let u = N::of(0.9) * v + i;
        let o = N::spike(u, N::of(0.6), Fires::AtThreshold, &self.0);
        (o, [u * (N::of(1.0) - o.detach()), i])
    }

    fn only_where_fired(&self) -> bool {
        self.0.zero_below_threshold()
    }
}

fn numbers(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    }
}

fn largest(a: &[f32]) -> f32 {
    a.iter().fold(1e-6, |m, v| m.max(v.abs()))
}

// Long: one network both ways, and all that is compared.
fn check(neuron: Arc<dyn Neuron>, text: &str, still: bool) {
    let (steps, shape) = (5, [3, 11, 12, 2]);
    let vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
    let spec: Spec = text.parse().unwrap();
    let network = Network::new(&spec, [11, 12, 2], 3, neuron, StatisticsOver::Step, vb).unwrap();
    let mut next = numbers(9);
    let mut named: Vec<_> = vars.data().lock().unwrap().clone().into_iter().collect();
    named.sort_by(|a, b| a.0.cmp(&b.0)); // a map has another order every time
    for (name, var) in &named {
        let (low, high) = match name {
            _ if name.ends_with("running_var") => (0.5, 1.5),
            _ if name.contains("norm.weight") => (0.2, 0.6),
            _ if name.contains("norm.bias") => (-0.3, 0.3),
            _ => (-0.4, 0.5),
        };
        let values: Vec<f32> = (0..var.elem_count()).map(|_| low + (high - low) * next()).collect();
        var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap()).unwrap();
    }
    let shown = if still { 1 } else { steps };
    let values: Vec<f32> = (0..shown * shape.iter().product::<usize>())
        .map(|_| if next() < 0.3 { (4.0 * next()).ceil() } else { 0.0 })
        .collect();
    let [b, h, w, c] = shape;
    let x = Tensor::from_vec(values.clone(), (shown, b, h, w, c), &Device::Cpu).unwrap();
    let x = x.broadcast_as((steps, b, h, w, c)).unwrap().contiguous().unwrap();
    let frames = Frames { values: &values, bytes: None, steps, shape, still };

    let mode = Mode::Train { seed: 5 };
    let scores = network.forward(&x, mode, &mut ()).unwrap();
    let weights = (scores.ones_like().unwrap() * 0.7).unwrap();
    let plain = (&scores * &weights).unwrap().sum_all().unwrap().backward().unwrap();
    let variables: Vec<(String, Var)> = named;
    // each layer of neurons has its own
    let learned: Vec<&Var> =
        variables.iter().filter(|(name, _)| name.ends_with(".w")).map(|(_, var)| var).collect();
    assert_eq!(learned.len(), network.neurons().len());
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for crossover in [Crossovers::at(f64::INFINITY), Crossovers::at(0.0)] {
        let engine = network.event_driven().expect("a population has kernels");
        let all = engine.plan(frames, Options { crossover, memory_budget: None }).unwrap().bytes;
        // with a byte less than all some currents are computed again
        for memory_budget in [None, Some(all - 1)] {
            let options = Options { crossover, memory_budget };
            let loss = |_: &Tensor| Ok(weights.clone());
            let found = engine.gradients(frames, 5, options, &mut (), loss).unwrap();
            let (ours, plain_scores) = (flat(&found.scores), flat(&scores));
            let off: Vec<f32> = ours.iter().zip(&plain_scores).map(|(a, b)| a - b).collect();
            assert!(largest(&off) <= 1e-6, "{text}: {ours:?} {plain_scores:?}");
            for (name, var) in &variables {
                let Some(expected) = plain.get(var) else { continue };
                let (expected, got) = (flat(expected), flat(found.get(var).expect(name)));
                let off: Vec<f32> = got.iter().zip(&expected).map(|(a, b)| a - b).collect();
                // the bias below a norm has no gradient but rounding
                let below_norm = name.contains("C3") && name.ends_with(".bias");
                let scale = if below_norm { 1.0 } else { largest(&expected) };
                assert!(largest(&off) <= 2e-4 * scale.max(1e-2), "{text}, {name}: {off:?}");
            }
            assert!(learned.iter().all(|var| found.get(var).is_some()));
        }
    }
    // one sample at a time carries both states
    let engine = network.event_driven().unwrap();
    let scores = engine.scores(frames, Mode::Eval, Options::default(), &mut ()).unwrap();
    let classes: Vec<u32> = scores.argmax(1).unwrap().to_vec1().unwrap();
    let mut single = engine.inference([h, w, c]).unwrap();
    for (sample, class) in classes.iter().enumerate() {
        let map = h * w * c;
        let own: Vec<f32> = (0..shown)
            .flat_map(|t| values[(t * b + sample) * map..][..map].iter().copied())
            .collect();
        let frames = Frames { values: &own, bytes: None, steps, shape: [1, h, w, c], still };
        assert_eq!(single.classify(frames, false).unwrap().class, *class as usize, "{text}");
    }
}

#[test]
fn a_network_of_an_own_cell_runs_on_the_fast_path() {
    for text in ["8C3-MP2-9C3-AP2-2Voting", "6C3-AP2-12FC-4Voting"] {
        for still in [false, true] {
            check(population(Synapse(Atan::default())).unwrap(), text, still);
            check(population(Synapse(WhereFired { height: 1.5 })).unwrap(), text, still);
        }
    }
}

/// What tasks lay out of a neuron for its way back: one number of a LIF neuron; of a cell of two
/// states four, its spike, its current and both states.
#[test]
fn a_step_of_two_states_takes_more_memory() {
    let spec: Spec = "3Voting".parse().unwrap();
    let (steps, shape, classes) = (5, [3, 4, 4, 2], 2);
    let values = vec![1.0; steps * shape.iter().product::<usize>()];
    let frames = Frames { values: &values, bytes: None, steps, shape, still: false };
    let bytes = |neuron: Arc<dyn Neuron>| {
        let vars = VarMap::new();
        let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
        let over = StatisticsOver::Step;
        let network = Network::new(&spec, [4, 4, 2], classes, neuron, over, vb).unwrap();
        let engine = network.event_driven().unwrap();
        engine.plan(frames, Options::default()).unwrap().bytes
    };
    let lif = bytes(neuron::Config::bpsa().build().unwrap());
    let cell = bytes(population(Synapse(Atan::default())).unwrap());
    let currents = 4 * steps * shape[0] * 3 * classes;
    assert_eq!(cell - lif, 3 * currents);
}
