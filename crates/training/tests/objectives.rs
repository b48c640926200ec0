//! Every objective of every head: the closed form is the derivative of the definition, and stored
//! losses of published code come out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Tensor, Var};
use safetensors::SafeTensors;
use std::path::PathBuf;
use training::{Criterion, Head, Objective, Reduction, Words};

const OBJECTIVES: [Objective; 7] = [
    Objective::Mse,
    Objective::CrossEntropy,
    Objective::Tet { lambda: 0.05, target: 1.0 },
    Objective::Tet { lambda: 1.0, target: 0.3 },
    Objective::Counts { right: 4.0, wrong: 1.0 },
    Objective::Traces { tau: 1.0, period: 1 },
    Objective::Traces { tau: 2.5, period: 2 },
];
const HEADS: [Head; 6] = [
    Head::Votes,
    Head::Counts,
    Head::Current,
    Head::Membrane { decay: 0.7 },
    Head::Membrane { decay: 1.0 },
    Head::Charge { decay: 0.7 },
];
const REDUCTIONS: [Reduction; 3] = [Reduction::Mean, Reduction::SumOverClasses, Reduction::Sum];
const SIZES: [usize; 3] = [4, 3, 5];
const LABELS: [u32; 3] = [4, 0, 2];

fn criteria() -> impl Iterator<Item = Criterion> {
    OBJECTIVES.into_iter().flat_map(|objective| {
        HEADS.into_iter().flat_map(move |head| {
            REDUCTIONS.map(|reduction| Criterion { objective, head, reduction })
        })
    })
}

fn votes(dtype: DType) -> Var {
    let n = SIZES.iter().product::<usize>();
    let values: Vec<f64> = (0..n).map(|i| ((i * 37 + 11) % 101) as f64 / 50.0 - 0.7).collect();
    let votes = Tensor::from_vec(values, SIZES.as_slice(), &Device::Cpu).unwrap();
    Var::from_tensor(&votes.to_dtype(dtype).unwrap()).unwrap()
}

fn values(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-3f64, |m, v| m.max(v.abs()));
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= tolerance * largest, "{what}: {a} {b}");
    }
}

#[test]
fn the_closed_form_is_the_derivative_of_the_definition() {
    for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::F64, 1e-12)] {
        for criterion in criteria() {
            let what = format!("{criterion:?} {dtype:?}");
            let votes = votes(dtype);
            let (scores, loss) = criterion.define(&votes, &LABELS).unwrap();
            let expected = values(loss.backward().unwrap().get(&votes).unwrap());
            // blocks give the votes of each step, or their mean
            let given = match criterion.by_step() {
                true => votes.as_tensor().detach(),
                false => votes.mean(0).unwrap().detach(),
            };
            let (gradient, value) = criterion.gradient(&given, SIZES[0], &LABELS).unwrap();
            assert_eq!(gradient.dtype(), dtype);
            let found = match criterion.by_step() {
                true => values(&gradient),
                false => values(&(gradient / SIZES[0] as f64).unwrap()).repeat(SIZES[0]),
            };
            close(&found, &expected, tolerance, &what);
            close(&[value], &values(&loss), tolerance, &what);
            close(
                &[criterion.value(&given, SIZES[0], &LABELS).unwrap()],
                &[value],
                tolerance,
                &what,
            );
            let given = criterion.scores(&given, SIZES[0]).unwrap();
            close(&values(&given), &values(&scores), tolerance, &what);
        }
    }
}

/// The gradient of traces beside differences of the loss itself.
#[test]
fn the_gradient_of_traces_is_that_of_finite_differences() {
    let criterion = Criterion {
        objective: Objective::Traces { tau: 3.0, period: 2 },
        head: Head::Votes,
        reduction: Reduction::Mean,
    };
    let votes = votes(DType::F64);
    let (gradient, _) = criterion.gradient(&votes, SIZES[0], &LABELS).unwrap();
    let (all, found, step) = (values(&votes), values(&gradient), 1e-5);
    let loss = |at: usize, by: f64| {
        let mut moved = all.clone();
        moved[at] += by;
        let moved = Tensor::from_vec(moved, SIZES.as_slice(), &Device::Cpu).unwrap();
        criterion.value(&moved, SIZES[0], &LABELS).unwrap()
    };
    let expected: Vec<f64> =
        (0..all.len()).map(|i| (loss(i, step) - loss(i, -step)) / (2.0 * step)).collect();
    close(&found, &expected, 1e-8, "finite differences");
}

#[test]
fn losses_and_heads_by_hand() {
    let of = |rows: &[&[f64]], objective, head| {
        let all: Vec<f64> = rows.concat();
        // one sample, two classes
        let votes = Tensor::from_vec(all, (rows.len(), 1, 2), &Device::Cpu).unwrap();
        let criterion = Criterion { objective, head, reduction: Reduction::Mean };
        let (scores, loss) = criterion.define(&votes, &[1]).unwrap();
        (values(&scores), values(&loss)[0])
    };
    let two: [&[f64]; 2] = [&[1.0, 0.0], &[0.0, 1.0]];
    let (scores, loss) = of(&two, Objective::CrossEntropy, Head::Votes);
    assert_eq!(scores, [0.5, 0.5]);
    assert!((loss - 2f64.ln()).abs() < 1e-15);
    let tet = Objective::Tet { lambda: 0.5, target: 1.0 };
    let first = (1.0 + 1f64.exp()).ln();
    let expected = 0.5 * (first + first - 1.0) / 2.0 + 0.5 * 0.5;
    assert!((of(&two, tet, Head::Votes).1 - expected).abs() < 1e-15);
    let counts = Objective::Counts { right: 2.0, wrong: 0.0 };
    assert_eq!(of(&two, counts, Head::Votes).1, 1.0);
    // wanted (0, 1/2) of the class and 0 of the other; traces (1/2, 1/4) and (0, 1/2)
    let traces = Objective::Traces { tau: 2.0, period: 2 };
    assert_eq!(of(&two, traces, Head::Votes).1, 0.5 * (0.25 + 0.0625));
    let (scores, loss) = of(&two, Objective::Mse, Head::Counts);
    assert_eq!((scores, loss), (vec![1.0, 1.0], 0.5));
    // v = (1, 0), then (0.5, 1); half of it is the score
    let (scores, _) = of(&two, Objective::Mse, Head::Membrane { decay: 0.5 });
    assert_eq!(scores, [0.25, 0.5]);
    // v = (1/2, 0), then (1/4, 1/2)
    let (scores, _) = of(&two, Objective::Mse, Head::Charge { decay: 0.5 });
    assert_eq!(scores, [0.125, 0.25]);
    let (leak_free, _) = of(&two, Objective::Mse, Head::Membrane { decay: 1.0 });
    assert_eq!(leak_free, of(&two, Objective::Mse, Head::Current).0);
    // large scores overflow nothing
    let (_, loss) = of(&[&[1000.0, 0.0]], Objective::CrossEntropy, Head::Votes);
    assert_eq!(loss, 1000.0);
}

#[test]
fn labels_that_are_no_classes_are_refused() {
    for criterion in criteria() {
        let votes = votes(DType::F32);
        let given = match criterion.by_step() {
            true => votes.as_tensor().clone(),
            false => votes.mean(0).unwrap(),
        };
        for (labels, words) in
            [(&[0u32, 1, 5][..], "label 5 of sample 2"), (&[0, 1][..], "3 rows of scores, but 2")]
        {
            let said = criterion.gradient(&given, SIZES[0], labels).unwrap_err().to_string();
            assert!(said.contains(words), "{said}");
            let said = criterion.define(&votes, labels).unwrap_err().to_string();
            assert!(said.contains(words), "{said}");
        }
    }
}

#[test]
fn short_words_are_read() {
    assert_eq!(Objective::parse("mse"), Some(Objective::Mse));
    assert_eq!(Objective::parse("cross-entropy"), Some(Objective::CrossEntropy));
    assert_eq!(Objective::parse("tet:0.05"), Some(Objective::Tet { lambda: 0.05, target: 1.0 }));
    assert_eq!(Objective::parse("counts:5:1"), Some(Objective::Counts { right: 5.0, wrong: 1.0 }));
    let traces = |tau, period| Some(Objective::Traces { tau, period });
    assert_eq!(Objective::parse("traces:3"), traces(3.0, 2));
    assert_eq!(Objective::parse("traces:1.5:4"), traces(1.5, 4));
    assert_eq!(Head::parse("membrane:0.9"), Some(Head::Membrane { decay: 0.9 }));
    for wrong in [
        "",
        "tet",
        "tet:x",
        "tet:0.1:0.2:0.3",
        "counts:5",
        "mse:1",
        "tet:NaN",
        "traces",
        "traces:2:x",
    ] {
        assert_eq!(Objective::parse(wrong), None, "{wrong}");
    }
    assert_eq!(Head::parse("charge:0.9"), Some(Head::Charge { decay: 0.9 }));
    for wrong in ["", "charge", "membrane", "membrane:", "votes:1", "Votes"] {
        assert_eq!(Head::parse(wrong), None, "{wrong}");
    }
}

/// The stored vectors of published code, or `None` (said aloud) where this machine has none.
fn stored(name: &str) -> Option<Vec<u8>> {
    let shared = std::env::var_os("SPIKEGRAD_SHARED").map(PathBuf::from);
    let path = shared
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into())
        .join("golden-comparators/direct")
        .join(format!("{name}.safetensors"));
    let read = std::fs::read(&path);
    if read.is_err() {
        eprintln!("SKIPPED: no {}", path.display());
    }
    read.ok()
}

fn numbers(file: &SafeTensors, name: &str) -> (Vec<usize>, Vec<f64>) {
    let view = file.tensor(name).unwrap_or_else(|_| panic!("{name} is not stored"));
    let bytes = view.data();
    let values = match view.dtype() {
        safetensors::Dtype::F64 => bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)),
        safetensors::Dtype::F32 => {
            let floats = bytes.as_chunks::<4>().0.iter();
            return (
                view.shape().to_vec(),
                floats.map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
            );
        }
        safetensors::Dtype::I64 => {
            let integers = bytes.as_chunks::<8>().0.iter();
            return (
                view.shape().to_vec(),
                integers.map(|b| i64::from_le_bytes(*b) as f64).collect(),
            );
        }
        other => panic!("{name} is of type {other:?}"),
    };
    (view.shape().to_vec(), values.collect())
}

#[test]
fn losses_of_published_code_come_out() {
    use Objective::{CrossEntropy, Mse};
    use Reduction::{Mean, Sum};
    let cases = [
        ("tdbn_network", "s1", CrossEntropy, Mean),
        ("tdbn_network", "s2", Mse, Mean),
        ("plif_network", "s1", Mse, Mean),
        ("plif_network", "s2", Mse, Mean),
        ("bntt_network", "s1", CrossEntropy, Mean),
        ("bntt_network", "s2", CrossEntropy, Mean),
        ("snasnet_fw_network", "s1", CrossEntropy, Mean),
        ("snasnet_bw_network", "s1", CrossEntropy, Mean),
        ("iirsnn_network", "s1", CrossEntropy, Mean),
        ("lisnn_network", "s1", Mse, Mean),
        ("backeisnn_network", "s1", Mse, Mean),
        ("neunorm_network", "s1", Mse, Mean),
        ("sbpsnn_network", "s1", Mse, Sum),
    ];
    for (name, seed, objective, reduction) in cases {
        let Some(bytes) = stored(name) else { return };
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let labels = numbers(&file, &format!("{seed}.label")).1;
        let labels: Vec<u32> = labels.iter().map(|&label| label as u32).collect();
        for (tag, dtype, tolerance) in [("f32", DType::F32, 1e-6), ("f64", DType::F64, 1e-12)] {
            let (shape, output) = numbers(&file, &format!("{seed}.{tag}.output"));
            let loss = numbers(&file, &format!("{seed}.{tag}.loss")).1[0];
            let scores = Tensor::from_vec(output, shape.as_slice(), &Device::Cpu).unwrap();
            let scores = scores.to_dtype(dtype).unwrap();
            let criterion = Criterion { objective, head: Head::Votes, reduction };
            let found = criterion.gradient(&scores, 1, &labels).unwrap().1;
            close(&[found], &[loss], tolerance, &format!("{name} {seed} {tag}"));
        }
    }
}

#[test]
fn spikes_of_published_encoders_come_out() {
    // both fire where a random number is below |x|/2
    for name in ["bntt_network", "sbpsnn_network"] {
        let Some(bytes) = stored(name) else { return };
        let file = SafeTensors::deserialize(&bytes).unwrap();
        for seed in ["s1", "s2"] {
            let (_, input) = numbers(&file, &format!("{seed}.image"));
            let (_, random) = numbers(&file, &format!("{seed}.random"));
            let (_, encoded) = numbers(&file, &format!("{seed}.encoded"));
            assert!(random.len() > input.len() && random.len() == encoded.len());
            let encoder = training::Bernoulli { scale: 2.0 };
            for (i, (r, spike)) in random.iter().zip(&encoded).enumerate() {
                let x = input[i % input.len()] as f32;
                assert_eq!(f64::from(encoder.spike(x, *r)), *spike, "{name} {seed} {i}");
            }
        }
    }
}
