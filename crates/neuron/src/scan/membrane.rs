use surrogate::{Number, Real};

/// A neuron whose one state is its membrane, u = v + x, with its backward factors by hand: it keeps
/// one number of a step, where a [`Cell`](crate::Cell) keeps its spike, its current and its states.
pub trait Membrane: Copy + std::fmt::Debug + Send + Sync + 'static {
    /// See [`Rows::Forward`](super::Rows::Forward).
    type Forward: Membrane;

    /// See [`Rows::forward`](super::Rows::forward).
    fn forward(&self) -> Self::Forward;
    /// Whether the neuron fires at u.
    fn fires<N: Number>(&self, u: N) -> N::Mask;
    /// v, the membrane carried to the next step.
    fn carry<N: Number>(&self, u: N, fired: N::Mask) -> N;
    /// g · ∂o/∂u.
    fn times_slope<N: Number>(&self, g: N, u: N) -> N;
    /// ∂L/∂u from G = ∂L/∂o and M = ∂L/∂v.
    fn backward<N: Number>(&self, u: N, fired: N::Mask, g: N, m: N) -> N;

    /// [`Rows::fire`](super::Rows::fire). A neuron whose equations branch on choices of its own
    /// overrides these three: it branches there, outside of the loop, which else would have no
    /// vectors.
    #[inline(always)]
    fn fire_row<F: Real, O: From<bool>>(&self, x: &[F], v: &mut [F], o: &mut [O]) {
        fire(self, x, v, o);
    }

    /// [`Rows::charge`](super::Rows::charge).
    #[inline(always)]
    fn charge_row<F: Real>(&self, x: &[F], v: &mut [F], u: &mut [F]) {
        charge(self, x, v, u);
    }

    /// [`Rows::back`](super::Rows::back).
    #[inline(always)]
    fn back_row<F: Real>(&self, u: &[F], g: &[F], m: &mut [F]) {
        back(self, u, g, m);
    }
}

/// Spikes `o` of currents `x`, on membranes `v`.
#[inline(always)]
pub fn fire<M: Membrane, F: Real, O: From<bool>>(neuron: &M, x: &[F], v: &mut [F], o: &mut [O]) {
    let neuron = *neuron; // on the stack, where no write to a slice can change it
    for ((o, v), &x) in o.iter_mut().zip(v).zip(x) {
        let u = x + *v;
        let fired = neuron.fires(u);
        *o = O::from(fired);
        *v = neuron.carry(u, fired);
    }
}

/// The same step, which leaves its membranes `u`.
#[inline(always)]
pub fn charge<M: Membrane, F: Real>(neuron: &M, x: &[F], v: &mut [F], u: &mut [F]) {
    let neuron = *neuron;
    for ((u, v), &x) in u.iter_mut().zip(v).zip(x) {
        let now = x + *v;
        *u = now;
        *v = neuron.carry(now, neuron.fires(now));
    }
}

/// One step back: `m` from ∂L/∂v to ∂L/∂u.
#[inline(always)]
pub fn back<M: Membrane, F: Real>(neuron: &M, u: &[F], g: &[F], m: &mut [F]) {
    let neuron = *neuron;
    for ((m, &u), &g) in m.iter_mut().zip(u).zip(g) {
        *m = neuron.backward(u, neuron.fires(u), g, *m);
    }
}
