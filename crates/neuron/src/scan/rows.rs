use super::Source;
use surrogate::Real;

/// What kernels run of a neuron: whole rows of neurons through one step, forward and back.
///
/// What a row holds of its neurons lies in planes, each as long as the row: `STATES` planes v that
/// are carried on, `KEPT` planes that a step leaves for its way back, and `BACK` planes of
/// gradients. Of the kept ones the first says who fired; of the gradients the first is D = ∂L/∂x of
/// the step in turn, and the last `PARAMETERS` are sums over the steps of ∂L/∂parameter.
pub trait Rows: Copy + std::fmt::Debug + Send + Sync + 'static {
    /// The same neurons for a pass that asks no gradient: neurons that differ in their surrogate
    /// alone share it, and the compiler makes its loops once.
    type Forward: Rows;

    /// These neurons for such a pass.
    fn forward(&self) -> Self::Forward;

    /// Planes kept of a step.
    const KEPT: usize;
    /// Planes carried on.
    const STATES: usize;
    /// Learnable parameters.
    const PARAMETERS: usize;
    /// Planes of gradients.
    const BACK: usize;

    /// Whether a neuron fired, by its number in the first plane kept.
    fn fired<F: Real>(&self, first: F) -> bool;

    /// One step forward: spikes `o` of currents `x`.
    fn fire<F: Real, O: From<bool>>(&self, x: &[F], v: &mut [F], o: &mut [O]);

    /// The same step, which leaves what its way back needs in `kept`.
    fn charge<F: Real>(&self, x: &[F], v: &mut [F], kept: &mut [F]);

    /// One step back: from the gradients `g` of its spikes and those of the next step in `back`.
    fn back<F: Real>(&self, kept: &[F], g: &[F], back: &mut [F]);

    /// The neuron in CUDA C++.
    fn source(&self) -> Source;
}
