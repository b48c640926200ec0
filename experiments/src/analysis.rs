//! What a trained network does on its test set: counts, decisions over time, energies, and one
//! sample in detail.

use crate::Run;
use anyhow::Result;
use candle_core::{Device, Tensor};
use energy::latency::{Anytime, anytime};
use energy::{Activity, Column, detailed, neurobench, observe};
use models::{Frames, Layer, Mode, Network};
use report::{Analysis, Histogram, Latency, LayerActivity, LayerTrace, Membrane, Metric, Trace};
use std::time::Instant;
use training::{Compute, Head, Set};

/// Energy of a network of equal structure that multiplies everywhere, once: see docs/energy.md.
pub const DENSE_UJ: &str = "ANN energy, FP32";
/// Energy of the operations that took place.
pub const FP32_UJ: &str = "SNN energy, FP32";
/// The first over the second.
pub const FP32_RATIO: &str = "ANN/SNN, FP32";

/// Test samples that are looked at: each costs a pass layer by layer in tensor operations.
const SAMPLES: usize = 256;
/// Samples timed one by one.
const TIMED: usize = 64;
/// Neurons of a layer shown in a raster.
const SHOWN: usize = 48;
/// Bins of a histogram of membranes, which spans from three thresholds below 0 to five above.
const BINS: usize = 64;

/// Looks at the first samples of a test set.
///
/// # Errors
/// A sample that cannot be read, or a failing device.
pub fn analyse(
    run: &Run,
    network: &Network,
    set: Set<'_>,
    compute: &Compute,
    device: &Device,
) -> Result<Analysis> {
    let n = set.samples.len().min(SAMPLES);
    let classes = run.data.info().classes;
    let (mut activity, mut decisions, mut labels) =
        (Activity::default(), Anytime::default(), Vec::new());
    // an analogue network says the same of a still image every time, and is shown it once
    let once = set.encoding.once();
    let set = if run.is_analogue() { Set { encoding: &once, ..set } } else { set };
    // one by one, so that no sample's inputs decide what another's operations are
    for i in 0..n {
        let (frames, of_batch) = set.frames(&[i], &run.setup, device)?;
        let votes = increments(run.setup.head, observe(network, &frames, &mut activity)?)?;
        let [steps, samples, kinds] = *votes.dims() else {
            anyhow::bail!("votes of {:?}", votes.shape())
        };
        let votes: Vec<f32> = votes.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?;
        decisions.merge(anytime(&votes, [steps, samples, kinds], &of_batch)?)?;
        labels.extend(of_batch);
    }
    let mut confusion = vec![vec![0; classes.len()]; classes.len()];
    for (&label, &said) in labels.iter().zip(&decisions.predictions) {
        confusion[label as usize][said as usize] += 1;
    }
    Ok(Analysis {
        samples: n as u64,
        steps: decisions.correct.len(),
        layers: activity.layers.iter().map(layer).collect(),
        classes: classes.iter().map(ToString::to_string).collect(),
        confusion,
        anytime_percent: decisions.percent(),
        final_from_step: decisions.final_from_step,
        latency: latency(run, network, set, compute, device)?,
        energy: energies(&activity),
        trace: trace(run, network, set, device, decisions.predictions.first().copied())?,
    })
}

/// What each step adds to the scores: a vote, or what a membrane that is read gained.
fn increments(head: Head, votes: Tensor) -> candle_core::Result<Tensor> {
    if !head.is_charged() {
        return Ok(votes);
    }
    let v = head.outputs(&votes)?;
    let (first, steps) = (v.narrow(0, 0, 1)?, v.dim(0)?);
    if steps == 1 {
        return Ok(first);
    }
    Tensor::cat(&[first, (v.narrow(0, 1, steps - 1)? - v.narrow(0, 0, steps - 1)?)?], 0)
}

/// All columns that are numbers; of a network without neurons those of a network without neurons.
fn energies(activity: &Activity) -> Vec<Metric> {
    let spiking = activity.neurons().next().is_some();
    let all = detailed::columns(activity).into_iter().chain(neurobench::columns(activity));
    let analogue = |c: &Column| {
        ["ANN energy", "ANN memory", "MACs of the ANN"].iter().any(|name| c.name.starts_with(name))
    };
    let kept = all.filter(|c| c.value.is_finite() && (spiking || analogue(c)));
    kept.map(|c| Metric { name: c.name.to_owned(), value: c.value, unit: c.unit.into() }).collect()
}

/// What a column assumes, by its name.
pub fn assumption(name: &str) -> &'static str {
    let none = Activity::default();
    let mut all = detailed::columns(&none).into_iter().chain(neurobench::columns(&none));
    all.find(|c| c.name == name).map_or("", |c| c.assumption)
}

fn layer(layer: &energy::Layer) -> LayerActivity {
    let (synapses, neurons) = (layer.synapses, layer.neurons);
    LayerActivity {
        name: layer.name.clone(),
        neurons: neurons.map_or(0, |n| n.neurons),
        spikes: neurons.map_or(0, |n| n.spikes),
        input_nonzero: synapses.map_or(0, |s| s.input_nonzero),
        input_values: synapses.map_or(0, |s| s.input_values),
        accumulates: synapses.map_or(0, |s| s.accumulates),
        multiply_accumulates: synapses.map_or(0, |s| s.multiply_accumulates),
        dense: synapses.map_or(0, |s| s.dense),
    }
}

/// Time of single samples, by the passes that would serve them; only on the CPU, where a pass ends
/// when it returns.
fn latency(
    run: &Run,
    network: &Network,
    set: Set<'_>,
    compute: &Compute,
    device: &Device,
) -> Result<Option<Latency>> {
    if !device.is_cpu() {
        return Ok(None);
    }
    let blocks = if compute.blocks { network.event_driven() } else { None };
    let mut times = Vec::new();
    for i in 0..set.samples.len().min(TIMED) {
        let (frames, _) = set.frames(&[i], &run.setup, device)?;
        let (steps, b, h, w, c) = frames.dims5()?;
        let still = set.encoding.repeats() && steps > 1;
        let shown = if still { frames.narrow(0, 0, 1)? } else { frames.clone() };
        let values: Vec<f32> = shown.flatten_all()?.to_vec1()?;
        let pass = || -> Result<Tensor> {
            Ok(match &blocks {
                Some(blocks) => {
                    let frames =
                        Frames { values: &values, bytes: None, steps, shape: [b, h, w, c], still };
                    blocks.scores(frames, Mode::Eval, compute.options, &mut ())?
                }
                None => network.forward(&frames, Mode::Eval, &mut ())?,
            })
        };
        if i == 0 {
            // once for warm memory and threads
            pass()?;
        }
        let start = Instant::now();
        pass()?;
        times.push(1e3 * start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let at = |part: f64| {
        times.get(((times.len() as f64 * part).ceil() as usize).saturating_sub(1)).copied()
    };
    Ok(at(0.5).zip(at(0.9)).zip(at(0.99)).map(|((p50_ms, p90_ms), p99_ms)| Latency {
        samples: times.len() as u64,
        p50_ms,
        p90_ms,
        p99_ms,
    }))
}

/// The first test sample through all layers of neurons; `predicted` is what the network says of it.
///
/// # Errors
/// A sample that cannot be read, or a failing device.
pub fn trace(
    run: &Run,
    network: &Network,
    set: Set<'_>,
    device: &Device,
    predicted: Option<u32>,
) -> Result<Option<Trace>> {
    let Some(predicted) = predicted else { return Ok(None) };
    let (frames, labels) = set.frames(&[0], &run.setup, device)?;
    let mut layers = Vec::new();
    network.walk(&frames, &mut |layer, x, _| {
        if let Layer::Neuron(name, neuron) = layer {
            let (u, o) = neuron::membranes(neuron.as_ref(), x)?;
            let rows = |t: &Tensor| t.flatten_from(1)?.to_device(&Device::Cpu)?.to_vec2::<f32>();
            let threshold = run.neuron_of(name).map_err(candle_core::Error::wrap)?.threshold;
            layers.push(layer_trace(name, threshold, &rows(&u)?, &rows(&o)?));
        }
        Ok(())
    })?;
    Ok((!layers.is_empty()).then(|| Trace { sample: 0, label: labels[0], predicted, layers }))
}

/// `u` and `o`: for each step the membranes and spikes of all neurons.
fn layer_trace(name: &str, threshold: f64, u: &[Vec<f32>], o: &[Vec<f32>]) -> LayerTrace {
    let neurons = u.first().map_or(0, Vec::len);
    let count = neurons.min(SHOWN);
    let shown: Vec<usize> = (0..count).map(|i| i * neurons / count).collect();
    let steps_of = |n: usize| (0..o.len()).filter(|&t| o[t][n] > 0.0).collect::<Vec<usize>>();
    let spikes: Vec<Vec<usize>> = shown.iter().map(|&n| steps_of(n)).collect();
    let most = (0..count).max_by_key(|&i| (spikes[i].len(), std::cmp::Reverse(i))).unwrap_or(0);
    let neuron = shown.get(most).copied().unwrap_or(0);
    let edges: Vec<f64> =
        (0..=BINS).map(|i| threshold * (8.0 * i as f64 / BINS as f64 - 3.0)).collect();
    let mut counts = vec![0; BINS];
    for &u in u.iter().flatten() {
        let place = (f64::from(u) / threshold + 3.0) / 8.0 * BINS as f64;
        counts[(place.max(0.0) as usize).min(BINS - 1)] += 1;
    }
    LayerTrace {
        name: name.to_owned(),
        neurons: neurons as u64,
        membrane: Membrane {
            neuron: neuron as u64,
            threshold,
            u: u.iter().filter_map(|step| step.get(neuron)).map(|&u| f64::from(u)).collect(),
            spikes: spikes.get(most).cloned().unwrap_or_default(),
        },
        shown: shown.into_iter().map(|n| n as u64).collect(),
        spikes,
        histogram: Histogram { edges, counts },
    }
}
