//! The fields of a run, by their places in its receipt.

use crate::{Run, training_words};
use anyhow::{Result, bail};
use sentence::shown;
use serde_json::{Value, json};

/// Short names: what is written for them, and what they mean.
pub const SHORT: [(&str, &str); 8] = [
    (
        "surrogate",
        "NAME: rectangular, inverse-membrane, atan, sigmoid, triangular, piecewise-exponential, gaussian or where-fired",
    ),
    ("network", "the paper's notation, taken as it is written"),
    ("neuron.alpha", "the residual factor of BPTA; other methods have none and stay as they are"),
    ("neuron.decay", "what a membrane keeps of itself each step"),
    ("neuron.kind", "if, or the NAME of a kind with its usual constants"),
    ("neurons", "by the name of a layer what its neurons have otherwise"),
    (
        "framing",
        "number:T, time:T, time:T,empty, duration:US, bernoulli:T:SCALE or bernoulli:T:SCALE:raw",
    ),
    ("warm-up", "none, ann:EPOCHS or sigmoid:RATE"),
];

/// A run with every field, also those that a receipt leaves out where they are as usual.
pub fn every_field(run: &Run) -> Result<Value> {
    let mut all = serde_json::to_value(Run { own_surrogate: None, ..run.clone() })?;
    if let Some(setup) = all.pointer_mut("/setup").and_then(Value::as_object_mut) {
        for (name, usual) in training_words::usual() {
            setup.entry(name).or_insert(usual);
        }
        setup.entry("neuron_weight_decay").or_insert(json!(0.0));
    }
    if let Some(fields) = all.as_object_mut() {
        fields.entry("neurons").or_insert(json!({}));
        fields.entry("rectify").or_insert(json!(true));
        fields.entry("bias").or_insert(json!("all"));
        fields.entry("dropout").or_insert(json!("pass"));
        if let Some(options) = run.norm.options() {
            fields.insert("norm".to_owned(), json!(options));
        }
    }
    Ok(all)
}

/// Leaves out what a neuron without a reset has not.
pub fn without_reset(neuron: &mut Value) {
    if let Some(neuron) = neuron.as_object_mut() {
        neuron.remove("reset");
        neuron.remove("reset_gradient");
    }
}

/// The field at `place`, such as `setup.adamw.beta1`.
pub fn field<'a>(all: &'a mut Value, place: &str, key: &str) -> Result<&'a mut Value> {
    let mut at = all;
    let mut path = String::from("a run");
    for part in place.split('.') {
        let known: Vec<String> =
            at.as_object().map(|o| o.keys().cloned().collect()).unwrap_or_default();
        at = match at.get_mut(part) {
            Some(field) => field,
            None if known.is_empty() => {
                bail!("--set {key}: {path} has no fields, found \"{}\"; leave it out", shown(part))
            }
            None => {
                let words = training_words::NAMES.iter().map(|(name, ..)| *name);
                let short: Vec<&str> = SHORT.iter().map(|(name, _)| *name).chain(words).collect();
                bail!(
                    "--set {key}: {path} has no field \"{}\"; it has {}; short names are {}",
                    shown(part),
                    known.join(", "),
                    short.join(", ")
                )
            }
        };
        path = format!("\"{part}\"");
    }
    Ok(at)
}
