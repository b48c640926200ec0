#![allow(clippy::unwrap_used)]

use super::*;
use crate::systems::{BPSA, System};
use crate::{Profile, preset};
use datasets::Name;
use layers::Masks;
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
    assert_eq!(with(&BPSA, "dropout=step").unwrap().dropout, Masks::Step);
    let strided = "16C3-AP3/2(P1)-DP-10Voting";
    assert_eq!(with(&BPSA, &format!("network={strided}")).unwrap().network, strided);
    assert_eq!(with(&BPSA, "bias=linear").unwrap().bias, Biases::Linear);
    assert_eq!(with(&BPSA, "setup.adamw.weight_decay=0").unwrap().setup.adamw.weight_decay, 0.0);
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
        written.get("neurons").is_none() && written["setup"].get("neuron_weight_decay").is_none()
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
        ("dropout=often", &["dropout must be pass or step", "often"]),
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
    for text in ["network=16C3-MP2-32C3-AP4-10Voting", "a/b=../c", "setup.augment={\"padding\":1}"]
    {
        assert!(
            name(text).chars().all(|c| c.is_ascii_alphanumeric() || "-_+.".contains(c)),
            "{}",
            name(text)
        );
    }
}
