//! RNL: the rate-norm layer, a training pass of a network with it, and the network converted.

use super::{Case, limit, ran};
use crate::conformance::axis_order::{Layout, channels_first, channels_last};
use crate::conformance::check::{Limit, Rows};
use crate::conformance::form::gradient;
use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::loss::cross_entropy;
use convert::{Analogue, RateNorm, rate_norm, rules};
use layers::{BatchNorm, Conv2d, Linear, Mode, StatisticsOver};
use models::{Layer, Network};
use std::collections::BTreeMap;

/// The limit for gradients.
fn gradients(dtype: DType) -> Limit {
    match dtype {
        DType::F64 => Limit::OfLargest(1e-9),
        _ => Limit::OfLargest(1e-3),
    }
}

/// p as a variable.
fn scale(case: &Case) -> Result<Var> {
    let scale: f64 = case.golden.field("/scale")?;
    Ok(Var::from_tensor(&Tensor::new(scale, &Device::Cpu)?.to_dtype(case.dtype)?)?)
}

/// Three training batches, and one in evaluation.
pub fn layer(case: &Case, rows: &mut Rows) -> Result<()> {
    let g = case.shared("grad_out")?;
    let mut norm = RateNorm {
        running_max: case.golden.field("/running_max_start")?,
        momentum: case.golden.field("/momentum")?,
        ..RateNorm::new(case.dtype)?
    };
    for batch in 0..3 {
        let x = Var::from_tensor(&case.shared(&format!("input.{batch}"))?)?;
        let scale = scale(case)?;
        norm.scale = scale.as_tensor().clone();
        norm.running_max = norm.updated(&x)?;
        let y = norm.forward(&x)?;
        let loss = rate_norm::inference_loss(&y)?;
        let grads = ((&y * &g)?.sum_all()? + (&loss * 0.1)?)?.backward()?;
        let of = |name: &str| format!("{batch}.{name}");
        case.numbers(rows, &of("running_max"), &[norm.running_max]);
        case.compare(rows, &of("v_th"), limit(case.dtype), Ok(norm.threshold()?));
        case.compare(rows, &of("output"), limit(case.dtype), Ok(y));
        case.compare(rows, &of("ril"), limit(case.dtype), Ok(loss));
        let by_x = gradient(&grads, "input", &x);
        case.compare(rows, &of("grad_in"), gradients(case.dtype), by_x);
        let by_scale = gradient(&grads, "scale", &scale);
        case.compare(rows, &of("grad_scale"), gradients(case.dtype), by_scale);
    }
    let evaluated = norm.forward(&case.shared("input.1")?)?;
    case.compare(rows, "eval.output", limit(case.dtype), Ok(evaluated));
    Ok(())
}

/// The network of a file: variables by their names there, and its rate norms.
struct Trained {
    vars: BTreeMap<String, (Var, Layout)>,
    scales: Vec<Var>,
    maxima: Vec<f64>,
}

/// Where the network's rate norms are.
const NORMS: [usize; 3] = [2, 6, 10];

impl Trained {
    fn of(case: &Case) -> Result<Trained> {
        let channels = case.shared("param.body.4.weight")?.dim(0)?;
        // rows and columns of a flattened map may be taken as one axis
        let pixels = case.shared("param.body.9.weight")?.dim(1)? / channels;
        let flattened = [channels, pixels, 1];
        let mut vars = BTreeMap::new();
        for (layer, layout) in [
            ("0", Layout::Conv),
            ("1", Layout::Vector),
            ("4", Layout::Conv),
            ("5", Layout::Vector),
            ("9", Layout::Linear(flattened)),
            ("11", Layout::Linear([case.shared("param.body.11.weight")?.dim(1)?, 1, 1])),
        ] {
            for (part, layout) in [("weight", layout), ("bias", Layout::Vector)] {
                let name = format!("body.{layer}.{part}");
                let value = layout.ours(&case.shared(&format!("param.{name}"))?)?;
                vars.insert(name, (Var::from_tensor(&value)?, layout));
            }
        }
        let scales = NORMS.iter().map(|_| scale(case)).collect::<Result<_>>()?;
        Ok(Trained { vars, scales, maxima: vec![1.0; NORMS.len()] })
    }

    fn var(&self, name: &str) -> Result<Tensor> {
        let (var, _) = self.vars.get(name).with_context(|| format!("no variable {name}"))?;
        Ok(var.as_tensor().clone())
    }

    fn norm(&self, i: usize, running: &[Tensor; 2]) -> Result<BatchNorm> {
        let of = |part: &str| self.var(&format!("body.{i}.{part}"));
        Ok(BatchNorm::new(of("weight")?, of("bias")?, running.clone(), StatisticsOver::Step))
    }

    /// The chain with these running statistics, in our layers.
    fn layers(&self, running: &[[Tensor; 2]; 2]) -> Result<Vec<Layer>> {
        let of = |i: usize, part: &str| self.var(&format!("body.{i}.{part}"));
        let conv = |i: usize| -> Result<Layer> {
            let (weight, bias) = (of(i, "weight")?, Some(of(i, "bias")?));
            Ok(Layer::Conv(Conv2d { weight, bias, stride: 1, padding: 1 }))
        };
        let linear = |i: usize| -> Result<Layer> {
            Ok(Layer::Linear(Linear { weight: of(i, "weight")?, bias: Some(of(i, "bias")?) }))
        };
        Ok(vec![
            conv(0)?,
            Layer::Norm("1".into(), self.norm(1, &running[0])?),
            Layer::Rectify,
            Layer::AvgPool(2),
            conv(4)?,
            Layer::Norm("5".into(), self.norm(5, &running[1])?),
            Layer::Rectify,
            Layer::AvgPool(2),
            Layer::Flatten,
            linear(9)?,
            Layer::Rectify,
            linear(11)?,
            Layer::Vote(1),
        ])
    }
}

/// The running statistics of a pass.
#[derive(Default)]
struct Statistics(Vec<layers::BatchStatistics>);

impl models::Observer for Statistics {
    fn statistics(
        &mut self,
        _: &str,
        statistics: &layers::BatchStatistics,
    ) -> candle_core::Result<()> {
        self.0.push(statistics.clone());
        Ok(())
    }
}

/// One training batch, the evaluation behind it, and the conversion.
pub fn network(case: &Case, rows: &mut Rows) -> Result<()> {
    let mut net = Trained::of(case)?;
    let read = |i: usize, what: &str| case.shared(&format!("param.body.{i}.{what}"));
    let running = |i: usize| -> Result<[Tensor; 2]> {
        Ok([read(i, "running_mean")?, read(i, "running_var")?])
    };
    let before = [running(1)?, running(5)?];
    let input = channels_last(&case.shared("input")?)?;
    let mut statistics = Statistics::default();
    let mut x = input.unsqueeze(0)?;
    let mut norms = 0;
    for layer in net.layers(&before)? {
        x = layer.forward(&x, Mode::Train { seed: 0 }, &mut statistics)?;
        if let (Layer::Rectify, Some(scale)) = (&layer, net.scales.get(norms)) {
            let norm =
                RateNorm { scale: scale.as_tensor().clone(), running_max: 1.0, momentum: 0.1 };
            let norm = RateNorm { running_max: norm.updated(&x)?, ..norm };
            net.maxima[norms] = norm.running_max;
            x = norm.forward(&x)?;
            norms += 1;
        }
    }
    let logits = x.squeeze(0)?;
    let labels = case.golden.tensor("labels")?;
    let loss = cross_entropy(&logits, &labels.to_dtype(DType::U32)?)?;
    let grads = loss.backward()?;
    case.compare(rows, "logits", limit(case.dtype), Ok(logits));
    case.compare(rows, "loss", limit(case.dtype), Ok(loss));
    for (name, (var, layout)) in &net.vars {
        let stored = format!("grad.{name}");
        if ["body.0.bias", "body.4.bias"].contains(&name.as_str()) {
            // in front of a batch norm: rounding noise
            case.golden.leave_out(&format!("{}.{stored}", case.tag));
            continue;
        }
        let ours = gradient(&grads, name, var).and_then(|g| Ok(layout.golden(&g)?));
        case.compare(rows, &stored, gradients(case.dtype), ours);
    }
    for (i, scale) in NORMS.iter().zip(&net.scales) {
        let ours = gradient(&grads, "scale", scale);
        case.compare(rows, &format!("grad.body.{i}.scale"), gradients(case.dtype), ours);
    }
    let mut after = Vec::new();
    for ((i, before), seen) in [1, 5].into_iter().zip(&before).zip(&statistics.0) {
        let (mean, var) = seen.update(&before[0], &before[1])?;
        for (what, ours) in [("running_mean", &mean), ("running_var", &var)] {
            let name = format!("after.body.{i}.{what}");
            case.compare(rows, &name, limit(case.dtype), Ok(ours.clone()));
        }
        after.push([mean, var]);
    }
    let [first, second] = &after[..] else { anyhow::bail!("expected two norms") };
    converted(case, &net, &[first.clone(), second.clone()], &input, rows)
}

/// The network in evaluation, and as a spiking one.
fn converted(
    case: &Case,
    net: &Trained,
    running: &[[Tensor; 2]; 2],
    input: &Tensor,
    rows: &mut Rows,
) -> Result<()> {
    case.numbers(rows, "running_max", &net.maxima);
    let scale: f64 = case.golden.field("/scale")?;
    let thresholds: Vec<f64> = net.maxima.iter().map(|&r| rate_norm::threshold(r, scale)).collect();
    case.numbers(rows, "v_th", &thresholds);
    let mut analogue = Analogue::of(&Network::of(net.layers(running)?))?;
    for (stage, threshold) in analogue.stages.iter_mut().zip(&thresholds) {
        stage.rate_norm = Some(*threshold);
    }
    let logits = analogue.forward(input, &mut |_, _| Ok(()))?;
    case.compare(rows, "eval.logits", limit(case.dtype), Ok(logits));

    let network = rules::rate_norm(&analogue, &[], scale)?.network;
    let steps: usize = case.golden.field("/T")?;
    let done = ran(&network, steps, &mut |_| Ok(input.clone()))?;
    for (k, spikes) in done.outputs[..NORMS.len()].iter().enumerate() {
        let spikes = if spikes.rank() == 5 { channels_first(spikes)? } else { spikes.clone() };
        case.spikes(rows, &format!("spike.{k}"), &spikes)?;
    }
    let sums = done.outputs[NORMS.len()].cumsum(0)?;
    let counts = Tensor::arange(1u32, steps as u32 + 1, &Device::Cpu)?.to_dtype(case.dtype)?;
    let mean = sums.broadcast_div(&counts.reshape((steps, 1, 1))?)?;
    let close = match case.dtype {
        DType::F64 => Limit::OfLargest(1e-9),
        // a spike that comes a step later
        _ => Limit::OfLargest(0.1),
    };
    case.compare(rows, "mean_output", close, Ok(mean));
    Ok(())
}
