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
//! choices of the two, see [`Method`]. Currents, membranes and spikes have no unit; every tensor is
//! `[T, …]`, time first.

#[cfg(feature = "cuda")]
pub use scan::cuda;

mod config;
mod lif;
mod rules;
mod scan;
mod silent;
mod stepwise;

pub use config::{BadParameter, Config, Kind, Method};
pub use lif::Lif;
pub use rules::{Fires, Reset, ResetGradient};
pub use scan::Normalisation;
pub use scan::stage::{Fired, Kernel, Norm, Pooling, Stage, StageGradient, Upstream};
pub use silent::WhenSilent;
pub use stepwise::Stepwise;

use candle_core::{Result, Tensor};

/// A population of independent neurons of one kind.
pub trait Neuron: std::fmt::Debug + Send + Sync {
    /// One time step, the definition: currents `x` and carried membrane `v` (equal shapes, f32 or
    /// f64) to spikes `o`, exactly 0 or 1, and the membrane carried to the next step.
    /// Differentiable by autograd.
    fn step(&self, x: &Tensor, v: &Tensor) -> Result<(Tensor, Tensor)>;

    /// All time steps of `x` `[T, …]` in one fused pass to spikes `[T, …]`; the state starts at
    /// zero and is dropped at the end. Equal to [`unroll`], forward and backward.
    ///
    /// # Errors
    /// If `x` is neither f32 nor f64, has no axis, or lies on a device without this kernel.
    fn scan(&self, x: &Tensor) -> Result<Tensor>;

    /// [`Neuron::scan`] of the currents that `n` makes of `z` without ever writing those currents,
    /// for a neuron that has such a kernel. `None`, the default, has the caller take batch norm,
    /// ReLU and scan one after the other, which is the definition.
    ///
    /// # Errors
    /// As [`Neuron::scan`], and if the moments do not belong to `z`.
    fn scan_normalised(&self, z: &Tensor, n: &Normalisation) -> Result<Option<Tensor>> {
        let _ = (z, n);
        Ok(None)
    }

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

    /// The kernels of single steps, for a layer to which its own spikes return, that fires at
    /// `rate` in the batch as in [`Neuron::stage_at`]. `None`, the default, leaves a network with
    /// such a layer to the tensor operations.
    fn stepwise_at(&self, rate: f64) -> Option<&dyn Stepwise> {
        let _ = rate;
        None
    }

    /// This neuron in CUDA C++: `bool fires(real u)`, `real carry(real u, bool fired)`, the
    /// membrane carried on, and `real backward(real u, bool fired, real g, real m)`, ∂L/∂u from G =
    /// ∂L/∂o and M = ∂L/∂v, where u = v + x and `real` is float or double. `None`, the default,
    /// leaves a network with such a neuron to the tensor operations.
    fn source(&self) -> Option<String> {
        None
    }
}

/// The plain form of [`Neuron::scan`]: [`Neuron::step`] once per time step.
pub fn unroll(neuron: &dyn Neuron, x: &Tensor) -> Result<Tensor> {
    let mut v = x.get(0)?.zeros_like()?;
    let mut spikes = Vec::with_capacity(x.dim(0)?);
    for t in 0..x.dim(0)? {
        let (o, next) = neuron.step(&x.get(t)?, &v)?;
        spikes.push(o);
        v = next;
    }
    Tensor::stack(&spikes, 0)
}

/// What [`unroll`] passes by: membranes before reset, `u[t] = v[t-1] + x[t]`, and spikes, both of
/// the shape of `x` `[T, …]`, by [`Neuron::step`]. For looking at neurons: no network runs this.
///
/// # Errors
/// If `x` has no axis or no step, or [`Neuron::step`] refuses it.
pub fn membranes(neuron: &dyn Neuron, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let steps = x.dim(0)?;
    let mut v = x.get(0)?.zeros_like()?;
    let (mut before_reset, mut spikes) = (Vec::with_capacity(steps), Vec::with_capacity(steps));
    for t in 0..steps {
        let x = x.get(t)?;
        let (o, next) = neuron.step(&x, &v)?;
        before_reset.push((v + x)?);
        spikes.push(o);
        v = next;
    }
    Ok((Tensor::stack(&before_reset, 0)?, Tensor::stack(&spikes, 0)?))
}
