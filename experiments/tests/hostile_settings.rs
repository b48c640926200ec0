//! Every field of a run under every hostile value, by `--set` and in a receipt: a sane run, or one
//! sentence that names the field, what it takes and what was found.
#![allow(clippy::unwrap_used, clippy::panic)]

// Long: lists of values and of sentences, on the same few runs.

use datasets::Name;
use experiments::flags::Usage;
use experiments::preset::{self, Overrides};
use experiments::settings::Setting;
use experiments::systems::{BASELINE, BPSA, BPSA_BPTA, System};
use experiments::{Profile, Run};
use serde_json::{Value, json};

/// What a `--set` may be given: as numbers, as text, as other kinds.
const VALUES: [&str; 26] = [
    "-1",
    "0",
    "-0.0",
    "0.5",
    "1.5",
    "2",
    "NaN",
    "inf",
    "-inf",
    "Infinity",
    "1e30",
    "-1e30",
    "1e9",
    "1e-320",
    "1e999",
    "4294967296",
    "18446744073709551615",
    "99999999999999999999999999",
    "true",
    "null",
    "[]",
    "{}",
    "\"\"",
    "many",
    "{\"a\":{\"b\":1}}",
    "Ä\u{7}",
];

/// Words of libraries and of Rust, which no sentence has.
const FOREIGN: [&str; 14] = [
    "invalid type",
    "invalid value",
    "did not match",
    "untagged",
    "missing field",
    "unknown field",
    "unknown variant",
    "usize",
    "u64",
    "f64",
    "struct ",
    "at line",
    "panicked",
    "Some(",
];

/// Fields that receipts leave out where they are as usual.
const OF_TRAINING: [&str; 7] =
    ["objective", "head", "optimiser", "schedule", "clip", "clamp", "initialisation"];

/// Presets, and runs with every field of training that has numbers inside.
fn bases() -> Vec<Run> {
    let of = |(name, system, settings): (Name, &'static System, &[&str])| {
        preset::run(name, system, Profile::Short, &overrides(settings)).unwrap()
    };
    [
        (Name::NMnist, &BPSA_BPTA, &[][..]),
        (Name::DvsGesture, &BASELINE, &["objective=tet:0.1", "head=membrane:0.5"]),
        (Name::Cifar10, &BPSA, &["optimiser=nesterov:0.9:1e-4", "framing=bernoulli:4:2"]),
        (Name::Mnist, &BPSA, &["schedule=multistep:2,4:0.1", "initialisation=xavier-normal"]),
        (Name::Mnist, &BASELINE, &["schedule=cosine:9:1e-6", "clip=norm:1", "clamp=8"]),
        (Name::SpeechCommands, &BPSA_BPTA, &["objective=counts:4:0", "schedule=step:2:0.1"]),
    ]
    .map(of)
    .to_vec()
}

/// The places of all fields, those that hold others among them.
fn places(value: &Value, above: &str, all: &mut Vec<String>) {
    for (key, inside) in value.as_object().into_iter().flatten() {
        let place = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        places(inside, &place, all);
        all.push(place);
    }
}

#[track_caller]
fn one_sentence(what: &str, said: &str) {
    assert!(!said.contains(['\n', '\u{7}']) && said.len() < 700, "{what}: {said}");
    for word in FOREIGN {
        assert!(!said.contains(word), "{what}: \"{word}\" in: {said}");
    }
}

#[track_caller]
fn sane(what: &str, run: &Run) {
    run.check().unwrap_or_else(|error| panic!("{what}: {error}"));
    let again = Run::from_value(&serde_json::to_value(run).unwrap());
    assert_eq!(again.as_ref(), Ok(run), "{what}");
    if let Err(error) = run.outline() {
        one_sentence(what, &format!("{error:#}"));
    }
}

#[test]
fn every_field_under_every_value_of_set() {
    let (mut taken, mut refused) = (0, 0);
    for base in bases() {
        let mut keys = Vec::new();
        places(&serde_json::to_value(&base).unwrap(), "", &mut keys);
        let short = [
            "surrogate",
            "neuron.alpha",
            "neuron.decay",
            "warm-up",
            "warm_up",
            "neurons",
            "neurons.head.threshold",
            "neurons.head.kind",
            "neurons.head",
            "setup.neuron_weight_decay",
        ];
        keys.extend(short.map(str::to_owned));
        keys.extend(
            OF_TRAINING.iter().flat_map(|name| [name.to_string(), format!("setup.{name}")]),
        );
        for (key, value) in keys.iter().flat_map(|key| VALUES.map(|value| (key, value))) {
            let text = format!("{key}={value}");
            let setting: Setting = text.parse().unwrap();
            match setting.apply(&base) {
                Ok(run) => {
                    taken += 1;
                    sane(&text, &run);
                }
                Err(error) => {
                    refused += 1;
                    let said = error.to_string();
                    one_sentence(&text, &said);
                    assert!(error.is::<Usage>(), "{text}: status 2");
                    let names = [key.clone(), key.replace('_', "-")];
                    assert!(names.iter().any(|name| said.contains(name)), "{text}: {said}");
                }
            }
        }
    }
    println!("--set: {taken} taken, {refused} refused");
    assert!(taken > 150 && refused > 2000, "{taken} taken, {refused} refused");
}

// Long: one list of values and sentences.
#[test]
fn what_is_refused_says_field_range_and_value() {
    let base = &bases()[0];
    for (text, said) in [
        (
            "setup.learning_rate=-1",
            "setup.learning_rate must be a number above 0 and at most 1000, found -1",
        ),
        ("setup.adamw.beta1=2", "setup.adamw.beta1 must be a number from 0 to below 1, found 2"),
        ("setup.adamw.beta2=1", "setup.adamw.beta2 must be a number from 0 to below 1, found 1"),
        ("setup.adamw.eps=NaN", "setup.adamw.eps must be a number from "),
        ("setup.batch=0", "setup.batch must be a whole number from 1 to 1048576, found 0"),
        ("setup.batch=1.5", "setup.batch must be a whole number from 1 to 1048576, found 1.5"),
        ("setup.drop_last=yes", "setup.drop_last must be true or false, found \"yes\""),
        ("framing=times:16", "expected number:T or time:T"),
        ("framing={\"times\":16}", "framing must be {\"number\":{\"frames\":T}}"),
        (
            "framing.number.frames=0",
            "framing.number.frames must be a whole number from 1 to 65536, found 0",
        ),
        ("framing={\"direct\":{\"steps\":4}}", "framing must be"),
        ("setup.augment={\"padding\":1}", "setup.augment must be null or an object of padding"),
        (
            "setup.augment={\"padding\":34,\"flip\":true,\"degrees\":0}",
            "setup.augment.padding must be a whole number from 0 to 33, found 34",
        ),
        ("setup.warm_up={\"ann\":{\"epochs\":-1}}", "setup.warm_up.ann.epochs must be a whole"),
        ("warm-up=ann:40", "no neurons to the last of its 40 epochs"),
        ("neuron.threshold=1e30", "neuron.threshold must be positive and at most 1000000"),
        ("neuron.decay=0", "neuron.decay must be above 0 and at most 1, found 0"),
        ("neuron.kind=lif", "neuron.kind must be if, {\"lif\""),
        (
            "neuron.kind={\"plif\":{\"tau\":1}}",
            "neuron.tau must be above 1 and at most 1000000, found 1",
        ),
        ("neuron.kind={\"plif\":{\"decay\":0.5}}", "neuron.kind must be if, "),
        (
            "neuron.kind={\"synaptic\":{\"current_decay\":1}}",
            "neuron.current_decay must be from 0 to below 1, found 1",
        ),
        ("neurons.headd.threshold=1", "found headd"),
        ("neurons.head.threshold=-1", "neurons.head.threshold must be positive"),
        ("neurons.head.threshold=x", "neurons.head.threshold must be a positive number"),
        ("neurons.head.reset=never", "neurons.head.reset must be to-zero or subtract"),
        ("neurons.head.fire=1", "neurons must be an object that has by the name of a layer"),
        ("setup.neuron_weight_decay=0.1", "must be 0, since no neuron of the run has a learnable"),
        ("neuron.fires=never", "neuron.fires must be at-threshold or above-threshold"),
        ("objective=tet", "expected mse, cross-entropy, tet:LAMBDA, tet:LAMBDA:TARGET, counts:"),
        ("objective=tet:2", "setup.objective.tet.lambda must be a number from 0 to 1, found 2"),
        ("objective=traces:0.5", "setup.objective.traces.tau must be a number from 1 to 65536"),
        ("objective=traces:2:0", "objective.traces.period must be a whole number from 1 to"),
        ("setup.optimiser=sgd:1", "optimiser.sgd.momentum must be a number from 0 to below 1"),
        ("optimiser=nesterov:0", "optimiser.sgd.momentum must be a number above 0 where nesterov"),
        ("schedule=cosine:0", "schedule.cosine.period must be a whole number from 1 to 1000000"),
        ("schedule=multistep:4,2:0.1", "expected sgdr, constant, step:EVERY:FACTOR"),
        (
            "setup.schedule={\"multistep\":{\"at\":[4,2],\"factor\":0.1}}",
            "setup.schedule.multistep.at must be one to eight epochs",
        ),
        ("head=membrane:2", "setup.head.membrane.decay must be a number above 0 and at most 1"),
        ("clip=norm:-1", "setup.clip.norm must be a number above 0 and at most 1000000, found -1"),
        ("clamp=none", "setup.clamp must be null or a number above 0"),
        ("initialisation=xavier", "expected pytorch, kaiming-uniform or kaiming-normal"),
        ("framing=bernoulli:4:2", "framing must be"),
    ] {
        let error = text.parse::<Setting>().unwrap().apply(base).unwrap_err().to_string();
        assert!(error.contains(said) && error.starts_with("--set "), "{text}: {error}");
    }
}

#[test]
fn fields_of_training_are_set_in_words_and_left_out_where_they_are_as_usual() {
    let base = &bases()[0];
    let text = serde_json::to_string(base).unwrap();
    let of = |text: &str| text.parse::<Setting>().unwrap().apply(base).unwrap();
    for (words, json) in [
        ("objective=tet:0.05", r#"setup.objective={"tet":{"lambda":0.05,"target":1}}"#),
        ("objective=traces:3", r#"objective={"traces":{"tau":3,"period":2}}"#),
        ("head=membrane:0.5", r#"setup.head={"membrane":{"decay":0.5}}"#),
        (
            "optimiser=sgd:0.9:5e-4",
            r#"setup.optimiser={"sgd":{"momentum":0.9,"nesterov":false,"weight_decay":0.0005}}"#,
        ),
        ("schedule=cosine:300:1e-6", r#"schedule={"cosine":{"period":300,"floor":1e-6}}"#),
        ("clip=value:2", r#"setup.clip={"value":2}"#),
        ("clamp=8", "setup.clamp=8"),
        (
            "initialisation=kaiming-normal:fan-out",
            r#"setup.initialisation={"kaiming":{"law":"normal","fan":"out"}}"#,
        ),
    ] {
        assert_eq!(of(words), of(json), "{words}");
        assert_eq!(of(&format!("setup.{}", words)), of(json), "{words}");
        assert_ne!(&of(words), base, "{words}");
        sane(words, &of(words));
    }
    for usual in [
        "objective=mse",
        "head=votes",
        "optimiser=adamw",
        "schedule=sgdr",
        "clip=none",
        "setup.clip=null",
        "clamp=null",
        "initialisation=pytorch",
    ] {
        assert_eq!(serde_json::to_string(&of(usual)).unwrap(), text, "{usual}");
    }
    for name in OF_TRAINING {
        assert!(!text.contains(&format!("\"{name}\"")), "{name} in {text}");
    }
}

fn overrides(settings: &[&str]) -> Overrides {
    let settings = settings.iter().map(|text| text.parse().unwrap()).collect();
    Overrides { settings, ..Overrides::default() }
}

fn gesture(all: &Overrides) -> anyhow::Result<Run> {
    preset::run(Name::DvsGesture, &BPSA_BPTA, Profile::Short, all)
}

#[test]
fn settings_that_hide_each_other_are_refused_in_either_order() {
    let pairs = [
        ["neuron.kind=if", "neuron.decay=0.5"],
        ["neuron.kind={\"lif\":{\"decay\":0.3}}", "neuron.decay=0.5"],
        ["neuron.kind.lif.decay=0.3", "neuron.decay=0.5"],
        ["neuron.alpha=0.1", "neuron.reset_gradient=cut"],
        ["neuron.alpha=0.1", "neuron.alpha=0.2"],
        ["neuron.kind=plif", "neuron.decay=0.5"],
        ["neuron.kind=refractory", "neuron.reset=subtract"],
        ["neuron.kind=refractory", "neuron.reset_gradient=cut"],
        ["neuron.kind=refractory", "neuron.alpha=0.5"],
        ["neurons.head.threshold=1", "neurons={\"head\":{\"threshold\":2}}"],
        ["neurons.head.threshold=1", "neurons.head.threshold=2"],
        ["surrogate=atan", "neuron.surrogate={\"sigmoid\":{\"alpha\":4}}"],
        ["setup.batch=8", "setup.batch=8"],
        ["setup.augment=null", "setup.augment.padding=2"],
        [
            "setup.adamw.beta1=0.5",
            "setup.adamw={\"beta1\":0.9,\"beta2\":0.9,\"eps\":1,\"weight_decay\":0}",
        ],
        ["warm-up=none", "setup.warm_up=none"],
        ["network=8C3-10Voting", "network=4C3-10Voting"],
        ["framing.number.frames=4", "framing={\"number\":{\"frames\":8}}"],
    ];
    for [one, other] in pairs {
        for pair in [[one, other], [other, one]] {
            let error = gesture(&overrides(&pair)).unwrap_err();
            let said = error.to_string();
            assert!(error.is::<Usage>() && said.contains("leave one of the two out"), "{said}");
            assert!(pair.iter().all(|s| said.contains(s.split('=').next().unwrap())), "{said}");
        }
    }
    let apart = ["setup.adamw.beta1=0.5", "setup.adamw.beta2=0.5", "neuron.kind=if"];
    gesture(&overrides(&apart)).unwrap();
}

#[test]
fn flags_and_settings_that_hide_each_other_are_refused() {
    let beside = |flag: Overrides, setting: &str| Overrides {
        settings: vec![setting.parse().unwrap()],
        ..flag
    };
    let none = Overrides::default;
    let network = Some("8C3-AP8-10Voting".parse().unwrap());
    for (flag, all) in [
        (
            "--learning-rate",
            beside(Overrides { learning_rate: Some(0.1), ..none() }, "setup.learning_rate=0.2"),
        ),
        ("--steps", beside(Overrides { steps: Some(4), ..none() }, "framing.number.frames=2")),
        ("--network", beside(Overrides { network, ..none() }, "network=4C3-AP8-10Voting")),
        ("--narrow", beside(Overrides { narrow: Some(2), ..none() }, "network=4C3-AP8-10Voting")),
        (
            "--paper-layers",
            beside(
                Overrides { variant: Some(models::Variant::Paper), ..none() },
                "network=4C3-AP8-10Voting",
            ),
        ),
    ] {
        let error = gesture(&all).unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().starts_with(flag), "{flag}: {error}");
    }
}

/// A receipt's run with one field replaced.
fn with(all: &Value, place: &str, value: Value) -> Value {
    let mut all = all.clone();
    let pointer: String = place.split('.').map(|part| format!("/{part}")).collect();
    *all.pointer_mut(&pointer).unwrap() = value;
    all
}

/// What a receipt may have at a place.
fn hostile() -> [Value; 18] {
    [
        json!(null),
        json!(-1),
        json!(0),
        json!(1e30),
        json!(-1e30),
        json!(1e-320),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.5),
        json!(""),
        json!("NaN"),
        json!("x".repeat(65_536)),
        json!(true),
        json!([]),
        json!([1]),
        json!({}),
        json!({ "ann": 1 }),
        json!({ "lif": { "decay": 2.0 } }),
    ]
}

#[test]
fn every_field_of_a_receipt_under_every_value() {
    let values = hostile();
    let (mut taken, mut refused) = (0, 0);
    for base in bases() {
        let whole = serde_json::to_value(&base).unwrap();
        let mut all = Vec::new();
        places(&whole, "", &mut all);
        for place in &all {
            let mut tried: Vec<Value> =
                values.iter().map(|value| with(&whole, place, value.clone())).collect();
            let (above, last) = place.rsplit_once('.').unwrap_or(("", place));
            let pointer: String =
                above.split('.').filter(|p| !p.is_empty()).map(|p| format!("/{p}")).collect();
            let mut without = whole.clone();
            without.pointer_mut(&pointer).unwrap().as_object_mut().unwrap().remove(last);
            let mut more = whole.clone();
            let object = more.pointer_mut(&pointer).unwrap().as_object_mut().unwrap();
            object.insert("of_another_version".into(), json!(1));
            tried.extend([without, more]);
            for value in tried {
                match Run::from_value(&value) {
                    Ok(run) => {
                        taken += 1;
                        sane(place, &run);
                    }
                    Err(error) => {
                        refused += 1;
                        let said = error.to_string();
                        one_sentence(place, &said);
                        assert!(said.contains(" must be ") && said.contains(", found "), "{said}");
                    }
                }
            }
        }
    }
    println!("receipts: {taken} taken, {refused} refused");
    assert!(taken > 80 && refused > 1500, "{taken} taken, {refused} refused");
    for value in [json!(null), json!(1), json!([]), json!({}), json!("run")] {
        let said = Run::from_value(&value).unwrap_err().to_string();
        assert!(said.starts_with("a run must be an object of data, framing"), "{said}");
    }
}
