//! The command `convert` as a user meets it: a state dict of PyTorch's names, all four rules, what
//! they leave, and what is refused.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{call, stderr};
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::Value;
use std::path::Path;

/// Four images of each of two classes in each half: red ones and blue ones.
fn images(dir: &Path) {
    for half in ["train", "test"] {
        for (class, pixel) in [("airplane", [200u8, 40, 20]), ("automobile", [20, 40, 200])] {
            let folder = dir.join("data/cifar10").join(half).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for index in 0..4u8 {
                let file =
                    std::fs::File::create(folder.join(format!("{half}{index}.png"))).unwrap();
                let mut encoder = png::Encoder::new(file, 32, 32);
                encoder.set_color(png::ColorType::Rgb);
                // no two files are equal
                let bytes: Vec<u8> = (0..1024 * 3)
                    .map(|i| pixel[i % 3] - index - u8::from(half == "test"))
                    .collect();
                encoder.write_header().unwrap().write_image_data(&bytes).unwrap();
            }
        }
    }
}

/// A state dict: named values with their shapes.
fn state_dict(path: &Path, tensors: &[(&str, &[usize], Vec<f32>)]) {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(.., values)| values.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap())
    });
    std::fs::write(path, serialize(views, None).unwrap()).unwrap();
}

/// Two channels that see red and blue, a norm that changes nothing, and a head for the first two
/// classes.
fn network(path: &Path, head: &str) {
    let mut of_head = vec![-1.0; 20];
    (of_head[0], of_head[3]) = (1.0, 1.0);
    state_dict(
        path,
        &[
            ("features.0.weight", &[2, 3, 1, 1], vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
            ("features.1.weight", &[2], vec![1.0; 2]),
            ("features.1.bias", &[2], vec![0.0; 2]),
            ("features.1.running_mean", &[2], vec![0.0; 2]),
            ("features.1.running_var", &[2], vec![1.0; 2]),
            (&format!("{head}.weight"), &[10, 2], of_head),
            (&format!("{head}.bias"), &[10], vec![0.0; 10]),
        ],
    );
}

const COMMON: [&str; 8] = [
    "--data",
    "data",
    "--on",
    "cifar10",
    "--raw-pixels",
    "--network",
    "2C1-AP8-AP4-1Voting",
    "--steps=60",
];

#[test]
fn a_state_dict_becomes_a_network_by_every_rule() {
    let dir = tempfile::tempdir().unwrap();
    images(dir.path());
    network(&dir.path().join("net.safetensors"), "classifier.0");
    let results = dir.path().join("results/convert");
    std::fs::create_dir_all(&results).unwrap();
    // what another command left is not taken up
    std::fs::write(results.join("net-rnl.state.json"), "{\"identity\":\"another\"}").unwrap();
    let rules = "continue,spike-norm,rnl,soft-lif";
    let mut words = vec!["convert", "net.safetensors", "--rule", rules, "--balance-steps=20"];
    words.extend(COMMON);
    let output = call(dir.path(), &words);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("the analogue network: 100.00 % of 8 images"));
    for rule in rules.split(',') {
        let read = |ending: &str| std::fs::read(results.join(format!("net-{rule}.{ending}")));
        let numbers: Value = serde_json::from_slice(&read("json").unwrap()).unwrap();
        assert_eq!(numbers["percent"], 100.0, "{rule}: {numbers}");
        assert_eq!(numbers["percent_after_each_step"].as_array().unwrap().len(), 60);
        assert!(numbers["first_step_within_1_point"].as_u64().unwrap() < 60, "{rule}");
        assert!(numbers["spikes_an_image"].as_f64().unwrap() > 1.0, "{rule}");
        let (_, about) = convert::Spiking::of_bytes(&read("safetensors").unwrap()).unwrap();
        assert_eq!(about["rule"], rule);
        assert!(read("state.json").is_err());
    }
    let figure = std::fs::read_to_string(results.join("net.svg")).unwrap();
    assert!(figure.contains("Spike-Norm") && figure.contains("analogue"));
    // the same command, the same numbers, but for its time
    let first = std::fs::read(results.join("net-continue.safetensors")).unwrap();
    let mut words = vec!["convert", "net.safetensors", "--rule", "continue"];
    words.extend(COMMON);
    assert!(call(dir.path(), &words).status.success());
    assert_eq!(std::fs::read(results.join("net-continue.safetensors")).unwrap(), first);
}

#[test]
fn what_does_not_fit_is_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    images(dir.path());
    network(&dir.path().join("net.safetensors"), "classifier.0");
    let odd = [("a.weight", &[2, 3, 1, 1][..], vec![f32::NAN; 6])];
    state_dict(&dir.path().join("nan.safetensors"), &odd);
    state_dict(&dir.path().join("lstm.safetensors"), &[("a.weight_hh_l0", &[1], vec![0.0])]);
    std::fs::write(dir.path().join("text.pth"), "no weights").unwrap();
    let of = |file: &'static str, network: &'static str| {
        vec![file, "--rule", "rnl", "--data", "data", "--on", "cifar10", "--network", network]
    };
    let whole = "2C1-AP8-AP4-1Voting";
    for (arguments, status, said) in [
        (vec!["net.safetensors", "--rule", "rnl"], 2, "--on: expected the data set"),
        (vec!["net.safetensors", "--rule", "rnl", "--on", "cifar10"], 2, "--network: expected"),
        (vec!["net.safetensors", "--rule", "magic"], 2, "--rule"),
        (vec!["net.safetensors", "--rule", "rnl,rnl"], 2, "--rule"),
        (vec!["net.safetensors", "--rule=rnl", "--percentile=101"], 2, "--percentile: expected"),
        (vec!["text.pth", "--rule", "rnl"], 1, "text.pth"),
        (vec!["absent.pth", "--rule", "rnl"], 1, "absent.pth"),
        (of("nan.safetensors", whole), 1, "a.weight holds a number that is not finite"),
        (of("lstm.safetensors", whole), 1, "a.weight_hh_l0 has no place"),
        (of("net.safetensors", "3C1-AP8-AP4-1Voting"), 1, "features.0.weight has shape"),
        (of("net.safetensors", "2C1-AP8-1Voting"), 1, "classifier.0.weight has shape"),
        (of("net.safetensors", "2C1-2C1-AP8-AP4-1Voting"), 1, "more convolutions than the file"),
        (of("net.safetensors", "AP8-AP4-1Voting"), 1, "classifier.0.weight has shape"),
        (of("net.safetensors", "2S1-2RB3-AP8-AP4-1Voting"), 1, "cannot convert"),
    ] {
        let words: Vec<&str> = std::iter::once("convert").chain(arguments.clone()).collect();
        let output = call(dir.path(), &words);
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {error}");
        assert!(error.contains(said), "{arguments:?}: expected \"{said}\" in: {error}");
        assert!(!error.contains("panicked") && error.lines().count() == 1, "{error}");
    }
}
