//! The forms of a neuron, all of which are held to the golden vectors: the fused scan, the plain
//! step, and for whole networks in f32 the event-driven pass; each on a CUDA device too where one
//! is asked for.

use anyhow::{Context, Result, bail};
use candle_core::{Tensor, Var};
use neuron::{Config, Neuron};
use std::fmt;
use std::sync::Arc;
use training::GradientsOf;

/// Which form of the neuron runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// [`Neuron::scan`].
    Scan,
    /// [`Neuron::step`], once per time step: [`neuron::unroll`].
    Step,
    /// [`models::EventDriven`], on whole networks.
    Event,
    /// [`Neuron::scan`] and the layers on a CUDA device, and for whole networks in f32 the passes
    /// of blocks there.
    Device,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Scan => "scan",
            Form::Step => "step",
            Form::Event => "event",
            Form::Device => "cuda",
        })
    }
}

impl Form {
    /// Those that a layer of neurons has by itself.
    pub const ALL: [Form; 2] = [Form::Scan, Form::Step];

    /// Spikes `[T, …]` of currents `[T, …]`.
    pub fn spikes(self, neuron: &dyn Neuron, x: &Tensor) -> candle_core::Result<Tensor> {
        match self {
            Form::Scan | Form::Event | Form::Device => neuron.scan(x),
            Form::Step => neuron::unroll(neuron, x),
        }
    }

    /// The neuron of `config` whose `scan` is this form.
    pub fn neuron(self, config: Config) -> Result<Arc<dyn Neuron>> {
        let neuron = config.build()?;
        Ok(match self {
            Form::Scan | Form::Event | Form::Device => neuron,
            Form::Step => Arc::new(StepByStep(neuron)),
        })
    }
}

/// A neuron that a network runs step by step.
#[derive(Debug)]
struct StepByStep(Arc<dyn Neuron>);

impl Neuron for StepByStep {
    fn step(&self, x: &Tensor, v: &Tensor) -> candle_core::Result<(Tensor, Tensor)> {
        self.0.step(x, v)
    }

    fn scan(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        neuron::unroll(self.0.as_ref(), x)
    }
}

/// Membranes `[T, …]` before the reset, u[t] = v[t-1] + x[t], and after reset and leak, v[t].
pub fn membranes(neuron: &dyn Neuron, x: &Tensor) -> candle_core::Result<(Tensor, Tensor)> {
    let mut v = x.get(0)?.zeros_like()?;
    let (mut before, mut after) = (vec![], vec![]);
    for t in 0..x.dim(0)? {
        let x = x.get(t)?;
        before.push((&v + &x)?);
        v = neuron.step(&x, &v)?.1;
        after.push(v.clone());
    }
    Ok((Tensor::stack(&before, 0)?, Tensor::stack(&after, 0)?))
}

/// The neuron that the golden files call `kind`.
///
/// # Errors
/// If there is none of this name.
pub fn config(kind: &str) -> Result<Config> {
    match kind {
        "baseline" => Ok(Config::baseline()),
        "bpsa" => Ok(Config::bpsa()),
        "bpsta" => Ok(Config::bpsa_bpta()),
        other => bail!("expected the kind baseline, bpsa or bpsta, found \"{other}\""),
    }
}

/// The gradient of `variable`.
///
/// # Errors
/// If none arrived.
pub fn gradient(gradients: &dyn GradientsOf, name: &str, variable: &Var) -> Result<Tensor> {
    gradients.of(variable).cloned().with_context(|| format!("no gradient arrived at {name}"))
}
