//! SLAYER: neurons, its two losses, and gradients of a network.

use super::{Case, Value, of_rows, rows_of, time_first, time_last, values};
use crate::conformance::axis_order::Layout;
use crate::conformance::check::Rows;
use anyhow::{Context, Result, ensure};
use candle_core::{DType, Tensor, Var};
use layers::Conv2d;
use traces::{Counted, Kernel, Slayer, spike_time_loss};

/// The neuron at a place of the JSON.
fn of_file(case: &Case, at: &str, step: &str) -> Result<Slayer> {
    let constant = |name: &str| case.golden.field::<f64>(&format!("{at}/{name}"));
    Ok(Slayer {
        threshold: constant("theta")?,
        tau_sr: constant("tauSr")?,
        tau_ref: constant("tauRef")?,
        scale_ref: constant("scaleRef")?,
        tau_rho: constant("tauRho")?,
        scale_rho: constant("scaleRho")?,
        step: case.golden.field(step)?,
    })
}

/// The spike function on given membranes, and the filter.
pub fn neuron<F: Value>(case: &Case, rows: &mut Rows) -> Result<()> {
    let neuron = of_file(case, "/neuron", "/Ts")?;
    let steps: usize = case.golden.field("/T")?;
    let end = steps as f64 * neuron.step;
    let epsilon: Kernel<F> = neuron.epsilon(end);
    case.values(rows, "epsilon", &epsilon.values);
    case.values(rows, "nu", &neuron.nu::<F>(end).values);
    let mut u: Vec<F> = values(&case.shared("input")?)?;
    let spikes = neuron.fire(&mut u, steps);
    let fired: Vec<F> = spikes.iter().map(|&o| o * F::of(neuron.step)).collect();
    case.spikes(rows, "spike", &fired);
    case.values(rows, "u", &u);
    let g: Vec<F> = values(&case.shared("grad_out")?)?;
    case.values(rows, "grad_in", &neuron.backward(&u, &g));
    // in f32 the reference filtered spikes that were drawn anew, and not stored
    let x: Vec<F> = match F::DTYPE {
        DType::F64 => values(&case.shared("psp_input")?)?,
        _ => spikes_behind(case, &epsilon, steps)?,
    };
    case.values(rows, "psp", &epsilon.forward(&x, steps));
    // the filter was given the first rows of the same gradient
    case.values(rows, "psp_grad_in", &epsilon.adjoint(&g[..x.len()], steps));
    Ok(())
}

/// The spikes, of height 1/step, whose filtered values are stored: an alpha kernel begins at 0, so
/// that a value tells of the spike before it.
fn spikes_behind<F: Value>(case: &Case, epsilon: &Kernel<F>, steps: usize) -> Result<Vec<F>> {
    let stored: Vec<f64> = values(&case.stored("psp")?)?;
    let kernel: Vec<f64> = epsilon.values.iter().filter_map(|e| e.to_f64()).collect();
    let mut spikes = vec![0.0; stored.len()];
    for (spikes, stored) in spikes.chunks_mut(steps).zip(stored.chunks(steps)) {
        for t in 1..stored.len() {
            let before = (2..kernel.len().min(t + 1)).map(|k| kernel[k] * spikes[t - k]);
            let spike = (stored[t] - before.sum::<f64>()) / kernel[1];
            ensure!(
                (spike - spike.round()).abs() < 0.01 && (0.0..1.5).contains(&spike.abs()),
                "psp: expected filtered spikes of 0 and 1, found one of {spike}"
            );
            spikes[t - 1] = spike.round();
        }
    }
    Ok(spikes.into_iter().map(|spike| F::of(spike / epsilon.step)).collect())
}

/// What each class is to fire.
fn counted(case: &Case, at: &str, [region, count]: [&str; 2], step: f64) -> Result<Counted> {
    let region: Vec<f64> = match case.golden.field(&format!("{at}/{region}")) {
        Ok(region) => region,
        Err(_) => ["start", "stop"]
            .iter()
            .map(|end| case.golden.field(&format!("{at}/{region}/{end}")))
            .collect::<Result<_>>()?,
    };
    let [first, end] = region[..] else { anyhow::bail!("expected a region of two times") };
    let count = |class: &str| case.golden.field(&format!("{at}/{count}/{class}"));
    Ok(Counted {
        region: [(first / step) as usize, (end / step) as usize],
        desired: count("true")?,
        undesired: count("false")?,
    })
}

/// Which rows are a label's.
fn labels<F: Value>(case: &Case) -> Result<Vec<bool>> {
    let desired: Vec<F> = values(&case.shared("desired_class")?)?;
    Ok(desired.into_iter().map(|v| v > F::of(0.5)).collect())
}

/// Both losses.
pub fn losses<F: Value>(case: &Case, rows: &mut Rows) -> Result<()> {
    let (step, steps): (f64, usize) = (case.golden.field("/Ts")?, case.golden.field("/T")?);
    let tau: f64 = case.golden.field("/tauSr")?;
    let epsilon: Kernel<F> = Kernel::alpha(tau, 1.0, step, steps as f64 * step);
    let spikes: Vec<F> = values(&case.shared("output")?)?;
    let desired: Vec<F> = values(&case.shared("desired")?)?;
    let wanted = counted(case, "/NumSpikes", ["region", "count"], step)?;
    let (loss, g) = wanted.loss(&spikes, steps, &labels::<F>(case)?, &epsilon);
    case.values(rows, "NumSpikes.loss", &[loss]);
    case.values(rows, "NumSpikes.grad", &g);
    let (loss, g) = spike_time_loss(&spikes, &desired, steps, &epsilon);
    case.values(rows, "SpikeTime.loss", &[loss]);
    case.values(rows, "SpikeTime.grad", &g);
    Ok(())
}

/// What a layer left in the forward pass: of poolings there is no weight.
struct Done<F> {
    name: &'static str,
    below: Var,
    weight: Option<Var>,
    product: Tensor,
    membranes: Vec<F>,
    spikes: Vec<F>,
}

/// Two convolutions, each with a pooling that has neurons of its own, and a dense layer.
pub fn network<F: Value>(case: &Case, rows: &mut Rows) -> Result<()> {
    let golden = case.golden;
    let neuron = of_file(case, "/network/neuron", "/network/simulation/Ts")?;
    let end: f64 = golden.field("/network/simulation/tSample")?;
    let steps = (end / neuron.step) as usize;
    let epsilon: Kernel<F> = neuron.epsilon(end);
    let frames = time_first(&case.shared("input")?, steps)?.affine(1.0 / neuron.step, 0.0)?;
    let mut below = Var::from_tensor(&frames)?;
    let mut done: Vec<Done<F>> = Vec::new();
    let padded = [("conv1", 1), ("pool1", 0), ("conv2", 1), ("pool2", 0), ("fc1", 0)];
    for (name, padding) in padded {
        let x = below.as_tensor();
        let (weight, product) = if name.starts_with("pool") {
            let sum = 4.0 * 1.1 * neuron.threshold;
            (None, layers::avg_pool2d(x, 2)?.affine(sum, 0.0)?)
        } else {
            let stored = case.shared(&format!("param.{name}"))?.squeeze(4)?;
            let weight = Var::from_tensor(&Layout::Conv.ours(&stored)?)?;
            let of_layer = weight.as_tensor().clone();
            let conv = Conv2d { weight: of_layer, bias: None, stride: 1, padding };
            (Some(weight), conv.forward(x)?)
        };
        let mut membranes = epsilon.forward(&rows_of::<F>(&product)?, steps);
        let spikes = neuron.fire(&mut membranes, steps);
        let next = Var::from_tensor(&of_rows(&spikes, &product)?)?;
        let below = std::mem::replace(&mut below, next);
        let fired = of_rows(&spikes, &product)?.affine(neuron.step, 0.0)?;
        case.spikes(rows, &format!("spike.{name}"), &values::<F>(&time_last(&fired)?)?);
        done.push(Done { name, below, weight, product, membranes, spikes });
    }
    let last = done.last().context("expected a layer")?;
    let membranes = of_rows(&last.membranes, &last.product)?;
    case.values(rows, "u.fc1", &values::<F>(&time_last(&membranes)?)?);
    let at = "/network/training/error";
    let wanted = counted(case, at, ["tgtSpikeRegion", "tgtSpikeCount"], neuron.step)?;
    let (loss, mut g) = wanted.loss(&last.spikes, steps, &labels::<F>(case)?, &epsilon);
    case.values(rows, "loss", &[loss]);
    for layer in done.iter().rev() {
        let d = epsilon.adjoint(&neuron.backward(&layer.membranes, &g), steps);
        let d = of_rows(&d, &layer.product)?;
        let grads = (&layer.product * d)?.sum_all()?.backward()?;
        if let Some(weight) = &layer.weight {
            let g = grads.get(weight).context("no gradient arrived")?;
            let stored: Vec<F> = values(&Layout::Conv.golden(g)?)?;
            case.values(rows, &format!("grad.{}", layer.name), &stored);
        }
        g = rows_of(grads.get(&layer.below).context("no gradient arrived")?)?;
    }
    Ok(())
}
