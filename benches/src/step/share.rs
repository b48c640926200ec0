use super::{Settings, Step};
use crate::Method;
use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor};
use layers::dropout_mask;
use models::{Layer, Mode, Observer, Options};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;

/// Writes what another framework needs to do the very same step, and what it must then find:
/// `step.safetensors` with frames, labels, weights, dropout masks, scores, loss and gradients,
/// `step.json` with what it is.
///
/// # Errors
/// A folder that cannot be written.
pub fn export(step: &Step, options: Options, dir: &Path, rates: &[(String, f64)]) -> Result<()> {
    std::fs::create_dir_all(dir)
        .with_context(|| format!("cannot make the folder {}", dir.display()))?;
    let frames = step.frames();
    let [b, h, w, c] = frames.shape;
    let shown = frames.values.len() / (b * h * w * c);
    let mut tensors: HashMap<String, Tensor> = HashMap::new();
    let labels: Vec<f32> = step.labels.iter().map(|&l| l as f32).collect();
    tensors.insert("labels".into(), Tensor::from_vec(labels, b, &Device::Cpu)?);
    tensors.insert(
        "frames".into(),
        Tensor::from_slice(frames.values, (shown, b, h, w, c), &Device::Cpu)?,
    );
    let mut counts = Counts(HashMap::new());
    let (gradients, _, loss) = step.gradients(options, &mut counts)?;
    for (name, var) in step.vars.trainable() {
        if let Some(gradient) = gradients.get(&var) {
            tensors.insert(format!("grad/{name}"), gradient.clone());
        }
        tensors.insert(name, var.as_tensor().clone());
    }
    masks(step, &mut tensors)?;
    // the tensor operations, which are the definition, say which neuron fired when
    let mut spikes = Spikes(HashMap::new());
    let still = tensors["frames"].clone();
    let frames_of_all_steps = still.broadcast_as((frames.steps, b, h, w, c))?.contiguous()?;
    step.network.forward(
        &frames_of_all_steps,
        Mode::Train { seed: step.settings.seed },
        &mut spikes,
    )?;
    // a membrane within rounding of its threshold may fire in one of the two and not in the other;
    // gradients are then those of other spikes
    let mut differ = 0.0;
    for (layer, spikes) in &spikes.0 {
        let steps: Vec<f32> = spikes.flatten_from(1)?.sum(1)?.to_vec1()?;
        let event = counts.0.get(layer).cloned().unwrap_or_default();
        differ +=
            steps.iter().zip(event).map(|(a, b)| (f64::from(*a) - b as f64).abs()).sum::<f64>();
    }
    tensors.extend(spikes.0.into_iter().map(|(layer, spikes)| (format!("spikes/{layer}"), spikes)));
    tensors.insert("scores".into(), gradients.scores);
    tensors.insert("loss".into(), Tensor::new(&[loss as f32], &Device::Cpu)?);
    candle_core::safetensors::save(&tensors, dir.join("step.safetensors"))?;
    let about = json!({
        "net": step.settings.net, "seed": step.settings.seed, "network": step.settings.net.notation(models::Variant::Code),
        "steps": step.settings.steps, "batch": step.settings.batch, "static": frames.still,
        "norm": step.settings.norm, "method": step.settings.method,
        "classes": step.settings.frame().1, "rates": rates,
        "counts_that_differ_from_the_tensor_operations": differ,
    });
    let path = dir.join("step.json");
    std::fs::write(&path, serde_json::to_string_pretty(&about)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Spikes of each step by layer.
struct Counts(HashMap<String, Vec<u64>>);

impl Observer for Counts {
    fn count(&mut self, layer: &str, spikes: &[u64], _: u64) -> candle_core::Result<()> {
        self.0.insert(layer.to_owned(), spikes.to_vec());
        Ok(())
    }
}

/// All spikes `[T, B, …]` by layer.
struct Spikes(HashMap<String, Tensor>);

impl Observer for Spikes {
    fn spikes(&mut self, layer: &str, spikes: &Tensor) -> candle_core::Result<()> {
        self.0.insert(layer.to_owned(), spikes.detach());
        Ok(())
    }
}

impl Step {
    /// The step that [`export`] wrote to `dir`.
    ///
    /// # Errors
    /// A folder that is no export.
    pub fn load(dir: &Path) -> Result<Step> {
        let path = dir.join("step.json");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let about: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is not JSON", path.display()))?;
        let of = |name: &str| about[name].clone();
        let settings = Settings {
            net: serde_json::from_value(of("net"))?,
            narrow: 1,
            steps: serde_json::from_value(of("steps"))?,
            batch: serde_json::from_value(of("batch"))?,
            method: Method::named(about["method"].as_str().unwrap_or_default())
                .map_err(anyhow::Error::msg)?,
            norm: serde_json::from_value(of("norm"))?,
            seed: serde_json::from_value(of("seed"))?,
        };
        let tensors = candle_core::safetensors::load(dir.join("step.safetensors"), &Device::Cpu)?;
        let tensor =
            |name: &str| tensors.get(name).with_context(|| format!("no {name} in the export"));
        let labels: Vec<f32> = tensor("labels")?.to_vec1()?;
        let values = tensor("frames")?.flatten_all()?.to_vec1()?;
        let step = Step::of(settings, values, labels.into_iter().map(|l| l as u32).collect())?;
        for (name, var) in step.vars.trainable() {
            var.set(tensor(&name)?)?;
        }
        Ok(step)
    }
}

/// Every dropout mask of the step, `mask/<stage>`.
fn masks(step: &Step, tensors: &mut HashMap<String, Tensor>) -> Result<()> {
    let [b, h, w, c] = step.frames().shape;
    let mut shape = vec![b, h, w, c];
    for layer in step.network.layers() {
        match layer {
            Layer::Conv(conv) => shape[3] = conv.weight.dim(3)?,
            Layer::Linear(linear) => shape = vec![b, linear.weight.dim(1)?],
            Layer::Flatten => shape = vec![b, shape[1..].iter().product()],
            Layer::MaxPool(k) | Layer::AvgPool(k) => {
                (shape[1], shape[2]) = (shape[1] / k, shape[2] / k)
            }
            Layer::Dropout(name, _) => {
                let mask = dropout_mask(
                    &shape.clone().into(),
                    0.5,
                    name,
                    step.settings.seed,
                    DType::F32,
                    &Device::Cpu,
                )?;
                tensors.insert(format!("mask/{name}"), mask);
            }
            _ => {}
        }
    }
    Ok(())
}
