//! A [`Neuron`] turns currents into spikes: charge, fire, reset, leak. [`Neuron::step`] is one time
//! step in tensor operations and **is the definition**; [`Neuron::scan`] is the same over all steps
//! in one fused pass, forward and backward, and is what a network runs.
//!
//! ```text
//! u[t] = v[t-1] + x[t]          charge     (x input current, v membrane carried over, v[-1] = 0)
//! o[t] = 1 if u[t] ≥ θ else 0   fire       (or u > θ: [`Fires`])
//! v[t] = λ · reset(u[t], o[t])  reset, leak
//! ```
//!
//! Two things decide the gradient and nothing else: the surrogate ∂o/∂u (crate `surrogate`) and the
//! way the gradient crosses a reset ([`ResetGradient`]). The paper's three methods are three
//! choices of the two, see [`Config::paper`]. Currents, membranes and spikes have no unit; every
//! tensor is `[T, …]`, time first.

#[cfg(feature = "cuda")]
pub use scan::cuda;

mod bad_parameter;
mod cell;
pub mod cells;
mod config;
mod cost;
mod lif;
mod number;
mod population;
mod proof;
mod rules;
mod scan;
mod silent;
mod stepwise;
mod stepwise_lif;

pub use bad_parameter::BadParameter;
pub use cell::{Cell, Parameter};
pub use cells::{Adaptive, Firing, IntegrateAndFire, Kind, Plif, Refractory, Sbpsnn, Synaptic};
pub use config::{Config, PartialConfig};
pub use cost::Cost;
pub use lif::Lif;
pub use number::{Dual, Gradient, Lifted, Line, Traced, TracedMask, lifted, traced};
pub use population::{Population, population};
pub use proof::prove;
pub use rules::{Reset, ResetGradient};
pub use scan::Source;
pub use scan::stage::{Fired, Kernel, Norm, Pooling, Stage, StageGradient, Upstream};
pub use silent::WhenSilent;
pub use stepwise::Stepwise;
pub use surrogate;
pub use surrogate::{Fires, Number};

use candle_core::{Result, Tensor, bail};
use std::sync::Arc;

/// A population of independent neurons of one kind.
pub trait Neuron: std::fmt::Debug + Send + Sync {
    /// What the neurons of currents `x` of one step carry before the first: zeros, of the shape of
    /// `x` for a neuron that carries its membrane alone, the default.
    ///
    /// # Errors
    /// If there is no memory for it.
    fn start(&self, x: &Tensor) -> Result<Tensor> {
        x.zeros_like()
    }

    /// One time step, the definition: currents `x` (f32 or f64) and what was carried, `v`, of the
    /// shape that [`Neuron::start`] gives, to spikes `o`, exactly 0 or 1, and what is carried to
    /// the next step. Differentiable by autograd.
    fn step(&self, x: &Tensor, v: &Tensor) -> Result<(Tensor, Tensor)>;

    /// All time steps of `x` `[T, …]` in one fused pass to spikes `[T, …]`; the state starts at
    /// zero and is dropped at the end. Equal to [`unroll`], forward and backward.
    ///
    /// # Errors
    /// If `x` is neither f32 nor f64, has no axis, or lies on a device without this kernel.
    fn scan(&self, x: &Tensor) -> Result<Tensor>;

    /// The kernels that take this neuron through a whole [`Stage`] on slices, without a graph; what
    /// event-driven training runs. `None`, the default, leaves a network with such a neuron to the
    /// tensor operations.
    fn stage(&self) -> Option<&dyn Kernel> {
        None
    }

    /// The kernels of the backward pass of a batch in which these neurons, as a layer, fired at
    /// `rate`: spikes ÷ (neurons · samples · steps). Those of [`Neuron::stage`], but for neurons
    /// whose gradient depends on it.
    fn stage_at(&self, rate: f64) -> Option<&dyn Kernel> {
        let _ = rate;
        self.stage()
    }

    /// The neurons whose steps a batch takes in which these, as a layer, fired at `rate`, as in
    /// [`Neuron::stage_at`]: the same spikes with another slope. `None`, the default, where these
    /// are taken whatever the rate. A caller that steps by itself asks once it knows the rate.
    fn at_rate(&self, rate: f64) -> Option<&dyn Neuron> {
        let _ = rate;
        None
    }

    /// The kernels of single steps, for a layer to which its own spikes return, that fires at
    /// `rate` in the batch as in [`Neuron::stage_at`]. `None`, the default, leaves a network with
    /// such a layer to the tensor operations.
    fn stepwise_at(&self, rate: f64) -> Option<&dyn Stepwise> {
        let _ = rate;
        None
    }

    /// The learnable parameters by name: variables that autograd knows, and whose values every
    /// later call reads. None, the default, for most neurons.
    fn parameters(&self) -> Vec<(&'static str, Tensor)> {
        Vec::new()
    }

    /// The same neurons with these as their learnable parameters, in the order of
    /// [`Neuron::parameters`]: how each layer of a network gets its own. `None`, the default, of
    /// neurons without any.
    ///
    /// # Errors
    /// Other parameters than they have.
    fn with_parameters(&self, parameters: &[Tensor]) -> Result<Option<Arc<dyn Neuron>>> {
        let _ = parameters;
        Ok(None)
    }

    /// What the learnable parameters mean as they are now, by name, for people:
    /// [`Cell::readings`].
    ///
    /// # Errors
    /// A parameter that cannot be read.
    fn readings(&self) -> Result<Vec<(&'static str, f64)>> {
        Ok(Vec::new())
    }

    /// The membranes before reset of one time step, of the inputs of [`Neuron::step`]: what is held
    /// to the threshold. `x + v`, the default, of a neuron that carries its membrane alone.
    ///
    /// # Errors
    /// If there is none to look at.
    fn membrane(&self, x: &Tensor, v: &Tensor) -> Result<Tensor> {
        if v.dims() != x.dims() {
            bail!("{self:?} carries more than a membrane, and does not say which part it is");
        }
        x + v
    }

    /// What a neuron computes and carries at each step. That of [`Lif`] unless it says otherwise.
    fn cost(&self) -> Cost {
        Cost::LIF
    }

    /// This neuron in CUDA C++, for the kernels of a device. `None`, the default, leaves a network
    /// with such a neuron to the tensor operations.
    fn source(&self) -> Option<Source> {
        None
    }

    /// The same for the backward pass of a batch in which these neurons, as a layer, fired at
    /// `rate`, where it is another than [`Neuron::source`]; `None`, the default, where it is not.
    fn source_at(&self, rate: f64) -> Option<Source> {
        let _ = rate;
        None
    }
}

/// Spikes ÷ (neurons · samples · steps). Counted exactly, as the kernels count: a mean in f32 may
/// lie on the other side of a rate.
///
/// # Errors
/// If a tensor operation fails.
pub fn firing_rate(spikes: &Tensor) -> Result<f64> {
    let steps = spikes.detach().flatten_from(1)?.sum(1)?;
    let fired = steps.to_dtype(candle_core::DType::F64)?.sum_all()?.to_scalar::<f64>()?;
    Ok(fired / spikes.elem_count().max(1) as f64)
}

/// The plain form of [`Neuron::scan`]: [`Neuron::step`] once per time step.
pub fn unroll(neuron: &dyn Neuron, x: &Tensor) -> Result<Tensor> {
    let mut v = neuron.start(&x.get(0)?)?;
    let mut spikes = Vec::with_capacity(x.dim(0)?);
    for t in 0..x.dim(0)? {
        let (o, next) = neuron.step(&x.get(t)?, &v)?;
        spikes.push(o);
        v = next;
    }
    Tensor::stack(&spikes, 0)
}

/// What [`unroll`] passes by: membranes before reset, by [`Neuron::membrane`], and spikes, both of
/// the shape of `x` `[T, …]`, by [`Neuron::step`]. For looking at neurons: no network runs this.
///
/// # Errors
/// If `x` has no axis or no step, the neuron has no membrane to look at, or [`Neuron::step`]
/// refuses `x`.
pub fn membranes(neuron: &dyn Neuron, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let steps = x.dim(0)?;
    let mut v = neuron.start(&x.get(0)?)?;
    let (mut before_reset, mut spikes) = (Vec::with_capacity(steps), Vec::with_capacity(steps));
    for t in 0..steps {
        let x = x.get(t)?;
        before_reset.push(neuron.membrane(&x, &v)?);
        let (o, next) = neuron.step(&x, &v)?;
        spikes.push(o);
        v = next;
    }
    Ok((Tensor::stack(&before_reset, 0)?, Tensor::stack(&spikes, 0)?))
}
