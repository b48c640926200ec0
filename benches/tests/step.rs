//! The training step that is timed: its layers fire at the rate asked for, and an export is the
//! same step again.
#![allow(clippy::unwrap_used)]

use benches::Method;
use benches::step::{Settings, Step, export, set_rates};
use models::{Architecture, Options, StatisticsOver};

fn settings() -> Settings {
    let (net, method, norm) = (Architecture::Middle, Method::bpsa(), StatisticsOver::Time);
    Settings { net, narrow: 1, steps: 3, batch: 1, method, norm, seed: 4 }
}

#[test]
fn every_layer_fires_at_the_rate_asked_for() {
    let step = Step::new(settings()).unwrap();
    for rate in [0.05, 0.2] {
        for (layer, found) in set_rates(&step, rate, Options::default()).unwrap() {
            assert!(
                (found / rate - 1.0).abs() < 0.25,
                "{layer} fires at {found}, asked for {rate}"
            );
        }
    }
}

#[test]
fn an_export_is_the_same_step() {
    let step = Step::new(settings()).unwrap();
    let rates = set_rates(&step, 0.1, Options::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    export(&step, Options::default(), dir.path(), &rates).unwrap();
    let again = Step::load(dir.path()).unwrap();
    let of = |step: &Step| {
        let (gradients, _, loss) = step.gradients(Options::default(), &mut ()).unwrap();
        let scores: Vec<Vec<f32>> = gradients.scores.to_vec2().unwrap();
        (scores, loss)
    };
    assert_eq!(of(&step), of(&again));
    std::fs::write(dir.path().join("step.json"), "{").unwrap();
    assert!(Step::load(dir.path()).is_err());
}
