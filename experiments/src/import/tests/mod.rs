#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! Checkpoints as `torch.save` lays them out, written here without it, and a small one that it
//! wrote itself.

mod torch_file;

use super::*;
use crate::preset::{Overrides, run};
use crate::systems::BPSA_BPTA;
use crate::{Profile, conformance};
use candle_core::DType;
use datasets::Name;
use models::{Mode, Observer, Variant};
use std::collections::HashMap;
use std::path::PathBuf;
use tempfile::TempDir;
use torch_file::{Torch, zip};

/// Names of all variables.
fn all(vars: &SeededVars) -> Vec<String> {
    vars.all().into_iter().map(|(name, _)| name).collect()
}

/// A run with its network and variables.
struct Case {
    run: Run,
    network: Network,
    vars: SeededVars,
    folder: TempDir,
}

impl Case {
    fn new(data: Name, o: &Overrides) -> Case {
        let run = run(data, &BPSA_BPTA, Profile::Smoke, o).unwrap();
        let vars = SeededVars::new(1);
        let network = run.network(&vars, &Device::Cpu).unwrap();
        Case { run, network, vars, folder: TempDir::new().unwrap() }
    }

    fn tiny() -> Case {
        Case::new(
            Name::Mnist,
            &Overrides {
                network: Some("2C3-2C3-AP28-1Voting".parse().unwrap()),
                ..Default::default()
            },
        )
    }

    fn import(&self, bytes: &[u8]) -> Result<Imported> {
        let path = self.folder.path().join("weights");
        std::fs::write(&path, bytes).unwrap();
        weights(&path, &self.run, &self.network, &self.vars, false)
    }

    /// The sentence of an import that fails, and changes nothing.
    #[track_caller]
    fn refused(&self, bytes: &[u8]) -> String {
        let before = self.values();
        let error = format!("{:#}", self.import(bytes).unwrap_err());
        assert_eq!(self.values(), before);
        assert!(
            error.starts_with("cannot take weights from /") && !error.contains('\n'),
            "{error}"
        );
        error
    }

    fn values(&self) -> Vec<Vec<f32>> {
        let values =
            |name: String| self.vars.get(&name).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        all(&self.vars).into_iter().map(values).collect()
    }

    /// A checkpoint of this network, with counted values.
    fn torch(&self) -> Torch {
        let mut torch = Torch::default();
        let names = Names::of(&self.run, &self.network).unwrap();
        for (i, wanted) in names.wanted.iter().enumerate() {
            let var = self.vars.get(&wanted.ours).unwrap();
            let stored = wanted.layout.golden(&var.affine(0.0, i as f64).unwrap()).unwrap();
            torch.put(&wanted.theirs, &stored);
        }
        torch
    }
}

/// The folder of golden files, or `None` (said aloud) where this machine has none.
fn golden() -> Option<PathBuf> {
    let shared = std::env::var_os("SPIKEGRAD_SHARED").map(PathBuf::from);
    let folder = shared
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into())
        .join("golden");
    if !folder.is_dir() {
        eprintln!("SKIPPED: no golden files in {}", folder.display());
        return None;
    }
    Some(folder)
}

/// Spikes of each layer and step.
#[derive(Default)]
struct Counts(Vec<Tensor>);

impl Observer for Counts {
    fn spikes(&mut self, _: &str, spikes: &Tensor) -> candle_core::Result<()> {
        self.0.push(spikes.to_dtype(DType::F64)?.flatten_from(1)?.sum(1)?.to_dtype(DType::I64)?);
        Ok(())
    }
}

/// A checkpoint of a golden network's weights and running statistics.
fn of_golden(tensors: &HashMap<String, Tensor>) -> Torch {
    let mut torch = Torch::default();
    for (name, tensor) in tensors {
        let weight = name.strip_prefix("param.").or_else(|| name.strip_prefix("bpsta.f32.bn."));
        if let Some(name) = weight {
            torch.put(name, tensor);
        }
    }
    torch
}

/// A golden file's input as the network takes it: half of a sensor of 128 pixels.
fn golden_frames(input: &Tensor, steps: usize) -> Tensor {
    let mut frames = conformance::frames(input, steps).unwrap();
    if frames.dim(2).unwrap() == 128 {
        let even = Tensor::arange_step(0u32, 128, 2, &Device::Cpu).unwrap();
        frames = frames.index_select(&even, 2).unwrap().index_select(&even, 3).unwrap();
    }
    frames.to_dtype(DType::F32).unwrap()
}

/// The golden networks in evaluation mode, with the weights that a checkpoint brought.
#[test]
fn imported_golden_weights_reproduce_outputs_and_spike_counts() {
    let Some(folder) = golden() else { return };
    for (net, data, variant) in [
        ("small", Name::Mnist, Variant::Code),
        ("small_paper", Name::Mnist, Variant::Paper),
        ("middle_cifar", Name::Cifar10, Variant::Code),
        ("middle_nmnist", Name::NMnist, Variant::Code),
        ("large", Name::DvsGesture, Variant::Code),
        ("large_paper", Name::DvsGesture, Variant::Paper),
    ] {
        let tensors = candle_core::safetensors::load(
            folder.join(format!("network_{net}.safetensors")),
            &Device::Cpu,
        )
        .unwrap();
        let mut torch = of_golden(&tensors);
        for nested in [None, Some(("network", "module."))] {
            let case = Case::new(
                data,
                &Overrides { narrow: Some(16), variant: Some(variant), ..Default::default() },
            );
            if nested.is_some() {
                let names = Names::of(&case.run, &case.network).unwrap();
                let scalar = |value: f64| Tensor::new(value as f32, &Device::Cpu).unwrap();
                names
                    .constants
                    .iter()
                    .for_each(|(name, _, value)| torch.put(name, &scalar(*value)));
                names.counters.iter().for_each(|name| torch.put(name, &scalar(1.0)));
            }
            let imported = case.import(&Torch { nested, ..torch.clone() }.bytes()).unwrap();
            assert_eq!(imported.source, Source::Torch);
            let counts = &tensors["bpsta.eval.spike_count"];
            let frames = golden_frames(&tensors["input"], counts.dim(1).unwrap());
            let mut seen = Counts::default();
            let scores = case.network.forward(&frames, Mode::Eval, &mut seen).unwrap();
            let off = (scores - &tensors["bpsta.f32.eval.output"])
                .unwrap()
                .abs()
                .unwrap()
                .max_all()
                .unwrap();
            assert!(off.to_scalar::<f32>().unwrap() <= 1e-6, "{net}");
            let seen: Vec<Vec<i64>> = Tensor::stack(&seen.0, 0).unwrap().to_vec2().unwrap();
            assert_eq!(seen, counts.to_vec2::<i64>().unwrap(), "{net}");
        }
    }
}

/// `torch.pth` was saved by PyTorch 1.12.1: `{'network': …, 'epoch', 'optimizer', 'best_acc'}` of a
/// `DataParallel` network whose convolutions lie in memory channels last. Parameters, then running
/// statistics, count up in eighths.
#[test]
fn a_file_that_torch_wrote() {
    let case = Case::tiny();
    let imported = case.import(include_bytes!("../torch.pth")).unwrap();
    assert_eq!((imported.source, imported.variables, imported.numbers), (Source::Torch, 14, 104));
    let eighths = |name: &str| -> Vec<f32> {
        let var = case.vars.get(name).unwrap();
        (var.as_tensor() * 8.0).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    };
    let counted = |range: std::ops::Range<u32>| range.map(|n| n as f32).collect::<Vec<_>>();
    // OIHW 2×1×3×3 from 0 on, then bias and norm
    assert_eq!(eighths("2C3-1.weight")[..4], [0.0, 9.0, 1.0, 10.0]);
    assert_eq!(eighths("2C3-1.bias"), counted(18..20));
    assert_eq!(eighths("2C3-1.norm.bias"), counted(22..24));
    // OIHW 2×2×3×3 from 24 on: i, o at the first pixel are 24, 42, 33, 51
    assert_eq!(eighths("2C3-2.weight")[..4], [24.0, 42.0, 33.0, 51.0]);
    // 10×2 from 66 on
    assert_eq!(eighths("head.weight")[..3], [66.0, 68.0, 70.0]);
    assert_eq!(eighths("head.bias"), counted(86..96));
    assert_eq!(eighths("2C3-2.norm.running_var"), counted(102..104));
}

#[test]
fn what_does_not_fit_is_told_by_name_and_changes_nothing() {
    let case = Case::tiny();
    let whole = case.torch();
    assert_eq!(case.import(&whole.bytes()).unwrap().variables, 14);
    let mut torch = whole.clone();
    torch.named("fun.1.running_mean").0 = "fun.1.running_mode".into();
    torch.named("fun.0.bias").0 = "fun.0.bus".into();
    torch.named("fun.10.weight").1 = vec![2, 10];
    let error = case.refused(&torch.bytes());
    for fault in [
        "does not fit the network 2C3-2C3-AP28-1Voting: ",
        "fun.0.bias (2C3-1.bias here) is missing; ",
        "fun.1.running_mean (2C3-1.norm.running_mean here) is missing; ",
        "fun.10.weight has shape [2, 10], expected [10, 2]; ",
        "fun.0.bus has no place here; fun.1.running_mode has no place here",
    ] {
        assert!(error.contains(fault), "{error}");
    }
    let other = Torch { nested: Some(("weights", "")), ..whole };
    assert!(
        case.refused(&other.bytes()).contains("fun.0.weight (2C3-1.weight here) is missing"),
        "best_acc alone is none"
    );
    let empty = case.refused(&Torch::default().bytes());
    assert!(
        empty.contains("expected tensors by name, plain or under one of network, state_dict")
            && empty.contains("found nothing"),
        "{empty}"
    );
}

fn constant(value: f32) -> Tensor {
    Tensor::new(value, &Device::Cpu).unwrap()
}

#[test]
fn constants_of_other_neurons_are_refused_unless_the_user_says_so() {
    let case = Case::tiny();
    let whole = case.torch();
    let mut torch = whole.clone();
    torch.put("fun.3.threshold", &constant(1.0));
    torch.put("fun.3.decay", &constant(0.9));
    torch.put("fun.7.decay", &Tensor::new(&[0.9f32, 0.9], &Device::Cpu).unwrap());
    let error = case.refused(&torch.bytes());
    assert!(
        error.contains("fun.3.threshold is 1 and the run's threshold 0.5, so give the neuron"),
        "{error}"
    );
    assert!(
        error.contains("fun.7.decay is of shape [2]") && !error.contains("fun.3.decay"),
        "{error}"
    );
    // taken all the same where the user says so, and said
    let path = case.folder.path().join("weights");
    let mut fits = whole;
    fits.put("fun.3.threshold", &constant(1.0));
    std::fs::write(&path, fits.bytes()).unwrap();
    let taken = weights(&path, &case.run, &case.network, &case.vars, true).unwrap();
    let said = taken.unproven.unwrap();
    assert!(
        said.contains("fun.3.threshold is 1") && said.contains("fun.7.threshold 0.5"),
        "{said}"
    );
}

/// What the file tells is not said again, the rest is; of neurons that differ, which.
#[test]
fn what_a_file_does_not_tell_is_said() {
    let case = Case::tiny();
    let whole = case.torch();
    let said = |constants: &[(&str, f32)]| {
        let mut torch = whole.clone();
        constants.iter().for_each(|&(name, value)| torch.put(name, &constant(value)));
        case.import(&torch.bytes()).unwrap().unproven.unwrap()
    };
    let all = [
        ("fun.3.threshold", 0.5),
        ("fun.7.threshold", 0.5),
        ("fun.11.threshold", 0.5),
        ("fun.3.decay", 0.9),
        ("fun.7.decay", 0.9),
        ("fun.11.decay", 0.9),
    ];
    for (constants, told, untold) in [
        (&all[..], &["threshold 0.5", "decay", "neuron lif"][..], &["unproven: fires"][..]),
        (&all[..3], &["threshold 0.5"], &["decay 0.9", "neuron lif", "reset to-zero"]),
        (&all[3..], &["decay", "neuron lif"], &["threshold 0.5", "fires at-threshold"]),
        (
            &all[..1],
            &["fun.3"],
            &["unproven: fun.7.threshold 0.5, fun.11.threshold 0.5, decay 0.9"],
        ),
        (&all[..5], &["threshold 0.5", "neuron lif"], &["unproven: fun.11.decay 0.9, fires"]),
    ] {
        let said = said(constants);
        assert!(told.iter().all(|word| !said.contains(word)), "{said}");
        assert!(untold.iter().all(|word| said.contains(word)), "{said}");
        assert!(
            said.contains("framing and time steps") && said.contains("data set mnist"),
            "{said}"
        );
    }
}

#[test]
fn every_place_where_programs_keep_a_state_dict() {
    let case = Case::tiny();
    let torch = case.torch();
    for nested in
        [("network", ""), ("model", "module."), ("state_dict", "_orig_mod.module."), ("net", "")]
    {
        let torch = Torch { nested: Some(nested), ..torch.clone() };
        assert_eq!(case.import(&torch.bytes()).unwrap().numbers, 104);
    }
}

#[test]
fn other_and_damaged_files_are_one_sentence() {
    let case = Case::tiny();
    let bytes = case.torch().bytes();
    assert!(
        case.refused(b"\x80\x02\x8a\x0a\x6c\xfc")
            .contains("since PyTorch 1.6, found a bare pickle")
    );
    assert!(case.refused(b"").contains("found neither"));
    assert!(case.refused(&bytes[..bytes.len() / 2]).contains("damaged or cut short"));
    assert!(case.refused(b"\x05\0\0\0\0\0\0\0{").contains("the file is damaged or cut short"));
    assert!(case.refused(&zip(&[("readme".into(), vec![])])).contains("found another zip archive"));
    let object = zip(&[("a/data.pkl".into(), b"\x80\x02cmodels\nNet\n)R.".to_vec())]);
    assert!(case.refused(&object).contains("save model.state_dict() instead"));
    assert!(case.import(&std::fs::read(case.folder.path()).unwrap_or_default()).is_err());
    let missing = weights(Path::new("/nowhere/x.pth"), &case.run, &case.network, &case.vars, false)
        .unwrap_err();
    assert!(format!("{missing:#}").starts_with("cannot take weights from /nowhere/x.pth: "));
    // whatever a pickle says, it is an error or it is read
    let pickle = case.torch().pickle();
    for at in 0..pickle.len() {
        let mut pickle = pickle.clone();
        pickle[at] ^= [0x01, 0x10, 0x80, 0x0b][at % 4];
        let _ = case.import(&zip(&[("archive/data.pkl".into(), pickle)]));
    }
}

#[test]
fn our_own_files_go_by_name_residual_networks_too() {
    let spec = "4S3-4RB3-8RB3/2-BN-GAP-1Voting".parse().unwrap();
    let case = Case::new(Name::Cifar10, &Overrides { network: Some(spec), ..Default::default() });
    let torch = Names::of(&case.run, &case.network).map(|_| ()).unwrap_err().to_string();
    assert!(
        torch.contains("no residual or recurrent network")
            && torch.contains("take a .safetensors file"),
        "{torch}"
    );
    let file = case.folder.path().join("ours.safetensors");
    let mut tensors: HashMap<String, Tensor> = all(&case.vars)
        .into_iter()
        .map(|name| (name.clone(), case.vars.get(&name).unwrap().affine(0.0, 3.0).unwrap()))
        .collect();
    tensors.insert(
        "adamw.first.head.bias".into(),
        Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap(),
    );
    candle_core::safetensors::save(&tensors, &file).unwrap();
    let imported = weights(&file, &case.run, &case.network, &case.vars, false).unwrap();
    assert_eq!((imported.source, imported.variables), (Source::Safetensors, all(&case.vars).len()));
    assert!(case.values().iter().flatten().all(|&v| v == 3.0));
    tensors.remove("8RB3/2-1.shortcut.norm.running_var");
    tensors.insert("extra".into(), Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap());
    candle_core::safetensors::save(&tensors, &file).unwrap();
    let error = case.refused(&std::fs::read(&file).unwrap());
    assert!(
        error.contains("8RB3/2-1.shortcut.norm.running_var is missing; extra has no place here"),
        "{error}"
    );
}
