//! `lif_*`: one population of neurons, forward and backward, by the fused scan and by the plain
//! step.

use super::check::{Limit, Rows};
use super::form::{self, Form, gradient, membranes};
use super::golden::Golden;
use anyhow::{Context, Result};
use candle_core::{Tensor, Var};
use neuron::{Config, Kind, Neuron, ResetGradient};

/// The README's limit for single-neuron vectors: "exactly, or 1e-6 relative".
const LIMIT: Limit = Limit::Relative(1e-6);

/// Checks every tensor of the file.
pub fn check(golden: &Golden, rows: &mut Rows) -> Result<()> {
    let config = form::config(&golden.field::<String>("/node_kind")?)?;
    constants(golden, config, rows);
    let neuron = config.build()?;
    for (tag, _) in golden.precisions("")? {
        let stored = |name: &str| golden.tensor(&format!("{tag}.{name}"));
        let input = golden.input(&format!("{tag}.input"))?;
        for form in golden.forms(Form::ALL) {
            let outcome = run(golden, form, neuron.as_ref(), &input, &stored("grad_out")?);
            let row = |name: &str| format!("{tag} {name} {form}");
            let (spikes, grad_in) = match outcome {
                Ok(both) => both,
                Err(error) => {
                    rows.add(&row("pass"), Err(error));
                    continue;
                }
            };
            rows.compare_one(&row("spike"), LIMIT, Ok(spikes), stored("spike"));
            rows.compare_one(&row("grad_in"), LIMIT, Ok(grad_in), stored("grad_in"));
        }
        // only the plain step shows its membranes
        let (u, v) = membranes(neuron.as_ref(), &input)?;
        rows.compare_one(&format!("{tag} u step"), LIMIT, Ok(u), stored("u"));
        rows.compare_one(&format!("{tag} mem step"), LIMIT, Ok(v), stored("mem"));
    }
    Ok(())
}

fn run(
    golden: &Golden,
    form: Form,
    neuron: &dyn Neuron,
    input: &Tensor,
    grad_out: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let input = Var::from_tensor(input)?;
    let there = input.to_device(golden.device(form))?;
    let spikes = form.spikes(neuron, &there)?.to_device(input.device())?;
    let gradients = (&spikes * grad_out)?.sum_all()?.backward()?;
    Ok((spikes, gradient(&gradients, "input", &input)?))
}

/// Holds a neuron's constants to those that the file was made with.
pub fn constants(golden: &Golden, config: Config, rows: &mut Rows) {
    let stored = || -> Result<(f64, f64, Option<f64>)> {
        let alpha = golden.field::<Option<f64>>("/alpha").unwrap_or_default();
        Ok((golden.field("/threshold")?, golden.field("/decay")?, alpha))
    };
    let Kind::Lif { decay } = config.kind else { return };
    let outcome = stored().and_then(|(threshold, leak, alpha)| {
        let same_alpha = match (alpha, config.reset_gradient) {
            (Some(stored), ResetGradient::Residual { alpha }) => stored == alpha,
            (Some(_), _) => false,
            (None, _) => true,
        };
        let told = format!(
            "threshold {threshold}, decay {leak}{}",
            alpha.map_or(String::new(), |a| format!(", alpha {a}"))
        );
        let same = (threshold, leak) == (config.threshold, decay) && same_alpha;
        same.then(|| told.clone()).with_context(|| format!("stored are {told}, ours is {config:?}"))
    });
    rows.add("constants", outcome);
}
