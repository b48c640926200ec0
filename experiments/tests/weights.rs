//! Weights that know what they are of: a file of another run, a damaged one and one without finite
//! numbers are refused, in the library and in the programs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// Long: every way in which weights are not this run's, on one small network that all tests share.

use anyhow::Result;
use candle_core::{DType, Device, Tensor};
use datasets::Name;
use experiments::import::{self, Imported, identity};
use experiments::preset::{Overrides, run};
use experiments::systems::BPSA_BPTA;
use experiments::{Encoding, Profile, Run};
use models::{Network, StatisticsOver};
use neuron::{Config, Fires, Kind, Reset, ResetGradient};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use training::{SeededVars, WarmUp, save_weights};

const TORCH: [&[u8]; 9] = [
    include_bytes!("../../crates/pth/tests/data/plain-2.pth"),
    include_bytes!("../../crates/pth/tests/data/plain-3.pth"),
    include_bytes!("../../crates/pth/tests/data/plain-4.pth"),
    include_bytes!("../../crates/pth/tests/data/plain-5.pth"),
    include_bytes!("../../crates/pth/tests/data/lightning-2.pth"),
    include_bytes!("../../crates/pth/tests/data/lightning-3.pth"),
    include_bytes!("../../crates/pth/tests/data/lightning-4.pth"),
    include_bytes!("../../crates/pth/tests/data/lightning-5.pth"),
    include_bytes!("../src/import/torch.pth"),
];

/// A run with its network and variables.
struct Case {
    run: Run,
    network: Network,
    vars: SeededVars,
    folder: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let network = "2C3-2C3-AP28-1Voting".parse().unwrap();
        let overrides = Overrides { network: Some(network), ..Overrides::default() };
        let run = run(Name::Mnist, &BPSA_BPTA, Profile::Smoke, &overrides).unwrap();
        let vars = SeededVars::new(1);
        let network = run.network(&vars, &Device::Cpu).unwrap();
        Self { run, network, vars, folder: tempfile::tempdir().unwrap() }
    }

    /// What a run saves, whose line about itself is changed.
    fn saved(&self, line: impl FnOnce(String) -> String) -> Vec<u8> {
        let path = self.folder.path().join("saved");
        save_weights(&path, &self.vars, &line(identity::of(&self.run).unwrap())).unwrap();
        std::fs::read(path).unwrap()
    }

    fn import(&self, bytes: &[u8], run: &Run, of_another_run: bool) -> Result<Imported> {
        let path = self.folder.path().join("weights");
        std::fs::write(&path, bytes).unwrap();
        import::weights(&path, run, &self.network, &self.vars, of_another_run)
    }

    /// The sentence of an import that fails, and changes nothing.
    #[track_caller]
    fn refused(&self, bytes: &[u8], run: &Run) -> String {
        let before = self.vars.sha256().unwrap();
        let said = format!("{:#}", self.import(bytes, run, false).unwrap_err());
        assert_eq!(self.vars.sha256().unwrap(), before);
        assert!(said.starts_with("cannot take weights from /"), "{said}");
        assert!(!said.contains('\n') && said.len() < 2000, "{said}");
        said
    }

    /// The variables as another program would save them.
    fn foreign(&self) -> HashMap<String, Tensor> {
        let copy = |var: &candle_core::Var| var.as_tensor().copy().unwrap();
        self.vars.all().iter().map(|(name, var)| (name.clone(), copy(var))).collect()
    }

    fn bytes_of(&self, tensors: &HashMap<String, Tensor>) -> Vec<u8> {
        let path = self.folder.path().join("foreign");
        candle_core::safetensors::save(tensors, &path).unwrap();
        std::fs::read(path).unwrap()
    }
}

/// A change of a run, and the sentence's words about it: the weights' value, and the run's.
type Change = (fn(&mut Run), &'static str, &'static str);

#[test]
fn weights_of_a_run_that_computes_otherwise_are_refused_with_both_values() {
    let case = Case::new();
    let whole = case.import(&case.saved(|line| line), &case.run, false).unwrap();
    assert_eq!((whole.variables, whole.numbers, whole.unproven), (14, 104, None));
    let file = case.saved(|line| line);
    let changes: [Change; 10] = [
        (|run| run.neuron.threshold = 0.3, "threshold 0.5", "has 0.3;"),
        (|run| run.neuron.kind = Kind::Lif { decay: 0.3 }, "decay 0.9", "has 0.3;"),
        (|run| run.neuron.kind = Kind::If, "decay 0.9 and neuron lif", "has none and if;"),
        (|run| run.neuron.fires = Fires::AboveThreshold, "fires at-threshold", "above-threshold;"),
        (|run| run.neuron.reset = Reset::Subtract, "reset to-zero", "has subtract;"),
        (|run| run.norm = StatisticsOver::Time.into(), "batch norm over a step", "has time;"),
        (|run| run.setup.side = Some(28), "side none", "has 28;"),
        (|run| run.encoding = Encoding::Direct { steps: 9 }, "framing direct steps 4", "steps 9;"),
        (
            |run| run.network = "2C3-2C3-MP28-1Voting".into(),
            "network 2C3-2C3-AP28-1Voting",
            "has 2C3-2C3-MP28-1Voting;",
        ),
        (
            |run| run.setup.warm_up = WarmUp::Ann { epochs: run.setup.epochs },
            "analogue neurons false",
            "has true;",
        ),
    ];
    for (change, theirs, ours) in changes {
        let mut other = case.run.clone();
        change(&mut other);
        let said = case.refused(&file, &other);
        let expected = format!("these weights were trained with {theirs}, the run has ");
        assert!(said.contains(&expected) && said.contains(ours), "{said}");
        assert!(said.ends_with("take them all the same with --weights-of-another-run"), "{said}");
        let taken = case.import(&file, &other, true).unwrap();
        assert!(taken.unproven.unwrap().contains(theirs));
    }
    for (from, to, words) in [
        ("\"mnist\"", "\"n-mnist\"", "data set n-mnist, the run has mnist;"),
        ("0.00001,", "0.001,", "batch norm's eps 0.001, the run has "),
        ("[\"0\",", "[\"zero\",", "classes zero, 1, 2, 3"),
        ("\"threshold\":0.5,", "", "threshold none, the run has 0.5;"),
    ] {
        let file = case.saved(|line| {
            assert!(line.contains(from), "{from}: {line}");
            line.replace(from, to)
        });
        let said = case.refused(&file, &case.run);
        assert!(said.contains(words), "{said}");
    }
    let mut both = case.run.clone();
    (both.neuron.threshold, both.neuron.kind) = (0.3, Kind::Lif { decay: 0.3 });
    let said = case.refused(&file, &both);
    let words = "these weights were trained with threshold 0.5 and decay 0.9, the run has 0.3 and 0.3; give";
    assert!(said.contains(words), "{said}");
}

#[test]
fn how_weights_were_trained_is_not_what_they_are_of() {
    let case = Case::new();
    let file = case.saved(|line| line);
    let changes: [fn(&mut Run); 7] = [
        |run| run.setup.learning_rate = 0.5,
        |run| run.setup.epochs = 99,
        |run| run.setup.batch = 3,
        |run| run.setup.augment = None,
        |run| run.neuron.reset_gradient = ResetGradient::Cut,
        |run| run.neuron.surrogate = Config::baseline().surrogate,
        |run| run.network = "2C3-2C3-AP28-DP-1Voting".into(),
    ];
    for change in changes {
        let mut other = case.run.clone();
        change(&mut other);
        assert_ne!(other, case.run);
        assert_eq!(case.import(&file, &other, false).unwrap().unproven, None);
    }
}

#[test]
fn a_file_that_does_not_say_its_run_is_taken_with_a_word() {
    let case = Case::new();
    let unproven = |bytes: &[u8]| case.import(bytes, &case.run, false).unwrap().unproven.unwrap();
    let foreign = unproven(&case.bytes_of(&case.foreign()));
    let beginning =
        "the file does not say which run its weights are of, so these are the run's, unproven: ";
    assert!(foreign.starts_with(beginning), "{foreign}");
    for constant in [
        "threshold 0.5",
        "decay 0.9",
        "neuron lif",
        "fires at-threshold",
        "reset to-zero",
        "framing and time steps direct steps 4",
        "pools and voters of 2C3-2C3-AP28-1Voting",
        "batch norm over a step",
        "batch norm's eps 0.00001",
        "side none",
        "data set mnist",
        "the order of classes",
        "analogue neurons false",
        "chosen classes all",
    ] {
        assert!(foreign.contains(constant), "{constant}: {foreign}");
    }
    assert_eq!(unproven(&old(&case)), foreign);
    // plain and in Lightning's checkpoint: none of these tells a constant
    for file in &TORCH[..8] {
        assert_eq!(unproven(file), foreign);
    }
    // the released code's tells two, and none of the rest
    let rest = foreign.replace("threshold 0.5, decay 0.9, neuron lif, ", "");
    assert_eq!(unproven(TORCH[8]), rest);
    let mut bare = case.run.clone();
    bare.neuron.kind = Kind::If;
    let said = case.import(TORCH[0], &bare, false).unwrap().unproven.unwrap();
    assert!(said.contains("neuron if") && !said.contains("decay"), "{said}");
}

#[test]
fn weights_of_other_classes_are_refused_with_both_values() {
    let case = Case::new();
    let with = |classes: &[&str]| Run {
        classes: Some(classes.iter().map(ToString::to_string).collect()),
        ..case.run.clone()
    };
    let (few, others) = (with(&["0", "1"]), with(&["2", "3"]));
    let every: Vec<&str> = case.run.data.info().classes.to_vec();
    let file = case.saved(|_| identity::of(&few).unwrap());
    assert_eq!(case.import(&file, &few, false).unwrap().unproven, None);
    for (run, ours) in [(&others, "2, 3"), (&case.run, "all"), (&with(&every), "all")] {
        let said = case.refused(&file, run);
        let words = format!("were trained with chosen classes 0, 1, the run has {ours};");
        assert!(said.contains(&words), "{said}");
        let taken = case.import(&file, run, true).unwrap().unproven.unwrap();
        assert!(taken.contains("chosen classes 0, 1"), "{taken}");
    }
    let all = case.saved(|line| line);
    assert!(case.refused(&all, &few).contains("chosen classes all, the run has 0, 1;"));
    assert_eq!(case.import(&all, &with(&every), false).unwrap().unproven, None, "all of them");
    // a file that is older than the question is read, with a word about this alone
    let older = case.saved(|line| line.replacen("\"chosen_classes\":\"all\",", "", 1));
    for (run, ours) in [(&case.run, "all"), (&few, "0, 1")] {
        let said = case.import(&older, run, false).unwrap().unproven.unwrap();
        assert!(said.ends_with(&format!("unproven: chosen classes {ours}")), "{said}");
    }
    let mut threshold = few.clone();
    threshold.neuron.threshold = 0.3;
    assert!(case.refused(&older, &threshold).contains("threshold 0.5, the run has 0.3;"));
    // in another order, twice, unknown or none they are no run's
    for wrong in [&["1", "0"][..], &["0", "0"], &["ten"], &[]] {
        let said = with(wrong).check().unwrap_err().to_string();
        assert!(said.starts_with("classes must be some of the data set's classes"), "{said}");
    }
}

#[test]
fn a_run_that_says_a_field_twice_is_none() {
    let case = Case::new();
    let twice = case.saved(|line| line.replacen('{', "{\"classes\":[],", 1));
    let said = case.refused(&twice, &case.run);
    assert!(said.contains("expected JSON, found the field \"classes\" twice"), "{said}");
    let other = case.saved(|_| "no JSON".into());
    assert!(case.refused(&other, &case.run).contains("expected JSON, found text that is no JSON"));
}

/// What this program wrote before its files said which run they are of.
fn old(case: &Case) -> Vec<u8> {
    let all: Vec<(String, Vec<usize>, Vec<u8>)> = case
        .vars
        .all()
        .iter()
        .map(|(name, var)| {
            let values: Vec<f32> = var.flatten_all().unwrap().to_vec1().unwrap();
            let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (name.clone(), var.dims().to_vec(), bytes)
        })
        .collect();
    let text = "spikegrad weights 1\n";
    let mut hash = Sha256::new_with_prefix(text);
    for (name, dims, bytes) in &all {
        hash.update(format!("{name} {dims:?} "));
        hash.update(bytes);
    }
    let sum: String = sentence::hex(&hash.finalize());
    let header = HashMap::from([("spikegrad".into(), format!("{text}sha256\t{sum}\n"))]);
    let views = all.iter().map(|(name, dims, bytes)| {
        let dtype = safetensors::Dtype::F32;
        (name, safetensors::tensor::TensorView::new(dtype, dims.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, Some(header)).unwrap()
}

#[test]
fn numbers_that_are_none_and_tensors_that_do_not_fit_are_named() {
    let case = Case::new();
    let with = |name: &str, tensor: Tensor| {
        let mut all = case.foreign();
        all.insert(name.into(), tensor);
        case.refused(&case.bytes_of(&all), &case.run)
    };
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let bias = Tensor::new(&[0.0, value, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], &Device::Cpu);
        let said = with("head.bias", bias.unwrap());
        assert!(said.contains("head.bias holds a number that is not finite; take"), "{said}");
    }
    let bias = |dtype| Tensor::ones(10, dtype, &Device::Cpu).unwrap();
    let far = (bias(DType::F64) * 1e300).unwrap();
    assert!(with("head.bias", far).contains("head.bias holds a number that is not finite"));
    let negative = Tensor::new(&[1.0f32, -1e-9], &Device::Cpu).unwrap();
    let said = with("2C3-1.norm.running_var", negative);
    assert!(said.contains("2C3-1.norm.running_var holds a negative variance"), "{said}");
    for dtype in [DType::I64, DType::U8, DType::U32] {
        let said = with("head.bias", bias(dtype));
        assert!(said.contains("head.bias is of type "), "{said}");
        assert!(said.contains("expected floating-point numbers"), "{said}");
    }
    let empty = Tensor::zeros((0, 10), DType::F32, &Device::Cpu).unwrap();
    assert!(with("head.bias", empty.clone()).contains("has shape [0, 10], expected [10]"));
    assert!(with("more", empty).contains("more has no place here"));
    let mut fewer = case.foreign();
    fewer.remove("head.bias");
    assert!(case.refused(&case.bytes_of(&fewer), &case.run).contains("head.bias is missing"));
    // the same name twice: a reader of JSON takes one of them without a word
    let bytes = case.bytes_of(&case.foreign());
    let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let more = b"{\"head.bias\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},";
    let length = ((length + more.len() - 1) as u64).to_le_bytes();
    let twice = [&length[..], more, &bytes[9..]].concat();
    assert!(
        case.refused(&twice, &case.run)
            .contains("its list of tensors has the field \"head.bias\" twice")
    );
    // what is not finite is not saved either
    let var = case.vars.get("head.bias").unwrap();
    var.set(&(bias(DType::F32) * f64::NAN).unwrap()).unwrap();
    let path = case.folder.path().join("diverged");
    let said = save_weights(&path, &case.vars, "{}").unwrap_err().to_string();
    assert!(said.contains("head.bias holds a number that is not finite") && !path.exists());
}

#[test]
fn a_damaged_file_is_refused_or_the_same_weights() {
    let case = Case::new();
    let ours = case.saved(|line| line);
    let files = [&ours[..], &old(&case), TORCH[0], TORCH[2], TORCH[6], TORCH[8]];
    let mut state = 1u64;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % n
    };
    for good in files {
        case.import(good, &case.run, false).unwrap();
        let expected = case.vars.sha256().unwrap();
        let mut refused = 0;
        for n in 0..240 {
            let mut bad = good.to_vec();
            let at = below(bad.len());
            let to = (at + 1 + below(40)).min(bad.len());
            match n % 5 {
                0..=1 => bad[at] ^= 1 << below(8),
                2 => bad.truncate(at),
                3 => drop(bad.drain(at..to)),
                _ => bad[at..to].reverse(),
            }
            match case.import(&bad, &case.run, false) {
                Ok(_) => assert_eq!(case.vars.sha256().unwrap(), expected, "{n}"),
                Err(error) => {
                    let said = format!("{error:#}");
                    assert!(!said.contains('\n') && said.len() < 2000, "{said}");
                    refused += 1;
                }
            }
            assert_eq!(case.vars.sha256().unwrap(), expected);
        }
        assert!(refused >= 120, "{refused}");
    }
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return };
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    assert!(kib < 512 << 10, "{kib} KiB for files of 8 KB");
}

#[test]
fn every_protocol_of_torch_brings_the_same_weights() {
    let case = Case::new();
    for (i, bytes) in TORCH.iter().enumerate() {
        case.vars.all().iter().for_each(|(_, var)| var.set(&var.zeros_like().unwrap()).unwrap());
        let imported = case.import(bytes, &case.run, false).unwrap();
        assert_eq!((imported.variables, imported.numbers), (14, 104), "{i}");
        let mut all = Vec::new();
        for (_, var) in case.vars.all() {
            let values: Vec<f32> = var.flatten_all().unwrap().to_vec1().unwrap();
            all.extend(values.iter().map(|value| value * 8.0));
        }
        all.sort_by(f32::total_cmp);
        assert!(all.iter().zip(0u16..).all(|(value, n)| *value == f32::from(n)), "{i}: {all:?}");
    }
    let mut diverged = TORCH[0].to_vec();
    let first = [0.0f32, 0.125].map(f32::to_le_bytes).concat();
    let at = diverged.windows(8).position(|window| window == first).unwrap();
    diverged[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(case.refused(&diverged, &case.run).contains("has another checksum"));
    fix_checksum(&mut diverged, at);
    let said = case.refused(&diverged, &case.run);
    assert!(said.contains("fun.0.weight holds a number that is not finite"), "{said}");
}

/// Gives the stored file that holds the byte at `at` the checksum of its bytes, in both places.
fn fix_checksum(archive: &mut [u8], at: usize) {
    let starts = |signature: &[u8], archive: &[u8]| -> Vec<usize> {
        (0..archive.len() - 4).filter(|&at| archive[at..].starts_with(signature)).collect()
    };
    let local = starts(b"PK\x03\x04", archive).into_iter().rfind(|&start| start < at).unwrap();
    let name = usize::from(archive[local + 26]);
    let size = u32::from_le_bytes(*archive[local + 18..].first_chunk().unwrap()) as usize;
    let bytes = archive[local + 30 + name..][..size].to_vec();
    let crc = !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8)
            .fold(crc ^ u32::from(*byte), |c, _| c >> 1 ^ if c & 1 == 1 { 0xedb8_8320 } else { 0 })
    });
    let name = archive[local + 30..][..name].to_vec();
    let entry = starts(b"PK\x01\x02", archive)
        .into_iter()
        .find(|&entry| archive[entry + 46..].starts_with(&name))
        .unwrap();
    archive[local + 14..local + 18].copy_from_slice(&crc.to_le_bytes());
    archive[entry + 16..entry + 20].copy_from_slice(&crc.to_le_bytes());
}
