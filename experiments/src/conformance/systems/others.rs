//! Networks without a norm: LISNN and SBPSNN.

use super::pass::{self, Head, Loss, System};
use super::{Case, OUTPUTS, time_first};
use crate::conformance::axis_order::{Layout, channels_last};
use crate::conformance::check::Rows;
use anyhow::{Context, Result};
use layers::Masks;
use models::{Biases, Norm, StageOptions};
use neuron::cells::sbpsnn::{Constants, Factor};
use neuron::{Config, Fires, Kind, Lif, Reset, ResetGradient};
use std::sync::Arc;
use surrogate::{Kind as Surrogate, Rectangular, WhereFired};

pub const BARE: StageOptions = StageOptions {
    norm: Norm::None,
    rectify: false,
    bias: Biases::All,
    dropout: Masks::Pass,
    steps: None,
};

/// LISNN: lateral connections in its convolutions.
pub fn lisnn(case: &Case) -> Result<System> {
    let neuron = Lif {
        threshold: case.golden.field("/theta")?,
        decay: case.golden.field("/decay")?,
        fires: Fires::AboveThreshold,
        reset: Reset::ToZero,
        reset_gradient: ResetGradient::Differentiated,
        surrogate: Rectangular { half_width: 0.5 },
    };
    let mut system = System {
        spec: "3C3(L5)-AP2-4C3(L5)-AP2-8FC-1Voting",
        frames: time_first(&case.shared("input")?)?,
        options: BARE,
        neuron: Arc::new(neuron),
        head: Head::Votes,
        loss: Loss::MeanSquares,
        tensors_alone: false,
        parameters: Vec::new(),
        norms: Vec::new(),
        spikes: Vec::new(),
    };
    let fc = [Layout::Linear([4, 2, 2]), Layout::Linear([8, 1, 1])];
    for (i, (theirs, ours, layout)) in [
        ("conv1", "3C3(L5)-1", Layout::Conv),
        ("conv2", "4C3(L5)-1", Layout::Conv),
        ("fc1", "8FC-1", fc[0]),
        ("fc2", "head", fc[1]),
    ]
    .into_iter()
    .enumerate()
    {
        system.parameter(format!("{theirs}.weight"), format!("{ours}.weight"), layout);
        system.parameter(format!("{theirs}.bias"), format!("{ours}.bias"), Layout::Vector);
        if layout == Layout::Conv {
            let (theirs, ours) = (format!("lateral{}.weight", i + 1), format!("{ours}.lateral"));
            system.parameter(theirs, format!("{ours}.weight"), Layout::Conv);
        }
        system.spikes.push((i.to_string(), ours.to_owned()));
    }
    Ok(system)
}

/// SBPSNN's LeNet, with neurons behind its pools.
pub fn sbpsnn(case: &Case, rows: &mut Rows) -> Result<()> {
    let (threshold, leak): (f64, f64) = (case.golden.field("/theta")?, case.constant("leak")?);
    let neuron = Config {
        kind: Kind::Sbpsnn(Constants { decay: leak, factor: true }),
        threshold,
        fires: Fires::AboveThreshold,
        reset: Reset::ToZero,
        reset_gradient: ResetGradient::Detached,
        surrogate: Surrogate::WhereFired(WhereFired { height: 1.0 / threshold }),
    };
    let mut system = System {
        spec: "3C5-AN2-4C5-AN2-8FC-1Voting",
        frames: channels_last(&case.shared("encoded")?)?,
        options: StageOptions { bias: Biases::None, ..BARE },
        neuron: neuron.build()?,
        head: Head::Membrane { leak, threshold },
        loss: Loss::Squares,
        tensors_alone: false,
        parameters: Vec::new(),
        norms: Vec::new(),
        spikes: Vec::new(),
    };
    for (theirs, ours, layout) in [
        ("cnn1", "3C5-1", Layout::Conv),
        ("cnn2", "4C5-1", Layout::Conv),
        ("fc0", "8FC-1", Layout::Linear([4, 2, 2])),
        ("fc1", "head", Layout::Linear([8, 1, 1])),
    ] {
        system.parameter(format!("{theirs}.weight"), format!("{ours}.weight"), layout);
    }
    let neurons = [("1", "3C5-1"), ("pool1", "AN2-1"), ("2", "4C5-1"), ("pool2", "AN2-2")];
    for (theirs, ours) in neurons.into_iter().chain([("fc0", "8FC-1")]) {
        system.spikes.push((theirs.to_owned(), ours.to_owned()));
    }
    for (tag, dtype) in case.golden.precisions(&format!("{}.", case.seed))? {
        for name in ["1", "2", "fc0"] {
            let spikes = format!("{}.spike.{name}", case.seed);
            let spikes = case.golden.tensor(&spikes)?.to_dtype(dtype)?;
            let row = format!("{} {tag} factor.{name}", case.seed);
            let ours = Factor::of(&spikes, leak).map(|of| of.factor);
            let ours = ours.with_context(|| row.clone());
            rows.compare_one(&row, OUTPUTS, ours, case.stored(tag, &format!("factor.{name}")));
        }
    }
    pass::check(case, &system, rows)
}
