//! HM2-BP and ST-RSBP: one sample through a hidden and an output layer.
//!
//! ST-RSBP's sums of ∂S/∂n come from a polynomial that was fitted to random trains and that we do
//! not ship: they are read from the file, and all that is made of them is compared.

use crate::conformance::check::{Limit, Rows, values};
use crate::conformance::golden::Golden;
use anyhow::{Result, bail, ensure};
use candle_core::{Device, Tensor};
use traces::{Layer, Output, Side, Trains, lateral_factors};

fn matrix(tensor: &Tensor) -> Result<Vec<Vec<f64>>> {
    let (_, columns) = tensor.dims2()?;
    Ok(values(tensor)?.chunks(columns.max(1)).map(<[f64]>::to_vec).collect())
}

/// Spike times of `[T, N]`.
fn trains(spikes: &Tensor) -> Result<Trains> {
    let rows = matrix(spikes)?;
    let units = spikes.dim(1)?;
    let of = |unit: usize| (0..rows.len()).filter(|&t| rows[t][unit] > 0.0).collect();
    Ok((0..units).map(of).collect())
}

/// `[T, N]` of spike times.
fn spikes(trains: &Trains, steps: usize) -> Result<Tensor> {
    let mut all = vec![0f64; steps * trains.len()];
    for (unit, train) in trains.iter().enumerate() {
        train.iter().for_each(|t| all[t * trains.len() + unit] = 1.0);
    }
    Ok(Tensor::from_vec(all, (steps, trains.len()), &Device::Cpu)?)
}

fn layers(golden: &Golden) -> Result<Vec<Layer>> {
    let thresholds: Vec<f64> = golden.field("/thresholds")?;
    let count = thresholds.len();
    let layer = |(k, threshold)| {
        Ok(Layer {
            weight: matrix(&golden.input(&format!("param.{k}"))?)?,
            lateral: if k + 1 == count { golden.field("/lateral")? } else { 0.0 },
            threshold,
            tau_m: golden.field("/tau_m")?,
            tau_s: golden.field("/tau_s")?,
            refractory: golden.field("/refractory")?,
        })
    };
    thresholds.into_iter().enumerate().map(layer).collect()
}

/// Compares values with a stored tensor.
fn compare(golden: &Golden, rows: &mut Rows, name: &str, ours: &[f64]) {
    let name = format!("f64.{name}");
    let stored = golden.tensor(&name);
    let ours = stored.as_ref().map_or_else(
        |_| Tensor::new(ours, &Device::Cpu),
        |stored| Tensor::from_slice(ours, stored.shape(), &Device::Cpu),
    );
    rows.compare_one(&name, Limit::OfLargest(1e-9), ours.map_err(Into::into), stored);
}

/// Checks a file of HM2-BP, or `simulated` of ST-RSBP.
pub fn check(golden: &Golden, simulated: bool, rows: &mut Rows) -> Result<()> {
    let steps: usize = golden.field("/T")?;
    let [label] = golden.integers("labels").or_else(|_| golden.integers("label"))?[..] else {
        bail!("expected one sample")
    };
    let label = usize::try_from(label)?;
    let net = layers(golden)?;
    let [hidden, output] = &net[..] else { bail!("expected two layers, found {}", net.len()) };
    let input = trains(&golden.input("input")?)?;
    let of_hidden = hidden.forward(&input, steps);
    let of_output = output.forward(&of_hidden, steps);
    ensure!(label < of_output.len(), "expected a label below {}, found {label}", of_output.len());
    for (k, ours) in [&of_hidden, &of_output].into_iter().enumerate() {
        let name = format!("spike.{k}");
        rows.compare_one(&name, Limit::Exactly, spikes(ours, steps), golden.tensor(&name));
    }
    let wanted = Output {
        desired: golden.field("/desired")?,
        undesired: golden.field("/undesired")?,
        margin: golden.field("/margin")?,
    };
    let (cost, delta) = wanted.cost(&of_output, label);
    compare(golden, rows, "cost", &[cost]);
    let helped = wanted.helped(&of_output, label, steps);
    let lateral = lateral_factors(output, &of_output, &helped);
    compare(golden, rows, "lateral", &lateral);
    let of_trains = [&input, &of_hidden, &helped];
    let effects = [
        hidden.effects(&input, &of_hidden, simulated),
        output.effects(&of_hidden, &helped, simulated),
    ];
    for (k, effects) in effects.iter().enumerate() {
        compare(golden, rows, &format!("effect.{k}"), &effects.concat());
    }
    let known = Known { golden, net: &net, trains: of_trains, effects: &effects };
    gradients(&known, &delta, &lateral, simulated, rows)
}

/// What the gradients of a file are made of.
struct Known<'a> {
    golden: &'a Golden,
    net: &'a [Layer],
    /// Of the input, the hidden layer and the output, which may have been helped.
    trains: [&'a Trains; 3],
    effects: &'a [Vec<Vec<f64>>; 2],
}

fn gradients(
    known: &Known,
    delta: &[f64],
    lateral: &[f64],
    simulated: bool,
    rows: &mut Rows,
) -> Result<()> {
    let Known { golden, net, trains, effects } = *known;
    let [hidden, output] = net else { bail!("expected two layers, found {}", net.len()) };
    let sums = match simulated {
        true => vec![values(&golden.tensor("f64.sum.0")?)?, values(&golden.tensor("f64.sum.1")?)?],
        false => Vec::new(),
    };
    let side = |k: usize| sums.get(k).map_or(Side::Count, |sums| Side::Sums(sums));
    let over = |values: &[f64], layer: &Layer| -> Vec<f64> {
        values.iter().map(|v| v / layer.threshold).collect()
    };
    let of_output = over(delta, output);
    let pair = [trains[1], trains[2]];
    let of_hidden = over(&output.below(&of_output, &effects[1], pair, &side(1)), hidden);
    let plain = vec![1.0; of_hidden.len()];
    let constant = |name: &str| golden.field::<f64>(&format!("/regularisation/{name}"));
    for (k, layer) in net.iter().enumerate() {
        let (delta, lateral) = [(&of_hidden[..], &plain[..]), (&of_output, lateral)][k];
        if !simulated {
            compare(golden, rows, &format!("delta.{k}"), delta);
        }
        let g = layer.gradient(delta, &effects[k], trains[k + 1], lateral, &side(k));
        let more =
            layer.regularisation(constant("lambda_")?, constant("beta")?, constant("limit")?);
        let g: Vec<f64> = g.concat().iter().zip(more.concat()).map(|(g, more)| g + more).collect();
        compare(golden, rows, &format!("grad.{k}"), &g);
    }
    Ok(())
}
