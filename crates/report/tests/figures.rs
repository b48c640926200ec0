//! The figures are looked at by eye; what a program can see of them is checked here. With
//! `REPORT_FIGURES=<folder>` set, every figure drawn here is also left in that folder.
#![allow(clippy::unwrap_used)]

mod svg;

use report::figures::{Band, Caption, Series, accuracy_curves};
use report::{Error, Origin};
use svg::texts;

fn caption(origin: Origin) -> Caption {
    Caption {
        title: "Test accuracy while training".into(),
        subtitle: "N-MNIST sample, 1,000 train / 100 test, T = 8, profile short, 3 seeds".into(),
        origin,
    }
}

/// An accuracy that rises to `top` with some scatter, different for each seed.
fn rising(name: &str, top: f64, epochs: usize, seeds: u32) -> Series {
    let run = |seed: u32| {
        (1..=epochs)
            .map(|e| {
                let scatter = f64::sin(e as f64 * 12.9 + f64::from(seed) * 78.2 + top);
                (top - 60.0 * f64::exp(-8.0 * e as f64 / epochs as f64) + scatter).clamp(0.0, 100.0)
            })
            .collect()
    };
    Series { name: name.into(), seeds: (0..seeds).map(run).collect() }
}

fn three(epochs: usize) -> Vec<Series> {
    vec![
        rising("BPSA + BPTA", 96.0, epochs, 3),
        rising("BPSA", 93.0, epochs, 3),
        rising("STBP", 90.0, epochs, 3),
    ]
}

/// Draws, checks what must hold of every figure, and returns the SVG.
fn drawn(file: &str, series: &[Series], caption: &Caption, band: Band, each_seed: bool) -> String {
    let svg = accuracy_curves(series, caption, band, each_seed).unwrap();
    svg::check(file, &svg);
    assert!(svg.contains("font-family=\"DejaVu Sans, "), "{file}");
    svg
}

#[test]
fn twenty_epochs_of_three_methods() {
    let svg = drawn("three", &three(20), &caption(Origin::Sample), Band::MinMax, false);
    let texts = texts(&svg);
    for label in [
        "Test accuracy while training",
        "N-MNIST sample, 1,000 train / 100 test, T = 8, profile short, 3 seeds",
        "line: mean of the seeds; band: lowest to highest seed",
        "BPSA + BPTA",
        "BPSA",
        "STBP",
        "Epoch",
        "Test accuracy (%)",
        "5",
        "20",
        "100",
    ] {
        assert!(texts.contains(&label), "{label} is not in {texts:?}");
    }
    assert_eq!(svg.matches("<polygon opacity=\"0.18\"").count(), 3, "one band a method");
    assert!(!svg.contains("SYNTHETIC"));
}

#[test]
fn synthetic_data_is_announced() {
    let svg = drawn("synthetic", &three(20), &caption(Origin::Synthetic), Band::Deviation, true);
    assert!(texts(&svg)[0].starts_with("SYNTHETIC DATA"), "{:?}", texts(&svg));
    assert!(svg.contains("± sample standard deviation"));
    assert_eq!(
        svg.matches("<polyline fill=\"none\" opacity=\"0.5\"").count(),
        9,
        "a thin line a seed"
    );
}

#[test]
fn one_series_of_one_epoch() {
    let svg =
        drawn("one", &[rising("BPSA", 93.0, 1, 1)], &caption(Origin::Complete), Band::MinMax, true);
    assert!(!svg.contains("band:") && svg.contains("<circle"));
}

#[test]
fn one_epoch_of_three_methods() {
    let svg = drawn("one-of-three", &three(1), &caption(Origin::Sample), Band::MinMax, true);
    assert_eq!(svg.matches("<circle").count(), 3 + 9, "three means and nine seeds");
    assert!(svg.contains("dot: mean of the seeds; whisker: lowest to highest seed"));
}

#[test]
fn equal_values() {
    for (file, value) in [("equal", 94.3), ("zero", 0.0), ("hundred", 100.0)] {
        let flat = Series { name: "BPSA".into(), seeds: vec![vec![value; 5]; 2] };
        drawn(file, &[flat], &caption(Origin::Sample), Band::Deviation, false);
    }
}

#[test]
fn three_hundred_epochs() {
    let svg = drawn("long", &three(300), &caption(Origin::Complete), Band::MinMax, true);
    assert!(texts(&svg).contains(&"300") && !svg.contains("<circle"));
}

#[test]
fn long_names_are_wrapped_and_markup_is_text() {
    let long =
        "a method with <tags> & \"quotes\" whose name is far longer than the figure is wide, "
            .repeat(2);
    let mut series: Vec<Series> =
        (0..6).map(|k| rising(&format!("method {k}"), 70.0 + 5.0 * k as f64, 8, 2)).collect();
    series.insert(1, rising(&long, 99.0, 8, 1));
    let caption = Caption {
        title: "x".repeat(200),
        subtitle: format!("{long}\u{0}end"),
        origin: Origin::Synthetic,
    };
    let svg = drawn("long-names", &series, &caption, Band::MinMax, false);
    assert!(svg.contains("&lt;tags&gt; &amp; &quot;quotes&quot;"));
    assert!(texts(&svg).iter().all(|line| line.chars().count() < 120), "{:?}", texts(&svg));
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let draw =
        |series: &[Series]| accuracy_curves(series, &caption(Origin::Sample), Band::MinMax, false);
    let series = |seeds: Vec<Vec<f64>>| Series { name: "BPSA".into(), seeds };
    for (bad, words) in [
        (vec![], "found 0"),
        (vec![series(vec![vec![1.0]]); 8], "found 8"),
        (vec![series(vec![])], "none in \"BPSA\""),
        (vec![series(vec![vec![]])], "none in \"BPSA\""),
        (vec![series(vec![vec![1.0, 2.0], vec![1.0]])], "2 and 1 in \"BPSA\""),
        (vec![series(vec![vec![1.0], vec![f64::NAN]])], "NaN in \"BPSA\", run 2, epoch 1"),
        (vec![series(vec![vec![100.5]])], "100.5 in \"BPSA\""),
    ] {
        let error = draw(&bad).unwrap_err();
        assert!(matches!(error, Error::Figure { .. }), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn the_same_figure_is_the_same_text() {
    let draw =
        || accuracy_curves(&three(20), &caption(Origin::Sample), Band::MinMax, true).unwrap();
    assert_eq!(draw(), draw());
}
