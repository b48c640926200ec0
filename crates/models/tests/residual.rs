//! Residual networks: parameters counted by hand, blocks beside the same written out in tensor
//! operations, gradients beside finite differences.
// Long: the blocks written out once, which every test here compares with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use models::{Architecture, Layer, Mode, Network, Spec, Stage, StatisticsOver, Variant};
use neuron::{Config, Neuron, unroll};
use std::collections::BTreeMap;
use std::sync::Arc;

mod common;
use common::{Numbers, Observed};

const TRAIN: Mode = Mode::Train { seed: 5 };
const PRE: &str = "4S3-2*4RB3-6RB3/2-5RB3-BN-GAP-2Voting";
const POST: &str = "4C3-4RB3(post)-6RB3/2(post)-5RB3(post)-GAP-2Voting";

/// A network of random weights in f64, and its variables.
struct Case {
    spec: Spec,
    network: Network,
    vars: BTreeMap<String, Var>,
    neuron: Arc<dyn Neuron>,
}

fn random(numbers: &mut Numbers, shape: &[usize], (low, high): (f64, f64)) -> Tensor {
    let values: Vec<f64> = (0..shape.iter().product())
        .map(|_| low + (high - low) * f64::from(numbers.next()))
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

impl Case {
    fn new(text: &str, sample: [usize; 3], method: Config) -> Case {
        let map = VarMap::new();
        let vb = VarBuilder::from_varmap(&map, DType::F64, &Device::Cpu);
        let (spec, neuron): (Spec, _) = (text.parse().unwrap(), method.build().unwrap());
        let network =
            Network::new(&spec, sample, 3, neuron.clone(), StatisticsOver::Step, vb).unwrap();
        let vars: BTreeMap<String, Var> = map.data().lock().unwrap().clone().into_iter().collect();
        let mut numbers = Numbers(23);
        for (name, var) in &vars {
            // scales and shifts with which a part of the neurons fires
            let range = match name {
                _ if name.ends_with("running_var") => (0.5, 1.5),
                _ if name.contains("norm.weight") => (0.4, 0.9),
                _ if name.contains("norm.bias") => (-0.2, 0.4),
                _ if name.starts_with("head") => (-0.5, 0.9),
                _ => (-1.0, 1.0),
            };
            var.set(&random(&mut numbers, var.dims(), range)).unwrap();
        }
        Case { spec, network, vars, neuron }
    }

    fn get(&self, name: &str) -> &Tensor {
        self.vars.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.vars.keys()))
    }

    fn trainable(&self) -> impl Iterator<Item = (&String, &Var)> {
        self.vars.iter().filter(|(name, _)| !name.contains("running"))
    }
}

/// The stages of a spec written out: every operation in its plain form, every weight by its name.
struct Plain<'a> {
    case: &'a Case,
    mode: Mode,
}

impl Plain<'_> {
    /// Convolution without padding beyond the window's half: for each place of the window the
    /// pixels under it.
    fn conv(&self, x: &Tensor, name: &str, stride: usize) -> Result<Tensor> {
        let w = self.case.get(&format!("{name}.weight"));
        let ((t, n, h, wd, ci), (k, _, _, co)) = (x.dims5()?, w.dims4()?);
        let (oh, ow) = (h.div_ceil(stride), wd.div_ceil(stride));
        let x = x.pad_with_zeros(2, k / 2, k / 2)?.pad_with_zeros(3, k / 2, k / 2)?;
        let every = |first: usize, count: usize| {
            Tensor::from_iter((0..count).map(|i| (first + i * stride) as u32), &Device::Cpu)
        };
        let mut y = Tensor::zeros((t * n * oh * ow, co), x.dtype(), x.device())?;
        for (row, column) in (0..k * k).map(|place| (place / k, place % k)) {
            let pixels =
                x.index_select(&every(row, oh)?, 2)?.index_select(&every(column, ow)?, 3)?;
            y = (y + pixels.reshape((t * n * oh * ow, ci))?.matmul(&w.get(row)?.get(column)?)?)?;
        }
        y.reshape((t, n, oh, ow, co))
    }

    fn norm(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let of = |what: &str| self.case.get(&format!("{name}.norm.{what}")).clone();
        let (mean, var) = match self.mode {
            Mode::Eval => (of("running_mean"), of("running_var")),
            Mode::Train { .. } => {
                let (t, n, h, w, c) = x.dims5()?;
                let mean =
                    x.reshape((t, n * h * w, c))?.mean_keepdim(1)?.reshape((t, 1, 1, 1, c))?;
                let squares = x.broadcast_sub(&mean)?.sqr()?;
                (
                    mean,
                    squares
                        .reshape((t, n * h * w, c))?
                        .mean_keepdim(1)?
                        .reshape((t, 1, 1, 1, c))?,
                )
            }
        };
        let scaled = x.broadcast_sub(&mean)?.broadcast_div(&(var + 1e-5)?.sqrt()?)?;
        scaled.broadcast_mul(&of("weight"))?.broadcast_add(&of("bias"))
    }

    /// ReLU and neurons.
    fn fire(&self, x: &Tensor) -> Result<Tensor> {
        let positive = x.detach().gt(0.0)?.to_dtype(x.dtype())?;
        unroll(self.case.neuron.as_ref(), &(x * positive)?)
    }

    fn pre(&self, x: &Tensor, name: &str, stride: usize, changes: bool) -> Result<Tensor> {
        let part = |x: &Tensor, part: &str, stride| {
            let name = format!("{name}.{part}");
            self.conv(&self.fire(&self.norm(x, &name)?)?, &name, stride)
        };
        let y = part(&part(x, "1", stride)?, "2", 1)?;
        if changes { y + part(x, "shortcut", stride)? } else { y + x }
    }

    fn post(&self, x: &Tensor, name: &str, stride: usize, changes: bool) -> Result<Tensor> {
        let part = |x: &Tensor, part: &str, stride| {
            let name = format!("{name}.{part}");
            self.norm(&self.conv(x, &name, stride)?, &name)
        };
        let y = part(&self.fire(&part(x, "1", stride)?)?, "2", 1)?;
        self.fire(&if changes { y + part(x, "shortcut", stride)? } else { y + x }?)
    }

    fn scores(&self, frames: &Tensor) -> Result<Tensor> {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut x = frames.clone();
        for stage in self.case.spec.stages() {
            let n = seen.entry(stage.to_string()).or_default();
            *n += 1;
            let name = format!("{stage}-{n}");
            let inputs = x.dim(4)?;
            x = match *stage {
                Stage::Stem { stride, .. } => self.conv(&x, &name, stride)?,
                Stage::Conv { .. } => {
                    let biased = self
                        .conv(&x, &name, 1)?
                        .broadcast_add(self.case.get(&format!("{name}.bias")))?;
                    self.fire(&self.norm(&biased, &name)?)?
                }
                Stage::Residual { channels, stride, post: false, .. } => {
                    self.pre(&x, &name, stride, (inputs, 1) != (channels, stride))?
                }
                Stage::Residual { channels, stride, post: true, .. } => {
                    self.post(&x, &name, stride, (inputs, 1) != (channels, stride))?
                }
                Stage::Norm => self.norm(&x, &name)?,
                Stage::GlobalAvgPool => x.mean_keepdim((2, 3))?,
                Stage::Voting { voters } => {
                    let (t, b, ..) = x.dims5()?;
                    let x = x.reshape((t * b, ()))?.matmul(self.case.get("head.weight"))?;
                    let x = x.broadcast_add(self.case.get("head.bias"))?.reshape((t, b, ()))?;
                    let spikes = unroll(self.case.neuron.as_ref(), &x)?;
                    return spikes.reshape((t, b, (), voters))?.mean(3)?.mean(0);
                }
                other => panic!("{other}"),
            };
        }
        panic!("no votes")
    }
}

fn largest(t: &Tensor) -> f64 {
    t.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
}

/// Scores in training and evaluation, and all gradients, of both kinds of blocks, with maps of odd
/// sizes.
#[test]
fn blocks_equal_the_same_in_plain_tensor_operations() {
    for text in [PRE, POST] {
        for method in Config::paper() {
            let case = Case::new(text, [7, 7, 2], method);
            let frames = random(&mut Numbers(3), &[3, 2, 7, 7, 2], (0.0, 2.0));
            for mode in [Mode::Eval, TRAIN] {
                let plain = Plain { case: &case, mode }.scores(&frames).unwrap();
                let scores = case.network.forward(&frames, mode, &mut ()).unwrap();
                assert!(
                    largest(&plain) > 0.0 && largest(&(&scores - &plain).unwrap()) < 1e-12,
                    "{text}, {mode:?}"
                );
                let one_by_one = case
                    .network
                    .layers()
                    .iter()
                    .try_fold(frames.clone(), |x, l| l.forward(&x, mode, &mut ()));
                assert!(largest(&(one_by_one.unwrap().mean(0).unwrap() - &plain).unwrap()) < 1e-12);
                if mode == Mode::Eval {
                    continue;
                }
                let gradients = |scores: &Tensor| {
                    (scores.sqr().unwrap() + scores).unwrap().sum_all().unwrap().backward()
                };
                let (ours, theirs) = (gradients(&scores).unwrap(), gradients(&plain).unwrap());
                for (name, var) in case.trainable() {
                    let (a, b) = (ours.get(var).expect(name), theirs.get(var).expect(name));
                    let (off, most) = (largest(&(a - b).unwrap()), largest(b));
                    // a bias below a norm changes nothing
                    let nothing = name == "4C3-1.bias";
                    assert!(
                        nothing || off <= 1e-9 * most,
                        "{text}, {method:?}: gradient of {name} is off by {off:e} of {most:e}"
                    );
                }
            }
        }
    }
}

/// [`Observed`] of passes in f64.
struct Wide<'a>(&'a mut Observed);

impl models::Observer for Wide<'_> {
    fn spikes(&mut self, layer: &str, spikes: &Tensor) -> Result<()> {
        self.0.spikes(layer, &spikes.to_dtype(DType::F32)?)
    }

    fn statistics(&mut self, layer: &str, s: &models::BatchStatistics) -> Result<()> {
        let f32 = |t: &Tensor| t.to_dtype(DType::F32);
        let (mean, unbiased_var) = (f32(&s.mean)?, f32(&s.unbiased_var)?);
        let statistics = models::BatchStatistics { mean, unbiased_var, momentum: s.momentum };
        self.0.statistics(layer, &statistics)
    }
}

#[test]
fn every_neuron_and_norm_of_a_block_has_a_name_of_its_own() {
    let case = Case::new("4S3-4RB3-6RB3/2-BN-GAP-2Voting", [6, 6, 2], Config::bpsa());
    let frames = random(&mut Numbers(3), &[2, 2, 6, 6, 2], (0.0, 2.0));
    let observed = |network: &Network| {
        let mut observed = Observed::default();
        network.forward(&frames, TRAIN, &mut Wide(&mut observed)).unwrap();
        let names = |of: Vec<String>| of.join(" ");
        (
            names(observed.spikes.into_iter().map(|(name, _)| name).collect()),
            names(observed.statistics.into_iter().map(|(name, _)| name).collect()),
        )
    };
    let norms = "4RB3-1.1 4RB3-1.2 6RB3/2-1.1 6RB3/2-1.2 6RB3/2-1.shortcut";
    assert_eq!(observed(&case.network), (format!("{norms} head"), format!("{norms} BN-1")));
    for norm in norms.split(' ').chain(["BN-1"]) {
        assert!(
            case.vars.contains_key(&format!("{norm}.norm.running_mean")),
            "whoever trains finds {norm} by its name"
        );
    }
    assert!(
        !case
            .vars
            .keys()
            .any(|name| name.ends_with(".bias") && !name.contains("norm") && name != "head.bias")
    );
    assert_eq!(observed(&case.network.analogue()), (String::new(), format!("{norms} BN-1")));
    let post = Case::new("4C3-6RB3/2(post)-GAP-2Voting", [6, 6, 2], Config::bpsa());
    let norms = "4C3-1 6RB3/2(post)-1.1 6RB3/2(post)-1.2 6RB3/2(post)-1.shortcut";
    let neurons = "4C3-1 6RB3/2(post)-1.1 6RB3/2(post)-1.2 head";
    assert_eq!(observed(&post.network), (neurons.into(), norms.into()));
}

/// Without neurons everything is smooth but ReLU, and a difference of 1e-6 crosses none of its
/// corners here.
#[test]
fn gradients_of_a_narrow_resnet_equal_finite_differences() {
    let text = Architecture::ResNet34.spec(Variant::Paper).unwrap().narrowed(32).to_string();
    for text in [text.as_str(), PRE, POST] {
        let case = Case::new(text, [9, 9, 3], Config::bpsa_bpta());
        let network = case.network.analogue();
        let frames = random(&mut Numbers(7), &[2, 3, 9, 9, 3], (0.0, 2.0));
        let weights = random(&mut Numbers(8), &[3, 3], (-1.0, 1.0));
        let loss = || {
            (network.forward(&frames, TRAIN, &mut ()).unwrap() * &weights)
                .unwrap()
                .sum_all()
                .unwrap()
        };
        let gradients = loss().backward().unwrap();
        for (at, (name, var)) in case.trainable().enumerate() {
            let values: Vec<f64> = var.flatten_all().unwrap().to_vec1().unwrap();
            let i = at * 7 % values.len();
            let moved = |by: f64| {
                let mut moved = values.clone();
                moved[i] += by;
                var.set(&Tensor::from_vec(moved, var.shape(), &Device::Cpu).unwrap()).unwrap();
                loss().to_scalar::<f64>().unwrap()
            };
            let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            moved(0.0);
            let all: Vec<f64> =
                gradients.get(var).expect(name).flatten_all().unwrap().to_vec1().unwrap();
            let largest = all.iter().fold(0f64, |m, g| m.max(g.abs()));
            assert!(
                (all[i] - difference).abs() <= 1e-5 * largest + 1e-7,
                "{text}, {name}: {} and {difference}",
                all[i]
            );
        }
    }
}

#[test]
fn two_steps_of_training_reach_every_variable() {
    let text = Architecture::ResNet34.spec(Variant::Code).unwrap().narrowed(16).to_string();
    let case = Case::new(&text, [16, 16, 3], Config::baseline());
    let frames = random(&mut Numbers(7), &[2, 4, 16, 16, 3], (0.0, 2.0));
    for _ in 0..2 {
        let scores = case.network.forward(&frames, TRAIN, &mut ()).unwrap();
        let gradients =
            scores.affine(1.0, -0.5).unwrap().sqr().unwrap().sum_all().unwrap().backward().unwrap();
        for (name, var) in case.trainable() {
            let g = gradients.get(var).expect(name);
            assert!(largest(g).is_finite(), "{name}");
            var.set(&(var.as_tensor() - (g * 1e-3).unwrap()).unwrap()).unwrap();
        }
    }
    assert!(largest(&case.network.forward(&frames, Mode::Eval, &mut ()).unwrap()).is_finite());
}

/// Two 3×3 convolutions without bias and their norms; `changes` has a 1×1 convolution and its norm
/// beside them.
fn block(inputs: usize, channels: usize, changes: bool) -> usize {
    let shortcut = if changes { inputs * channels + 2 * inputs } else { 0 };
    9 * inputs * channels + 2 * inputs + 9 * channels * channels + 2 * channels + shortcut
}

#[test]
fn resnet34_has_as_many_parameters_as_counted_by_hand() {
    let expected = 27 * 64 // stem
        + 3 * block(64, 64, false)
        + block(64, 128, true) + 3 * block(128, 128, false)
        + block(128, 256, true) + 5 * block(256, 256, false)
        + block(256, 512, true) + 2 * block(512, 512, false)
        + 2 * 512 // the norm before pooling
        + 512 * 100 + 100; // ten voters for each of ten classes
    assert_eq!(expected, 21_327_396);
    let vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
    let neuron = Config::bpsa_bpta().build().unwrap();
    let spec = Architecture::ResNet34.spec(Variant::Paper).unwrap();
    assert_eq!(spec, Architecture::ResNet34.spec(Variant::Code).unwrap());
    let network = Network::new(&spec, [32, 32, 3], 10, neuron, StatisticsOver::Step, vb).unwrap();
    let vars = vars.data().lock().unwrap();
    let found: usize =
        vars.iter().filter(|(n, _)| !n.contains("running")).map(|(_, v)| v.elem_count()).sum();
    assert_eq!(found, expected);
    // 34 layers with weights on the straight way
    let products = network.layers().iter().map(|layer| match layer {
        Layer::Residual { body, .. } => body.iter().filter(|l| matches!(l, Layer::Conv(_))).count(),
        Layer::Conv(_) | Layer::Linear(_) => 1,
        _ => 0,
    });
    assert_eq!(products.sum::<usize>(), 34);
    // 32, 16, 8, 4: four by four pixels are left to average over
    assert!(network.layers().iter().any(|layer| matches!(layer, Layer::AvgPool(4))));
}

#[test]
fn graphs_run_on_the_cpu_and_on_a_device() {
    let built = |text: &str| {
        let vars = VarMap::new();
        let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
        let neuron = Config::bpsa_bpta().build().unwrap();
        Network::new(&text.parse().unwrap(), [8, 8, 2], 3, neuron, StatisticsOver::Step, vb)
            .unwrap()
    };
    for (text, blocks) in [
        ("4C3-4RB3-GAP-2Voting", 5),
        ("4C3-4RB3(post)-2Voting", 5),
        ("4S3-2Voting", 2),
        ("4C3-BN-2Voting", 3),
        ("4C3-BN-4C3-2Voting", 4),
        // global pooling alone is an average pooling like another
        ("4C3-GAP-2Voting", 2),
        ("4C3-MP2-DP-5FC(DP)-2Voting", 3),
    ] {
        let graph = built(text).graph().unwrap();
        assert_eq!((graph.blocks.len(), graph.runs_on_a_device()), (blocks, true), "{text}");
        assert!(built(text).event_driven().is_some(), "{text}");
        #[cfg(feature = "cuda")]
        assert!(built(text).on_device().is_none(), "{text}: the weights lie on the CPU");
    }
}

#[test]
fn residual_networks_that_cannot_be_built_say_why() {
    let error = |text: &str, sample: [usize; 3]| {
        let vars = VarMap::new();
        let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
        let neuron = Config::bpsa().build().unwrap();
        let built =
            Network::new(&text.parse().unwrap(), sample, 3, neuron, StatisticsOver::Step, vb);
        built.map(|_| ()).unwrap_err().to_string()
    };
    assert!(
        error("4S3-4RB3-GAP-2Voting", [6, 7, 2])
            .contains("GAP averages over a whole square map, found 6×7")
    );
    assert!(error("9FC-4RB3-2Voting", [6, 6, 2]).contains("4RB3-1.1 needs maps"));
    assert!(error("9FC-GAP-2Voting", [6, 6, 2]).contains("GAP averages over a whole square map"));
}
