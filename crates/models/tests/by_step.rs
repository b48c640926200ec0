//! Votes of each step, and gradients of a loss that weighs steps unequally, beside the tensor
//! operations: with neurons that are voted on, with currents in their place, and without any.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{Device, Result, Tensor};
use models::{Mode, Network, Options, StatisticsOver};
use neuron::Config;

mod common;
use common::{Case, apart, values};

/// Step t has the weight t + 1.
fn weights(votes: &Tensor) -> Result<Tensor> {
    let steps = votes.dim(0)?;
    let weights: Vec<f32> = (1..=steps).map(|t| t as f32).collect();
    Tensor::from_vec(weights, (steps, 1, 1), &Device::Cpu)
}

/// ∂L/∂votes of L = Σₜ (t + 1)·(½·votes² + 0.3·votes).
fn gradient(votes: &Tensor) -> Result<Tensor> {
    (votes + 0.3)?.broadcast_mul(&weights(votes)?)
}

fn value(votes: &Tensor) -> Result<Tensor> {
    ((votes.sqr()? / 2.0)? + (votes * 0.3)?)?.broadcast_mul(&weights(votes)?)?.sum_all()
}

#[track_caller]
fn agree(case: &Case, network: &Network, what: &str) {
    let engine = network.event_driven().expect(what);
    let seed = Mode::Train { seed: 5 };
    let votes = network.votes(&case.tensor(), seed, &mut ()).unwrap();
    let found =
        engine.gradients_by_step(case.frames(), 5, Options::default(), &mut (), gradient).unwrap();
    assert_eq!(found.scores.dims(), votes.dims(), "{what}");
    let (off, largest) = apart(&values(&found.scores), &values(&votes));
    assert!(off <= 1e-5 * largest.max(1e-3), "{what}: votes {off} of {largest}");
    let grads = value(&votes).unwrap().backward().unwrap();
    let vars = case.vars.data().lock().unwrap();
    let mut compared = 0;
    for (name, var) in vars.iter() {
        let Some(expected) = grads.get(var) else { continue };
        let below_a_norm = name
            .strip_suffix(".bias")
            .is_some_and(|stage| vars.contains_key(&format!("{stage}.norm.bias")));
        if below_a_norm {
            continue;
        }
        let found = values(found.get(var).expect(name));
        let (off, largest) = apart(&found, &values(expected));
        assert!(off <= 1e-4 * largest.max(1e-4), "{what}: {name} {off:e} of {largest:e}");
        compared += 1;
    }
    assert!(compared > 1, "{what}");
    let evaluated = engine.votes(case.frames(), Mode::Eval, Options::default(), &mut ()).unwrap();
    let scores = engine.scores(case.frames(), Mode::Eval, Options::default(), &mut ()).unwrap();
    let mean = values(&evaluated.mean(0).unwrap());
    assert!(apart(&mean, &values(&scores)).0 <= 1e-6, "{what}: the scores are their mean");
}

#[test]
fn votes_and_gradients_by_step_equal_the_tensor_operations() {
    for text in ["8C3-MP2-6C3-AP2-9FC(DP)-2Voting", "4C3-4RB3(post)-GAP-3Voting", "4C3-AP2-2Voting"]
    {
        for (steps, still) in [(3, false), (4, true)] {
            let shape = [2, 8, 8, 2];
            let case =
                Case::new(text, shape, (steps, still), Config::bpsa(), StatisticsOver::Step, 0.6);
            let what = |form| format!("{text}, T {steps}, still {still}, {form}");
            agree(&case, &case.network, &what("spikes"));
            agree(&case, &case.network.without_output_neurons(), &what("currents"));
            agree(&case, &case.network.analogue(), &what("analogue"));
        }
    }
}
