//! One step at a time, both ways: for neurons to which their own spikes return.

/// The kernels of a neuron that runs step by step, on slices: the caller carries its state.
pub trait Stepwise: Send + Sync {
    /// One step of currents `x` and carried membranes `v`, which are changed: membranes before
    /// reset, `u = v + x`, and spikes.
    ///
    /// # Panics
    /// If they differ in length.
    fn forward(&self, x: &[f32], v: &mut [f32], u: &mut [f32], fired: &mut [u8]);

    /// One step backward: `m` holds ∂L/∂v of the membranes that this step carried on and receives
    /// ∂L/∂u, which is ∂L/∂x and ∂L/∂v of the step before, from `g`, ∂L/∂o.
    ///
    /// # Panics
    /// If they differ in length.
    fn backward(&self, u: &[f32], g: &[f32], m: &mut [f32]);
}
