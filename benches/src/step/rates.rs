use super::{Settings, Step};
use anyhow::{Context, Result};
use candle_core::{Device, Tensor};
use models::{Frames, Mode, Observer, Options};
use std::collections::HashMap;

/// Firing rates by layer.
#[derive(Default)]
struct Rates(Vec<(String, f64)>);

impl Observer for Rates {
    fn count(&mut self, layer: &str, spikes: &[u64], chances: u64) -> candle_core::Result<()> {
        let all = chances.max(1) as f64 * spikes.len().max(1) as f64;
        self.0.push((layer.to_owned(), spikes.iter().sum::<u64>() as f64 / all));
        Ok(())
    }
}

/// Samples that the rates are set on.
const SAMPLES: usize = 2;
/// Passes.
const ROUNDS: usize = 24;

/// Shifts the currents of each layer (β of its norm, or the bias of a layer without one) until its
/// neurons fire at `rate` on the first samples of the batch. Returns the rates then found, layer by
/// layer.
///
/// # Errors
/// A network without an event-driven form.
pub fn set_rates(step: &Step, rate: f64, options: Options) -> Result<Vec<(String, f64)>> {
    let blocks = step.network.event_driven().context("this network has no event-driven form")?;
    let Settings { steps, batch, .. } = step.settings;
    let all = step.frames();
    let samples = SAMPLES.min(batch);
    let size: usize = all.shape[1..].iter().product();
    let shown = if all.still { 1 } else { steps };
    let values: Vec<f32> = (0..shown)
        .flat_map(|t| all.values[t * batch * size..][..samples * size].iter().copied())
        .collect();
    let [_, h, w, c] = all.shape;
    let frames = Frames { values: &values, shape: [samples, h, w, c], ..all };
    // dropout is left on: it halves the currents that reach some layers
    let mode = Mode::Train { seed: step.settings.seed };
    let logit = |p: f64| (p.clamp(1e-5, 1.0 - 1e-5) / (1.0 - p.clamp(1e-5, 1.0 - 1e-5))).ln();
    let mut before: HashMap<String, (f64, f64)> = HashMap::new();
    let mut found = Rates::default();
    for round in 0..=ROUNDS {
        found = Rates::default();
        blocks.scores(frames, mode, options, &mut found)?;
        if round == ROUNDS {
            break;
        }
        for (layer, now) in &found.0 {
            let (at, shift) = (logit(*now), shift_of(step, layer)?);
            // the slope between the last two points, if they tell one; else a guess
            let slope = match before.get(layer) {
                Some((b, l)) if (shift - b).abs() > 1e-7 && (at - l) / (shift - b) > 0.5 => {
                    (at - l) / (shift - b)
                }
                _ => 8.0,
            };
            before.insert(layer.clone(), (shift, at));
            let change = ((logit(rate) - at) / slope).clamp(-0.3, 0.3);
            set_shift(step, layer, shift + change)?;
        }
    }
    Ok(found.0)
}

/// The variable that shifts the currents of a layer.
fn variable(step: &Step, layer: &str) -> Result<candle_core::Var> {
    let of = |name: String| step.vars.get(&name);
    let found = of(format!("{layer}.norm.bias")).or_else(|| of(format!("{layer}.bias")));
    found.with_context(|| format!("no bias of the layer {layer}"))
}

fn shift_of(step: &Step, layer: &str) -> Result<f64> {
    Ok(f64::from(variable(step, layer)?.mean_all()?.to_scalar::<f32>()?))
}

fn set_shift(step: &Step, layer: &str, to: f64) -> Result<()> {
    let variable = variable(step, layer)?;
    variable.set(&Tensor::full(to as f32, variable.shape(), &Device::Cpu)?)?;
    Ok(())
}
