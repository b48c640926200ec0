//! What weights are of: the run that made them, as plain JSON in their file, and what of it decides
//! what a network computes in evaluation. How it was trained (learning rate, epochs, surrogate, how
//! the gradient crosses a reset, dropout) is none of that, so weights may be trained on with
//! others.

use crate::Run;
use anyhow::Result;
use models::Norm;
use sentence::shown;
use serde_json::{Value, json};

/// The field with the classes that weights were trained on; files before it have none.
const CHOSEN: &str = "chosen_classes";
/// The same in words.
const CLASSES: &str = "chosen classes";

/// The line that says which run weights are of.
///
/// # Errors
/// If the run cannot be written as JSON.
pub fn of(run: &Run) -> Result<String> {
    Ok(value(run)?.to_string())
}

fn value(run: &Run) -> Result<Value> {
    let all = run.data.info().classes.len();
    let chosen = run.classes.as_ref().filter(|classes| classes.len() < all);
    Ok(json!({
        CHOSEN: chosen.map_or_else(|| json!("all"), |classes| json!(classes)),
        "run": serde_json::to_value(run)?,
        "classes": run.data.info().classes,
        "batch_norm_eps": run.norm.options().map(|norm| norm.eps),
        "analogue": run.is_analogue(),
    }))
}

/// A thing that decides what a network computes, and its value, both in words.
type Fact = (String, String);

/// Where a run and what weights are of differ in what the network computes, in one sentence: the
/// values of the weights, and those of the run. Nothing where they do not.
///
/// # Errors
/// If the run cannot be written as JSON.
pub fn mismatch(stored: &str, run: &Run) -> Result<Option<String>> {
    let stored: Value = match report::json::parse(stored) {
        Ok(stored) => stored,
        Err(fault) => {
            let found = fault.found;
            return Ok(Some(format!(
                "what the file says of its run cannot be read: expected JSON, found {found}"
            )));
        }
    };
    let (theirs, ours) = (facts(&stored), facts(&value(run)?));
    let mut differ: Vec<(String, String, String)> = Vec::new();
    let labels = theirs.iter().chain(&ours).map(|(label, _)| label);
    for label in labels {
        if differ.iter().any(|(seen, ..)| seen == label) {
            continue;
        }
        let (their, our) = (find(&theirs, label), find(&ours, label));
        let untold = label == CLASSES && stored.get(CHOSEN).is_none();
        if their != our && !untold {
            differ.push((label.clone(), their, our));
        }
    }
    if differ.is_empty() {
        return Ok(None);
    }
    let theirs = differ.iter().map(|(label, their, _)| format!("{label} {}", shown(their)));
    let ours = differ.iter().map(|(_, _, our)| shown(our));
    Ok(Some(format!(
        "these weights were trained with {}, the run has {}",
        listed(theirs.collect()),
        listed(ours.collect())
    )))
}

/// What a file that says its run does not say of it, since it is older than the question.
///
/// # Errors
/// If the run cannot be written as JSON.
pub fn left_out(stored: &str, run: &Run) -> Result<Option<String>> {
    let stored: Option<Value> = report::json::parse(stored).ok();
    if stored.is_none_or(|stored| stored.get(CHOSEN).is_some()) {
        return Ok(None);
    }
    let all = facts(&value(run)?);
    let told: Vec<&str> =
        all.iter().map(|(label, _)| label.as_str()).filter(|&label| label != CLASSES).collect();
    untold(run, &told, Vec::new())
}

/// What decides what a network computes and a file of its weights does not tell, with the run's
/// values, in one sentence; nothing where it tells all. `told` are the things that it tells, and
/// `parts` what it leaves out of them.
///
/// # Errors
/// If the run cannot be written as JSON.
pub fn untold(run: &Run, told: &[&str], parts: Vec<String>) -> Result<Option<String>> {
    let mut all = parts;
    for (label, value) in facts(&value(run)?) {
        match label.as_str() {
            label if told.contains(&label) => (),
            "framing" => all.push(format!("framing and time steps {value}")),
            // names and sizes of tensors tell the rest of a network
            "network" => all.push(format!("pools and voters of {}", shown(&value))),
            "classes" => all.push("the order of classes".into()),
            label => all.push(format!("{label} {}", shown(&value))),
        }
    }
    let sentence = |all| {
        format!(
            "the file does not say which run its weights are of, so these are the run's, unproven: {}",
            listed(all)
        )
    };
    Ok((!all.is_empty()).then(|| sentence(all)))
}

fn find(facts: &[Fact], label: &str) -> String {
    let found = facts.iter().find(|(of, _)| of == label);
    found.map_or_else(|| "none".to_owned(), |(_, value)| value.clone())
}

/// `a`, `a and b`, `a, b and c`.
fn listed(mut all: Vec<String>) -> String {
    let last = all.pop().unwrap_or_default();
    if all.is_empty() { last } else { format!("{} and {last}", all.join(", ")) }
}

/// All that decides what a network computes.
fn facts(all: &Value) -> Vec<Fact> {
    let at = |pointer: &str| all.pointer(pointer).map_or_else(|| "none".to_owned(), said);
    let mut facts: Vec<Fact> = Vec::new();
    let mut add = |label: &str, value: String| facts.push((label.to_owned(), value));
    add("threshold", at("/run/neuron/threshold"));
    if let Some(kind) = all.pointer("/run/neuron/kind") {
        let (name, parameters) = match kind.as_object().and_then(|kind| kind.iter().next()) {
            Some((name, parameters)) => (name.clone(), parameters.as_object()),
            None => (said(kind), None),
        };
        for (label, value) in parameters.into_iter().flatten() {
            // where a learned time constant began is no matter: the weights have it; SBPSNN's
            // factor is of the backward pass
            if !["tau", "factor"].contains(&label.as_str()) {
                add(label, said(value));
            }
        }
        add("neuron", name);
    }
    let neuron = all.pointer("/run/neuron").and_then(Value::as_object);
    for (label, value) in neuron.into_iter().flatten() {
        // the first two are told above, the others belong to the backward pass
        if !["threshold", "kind", "reset_gradient", "surrogate"].contains(&label.as_str()) {
            add(label, said(value));
        }
    }
    let layers = all.pointer("/run/neurons").and_then(Value::as_object);
    for (layer, part) in layers.into_iter().flatten() {
        for (label, value) in part.as_object().into_iter().flatten() {
            if !["reset_gradient", "surrogate"].contains(&label.as_str()) {
                add(&format!("{label} of {layer}"), said(&without_factor(value)));
            }
        }
    }
    add("framing", at("/run/framing"));
    add("network", without_dropout(&at("/run/network")));
    for (label, value) in of_norm(all) {
        add(label, value);
    }
    add("batch norm's eps", at("/batch_norm_eps"));
    let usual =
        |pointer: &str, usual: &str| all.pointer(pointer).map_or_else(|| usual.to_owned(), said);
    add("ReLU in front of neurons", usual("/run/rectify", "true"));
    add("biases of products", usual("/run/bias", "all"));
    add("head", usual("/run/setup/head", "votes"));
    add("side", at("/run/setup/side"));
    add("data set", at("/run/data"));
    add("classes", at("/classes"));
    if all.get(CHOSEN).is_some() {
        add(CLASSES, said(&all[CHOSEN]));
    }
    add("analogue neurons", at("/analogue"));
    facts
}

/// A field of a neuron without SBPSNN's factor, which is of the backward pass.
fn without_factor(value: &Value) -> Value {
    let mut value = value.clone();
    let constants = value.pointer_mut("/sbpsnn").and_then(Value::as_object_mut);
    constants.and_then(|constants| constants.remove("factor"));
    value
}

/// What of a norm decides what a network computes in evaluation, from whatever version of ours.
fn of_norm(all: &Value) -> Vec<(&'static str, String)> {
    let norm = all.pointer("/run/norm").or_else(|| all.pointer("/run/batch_norm"));
    let norm = norm.and_then(|norm| serde_json::from_value::<Norm>(norm.clone()).ok());
    let Some(Norm::Batch(norm)) = norm else { return Vec::new() };
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    vec![
        ("batch norm over a", said(&json!(norm.over))),
        ("batch norm's γ of each step", yes(norm.per_step_weight)),
        ("batch norm's running statistics of each step", yes(norm.per_step_running)),
        ("batch norm's shift", yes(norm.shift)),
        ("batch norm's factor", norm.scale.to_string()),
        ("batch norm's factor in branches", norm.branch_scale.to_string()),
        ("batch norm behind fully connected stages", yes(norm.linear)),
    ]
}

/// Dropout does nothing in evaluation, and its stage bears no weights.
fn without_dropout(network: &str) -> String {
    let stages: Vec<&str> = network.split('-').filter(|stage| *stage != "DP").collect();
    stages.join("-")
}

/// A value in words: `number frames 8` for `{"number": {"frames": 8}}`.
fn said(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(said).collect::<Vec<_>>().join(", "),
        Value::Object(all) => {
            let all: Vec<String> =
                all.iter().map(|(key, value)| format!("{key} {}", said(value))).collect();
            all.join(" ")
        }
        other => other.to_string(),
    }
}
