//! `tdbn_norm` and `…_network` of the comparators: the networks of other systems, built from our
//! notation and the options of a run, in tensor operations of both precisions and event-driven.

mod others;
mod pass;
mod spatial;

use super::axis_order::{Layout, channels_last};
use super::check::{Limit, Rows};
use super::form::gradient;
use super::golden::Golden;
use anyhow::{Context, Result, bail};
use candle_core::{Tensor, Var};
use layers::{BatchNorm, Mode};
use models::{Biases, Norm, NormOptions, StageOptions, StatisticsOver};
use neuron::{Fires, Lif, Neuron, Reset, ResetGradient};
use pass::{Head, Loss, System};
use std::sync::Arc;
use surrogate::{Rectangular, Triangular};

/// The README's limit for outputs.
const OUTPUTS: Limit = Limit::OfLargest(1e-6);

/// Files that this module checks.
pub const FILES: [&str; 9] = [
    "tdbn_norm",
    "tdbn_network",
    "bntt_network",
    "lisnn_network",
    "sbpsnn_network",
    "neunorm_norm",
    "neunorm_network",
    "backeisnn_neuron",
    "backeisnn_network",
];

/// Checks every tensor of the file `stem`.
pub fn check(golden: &Golden, stem: &str, rows: &mut Rows) -> Result<()> {
    for seed in golden.keys("/seeds")? {
        let case = Case { golden, seed: &seed };
        match stem {
            "tdbn_norm" => tdbn_norm(&case, rows)?,
            "tdbn_network" => pass::check(&case, &tdbn(&case)?, rows)?,
            "bntt_network" => {
                let signs = |random: Tensor, size: &Tensor| (random * 2.0)?.le(size);
                encoder(&case, rows, &signs)?;
                pass::check(&case, &bntt(&case)?, rows)?;
            }
            "lisnn_network" => pass::check(&case, &others::lisnn(&case)?, rows)?,
            "neunorm_norm" => spatial::neunorm_norm(&case, rows)?,
            "neunorm_network" => pass::check(&case, &spatial::neunorm(&case)?, rows)?,
            "backeisnn_neuron" => spatial::backeisnn_neuron(&case, rows)?,
            "backeisnn_network" => pass::check(&case, &spatial::backeisnn(&case)?, rows)?,
            "sbpsnn_network" => {
                let signs = |random: Tensor, size: &Tensor| (size * 0.5)?.gt(&random);
                encoder(&case, rows, &signs)?;
                others::sbpsnn(&case, rows)?;
            }
            _ => bail!("no system has this name"),
        }
    }
    Ok(())
}

/// One seed of a file.
struct Case<'g> {
    golden: &'g Golden,
    seed: &'g str,
}

impl Case<'_> {
    /// A constant of the seed.
    fn constant<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T> {
        self.golden.field(&format!("/seeds/{}/{name}", self.seed))
    }

    /// A value that both precisions share.
    fn shared(&self, name: &str) -> Result<Tensor> {
        self.golden.input(&format!("{}.{name}", self.seed))
    }

    /// What the reference found in the precision `tag`.
    fn stored(&self, tag: &str, name: &str) -> Result<Tensor> {
        self.golden.tensor(&format!("{}.{tag}.{name}", self.seed))
    }
}

/// Maps with time as the last axis, `[B, C, H, W, T]`, as ours.
fn time_first(maps: &Tensor) -> Result<Tensor> {
    Ok(channels_last(&maps.permute((4, 0, 1, 2, 3))?)?)
}

/// The inverse of [`time_first`].
fn time_last(maps: &Tensor) -> Result<Tensor> {
    Ok(maps.permute((1, 4, 2, 3, 0))?.contiguous()?)
}

fn tdbn_norm(case: &Case, rows: &mut Rows) -> Result<()> {
    let (alpha, theta): (f64, f64) = (case.constant("alpha")?, case.constant("theta")?);
    for (tag, dtype) in case.golden.precisions(&format!("{}.", case.seed))? {
        let read = |name: &str| -> Result<Tensor> { Ok(case.shared(name)?.to_dtype(dtype)?) };
        let (weight, bias) =
            (Var::from_tensor(&read("weight")?)?, Var::from_tensor(&read("bias")?)?);
        let x = Var::from_tensor(&time_first(&read("input")?)?)?;
        let of = |var: &Var| var.as_tensor().clone();
        let norm = BatchNorm {
            scale: alpha * theta,
            eps: case.golden.field("/eps")?,
            momentum: case.golden.field("/momentum")?,
            ..BatchNorm::new(
                of(&weight),
                of(&bias),
                [read("running_mean")?, read("running_var")?],
                StatisticsOver::Time,
            )
        };
        let (y, statistics) = norm.forward(&x, Mode::Train { seed: 0 })?;
        let statistics = statistics.context("batch norm gave no statistics")?;
        let g = time_first(&read("grad_out")?)?;
        let gradients = (&y * g)?.sum_all()?.backward()?;
        let (mean, var) = statistics.update(&norm.running_mean, &norm.running_var)?;
        let after = BatchNorm { running_mean: mean.clone(), running_var: var.clone(), ..norm };
        let evaluated = after.forward(&time_first(&read("eval_input")?)?, Mode::Eval)?.0;
        for (name, ours) in [
            ("output", time_last(&y)?),
            ("grad_in", time_last(&gradient(&gradients, "input", &x)?)?),
            ("grad.weight", gradient(&gradients, "weight", &weight)?),
            ("grad.bias", gradient(&gradients, "bias", &bias)?),
            ("after.running_mean", mean),
            ("after.running_var", var),
            ("eval_output", time_last(&evaluated)?),
        ] {
            let row = format!("{} {tag} {name}", case.seed);
            rows.compare_one(&row, OUTPUTS, Ok(ours), case.stored(tag, name));
        }
    }
    Ok(())
}

/// STBP-tdBN's residual network.
fn tdbn(case: &Case) -> Result<System> {
    let threshold = case.constant("theta")?;
    let neuron = Lif {
        threshold,
        decay: case.constant("tau")?,
        fires: Fires::AboveThreshold,
        reset: Reset::ToZero,
        reset_gradient: ResetGradient::Differentiated,
        surrogate: Rectangular { half_width: 0.5 },
    };
    let norm = Norm::Batch(NormOptions {
        over: StatisticsOver::Time,
        scale: threshold,
        branch_scale: 0.5f64.sqrt(),
        ..NormOptions::default()
    });
    let mut system = System {
        spec: "4C3-6RB3/2(post)-AP2-8FC-1Voting",
        frames: time_first(&case.shared("input")?)?,
        options: StageOptions { norm, rectify: false, bias: Biases::Linear, ..others::BARE },
        neuron: Arc::new(neuron),
        head: Head::Votes,
        // words of the file's loss: "cross entropy (example.py)", "mse …"
        loss: match case.golden.field::<String>(&format!("/loss/{}", case.seed))? {
            text if text.starts_with("cross entropy") => Loss::CrossEntropy,
            _ => Loss::MeanSquares,
        },
        tensors_alone: false,
        parameters: Vec::new(),
        norms: Vec::new(),
        spikes: Vec::new(),
    };
    for (theirs, norm, ours, spikes) in [
        ("conv1_s.layer", "conv1_s.bn", "4C3-1", Some("1")),
        ("block.conv1", "block.bn1", "6RB3/2(post)-1.1", None),
        ("block.conv2", "block.bn2", "6RB3/2(post)-1.2", Some("block")),
        ("block.downsample.layer", "block.downsample.bn", "6RB3/2(post)-1.shortcut", None),
    ] {
        system.parameter(format!("{theirs}.weight"), format!("{ours}.weight"), Layout::Conv);
        for what in ["weight", "bias"] {
            let ours = format!("{ours}.norm.{what}");
            system.parameter(format!("{norm}.{what}"), ours, Layout::Vector);
        }
        system.norms.push((norm.to_owned(), ours.to_owned()));
        system.spikes.extend(spikes.map(|name| (name.to_owned(), ours.to_owned())));
    }
    for (theirs, ours, map) in [("fc1", "8FC-1", [6, 2, 2]), ("fc2", "head", [8, 1, 1])] {
        let (theirs_layer, spikes) = (format!("{theirs}_s.layer"), (theirs.into(), ours.into()));
        let weight = (format!("{theirs_layer}.weight"), format!("{ours}.weight"));
        system.parameter(weight.0, weight.1, Layout::Linear(map));
        let bias = (format!("{theirs_layer}.bias"), format!("{ours}.bias"));
        system.parameter(bias.0, bias.1, Layout::Vector);
        system.spikes.push(spikes);
    }
    Ok(system)
}

/// BNTT's VGG9; the last layer's currents are its votes.
fn bntt(case: &Case) -> Result<System> {
    let neuron: Arc<dyn Neuron> = Arc::new(Lif {
        threshold: 1.0,
        decay: case.constant("leak")?,
        fires: Fires::AboveThreshold,
        reset: Reset::Subtract,
        reset_gradient: ResetGradient::Detached,
        surrogate: Triangular { half_width: 1.0, height: 0.3 },
    });
    let steps = case.golden.field("/T")?;
    let norm = Norm::Batch(NormOptions {
        per_step_weight: true,
        per_step_running: true,
        shift: false,
        linear: true,
        eps: case.golden.field("/bn/eps")?,
        momentum: case.golden.field("/bn/momentum")?,
        ..NormOptions::default()
    });
    let mut system = System {
        spec: "2C3-2C3-AP2-4C3-4C3-AP2-6C3-6C3-6C3-AP2-8FC-1Voting",
        frames: channels_last(&case.shared("encoded")?)?,
        options: StageOptions {
            norm,
            rectify: false,
            bias: Biases::None,
            steps: Some(steps),
            ..StageOptions::default()
        },
        neuron,
        head: Head::Currents,
        loss: Loss::CrossEntropy,
        tensors_alone: false,
        parameters: Vec::new(),
        norms: Vec::new(),
        spikes: Vec::new(),
    };
    let stages = ["2C3-1", "2C3-2", "4C3-1", "4C3-2", "6C3-1", "6C3-2", "6C3-3", "8FC-1"];
    for (i, ours) in stages.into_iter().enumerate() {
        let (norm, theirs, layout) = match ours {
            "8FC-1" => ("bntt_fc".to_owned(), "fc1".to_owned(), Layout::Linear([6, 1, 1])),
            _ => (format!("bntt{}", i + 1), format!("conv{}", i + 1), Layout::Conv),
        };
        system.parameter(format!("{theirs}.weight"), format!("{ours}.weight"), layout);
        let weight = format!("{ours}.norm.weight");
        system.parameter(format!("{norm}.{{t}}.weight"), weight, Layout::Vector);
        system.norms.push((format!("{norm}.{{t}}"), ours.to_owned()));
        system.spikes.push((i.to_string(), ours.to_owned()));
    }
    system.parameter("fc2.weight".into(), "head.weight".into(), Layout::Linear([8, 1, 1]));
    Ok(system)
}

/// Which pixels spike: of the encoder's random numbers and the size of each pixel.
type Spikes<'a> = &'a dyn Fn(Tensor, &Tensor) -> candle_core::Result<Tensor>;

/// An encoder on the file's random numbers: spikes of the image's sign.
fn encoder(case: &Case, rows: &mut Rows, spikes: Spikes) -> Result<()> {
    let (random, image) = (case.shared("random")?, case.shared("image")?);
    let image = image.unsqueeze(0)?.broadcast_as(random.shape())?;
    let fires = spikes(random, &image.abs()?)?.to_dtype(image.dtype())?;
    let ours = (fires * image.sign()?)?;
    let row = format!("{} encoded", case.seed);
    rows.compare_one(&row, Limit::Exactly, Ok(ours), case.shared("encoded"));
    Ok(())
}
