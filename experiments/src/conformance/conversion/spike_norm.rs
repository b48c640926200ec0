//! Spike-Norm: thresholds balanced on signed Poisson input, and the network that they make.

use super::{Case, ran};
use crate::conformance::axis_order::{Layout, channels_first, channels_last};
use crate::conformance::check::{Limit, Rows};
use anyhow::Result;
use candle_core::{DType, Tensor};
use convert::{Analogue, rules};
use layers::{Conv2d, Linear};
use models::{Layer, Network};
use training::Bernoulli;

/// Checks a file.
pub fn check(case: &Case, rows: &mut Rows) -> Result<()> {
    let conv = |name: &str| -> Result<Layer> {
        let weight = Layout::Conv.ours(&case.shared(&format!("param.{name}"))?)?;
        Ok(Layer::Conv(Conv2d { weight, bias: None, stride: 1, padding: 1 }))
    };
    let linear = |name: &str, [c, h, w]: [usize; 3]| -> Result<Layer> {
        let weight = Layout::Linear([c, h, w]).ours(&case.shared(&format!("param.{name}"))?)?;
        Ok(Layer::Linear(Linear { weight, bias: None }))
    };
    let layers = vec![
        conv("features.0")?,
        Layer::Rectify,
        Layer::AvgPool(2),
        conv("features.3")?,
        Layer::Rectify,
        Layer::AvgPool(2),
        Layer::Flatten,
        linear("classifier.0", [6, 2, 2])?,
        Layer::Rectify,
        linear("classifier.3", [12, 1, 1])?,
        Layer::Vote(1),
    ];
    let analogue = Analogue::of(&Network::of(layers))?;
    let steps: usize = case.golden.field("/T")?;
    let (input, uniform) = (case.golden.input("input")?, case.golden.input("uniform")?);
    let x: Vec<f32> = input.flatten_all()?.to_vec1()?;
    let encoding = Bernoulli { scale: 1.0 };
    let mut frames = Vec::new();
    for t in 0..steps {
        let random: Vec<f32> = uniform.get(t)?.flatten_all()?.to_vec1()?;
        let spikes = x.iter().zip(random).map(|(&x, r)| encoding.spike(x, f64::from(r)));
        let frame = Tensor::from_vec(spikes.collect::<Vec<f32>>(), input.shape(), input.device())?;
        frames.push(channels_last(&frame.to_dtype(case.dtype)?)?);
    }
    let mut show = |t: usize| -> candle_core::Result<Tensor> { Ok(frames[t].clone()) };
    let (converted, thresholds) = rules::balanced(&analogue, steps, &mut show)?;
    case.numbers(rows, "thresholds", &thresholds);
    let done = ran(&converted.network, steps, &mut show)?;
    for (name, spikes) in ["spike.0", "spike.3", "spike.6"].iter().zip(&done.outputs) {
        let spikes = if spikes.rank() == 5 { channels_first(spikes)? } else { spikes.clone() };
        case.spikes(rows, name, &spikes)?;
    }
    let close = match case.dtype {
        DType::F64 => Limit::OfLargest(1e-9),
        // a spike that comes a step later, and so not at all
        _ => Limit::OfLargest(0.1),
    };
    case.compare(rows, "output", close, Ok(done.outputs[3].sum(0)?));
    Ok(())
}
