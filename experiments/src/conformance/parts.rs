//! `parts`: transforms, dropout, voting, max pooling of ties, loss, batch norm over several calls,
//! six steps of AdamW.

use super::axis_order::{channels_first, channels_last};
use super::check::{Limit, Pair, Rows, values};
use super::form::gradient;
use super::golden::Golden;
use super::layers::{VALUES, gradients_within};
use anyhow::{Context, Result, ensure};
use candle_core::{DType, Device, Tensor, Var};
use events::{Grid, Shape, transforms};
use layers::{BatchNorm, BatchStatistics, Mode, StatisticsOver};
use std::collections::BTreeSet;
use training::{AdamWConfig, Optimiser, Reduction, mse};

type Check = fn(&Golden, &mut Rows) -> Result<()>;
type Transform = Box<dyn Fn(&Grid<f64>) -> Grid<f64>>;

/// Checks every tensor of the file.
pub fn check(golden: &Golden, rows: &mut Rows) -> Result<()> {
    pixels(golden, rows);
    let parts: [(&str, Check); 6] = [
        ("ndropout.", dropout),
        ("voting.", voting),
        ("maxpool_ties.", max_pool),
        ("loss.", loss),
        ("batchnorm.", batch_norm),
        ("adamw.", adamw),
    ];
    for (prefix, part) in parts {
        if let Err(error) = part(golden, rows) {
            rows.add(prefix.trim_end_matches('.'), Err(error));
        }
    }
    Ok(())
}

/// A transform named as its stored result is, such as `rotate.-2.5` or `crop_pad2.3.4`, on the
/// named source.
fn transform(name: &str) -> Option<(&'static str, Transform)> {
    if let Some(degrees) = name.strip_prefix("rotate.") {
        let degrees: f64 = degrees.parse().ok()?;
        return Some(("x", Box::new(move |x| transforms::rotate(x, degrees))));
    }
    if let Some(degrees) = name.strip_prefix("rotate_odd.") {
        let degrees: f64 = degrees.parse().ok()?;
        return Some(("x_odd", Box::new(move |x| transforms::rotate(x, degrees))));
    }
    if let Some(size) = name.strip_prefix("resize_nearest_") {
        let size: u16 = size.parse().ok()?;
        return Some((
            "x",
            Box::new(move |x| transforms::resize_nearest(x, size.into(), size.into())),
        ));
    }
    if let Some(crop) = name.strip_prefix("crop_pad") {
        let mut numbers = crop.split('.').map(|number| number.parse::<u16>().map(usize::from));
        let (padding, row, column) =
            (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
        return Some(("x", Box::new(move |x| transforms::crop(x, padding, row, column))));
    }
    (name == "hflip").then(|| ("x", Box::new(transforms::hflip) as Transform))
}

fn pixels(golden: &Golden, rows: &mut Rows) {
    for name in golden.names("") {
        if let Some((source, transform)) = transform(name) {
            let ours = || -> Result<Tensor> {
                let source = golden.input(source)?;
                ensure!(source.rank() == 4, "expected [T,C,H,W], found shape {:?}", source.dims());
                let maps = channels_last(&source.to_dtype(DType::F64)?)?;
                let (steps, height, width, channels) = maps.dims4()?;
                let grid = Grid::new(Shape { steps, height, width, channels }, values(&maps)?)?;
                let moved = transform(&grid);
                let Shape { steps, height, width, channels } = moved.shape();
                let moved = Tensor::from_vec(
                    moved.into_values(),
                    (steps, height, width, channels),
                    &Device::Cpu,
                )?;
                Ok(channels_first(&moved)?)
            };
            rows.compare_one(name, Limit::Exactly, ours(), golden.tensor(name));
        }
    }
}

/// The reference's mask came from its own random numbers. Ours must do to the input what that mask
/// did: one mask for all steps, of the same values, multiplied.
fn dropout(golden: &Golden, rows: &mut Rows) -> Result<()> {
    let (input, mask) = (golden.input("ndropout.input")?, golden.input("ndropout.mask")?);
    let masked = input.broadcast_mul(&mask.unsqueeze(0)?).map_err(Into::into);
    rows.compare_one(
        "ndropout stored mask",
        Limit::Exactly,
        masked,
        golden.tensor("ndropout.output"),
    );
    let mode = Mode::Train { seed: 0 };
    let ours = layers::dropout(&input.ones_like()?, 0.5, "ndropout", mode)?;
    let first = ours.get(0)?;
    let every_step = first.broadcast_as(ours.shape()).map_err(Into::into);
    rows.compare_one(
        "ndropout our mask is the same in all steps",
        Limit::Exactly,
        Ok(ours),
        every_step,
    );
    let distinct = |mask: &Tensor| -> Result<BTreeSet<String>> {
        Ok(values(mask)?.iter().map(f64::to_string).collect())
    };
    rows.equal("ndropout our mask's values", &distinct(&first)?, &distinct(&mask)?, "equal");
    let ours = layers::dropout(&input, 0.5, "ndropout", mode).map_err(Into::into);
    let product = input.broadcast_mul(&first.unsqueeze(0)?).map_err(Into::into);
    rows.compare_one("ndropout our mask multiplies", Limit::Exactly, ours, product);
    let ours = layers::dropout(&input, 0.5, "ndropout", Mode::Eval).map_err(Into::into);
    rows.compare_one("ndropout evaluation", Limit::Exactly, ours, Ok(input));
    Ok(())
}

fn voting(golden: &Golden, rows: &mut Rows) -> Result<()> {
    let (units, votes) = (golden.input("voting.input")?, golden.input("voting.output")?);
    let voters = units.dim(1)? / votes.dim(1)?;
    rows.compare_one("voting", VALUES, layers::vote(&units, voters).map_err(Into::into), Ok(votes));
    Ok(())
}

fn max_pool(golden: &Golden, rows: &mut Rows) -> Result<()> {
    let stored = |name: &str| golden.input(&format!("maxpool_ties.{name}"));
    let (input, output) = (stored("input")?, stored("output")?);
    let input = Var::from_tensor(&channels_last(&input)?)?;
    let size = input.dim(1)? / output.dim(2)?;
    let pooled = layers::max_pool2d(&input, size)?;
    rows.compare_one("maxpool_ties", Limit::Exactly, Ok(channels_first(&pooled)?), Ok(output));
    let gradients = (&pooled * channels_last(&stored("grad_out")?)?)?.sum_all()?.backward()?;
    let ours = channels_first(&gradient(&gradients, "the input", &input)?)?;
    rows.compare_one("maxpool_ties gradient", Limit::Exactly, Ok(ours), stored("grad_in"));
    Ok(())
}

fn loss(golden: &Golden, rows: &mut Rows) -> Result<()> {
    let scores = Var::from_tensor(&golden.input("loss.output")?)?;
    let labels: Vec<u32> =
        golden.integers("loss.target")?.into_iter().map(u32::try_from).collect::<Result<_, _>>()?;
    let loss = mse(&scores, &labels, Reduction::Mean)?;
    rows.compare_one(
        "loss",
        VALUES,
        loss.reshape(1).map_err(Into::into),
        golden.tensor("loss.value"),
    );
    let ours = gradient(&loss.backward()?, "the scores", &scores);
    rows.compare_one(
        "loss gradient",
        gradients_within(scores.dtype()),
        ours,
        golden.tensor("loss.grad"),
    );
    Ok(())
}

/// The reference's calls one after the other are our time steps.
fn batch_norm(golden: &Golden, rows: &mut Rows) -> Result<()> {
    let input = golden.input("batchnorm.input")?;
    let calls = input.dim(0)?;
    let x = channels_last(&input)?;
    let zero = Tensor::zeros(x.dim(candle_core::D::Minus1)?, x.dtype(), &Device::Cpu)?;
    let one = (&zero + 1.0)?;
    let running = [zero.clone(), one.clone()];
    let mut norm = BatchNorm::new(one, zero, running, StatisticsOver::Step);
    let (y, statistics) = norm.forward(&x, Mode::Train { seed: 0 })?;
    let statistics = statistics.context("batch norm gave no statistics")?;
    let trained = channels_first(&y).map_err(Into::into);
    rows.compare_one(
        "batchnorm training",
        VALUES,
        trained,
        golden.tensor("batchnorm.train_output"),
    );
    let mut pairs = vec![];
    let mut running = (norm.running_mean.clone(), norm.running_var.clone());
    for n in 1..=calls {
        let first = |rows: &Tensor| rows.narrow(0, 0, n);
        let so_far = BatchStatistics {
            mean: first(&statistics.mean)?,
            unbiased_var: first(&statistics.unbiased_var)?,
            momentum: norm.momentum,
        };
        running = so_far.update(&norm.running_mean, &norm.running_var)?;
        for (what, ours) in [("mean", &running.0), ("var", &running.1)] {
            let name = format!("batchnorm.running_{what}_after_{n}");
            pairs.push(Pair { golden: golden.tensor(&name)?, name, ours: ours.clone() });
        }
    }
    rows.compare("batchnorm running statistics", VALUES, Ok(pairs));
    (norm.running_mean, norm.running_var) = running;
    let (y, _) = norm.forward(&x.narrow(0, 0, 1)?, Mode::Eval)?;
    let evaluated = channels_first(&y.get(0)?).map_err(Into::into);
    rows.compare_one(
        "batchnorm evaluation",
        VALUES,
        evaluated,
        golden.tensor("batchnorm.eval_output"),
    );
    Ok(())
}

fn adamw(golden: &Golden, rows: &mut Rows) -> Result<()> {
    let gradients = golden.input("adamw.grads")?;
    let weights = Var::from_tensor(&golden.input("adamw.w0")?)?;
    let mut optimiser =
        Optimiser::adamw(vec![("w".into(), weights.clone())], AdamWConfig::default())?;
    let mut after = vec![];
    for step in 0..gradients.dim(0)? {
        // the gradient of Σ w·g is g itself
        let gradient = (weights.as_tensor() * gradients.get(step)?)?.sum_all()?.backward()?;
        optimiser.step(&gradient, 1e-3)?;
        after.push(weights.as_detached_tensor().copy()?);
    }
    rows.compare_one(
        "adamw",
        VALUES,
        Ok(Tensor::stack(&after, 0)?),
        golden.tensor("adamw.w_after"),
    );
    Ok(())
}
