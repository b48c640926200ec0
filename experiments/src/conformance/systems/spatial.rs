//! What couples neurons of a map at a step: NeuNorm, and BackEISNN's feedback and signs, each by
//! itself and in a network.

use super::others::BARE;
use super::pass::{Head, Loss, System};
use super::{Case, OUTPUTS};
use crate::conformance::axis_order::{Layout, channels_first, channels_last};
use crate::conformance::check::{Limit, Rows};
use crate::conformance::form::gradient;
use anyhow::Result;
use candle_core::{DType, Tensor, Var};
use layers::{Conv2d, NeuNorm};
use models::BackEi;
use neuron::{Fires, Lif, Reset, ResetGradient};
use std::sync::Arc;
use surrogate::Rectangular;

fn lif(threshold: f64, decay: f64) -> Lif<Rectangular> {
    Lif {
        threshold,
        decay,
        fires: Fires::AboveThreshold,
        reset: Reset::ToZero,
        reset_gradient: ResetGradient::Differentiated,
        surrogate: Rectangular { half_width: 0.5 },
    }
}

/// NeuNorm of given spikes.
pub fn neunorm_norm(case: &Case, rows: &mut Rows) -> Result<()> {
    let decay: f64 = case.constant("k")?;
    for (tag, dtype) in case.golden.precisions(&format!("{}.", case.seed))? {
        let read = |name: &str| -> Result<Tensor> { Ok(case.shared(name)?.to_dtype(dtype)?) };
        let x = Var::from_tensor(&channels_last(&read("input")?)?)?;
        let weight = Var::from_tensor(&Layout::Map.ours(&read("w")?)?)?;
        let c = x.dim(4)?;
        let input = (1.0 - decay) / (c * c) as f64;
        let norm = NeuNorm { weight: weight.as_tensor().clone(), decay, input };
        let y = norm.forward(&x)?;
        let g = channels_last(&read("grad_out")?)?;
        let gradients = (&y * g)?.sum_all()?.backward()?;
        // the trace itself: what a weight of −1 adds to a channel without spikes
        let silent = x.narrow(4, 0, 1)?.zeros_like()?;
        let (h, w) = (x.dim(2)?, x.dim(3)?);
        let minus = (Tensor::ones((h, w, 1), dtype, x.device())? * -1.0)?;
        let alone = NeuNorm { weight: minus, decay, input };
        let trace = alone.forward(&Tensor::cat(&[x.as_tensor(), &silent], 4)?)?.narrow(4, c, 1)?;
        for (name, ours) in [
            ("output", channels_first(&y)?),
            ("aux", channels_first(&trace)?),
            ("grad_in", channels_first(&gradient(&gradients, "input", &x)?)?),
            ("grad.w", Layout::Map.golden(&gradient(&gradients, "w", &weight)?)?),
        ] {
            let row = format!("{} {tag} {name}", case.seed);
            rows.compare_one(&row, OUTPUTS, Ok(ours), case.stored(tag, name));
        }
    }
    Ok(())
}

/// BackEISNN's neurons: feedback and signs together, and each alone.
pub fn backeisnn_neuron(case: &Case, rows: &mut Rows) -> Result<()> {
    let neuron = lif(case.golden.field("/theta")?, case.golden.field("/decay")?);
    for (tag, dtype) in case.golden.precisions(&format!("{}.", case.seed))? {
        // sums behind convolutions, so the limit of gradients is that of networks
        let limit = Limit::OfLargest(if dtype == DType::F64 { 1e-9 } else { 1e-4 });
        let read = |name: &str| -> Result<Tensor> { Ok(case.shared(name)?.to_dtype(dtype)?) };
        let g = channels_last(&read("grad_out")?)?;
        for (form, back, ei) in
            [("", true, true), ("back_only.", true, false), ("ei_only.", false, true)]
        {
            let x = Var::from_tensor(&channels_last(&read("input")?)?)?;
            let mut variables = Vec::new();
            let mut conv = |name: &str, there: bool| -> Result<Option<Conv2d>> {
                if !there {
                    return Ok(None);
                }
                let weight = Layout::Conv.ours(&read(&format!("{name}.weight"))?)?;
                let weight = Var::from_tensor(&weight)?;
                let bias = Var::from_tensor(&read(&format!("{name}.bias"))?)?;
                let of = |var: &Var| var.as_tensor().clone();
                let padding = weight.dim(0)? / 2;
                let conv =
                    Conv2d { weight: of(&weight), bias: Some(of(&bias)), stride: 1, padding };
                variables.push((format!("{name}.weight"), weight, Layout::Conv));
                variables.push((format!("{name}.bias"), bias, Layout::Vector));
                Ok(Some(conv))
            };
            let back_ei = BackEi { back: conv("back", back)?, ei: conv("ei", ei)? };
            let parts = back_ei.parts(&x, &neuron)?;
            let gradients = (&parts.outputs * &g)?.sum_all()?.backward()?;
            let mut compare = |name: &str, limit: Limit, ours: Tensor| {
                let row = format!("{} {tag} {form}{name}", case.seed);
                rows.compare_one(&row, limit, Ok(ours), case.stored(tag, &format!("{form}{name}")));
            };
            compare("spike", Limit::Exactly, channels_first(&parts.outputs)?);
            compare("u", OUTPUTS, channels_first(&parts.membranes)?);
            compare("grad_in", limit, channels_first(&gradient(&gradients, "input", &x)?)?);
            for (name, var, layout) in &variables {
                let found = layout.golden(&gradient(&gradients, name, var)?)?;
                compare(&format!("grad.{name}"), limit, found);
            }
        }
    }
    Ok(())
}

/// A network with NeuNorm behind its convolutions.
pub fn neunorm(case: &Case) -> Result<System> {
    let shared = case.shared("param.norm1.w")?.dim(0)? == 1;
    let (spec, names) = match shared {
        true => {
            ("4C3-NN(shared)-AP2-4C3-NN(shared)-AP2-8FC-2Voting", ["NN(shared)-1", "NN(shared)-2"])
        }
        false => ("4C3-NN-AP2-4C3-NN-AP2-8FC-2Voting", ["NN-1", "NN-2"]),
    };
    let mut system = System {
        spec,
        frames: channels_last(&case.shared("input")?)?,
        options: BARE,
        neuron: Arc::new(lif(0.5, 0.2)),
        head: Head::Votes,
        loss: Loss::MeanSquares,
        tensors_alone: true,
        parameters: Vec::new(),
        norms: Vec::new(),
        spikes: Vec::new(),
    };
    for (theirs, ours, layout, spikes) in [
        ("conv1", "4C3-1", Layout::Conv, "1"),
        ("conv2", "4C3-2", Layout::Conv, "2"),
        ("fc1", "8FC-1", Layout::Linear([4, 2, 2]), "fc1"),
        ("fc2", "head", Layout::Linear([8, 1, 1]), "fc2"),
    ] {
        system.biased(theirs, ours, layout);
        system.spikes.push((spikes.to_owned(), ours.to_owned()));
    }
    for (i, ours) in names.into_iter().enumerate() {
        let (theirs, ours) = (format!("norm{}.w", i + 1), format!("{ours}.w"));
        system.parameter(theirs, ours, Layout::Map);
    }
    Ok(system)
}

/// BackEISNN's network.
pub fn backeisnn(case: &Case) -> Result<System> {
    let mut system = System {
        spec: "3C3(BE3)-AP2-4C3(BE5)-AP2-8FC-1Voting",
        frames: channels_last(&case.shared("input")?)?,
        options: BARE,
        neuron: Arc::new(lif(case.golden.field("/theta")?, case.golden.field("/decay")?)),
        head: Head::Votes,
        loss: Loss::MeanSquares,
        tensors_alone: true,
        parameters: Vec::new(),
        norms: Vec::new(),
        spikes: Vec::new(),
    };
    for (product, neurons, ours, layout) in [
        (0, 1, "3C3(BE3)-1", Layout::Conv),
        (3, 4, "4C3(BE5)-1", Layout::Conv),
        (7, 8, "8FC-1", Layout::Linear([4, 2, 2])),
        (9, 10, "head", Layout::Linear([8, 1, 1])),
    ] {
        system.biased(&format!("feature.{product}"), ours, layout);
        for which in if layout == Layout::Conv { &["back", "ei"][..] } else { &[] } {
            let (theirs, ours) = (format!("feature.{neurons}.{which}"), format!("{ours}.{which}"));
            system.biased(&theirs, &ours, Layout::Conv);
        }
        system.spikes.push((format!("feature.{neurons}"), ours.to_owned()));
    }
    Ok(system)
}
