//! ContinueSNN: integrate-and-fire neurons with three resets, and two networks.

use super::{Case, limit, ran};
use crate::conformance::check::{Limit, Rows};
use anyhow::{Context, Result};
use candle_core::{DType, Tensor};
use convert::{Analogue, Reset, rules, scales};
use layers::{BatchNorm, Conv2d, Linear, StatisticsOver};
use models::{Layer, Network};

/// Single neurons.
pub fn neuron(case: &Case, rows: &mut Rows) -> Result<()> {
    let input = case.shared("input")?;
    for (name, reset) in
        [("subtract", Reset::Subtract), ("zero", Reset::Zero), ("modulo", Reset::Modulo)]
    {
        let mut v = input.get(0)?.zeros_like()?;
        let (mut spikes, mut membranes) = (Vec::new(), Vec::new());
        for t in 0..input.dim(0)? {
            let (o, left) = convert::integrate(&v, &input.get(t)?, reset)?;
            v = left;
            spikes.push(o);
            membranes.push(v.clone());
        }
        let (spike, mem) = (format!("{name}.spike"), format!("{name}.mem"));
        case.compare(rows, &spike, Limit::Exactly, Ok(Tensor::stack(&spikes, 0)?));
        case.compare(rows, &mem, Limit::Exactly, Ok(Tensor::stack(&membranes, 0)?));
    }
    Ok(())
}

/// The analogue network of a file.
fn analogue(case: &Case, pool: &Layer) -> Result<Analogue> {
    let read = |name: &str| case.shared(name);
    let conv = |weight: &str, bias: &str| -> Result<Layer> {
        let (weight, bias) = (read(&format!("param.{weight}"))?, read(&format!("param.{bias}"))?);
        let padding = weight.dim(0)? / 2;
        Ok(Layer::Conv(Conv2d { weight, bias: Some(bias), stride: 1, padding }))
    };
    let running = [read("bn.mean")?, read("bn.var")?];
    let norm = BatchNorm {
        eps: case.golden.field("/bn_eps")?,
        ..BatchNorm::new(read("bn.gamma")?, read("bn.beta")?, running, StatisticsOver::Step)
    };
    let head = Linear { weight: read("param.d")?, bias: Some(read("param.bd")?) };
    let layers = vec![
        conv("c1", "b1")?,
        Layer::Norm("conv1".into(), norm),
        Layer::Rectify,
        pool.clone(),
        conv("c2", "b2")?,
        Layer::Rectify,
        pool.clone(),
        Layer::Flatten,
        Layer::Linear(head),
        Layer::Vote(1),
    ];
    Ok(Analogue::of(&Network::of(layers))?)
}

/// A network, whose poolings have neurons of their own where they average.
pub fn network(case: &Case, average: bool, rows: &mut Rows) -> Result<()> {
    let pool = if average { Layer::AvgPool(2) } else { Layer::MaxPool(2) };
    let analogue = analogue(case, &pool)?;
    let exact = match case.dtype {
        DType::F64 => Limit::OfLargest(1e-12),
        _ => Limit::OfLargest(1e-6),
    };
    let first = &analogue.stages[0].product;
    case.compare(rows, "folded.c1", exact, Ok(first.weight().clone()));
    case.compare(rows, "folded.b1", exact, first.bias().cloned().context("no bias"));
    let set = [case.shared("normalisation_set")?];
    let percentile: f64 = case.golden.field("/percentile")?;
    case.numbers(rows, "lambda", &scales::percentiles(&analogue, &set, percentile)?);
    let input = case.shared("input")?;
    let scores = analogue.forward(&input, &mut |_, _| Ok(()))?;
    case.compare(rows, "ann", limit(case.dtype), Ok(scores));

    let network = rules::continuous(&analogue, &set, percentile, average)?.network;
    let names = [("c1", "b1"), ("c2", "b2"), ("d", "bd")];
    for (stage, (weight, bias)) in network.stages.iter().zip(names) {
        let of = |name: &str| format!("normalised.{name}");
        let product = &stage.product;
        case.compare(rows, &of(weight), exact, Ok(product.weight().clone()));
        case.compare(rows, &of(bias), exact, product.bias().cloned().context("no bias"));
    }
    let done = ran(&network, case.golden.field("/T")?, &mut |_| Ok(input.clone()))?;
    let names = ["spike.l1", "spike.l2", "spike.out"];
    for (name, spikes) in names.iter().zip(&done.outputs) {
        case.spikes(rows, name, spikes)?;
    }
    if average {
        for (name, pooled) in ["spike.p1", "spike.p2"].iter().zip(&done.pooled) {
            case.spikes(rows, name, pooled.first().context("no pooling")?)?;
        }
    }
    Ok(())
}
