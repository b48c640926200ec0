//! What is written for a field, as the field has it.

use super::Setting;
use crate::{framing, training_words};
use anyhow::{Result, anyhow, bail};
use neuron::Kind;
use report::json::{self, Fault};
use sentence::shown;
use serde_json::{Value, json};

impl Setting {
    /// A kind of neuron: a name stands for it with its usual constants.
    pub(super) fn kind(&self) -> Result<Value> {
        let kinds = Kind::of_files().into_iter().filter_map(|kind| serde_json::to_value(kind).ok());
        let named = kinds.into_iter().find(|kind| kind.get(self.value.as_str()).is_some());
        named.map_or_else(|| self.json(), Ok)
    }

    pub(super) fn network(&self) -> Result<String> {
        let spec = self.value.parse::<models::Spec>();
        Ok(spec.map_err(|wrong| anyhow!("--set network: {wrong}"))?.to_string())
    }

    pub(super) fn number(&self) -> Result<f64> {
        let Self { key, value } = self;
        json::number(value).ok_or_else(|| {
            let found = shown(value);
            match value.parse::<f64>() {
                Ok(0.0) => anyhow!(
                    "--set {key}={found}: expected 0 or a number that double precision does not take for 0, found {found}"
                ),
                _ => anyhow!("--set {key}={found}: expected a number, found \"{found}\""),
            }
        })
    }

    /// The value as JSON, or as a text where it is none.
    pub(super) fn json(&self) -> Result<Value> {
        let Self { key, value } = self;
        match json::parse(value) {
            Ok(value) => Ok(value),
            Err(fault) if fault.kind == Fault::NoJson => Ok(json!(value)),
            // the field says which numbers it takes
            Err(_) if value.parse().is_ok_and(f64::is_infinite) => Ok(json!(value)),
            Err(fault) => bail!(
                "--set {}={}: expected every field once and numbers that double precision holds, found {}",
                shown(key),
                shown(value),
                fault.found
            ),
        }
    }

    pub(super) fn surrogate(&self) -> Result<Value> {
        let kinds = surrogate::Kind::all().map(serde_json::to_value);
        let mut names = Vec::new();
        for kind in kinds {
            let kind = kind?;
            let name = kind.as_object().and_then(|o| o.keys().next()).cloned().unwrap_or_default();
            if name == self.value {
                return Ok(kind);
            }
            names.push(name);
        }
        bail!(
            "--set surrogate={0}: expected one of {1}, found \"{0}\"; use one of those names",
            shown(&self.value),
            names.join(", ")
        )
    }

    pub(super) fn warm_up(&self) -> Result<Value> {
        let (kind, parameter) = self.value.split_once(':').unwrap_or((&self.value, ""));
        Ok(match (kind, parameter.parse::<usize>(), json::number(parameter)) {
            ("none", ..) if parameter.is_empty() => json!("none"),
            ("ann", Ok(epochs), _) => json!({ "ann": { "epochs": epochs } }),
            ("sigmoid", _, Some(rate)) if (0.0..=1.0).contains(&rate) => {
                json!({ "sigmoid-when-silent": { "rate": rate } })
            }
            _ => bail!(
                "--set warm-up: expected none, ann:EPOCHS with a whole number, or sigmoid:RATE with a rate from 0 to 1, \
                 found \"{}\"",
                shown(&self.value)
            ),
        })
    }

    pub(super) fn decayed(&self, kind: &Kind) -> Result<Value> {
        let decay = self.number()?;
        with_decay(kind, decay).ok_or_else(|| {
            let key = shown(&self.key);
            anyhow!("--set {key}: the run's kind of neuron has no decay; leave it out")
        })
    }

    /// In the words of flags; written as JSON it is a value like any other, and so are a
    /// spectrogram's chunks.
    pub(super) fn framing(&self) -> Result<Value> {
        let value = &self.value;
        if let Some(encoding) = framing::bernoulli(value) {
            return Ok(json!(encoding));
        }
        if value.starts_with(['{', '"']) || value == "chunks" {
            return self.by_place();
        }
        let framing = framing::parse(value);
        Ok(json!(
            framing.map_err(|expected| anyhow!("--set framing={}: {expected}", shown(value)))?
        ))
    }

    /// As the field at this place is written, else as JSON.
    pub(super) fn by_place(&self) -> Result<Value> {
        match training_words::value(self.place(), &self.value) {
            Some(Ok(value)) => Ok(value),
            Some(Err(takes)) => {
                let (key, found) = (shown(&self.key), shown(&self.value));
                bail!("--set {key}={found}: expected {takes}, found \"{found}\"")
            }
            None => self.json(),
        }
    }
}

/// The kind with another decay, if it has one; without a leak it becomes LIF.
fn with_decay(kind: &Kind, decay: f64) -> Option<Value> {
    if *kind == Kind::If {
        return Some(json!({ "lif": { "decay": decay } }));
    }
    let mut kind = serde_json::to_value(kind).ok()?;
    let constants = kind.as_object_mut()?.values_mut().next()?;
    *constants.get_mut("decay")? = json!(decay);
    Some(kind)
}
