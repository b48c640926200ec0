//! Networks on random batches, and what an observer hears of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{VarBuilder, VarMap};
use models::{
    BatchStatistics, Frames, Gradients, Mode, Network, Observer, Spec, StageOptions, StatisticsOver,
};
use neuron::{Config, Neuron};
use std::sync::Arc;

pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }
}

/// One network on one batch.
pub struct Case {
    pub network: Network,
    pub vars: VarMap,
    pub values: Vec<f32>,
    pub steps: usize,
    pub shape: [usize; 4],
    pub still: bool,
}

/// What an observer hears, in a form in which both passes say it.
#[derive(Default)]
pub struct Observed {
    /// By step.
    pub spikes: Vec<(String, Vec<f64>)>,
    pub statistics: Vec<(String, Vec<f32>)>,
}

impl Observer for Observed {
    fn spikes(&mut self, layer: &str, spikes: &Tensor) -> Result<()> {
        let steps: Vec<f32> = spikes.flatten_from(1)?.sum(1)?.to_dtype(DType::F32)?.to_vec1()?;
        self.spikes.push((layer.into(), steps.into_iter().map(f64::from).collect()));
        Ok(())
    }

    fn count(&mut self, layer: &str, spikes: &[u64], _: u64) -> Result<()> {
        self.spikes.push((layer.into(), spikes.iter().map(|&n| n as f64).collect()));
        Ok(())
    }

    fn statistics(&mut self, layer: &str, s: &BatchStatistics) -> Result<()> {
        let both = Tensor::cat(&[&s.mean, &s.unbiased_var], 0)?;
        self.statistics.push((layer.into(), both.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?));
        Ok(())
    }
}

impl Case {
    pub fn new(
        text: &str,
        shape: [usize; 4],
        shown: (usize, bool),
        method: Config,
        over: StatisticsOver,
        rate: f32,
    ) -> Case {
        Case::with(text, shape, shown, method.build().unwrap(), over, rate)
    }

    pub fn with(
        text: &str,
        shape: [usize; 4],
        (steps, still): (usize, bool),
        neuron: Arc<dyn Neuron>,
        options: impl Into<StageOptions>,
        rate: f32,
    ) -> Case {
        let vars = VarMap::new();
        let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
        let spec: Spec = text.parse().unwrap();
        let [_, h, w, c] = shape;
        let network = Network::new(&spec, [h, w, c], 3, neuron, options, vb).unwrap();
        let mut numbers = Numbers(17 + steps as u64 + 100 * text.len() as u64);
        let mut named: Vec<_> = vars.data().lock().unwrap().clone().into_iter().collect();
        named.sort_by(|a, b| a.0.cmp(&b.0)); // a map has another order every time
        for (name, var) in &named {
            let size = var.elem_count();
            let fan_in = (size / var.dims().last().unwrap_or(&1)).max(1) as f32;
            // norms scale and shift so that a part of the neurons fires; linear layers get positive
            // currents
            let (low, high) = match name {
                _ if name.ends_with("running_var") => (0.5, 1.5),
                _ if name.contains("norm.weight") => (0.2, 0.6),
                _ if name.contains("norm.bias") => (-0.3, 0.3),
                _ if var.rank() == 0 => (-0.5, 0.5), // a neuron's parameter
                _ if name.contains("C3") => (-1.0, 1.0),
                _ => (-1.0 / fan_in.sqrt(), 2.0 / fan_in.sqrt()),
            };
            let values: Vec<f32> = (0..size).map(|_| low + (high - low) * numbers.next()).collect();
            var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap()).unwrap();
        }
        let size = shape.iter().product::<usize>() * if still { 1 } else { steps };
        let values = (0..size)
            .map(|_| if numbers.next() < rate { (4.0 * numbers.next()).ceil() } else { 0.0 })
            .collect();
        Case { network, vars, values, steps, shape, still }
    }

    pub fn frames(&self) -> Frames<'_> {
        Frames {
            values: &self.values,
            bytes: None,
            steps: self.steps,
            shape: self.shape,
            still: self.still,
        }
    }

    pub fn tensor(&self) -> Tensor {
        let [b, h, w, c] = self.shape;
        let steps = if self.still { 1 } else { self.steps };
        let once =
            Tensor::from_vec(self.values.clone(), (steps, b, h, w, c), &Device::Cpu).unwrap();
        once.broadcast_as((self.steps, b, h, w, c)).unwrap().contiguous().unwrap()
    }
}

pub fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

pub fn apart(a: &[f32], b: &[f32]) -> (f32, f32) {
    let largest = b.iter().fold(0f32, |m, b| m.max(b.abs()));
    (a.iter().zip(b).fold(0f32, |m, (a, b)| m.max((a - b).abs())), largest)
}

pub const NETWORKS: [&str; 6] = [
    "8C3-MP2-20C3-16C3-AP2-30FC(DP)-2Voting",
    "70C3-2Voting",
    "5C3-AP2-DP-9C3-MP3-20FC-DP-4Voting",
    "8C5-MP2-8C1-DP-2Voting",
    "12FC-2Voting",
    "3Voting",
];

/// ∂L/∂s of the loss that [`agree`] takes: s + 0.8.
pub fn loss(scores: &Tensor) -> Result<Tensor> {
    Tensor::ones_like(scores)?.affine(0.7, 0.1)? + scores
}

/// Whether the spikes agree; where they do, everything else must, to 1e-5 of each tensor's largest
/// entry, in a degenerate case 1e-3 of that of all tensors: without input all values of a channel
/// are equal, and each norm divides what rounding left of their differences by √ε = 1/316.
///
/// `fast` and `found` are what a pass without a graph told and gave, its gradients on the CPU.
pub fn agree(
    case: &Case,
    fast: &Observed,
    found: &Gradients,
    degenerate: bool,
    what: &str,
) -> bool {
    agree_but(case, fast, found, if degenerate { 1e-3 } else { 0.0 }, what)
}

/// [`agree`], but for differences below so large a part of the largest entry of all gradients.
pub fn agree_but(case: &Case, fast: &Observed, found: &Gradients, part: f32, what: &str) -> bool {
    let mut plain = Observed::default();
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
    let loss = ((scores.sqr().unwrap() / 2.0).unwrap().sum_all().unwrap()
        + (scores.sum_all().unwrap() * 0.8).unwrap())
    .unwrap();
    let grads = loss.backward().unwrap();
    let vars = case.vars.data().lock().unwrap();
    let all = vars.values().filter_map(|var| grads.get(var)).map(|g| apart(&[], &values(g)).1);
    let floor = part * all.fold(0.0, f32::max);
    for (name, var) in vars.iter().filter(|(name, _)| !name.contains("running")) {
        let a = values(found.get(var).unwrap_or_else(|| panic!("{what}: no gradient of {name}")));
        let b = values(grads.get(var).unwrap());
        let (off, largest) = apart(&a, &b);
        // a bias below a norm changes nothing: its gradient is what rounding leaves of zero
        let nothing = name
            .strip_suffix(".bias")
            .is_some_and(|stage| vars.contains_key(&format!("{stage}.norm.weight")));
        // γ and β of a norm are counted together: that of γ is rounding alone where all values are
        // equal
        let twin = name.contains("norm.weight").then(|| name.replace("weight", "bias"));
        let twin = twin.filter(|twin| vars.contains_key(twin));
        let largest = twin.map_or(largest, |twin| {
            apart(&[], &values(grads.get(&vars[&twin]).unwrap())).1.max(largest)
        });
        assert!(
            nothing || off <= (1e-5 * largest).max(floor),
            "{what}: gradient of {name} differs by {off:e} of {largest:e}"
        );
    }
    true
}
