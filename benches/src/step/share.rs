use super::Step;
use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor};
use layers::dropout_mask;
use models::{Layer, Options};
use serde_json::json;
use std::collections::HashMap;
use std::path::Path;

/// Writes what another framework needs to do the very same step, and what it must then find: `step.safetensors` with
/// frames, labels, weights, dropout masks, scores, loss and gradients, `step.json` with what it is.
///
/// # Errors
/// A folder that cannot be written.
pub fn export(step: &Step, options: Options, dir: &Path, rates: &[(String, f64)]) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
    let frames = step.frames();
    let [b, h, w, c] = frames.shape;
    let shown = frames.values.len() / (b * h * w * c);
    let mut tensors: HashMap<String, Tensor> = HashMap::new();
    let labels: Vec<f32> = step.labels.iter().map(|&l| l as f32).collect();
    tensors.insert("labels".into(), Tensor::from_vec(labels, b, &Device::Cpu)?);
    tensors.insert("frames".into(), Tensor::from_slice(frames.values, (shown, b, h, w, c), &Device::Cpu)?);
    let (gradients, _, loss) = step.gradients(options, &mut ())?;
    for (name, var) in step.vars.trainable() {
        if let Some(gradient) = gradients.get(&var) {
            tensors.insert(format!("grad/{name}"), gradient.clone());
        }
        tensors.insert(name, var.as_tensor().clone());
    }
    masks(step, &mut tensors)?;
    tensors.insert("scores".into(), gradients.scores);
    tensors.insert("loss".into(), Tensor::new(&[loss as f32], &Device::Cpu)?);
    candle_core::safetensors::save(&tensors, dir.join("step.safetensors"))?;
    let about = json!({
        "net": step.settings.net, "network": step.settings.net.notation(models::Variant::Code),
        "steps": step.settings.steps, "batch": step.settings.batch, "static": frames.still,
        "norm": step.settings.norm, "method": step.settings.method.id(),
        "classes": step.settings.frame().1, "rates": rates,
    });
    let path = dir.join("step.json");
    std::fs::write(&path, serde_json::to_string_pretty(&about)?)
        .with_context(|| format!("cannot write {}", path.display()))
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
            Layer::MaxPool(k) | Layer::AvgPool(k) => (shape[1], shape[2]) = (shape[1] / k, shape[2] / k),
            Layer::Dropout(name) => {
                let mask =
                    dropout_mask(&shape.clone().into(), 0.5, name, step.settings.seed, DType::F32, &Device::Cpu)?;
                tensors.insert(format!("mask/{name}"), mask);
            }
            _ => {}
        }
    }
    Ok(())
}
