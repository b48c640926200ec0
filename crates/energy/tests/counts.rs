//! Counts beside their definitions: NeuroBench's rule taken word for word, sums beyond what f32
//! holds, batches added up.
#![allow(clippy::unwrap_used, clippy::panic)]

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{VarBuilder, VarMap};
use energy::{Activity, detailed, observe};
use layers::{Conv2d, Linear};
use models::{Layer, Network, Spec, StatisticsOver};
use neuron::Config;

const CPU: &Device = &Device::Cpu;

struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}

/// A network with random weights, a fifth of them 0.
fn network(text: &str, sample: [usize; 3], classes: usize) -> Network {
    let vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, CPU);
    let neuron = Config::bpsa_bpta().build().unwrap();
    let spec: Spec = text.parse().unwrap();
    let network = Network::new(&spec, sample, classes, neuron, StatisticsOver::Step, vb).unwrap();
    let mut numbers = Numbers(7);
    let mut vars: Vec<_> = vars.data().lock().unwrap().clone().into_iter().collect();
    vars.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, var) in vars.iter().filter(|(name, _)| !name.contains("norm")) {
        let values: Vec<f32> =
            (0..var.elem_count())
                .map(|_| {
                    if numbers.below(5) == 0 {
                        0.0
                    } else {
                        numbers.below(41) as f32 / 100.0 - 0.15
                    }
                })
                .collect();
        var.set(&Tensor::from_vec(values, var.shape(), CPU).unwrap())
            .unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    network
}

/// Frames of counts: `most(t)` at step t, mostly 0.
fn frames(shape: [usize; 5], seed: u64, most: impl Fn(usize) -> u64) -> Tensor {
    let mut numbers = Numbers(seed);
    let of_step = shape[1..].iter().product::<usize>();
    let values: Vec<f32> =
        (0..shape[0] * of_step)
            .map(|i| {
                if numbers.below(3) > 0 {
                    0.0
                } else {
                    1.0 + numbers.below(most(i / of_step)) as f32
                }
            })
            .collect();
    Tensor::from_vec(values, shape.as_slice(), CPU).unwrap()
}

fn binary(x: &Tensor, ones: bool) -> Result<Tensor> {
    if ones { x.ones_like() } else { x.ne(0.0)?.to_dtype(x.dtype()) }
}

/// NeuroBench's rule: everything that is not 0 becomes 1 (or everything does), the bias 0; what the
/// layer then gives is the number of operations of each output. In f64, where no sum is rounded.
fn by_definition(layer: &Layer, x: &Tensor, ones: bool) -> Result<u64> {
    let x = binary(&x.to_dtype(DType::F64)?, ones)?;
    let y = match layer {
        Layer::Conv(conv) => {
            let weight = binary(&conv.weight.to_dtype(DType::F64)?, ones)?;
            Conv2d { weight, bias: None, ..conv.clone() }.forward(&x)?
        }
        Layer::Linear(linear) => {
            let weight = binary(&linear.weight.to_dtype(DType::F64)?, ones)?;
            Linear { weight, bias: None }.forward(&x)?
        }
        _ => return Ok(0),
    };
    Ok(y.sum_all()?.to_scalar::<f64>()? as u64)
}

/// (ACs, MACs, dense) of each layer with weights, call by call.
fn expected(network: &Network, frames: &Tensor) -> Vec<[u64; 3]> {
    let mut all = Vec::new();
    let visit = &mut |layer: &Layer, x: &Tensor, _: &Tensor| {
        if !matches!(layer, Layer::Conv(_) | Layer::Linear(_)) {
            return Ok(());
        }
        let mut counts = [0; 3];
        for t in 0..x.dim(0)? {
            let x = x.get(t)?;
            let values: Vec<f32> = x.flatten_all()?.to_vec1()?;
            let kind = usize::from(!values.iter().all(|v| [-1.0, 0.0, 1.0].contains(v)));
            counts[kind] += by_definition(layer, &x, false)?;
            counts[2] += by_definition(layer, &x, true)?;
        }
        all.push(counts);
        Ok(())
    };
    network.walk(frames, visit).unwrap();
    all
}

fn counted(activity: &Activity) -> Vec<[u64; 3]> {
    activity.synapses().map(|s| [s.accumulates, s.multiply_accumulates, s.dense]).collect()
}

#[test]
fn operations_are_those_of_the_definition_at_every_border() {
    for (text, sample) in [
        ("5C3-MP2-4C5-AP2-6FC(DP)-2Voting", [9, 11, 2]),
        ("3C1-4C3-AP4-2Voting", [8, 8, 1]),
        ("3C7-DP-7FC-DP-2Voting", [4, 5, 3]),
    ] {
        let network = network(text, sample, 3);
        let [h, w, c] = sample;
        let frames = frames([3, 2, h, w, c], 1, |t| [1, 3, 1][t]);
        let mut activity = Activity::default();
        observe(&network, &frames, &mut activity).unwrap();
        assert_eq!(counted(&activity), expected(&network, &frames), "{text}");
        let [acs, macs, _] = counted(&activity)[0];
        assert!(acs > 0 && macs > 0, "{text}: the first layer has calls of both kinds");
    }
}

/// A convolution of 3 × 3 with padding 1, two to eight channels, 8 × 8: 7744 operations at each
/// step, not 9 · 16 · 64 = 9216.
#[test]
fn what_lies_beyond_the_border_does_not_count() {
    let network = network("8C3-1Voting", [8, 8, 2], 2);
    let mut activity = Activity::default();
    observe(&network, &frames([1, 1, 8, 8, 2], 1, |_| 1), &mut activity).unwrap();
    assert_eq!(activity.layers[0].synapses.unwrap().dense, 7744);
}

/// 4099² operations at a step: odd and above 2²⁴, so f32 cannot hold it.
#[test]
fn sums_beyond_f32_are_exact() {
    let n = 4099;
    let tensors = [
        ("head.weight", Tensor::ones((n, n), DType::F32, CPU)),
        ("head.bias", Tensor::zeros(n, DType::F32, CPU)),
    ];
    let tensors =
        tensors.map(|(name, tensor)| (name.to_owned(), tensor.unwrap())).into_iter().collect();
    let vb = VarBuilder::from_tensors(tensors, DType::F32, CPU);
    let neuron = Config::bpsa_bpta().build().unwrap();
    let network =
        Network::new(&"1Voting".parse().unwrap(), [1, 1, n], n, neuron, StatisticsOver::Step, vb)
            .unwrap();
    let mut activity = Activity::default();
    observe(&network, &Tensor::ones((1, 1, 1, 1, n), DType::F32, CPU).unwrap(), &mut activity)
        .unwrap();
    let expected = (n * n) as u64;
    assert_ne!(expected as f32 as u64, expected);
    assert_eq!(counted(&activity), [[expected, 0, expected]]);
}

/// Everything but the split into ACs and MACs, which belongs to a batch, is the same however
/// samples are put together.
#[test]
fn batches_add_up() {
    let network = network("5C3-MP2-6FC-2Voting", [8, 8, 2], 3);
    let frames = frames([3, 5, 8, 8, 2], 9, |_| 2);
    let (mut whole, mut parts) = (Activity::default(), Activity::default());
    let votes = observe(&network, &frames, &mut whole).unwrap();
    let mut votes_of_parts = Vec::new();
    for (start, n) in [(0, 2), (2, 1), (3, 2)] {
        votes_of_parts
            .push(observe(&network, &frames.narrow(1, start, n).unwrap(), &mut parts).unwrap());
    }
    assert_eq!((whole.samples, parts.samples, parts.batches.len()), (5, 5, 3));
    for (a, b) in whole.layers.iter().zip(&parts.layers) {
        let totals = |l: &energy::Layer| {
            l.synapses.map(|s| (s.operations(), s.dense, s.input_nonzero, s.input_values))
        };
        assert_eq!((&a.name, totals(a), a.neurons), (&b.name, totals(b), b.neurons));
    }
    assert!(
        (whole.syops.accumulates - parts.syops.accumulates).abs() < 1e-9 * whole.syops.accumulates
    );
    let votes_of_parts = Tensor::cat(&votes_of_parts, 1).unwrap();
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!((votes.dims(), flat(&votes)), (&[3, 5, 3][..], flat(&votes_of_parts)));
    let scores = network.forward(&frames, models::Mode::Eval, &mut ()).unwrap();
    assert_eq!(flat(&votes.mean(0).unwrap()), flat(&scores));
}

/// The last decision of the votes is the one of the scores, equal scores included.
#[test]
fn the_last_decision_is_that_of_the_scores() {
    let network = network("5C3-MP2-6FC-3Voting", [8, 8, 2], 4);
    let frames = frames([7, 40, 8, 8, 2], 4, |_| 2);
    let votes = observe(&network, &frames, &mut Activity::default()).unwrap();
    let labels = vec![0; 40];
    let votes: Vec<f32> = votes.flatten_all().unwrap().to_vec1().unwrap();
    let found = energy::latency::anytime(&votes, [7, 40, 4], &labels).unwrap();
    let scores: Vec<Vec<f32>> =
        network.forward(&frames, models::Mode::Eval, &mut ()).unwrap().to_vec2().unwrap();
    for (row, &class) in scores.iter().zip(&found.predictions) {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        assert_eq!(row.iter().position(|&s| s == most), Some(class as usize), "{row:?}");
    }
}

#[test]
fn layers_are_named_by_their_stage_and_still_input_is_seen() {
    let network = network("5C3-4C3-AP2-6FC(DP)-2Voting", [8, 8, 2], 3);
    let still = frames([1, 2, 8, 8, 2], 2, |_| 3).repeat((4, 1, 1, 1, 1)).unwrap();
    let mut activity = Activity::default();
    observe(&network, &still, &mut activity).unwrap();
    let names: Vec<&str> = activity.layers.iter().map(|l| l.name.as_str()).collect();
    assert_eq!(names, ["5C3-1", "4C3-1", "6FC(DP)-1", "head"]);
    let neurons: Vec<u64> = activity.neurons().map(|n| n.neurons).collect();
    assert_eq!(neurons, [320, 256, 6, 6]);
    assert!(
        activity.layers[0].synapses.unwrap().still && !activity.layers[1].synapses.unwrap().still
    );
    let value =
        |name| detailed::columns(&activity).into_iter().find(|c| c.name == name).unwrap().value;
    let first = activity.layers[0].synapses.unwrap().multiply_accumulates as f64 / 2.0;
    let saved = value("SNN energy, FP32") - value("SNN energy, FP32, still input once");
    assert!(
        (saved - first * 0.75 * 4.6e-6).abs() < 1e-9,
        "three of four steps of the first layer are saved"
    );
}

/// syops 0.0.5 by hand, for 1 × 1 convolution (3 channels on 2 × 2 × 1) with norm, ReLU and
/// neurons, flattening, and a head of 2.
#[test]
fn syops_counts_by_its_own_rules() {
    let network = network("3C1-1Voting", [2, 2, 1], 2);
    let x = Tensor::from_vec(vec![0f32, 1.0, 0.0, 0.0], (1, 1, 2, 2, 1), CPU).unwrap();
    let mut activity = Activity::default();
    observe(&network, &x, &mut activity).unwrap();
    let (mut acs, mut macs) = (0.0, 0.0);
    let mut add = |operations: f64, x: &Tensor| {
        let values: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
        let mut distinct = values.clone();
        distinct.sort_by(f32::total_cmp);
        distinct.dedup_by(|a, b| a == b);
        match distinct.len() <= 2 && distinct[0] >= 0.0 && distinct[distinct.len() - 1] <= 1.0 {
            true => {
                acs += operations * values.iter().map(|&v| f64::from(v)).sum::<f64>()
                    / values.len() as f64
            }
            false => macs += operations,
        }
    };
    let mut neurons = 0.0;
    let visit = &mut |layer: &Layer, x: &Tensor, y: &Tensor| {
        match layer {
            Layer::Conv(_) => add(3.0 * 4.0 + 3.0 * 4.0, x),
            Layer::Norm(..) => add(2.0 * 12.0, x),
            Layer::Rectify => add(12.0, y),
            Layer::Linear(_) => add(12.0 * 2.0 + 2.0, x),
            Layer::Neuron(..) => neurons += y.elem_count() as f64,
            _ => {}
        }
        Ok(())
    };
    network.walk(&x, visit).unwrap();
    assert_eq!(
        (activity.syops.accumulates, activity.syops.multiply_accumulates as f64),
        (acs + neurons, macs)
    );
    assert!(acs > 0.0 && macs > 0.0);
}

/// Every column is a finite number with a unit and an assumption, and no two have one name.
#[test]
fn every_column_can_be_read() {
    let network = network("5C3-MP2-6FC-2Voting", [8, 8, 2], 3);
    let mut activity = Activity::default();
    observe(&network, &frames([4, 3, 8, 8, 2], 6, |_| 1), &mut activity).unwrap();
    let columns = [detailed::columns(&activity), energy::neurobench::columns(&activity)].concat();
    let mut names: Vec<&str> = columns.iter().map(|c| c.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), columns.len());
    for column in &columns {
        println!(
            "{:38} {:>14.6} {:5} {}",
            column.name, column.value, column.unit, column.assumption
        );
        assert!(column.value.is_finite() && column.value >= 0.0, "{column:?}");
        assert!(
            ["1", "µJ", "bit", "byte"].contains(&column.unit) && !column.assumption.is_empty(),
            "{column:?}"
        );
    }
    let value = |name| columns.iter().find(|c| c.name == name).unwrap().value;
    let near = |a: f64, b: f64| assert!((a - b).abs() <= 1e-12 * b.abs(), "{a} and {b}");
    near(value("SNN energy, FP32"), 1e-6 * (0.9 * value("ACs") + 4.6 * value("MACs")));
    near(value("ANN energy, FP32"), 4.6e-6 * value("NeuroBench Dense") / 4.0);
    near(value("SNN energy, INT8"), 1e-6 * (0.03 * value("ACs") + 0.23 * value("MACs")));
    near(value("neuron energy, FP32"), 5.5e-6 * value("neuron updates"));
    near(value("paper's efficiency, Eq. 1"), 46.0 / (4.0 * value("firing rate")));
    near(value("QNN energy"), 1e-6 * value("MACs of the ANN") * (0.2 * 3.0 / 8.0 + 0.03));
    assert!(value("SNN memory energy, low") < value("SNN memory energy, high"));
}

#[test]
fn bits_of_the_quantised_network() {
    for (steps, bits) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (7, 3), (8, 4), (15, 4), (16, 5)]
    {
        assert_eq!(detailed::equivalent_bits(steps), bits, "T = {steps}");
        assert_eq!(f64::from(bits), (steps as f64 + 1.0).log2().ceil(), "T = {steps}");
    }
}

#[test]
fn what_does_not_belong_together_is_an_error() {
    let one = network("5C3-2Voting", [8, 8, 2], 3);
    let mut activity = Activity::default();
    observe(&one, &frames([2, 1, 8, 8, 2], 1, |_| 1), &mut activity).unwrap();
    let before = activity.clone();
    let other = network("4C3-2Voting", [8, 8, 2], 3);
    for (network, steps, words) in [
        (
            &one,
            3,
            "activity of the network: expected 2 steps, found 3; add up batches of one network",
        ),
        (&other, 2, "activity of the network: expected"),
    ] {
        let error = observe(network, &frames([steps, 1, 8, 8, 2], 1, |_| 1), &mut activity)
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(activity, before, "nothing is added");
    }
    for (shape, words) in
        [(vec![0, 1, 8, 8, 2], "found 0 and 1"), (vec![3], "expected [T, B, H, W, C]")]
    {
        let frames = Tensor::zeros(shape, DType::F32, CPU).unwrap();
        let error = observe(&one, &frames, &mut activity).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

/// What neurons of other kinds compute and carry more is in the columns.
#[test]
fn neurons_cost_what_their_equations_have() {
    use neuron::cells::{plif, synaptic};
    use neuron::{Config, Kind};
    let columns = |kind: Kind| {
        let vars = VarMap::new();
        let vb = VarBuilder::from_varmap(&vars, DType::F32, CPU);
        let neuron = Config { kind, ..Config::baseline() }.build().unwrap();
        let spec: Spec = "2C3-AP2-2Voting".parse().unwrap();
        let network = Network::new(&spec, [4, 4, 1], 2, neuron, StatisticsOver::Step, vb).unwrap();
        let mut activity = Activity::default();
        let frames = Tensor::ones((3, 1, 4, 4, 1), DType::F32, CPU).unwrap();
        observe(&network, &frames, &mut activity).unwrap();
        let column = |name: &str| {
            let all = detailed::columns(&activity).into_iter();
            all.chain(energy::neurobench::columns(&activity))
                .find(|c| c.name == name)
                .unwrap()
                .value
        };
        let memory = column("SNN memory energy, high");
        [column("neuron energy, FP32"), memory, column("NeuroBench ParameterCount")]
    };
    // 36 neurons, three steps
    let updates = f64::from(3 * (32 + 4));
    let close = |a: f64, b: f64| assert!((a - b).abs() <= 1e-9 * b.abs(), "{a} {b}");
    let lif = columns(Kind::Lif { decay: 0.9 });
    close(lif[0], updates * (3.7 + 2.0 * 0.9) * 1e-6);
    let learned = columns(Kind::Plif(plif::Constants::default()));
    close(learned[0], updates * (3.7 + 3.0 * 0.9) * 1e-6);
    close(learned[2], lif[2] + 2.0);
    let synaptic = columns(Kind::Synaptic(synaptic::Constants::default()));
    close(synaptic[0], updates * (2.0 * 3.7 + 3.0 * 0.9) * 1e-6);
    close(synaptic[2], lif[2]);
    // one state more, read and written: 2 · 4 byte · 12.5 pJ
    close(synaptic[1] - lif[1], updates * 2.0 * 4.0 * 12.5e-6);
}
