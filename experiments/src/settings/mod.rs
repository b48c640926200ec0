//! `--set KEY=VALUE`: an ablation by one field of a run. A key is the place of a field in the run
//! as a receipt shows it (`setup.adamw.weight_decay`, `neuron.threshold`), or one of the short
//! names below.

mod place;
mod values;

use crate::flags::Usage;
use crate::systems::BPSA_BPTA;
use crate::{Run, training_words};
use anyhow::{Result, anyhow, bail};
use neuron::{Config, Kind, ResetGradient};
use sentence::shown;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::str::FromStr;

/// One field and its new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    key: String,
    value: String,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() && !value.is_empty() => {
                Ok(Self { key: key.to_lowercase().replace('_', "-"), value: value.into() }
                    .with_key(key))
            }
            _ => Err("expected KEY=VALUE, such as surrogate=atan or neuron.threshold=1".into()),
        }
    }
}

impl Setting {
    /// Short names are written in several ways; places in a run in one.
    fn with_key(mut self, written: &str) -> Self {
        let short = place::SHORT.iter().any(|(short, _)| *short == self.key);
        if !short && training_words::place(&self.key).is_none() {
            self.key = written.to_owned();
        }
        self
    }

    /// As it was written, as far as a message repeats it.
    pub fn text(&self) -> String {
        shown(&format!("{}={}", self.key, self.value))
    }

    /// Whether it sets the warm-up.
    pub fn of_warm_up(&self) -> bool {
        self.key == "warm-up" || self.key.starts_with("setup.warm_up")
    }

    /// Whether it sets how recordings become frames.
    pub fn of_framing(&self) -> bool {
        self.key.starts_with("framing")
    }

    /// Whether it sets the network.
    pub fn of_network(&self) -> bool {
        self.key == "network"
    }

    /// Whether it sets a kind of neuron that has no reset.
    pub fn has_no_reset(&self) -> bool {
        let kind = || self.kind().ok().and_then(|kind| serde_json::from_value::<Kind>(kind).ok());
        self.key == "neuron.kind" && kind().is_some_and(|kind| !kind.resets())
    }

    /// The place in a run that it sets.
    pub fn place(&self) -> &str {
        match self.key.as_str() {
            "surrogate" => "neuron.surrogate",
            "neuron.alpha" => "neuron.reset_gradient",
            "neuron.decay" => "neuron.kind",
            "warm-up" => "setup.warm_up",
            "batch_norm" => "norm",
            place => training_words::place(place).unwrap_or(place),
        }
    }

    /// Whether a run has no such field, and stays as it is: the residual factor of a method
    /// without one.
    pub fn passes_by(&self, run: &Run) -> bool {
        self.key == "neuron.alpha" && run.system != BPSA_BPTA.id
    }

    /// As a part of the profile's name, and so of a file's.
    pub fn name(&self) -> String {
        let plain = |text: &str| {
            text.chars()
                .map(|c| if c.is_ascii_alphanumeric() || ".+-".contains(c) { c } else { '_' })
                .collect::<String>()
        };
        let name = format!("{}-{}", plain(&self.key), plain(&self.value));
        match name.len() <= 40 && plain(&self.value) == self.value {
            true => name,
            false => {
                let digest = Sha256::digest(&self.value);
                format!("{}-{}", plain(&self.key), sentence::hex(&digest[..4]))
            }
        }
    }

    /// The run with the field changed.
    ///
    /// # Errors
    /// [`Usage`]: a field that a run does not have, or a value that the field does not take.
    pub fn apply(&self, run: &Run) -> Result<Run> {
        self.applied(run).map_err(|error| Usage(format!("{error:#}")).into())
    }

    fn applied(&self, run: &Run) -> Result<Run> {
        self.refused(run)?;
        let mut all = place::every_field(run)?;
        self.put(run, &mut all)?;
        let (key, value) = (shown(&self.key), shown(&self.value));
        let changed =
            Run::from_value(&all).map_err(|wrong| anyhow!("--set {key}={value}: {wrong}"))?;
        if self.of_warm_up() && changed.is_analogue() {
            bail!(
                "--set {key}={value}: the network would have no neurons to the last of its {} epochs; take fewer epochs of warm-up",
                changed.setup.epochs
            );
        }
        Ok(Run { own_surrogate: run.own_surrogate.clone(), ..changed })
    }

    /// Fields that other flags set, and what this program does not leave open.
    fn refused(&self, run: &Run) -> Result<()> {
        let why = match self.key.as_str() {
            "data" | "system" | "method" | "setting" => {
                "it is what recordings and neuron are chosen by, not a field beside them; use --only, --systems or --setting"
            }
            "setup" | "setup.epochs" => {
                "a table's warm-ups go with the number of epochs; use --epochs"
            }
            "classes" => "it is what --classes of `train` says; use that",
            "initial_weights_sha256" => "it is what --weights says; use that",
            "initial_weights_of_another_run" => {
                "it is what --weights-of-another-run says; use that"
            }
            "surrogate" if run.own_surrogate.is_some() => {
                "this program brings a surrogate of its own; leave it out, or use spikegrad's program"
            }
            _ => return Ok(()),
        };
        bail!("--set {}: {why}", shown(&self.key))
    }

    /// Puts the value where it belongs among all fields of a run.
    fn put(&self, run: &Run, all: &mut Value) -> Result<()> {
        let value = match self.key.as_str() {
            "surrogate" => self.surrogate()?,
            "network" => json!(self.network()?),
            "neuron.alpha" if !self.passes_by(run) => {
                json!({ "residual": { "alpha": self.number()? } })
            }
            "neuron.alpha" => return self.prove_alpha(run),
            "neuron.decay" => self.decayed(&run.neuron.kind)?,
            "neuron.kind" => return self.put_kind(all),
            "warm-up" => self.warm_up()?,
            "framing" => self.framing()?,
            "batch_norm" => self.json()?,
            key if key.starts_with("neurons.") => return self.put_into_layer(all),
            _ => self.by_place()?,
        };
        *place::field(all, self.place(), &shown(&self.key))? = value;
        Ok(())
    }

    /// The residual factor is no field of this run, but of others beside it: the same values are
    /// wrong.
    fn prove_alpha(&self, run: &Run) -> Result<()> {
        let reset_gradient = ResetGradient::Residual { alpha: self.number()? };
        let wrong = Config { reset_gradient, ..run.neuron }.build().map(drop);
        wrong.map_err(|wrong| anyhow!("--set {}={}: {wrong}", shown(&self.key), shown(&self.value)))
    }

    fn put_kind(&self, all: &mut Value) -> Result<()> {
        *place::field(all, self.place(), &shown(&self.key))? = self.kind()?;
        // what the kind is not, the run's check says
        let kind = serde_json::from_value::<Kind>(all["neuron"]["kind"].clone());
        if kind.is_ok_and(|kind| !kind.resets()) {
            place::without_reset(&mut all["neuron"]);
        }
        Ok(())
    }

    /// `neurons.LAYER.FIELD`: what one layer's neurons have otherwise.
    fn put_into_layer(&self, all: &mut Value) -> Result<()> {
        let key = &shown(&self.key);
        let wrong = || {
            anyhow!(
                "--set {key}: expected neurons.LAYER.FIELD, such as neurons.head.threshold; or set neurons as a whole"
            )
        };
        let (layer, name) = self.key["neurons.".len()..].rsplit_once('.').ok_or_else(wrong)?;
        let of = place::field(all, "neurons", key)?.as_object_mut().ok_or_else(wrong)?;
        let part = of.entry(layer).or_insert(json!({})).as_object_mut().ok_or_else(wrong)?;
        let value = if name == "kind" { self.kind()? } else { self.json()? };
        part.insert(name.to_owned(), value);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
