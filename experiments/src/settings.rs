//! `--set KEY=VALUE`: an ablation by one field of a run. A key is the place of a field in the run
//! as a receipt shows it (`setup.adamw.weight_decay`, `neuron.threshold`), or one of the short
//! names below.

use crate::flags::Usage;
use crate::systems::BPSA_BPTA;
use crate::{Run, framing, training_words};
use anyhow::{Result, anyhow, bail};
use neuron::{Config, Kind, ResetGradient};
use report::json::{self, Fault};
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

/// Short names: what is written for them, and what they mean.
const SHORT: [(&str, &str); 8] = [
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
        let short = SHORT.iter().any(|(short, _)| *short == self.key);
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
        let mut all = serde_json::to_value(Run { own_surrogate: None, ..run.clone() })?;
        // a receipt leaves them out where they are as usual
        if let Some(setup) = all.pointer_mut("/setup").and_then(Value::as_object_mut) {
            for (name, usual) in training_words::usual() {
                setup.entry(name).or_insert(usual);
            }
            setup.entry("neuron_weight_decay").or_insert(json!(0.0));
        }
        if let Some(run) = all.as_object_mut() {
            run.entry("neurons").or_insert(json!({}));
        }
        if let Some(run_fields) = all.as_object_mut() {
            run_fields.entry("rectify").or_insert(json!(true));
            run_fields.entry("bias").or_insert(json!("all"));
            if let Some(options) = run.norm.options() {
                run_fields.insert("norm".to_owned(), json!(options));
            }
        }
        let (key, value) = (&shown(&self.key), &self.value);
        match self.key.as_str() {
            "data" | "system" | "method" | "setting" => bail!(
                "--set {key}: it is what recordings and neuron are chosen by, not a field beside them; use --only, --systems or --setting"
            ),
            "setup" | "setup.epochs" => {
                bail!("--set {key}: a table's warm-ups go with the number of epochs; use --epochs")
            }
            "classes" => bail!("--set {key}: it is what --classes of `train` says; use that"),
            "initial_weights_sha256" => bail!("--set {key}: it is what --weights says; use that"),
            "initial_weights_of_another_run" => {
                bail!("--set {key}: it is what --weights-of-another-run says; use that")
            }
            "surrogate" if run.own_surrogate.is_some() => {
                bail!(
                    "--set {key}: this program brings a surrogate of its own; leave it out, or use spikegrad's program"
                )
            }
            "surrogate" => *field(&mut all, "neuron.surrogate", key)? = self.surrogate()?,
            "network" => *field(&mut all, "network", key)? = json!(self.network()?),
            "neuron.alpha" if run.system == BPSA_BPTA.id => {
                *field(&mut all, "neuron.reset_gradient", key)? =
                    json!({ "residual": { "alpha": self.number()? } });
            }
            // no field of this run, but of others beside it: the same values are wrong
            "neuron.alpha" => {
                let reset_gradient = ResetGradient::Residual { alpha: self.number()? };
                let wrong = Config { reset_gradient, ..run.neuron }.build().map(drop);
                wrong.map_err(|wrong| anyhow!("--set {key}={}: {wrong}", shown(value)))?;
            }
            "neuron.decay" => {
                *field(&mut all, "neuron.kind", key)? = decayed(&run.neuron.kind, self.number()?)
                    .ok_or_else(|| {
                    anyhow!("--set {key}: the run's kind of neuron has no decay; leave it out")
                })?;
            }
            "neuron.kind" => {
                *field(&mut all, "neuron.kind", key)? = self.kind()?;
                // what the kind is not, the run's check says
                let kind = serde_json::from_value::<Kind>(all["neuron"]["kind"].clone());
                if kind.is_ok_and(|kind| !kind.resets()) {
                    without_reset(&mut all["neuron"]);
                }
            }
            place if place.starts_with("neurons.") => {
                let wrong = || {
                    anyhow!(
                        "--set {key}: expected neurons.LAYER.FIELD, such as neurons.head.threshold; or set neurons as a whole"
                    )
                };
                let (layer, name) = place["neurons.".len()..].rsplit_once('.').ok_or_else(wrong)?;
                let of = field(&mut all, "neurons", key)?.as_object_mut().ok_or_else(wrong)?;
                let part =
                    of.entry(layer).or_insert(json!({})).as_object_mut().ok_or_else(wrong)?;
                let value = if name == "kind" { self.kind()? } else { self.json()? };
                part.insert(name.to_owned(), value);
            }
            "warm-up" => {
                *field(&mut all, "setup.warm_up", key)? = self.warm_up()?;
            }
            // written as JSON it is a place like any other, and so are a spectrogram's chunks
            "framing" if framing::bernoulli(value).is_some() => {
                *field(&mut all, "framing", key)? = json!(framing::bernoulli(value));
            }
            "framing" if !value.starts_with(['{', '"']) && value != "chunks" => {
                let framing = framing::parse(value)
                    .map_err(|expected| anyhow!("--set {key}={}: {expected}", shown(value)))?;
                *field(&mut all, "framing", key)? = json!(framing);
            }
            "batch_norm" => *field(&mut all, "norm", key)? = self.json()?,
            _ => {
                let place = self.place();
                let read = match training_words::value(place, value) {
                    Some(Ok(read)) => read,
                    Some(Err(takes)) => {
                        let found = shown(value);
                        bail!("--set {key}={found}: expected {takes}, found \"{found}\"")
                    }
                    None => self.json()?,
                };
                *field(&mut all, place, key)? = read;
            }
        }
        let value = shown(value);
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

    /// A kind of neuron: a name stands for it with its usual constants.
    fn kind(&self) -> Result<Value> {
        let kinds = Kind::of_files().into_iter().filter_map(|kind| serde_json::to_value(kind).ok());
        let named = kinds.into_iter().find(|kind| kind.get(self.value.as_str()).is_some());
        named.map_or_else(|| self.json(), Ok)
    }

    fn network(&self) -> Result<String> {
        let spec = self.value.parse::<models::Spec>();
        Ok(spec.map_err(|wrong| anyhow!("--set network: {wrong}"))?.to_string())
    }

    fn number(&self) -> Result<f64> {
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
    fn json(&self) -> Result<Value> {
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

    fn surrogate(&self) -> Result<Value> {
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

    fn warm_up(&self) -> Result<Value> {
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
}

/// The kind with another decay, if it has one; without a leak it becomes LIF.
fn decayed(kind: &Kind, decay: f64) -> Option<Value> {
    if *kind == Kind::If {
        return Some(json!({ "lif": { "decay": decay } }));
    }
    let mut kind = serde_json::to_value(kind).ok()?;
    let constants = kind.as_object_mut()?.values_mut().next()?;
    *constants.get_mut("decay")? = json!(decay);
    Some(kind)
}

/// Leaves out what a neuron without a reset has not.
fn without_reset(neuron: &mut Value) {
    if let Some(neuron) = neuron.as_object_mut() {
        neuron.remove("reset");
        neuron.remove("reset_gradient");
    }
}

/// The field at `place`, such as `setup.adamw.beta1`.
fn field<'a>(all: &'a mut Value, place: &str, key: &str) -> Result<&'a mut Value> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::systems::{BPSA, System};
    use crate::{Profile, preset};
    use datasets::Name;
    use models::{Biases, Norm};
    use neuron::{Kind, cells};
    use training::WarmUp;

    fn with(system: &'static System, text: &str) -> Result<Run> {
        let run = preset::run(Name::NMnist, system, Profile::Paper, &preset::Overrides::default())?;
        text.parse::<Setting>().map_err(anyhow::Error::msg)?.apply(&run)
    }

    #[test]
    fn one_field_changes_and_no_other() {
        let plain = with(&BPSA_BPTA, "setup.batch=64").unwrap();
        let run = with(&BPSA_BPTA, "surrogate=atan").unwrap();
        assert!(matches!(run.neuron.surrogate, surrogate::Kind::Atan(_)));
        assert_eq!(Run { neuron: plain.neuron, ..run }, plain);
        let run = with(&BPSA_BPTA, "neuron.alpha=0.5").unwrap();
        assert_eq!(run.neuron.reset_gradient, ResetGradient::Residual { alpha: 0.5 });
        let run = with(&BPSA, "neuron.alpha=0.5").unwrap();
        assert_eq!(
            run.neuron.reset_gradient,
            ResetGradient::Residual { alpha: 0.0 },
            "BPSA has no residual"
        );
        assert_eq!(with(&BPSA, "neuron.decay=0.5").unwrap().neuron.kind, Kind::Lif { decay: 0.5 });
        assert_eq!(with(&BPSA, "neuron.threshold=1").unwrap().neuron.threshold, 1.0);
        assert_eq!(with(&BPSA, "network=16C3-AP2-10Voting").unwrap().network, "16C3-AP2-10Voting");
        assert_eq!(with(&BPSA, "warm-up=ann:7").unwrap().setup.warm_up, WarmUp::Ann { epochs: 7 });
        assert_eq!(
            with(&BPSA, "framing=time:16,empty").unwrap(),
            with(&BPSA, r#"framing={"time":{"frames":16,"empty_window":"zero_frame"}}"#).unwrap()
        );
        assert_eq!(with(&BPSA, "warm_up=none").unwrap().setup.warm_up, WarmUp::None);
        assert_eq!(with(&BPSA, "batch_norm=time").unwrap(), with(&BPSA, "norm.over=time").unwrap());
        assert_eq!(with(&BPSA, "norm=time").unwrap().norm, models::StatisticsOver::Time.into());
        assert_eq!(with(&BPSA, "norm=none").unwrap().norm, Norm::None);
        assert_eq!(with(&BPSA, "norm=step").unwrap(), Run { ..plain_run() });
        let scaled = with(&BPSA, "norm.scale=0.5").unwrap().norm;
        assert_eq!(scaled.options().unwrap().scale, 0.5);
        assert!(!with(&BPSA, "rectify=false").unwrap().rectify);
        assert_eq!(with(&BPSA, "bias=linear").unwrap().bias, Biases::Linear);
        assert_eq!(
            with(&BPSA, "setup.adamw.weight_decay=0").unwrap().setup.adamw.weight_decay,
            0.0
        );
    }

    fn plain_run() -> Run {
        preset::run(Name::NMnist, &BPSA, Profile::Paper, &preset::Overrides::default()).unwrap()
    }

    /// A receipt of before the norm had options is the same run, and one of today reads as one of
    /// then where nothing of it was changed.
    #[test]
    fn old_receipts_are_read() {
        let run = plain_run();
        let mut stored = serde_json::to_value(&run).unwrap();
        let fields = stored.as_object_mut().unwrap();
        assert!(!fields.contains_key("rectify") && !fields.contains_key("bias"));
        let norm = fields.remove("norm").unwrap();
        assert_eq!(norm, json!("step"));
        fields.insert("batch_norm".into(), norm);
        let system = fields.remove("system").unwrap();
        assert!(system == json!("bpsa") && !fields.contains_key("setting"));
        fields.insert("method".into(), system);
        assert_eq!(Run::from_value(&stored).unwrap(), run);
        assert_eq!(Run::canonical(&stored), serde_json::to_value(&run).unwrap());
        let mut own = stored.clone();
        own["own_surrogate"] = json!("mine");
        assert_eq!(Run::canonical(&own)["own_surrogate"], "mine");
        assert_eq!(Run::canonical(&json!({"system": "x"})), json!({"system": "x"}));
    }

    #[test]
    fn a_kind_is_a_name_or_its_constants() {
        let kind = |text: &str| with(&BPSA, text).unwrap().neuron.kind;
        for usual in Kind::of_files() {
            let json = serde_json::to_value(usual).unwrap();
            let name = json.as_object().unwrap().keys().next().unwrap();
            assert_eq!(kind(&format!("neuron.kind={name}")), usual);
        }
        let tau = Kind::Plif(cells::plif::Constants { tau: 3.0 });
        assert_eq!(kind(r#"neuron.kind={"plif":{"tau":3}}"#), tau);
        let part = cells::synaptic::Constants { decay: 0.5, ..Default::default() };
        assert_eq!(kind(r#"neuron.kind={"synaptic":{"decay":0.5}}"#), Kind::Synaptic(part));
        // a receipt of a kind without a reset has none
        let run = with(&BPSA_BPTA, "neuron.kind=refractory").unwrap();
        let written = serde_json::to_value(&run).unwrap();
        assert!(written["neuron"].get("reset").is_none(), "{written}");
        assert_eq!(Run::from_value(&written).unwrap(), run);
    }

    #[test]
    fn a_layer_has_some_fields_otherwise() {
        let run = with(&BPSA, "neurons.head.threshold=1").unwrap();
        assert_eq!(run.neuron_of("head").unwrap().threshold, 1.0);
        assert_eq!(run.neuron_of("128C3-1").unwrap(), run.neuron);
        let whole = with(&BPSA, r#"neurons={"head":{"threshold":1}}"#).unwrap();
        assert_eq!(whole, run);
        let plain = with(&BPSA, "neurons={}").unwrap();
        let written = serde_json::to_value(&plain).unwrap();
        assert!(
            written.get("neurons").is_none()
                && written["setup"].get("neuron_weight_decay").is_none()
        );
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (text, words) in [
            ("norm=layer", &["norm", "none, step, time or an object"][..]),
            ("norm.scale=0", &["norm.scale", "a positive number", "found 0"]),
            ("norm.shift=maybe", &["norm.shift", "true or false"]),
            ("norm.gamma=1", &["no field \"gamma\"", "per_step_weight"]),
            ("rectify=perhaps", &["true or false"]),
            ("bias=some", &["all, linear or none"]),
            ("surrogate=atn", &["atn", "triangular", "use one of those"]),
            ("neuron.tau=2", &["no field \"tau\"", "threshold", "short names are surrogate"]),
            ("neurons.threshold=1", &["neurons.LAYER.FIELD"][..]),
            ("setup.batch=many", &["setup.batch=many", "a whole number from 1 to 1048576"]),
            ("neuron.threshold=-1", &["threshold must be positive"]),
            ("neuron.alpha=x", &["expected a number"]),
            ("network=16C3", &["character 5"]),
            ("framing=times:3", &["framing=times:3", "time:T,empty", "found \"times:3\""]),
            ("warm-up=ann", &["ann:EPOCHS"]),
            ("setup.batch.more=1", &["has no fields"]),
            ("method=bpsa", &["--systems"]),
            ("system=bpsa", &["--systems"]),
            ("setting=published", &["--setting"]),
        ] {
            let error = with(&BPSA_BPTA, text).unwrap_err().to_string();
            words.iter().for_each(|word| assert!(error.contains(word), "{text}: {error}"));
        }
        for text in ["", "x", "=1", "x="] {
            assert!(text.parse::<Setting>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_can_be_files_and_differ() {
        let name = |text: &str| text.parse::<Setting>().unwrap().name();
        assert_eq!(name("neuron.alpha=0.5"), "neuron.alpha-0.5");
        assert_ne!(name("warm-up=ann:1"), name("warm-up=ann_1"));
        for text in
            ["network=16C3-MP2-32C3-AP4-10Voting", "a/b=../c", "setup.augment={\"padding\":1}"]
        {
            assert!(
                name(text).chars().all(|c| c.is_ascii_alphanumeric() || "-_+.".contains(c)),
                "{}",
                name(text)
            );
        }
    }
}
