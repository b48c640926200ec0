use super::{Rows, Source};
use surrogate::{Number, Real};

/// A neuron whose one state is its membrane, u = v + x, with its backward factors by hand: it keeps
/// one number of a step, where a [`Cell`](crate::Cell) keeps its spike, its current and its states.
pub trait Membrane: Copy + std::fmt::Debug + Send + Sync + 'static {
    /// Whether the neuron fires at u.
    fn fires<N: Number>(&self, u: N) -> N::Mask;
    /// v, the membrane carried to the next step.
    fn carry<N: Number>(&self, u: N, fired: N::Mask) -> N;
    /// g · ∂o/∂u.
    fn times_slope<N: Number>(&self, g: N, u: N) -> N;
    /// ∂L/∂u from G = ∂L/∂o and M = ∂L/∂v.
    fn backward<N: Number>(&self, u: N, fired: N::Mask, g: N, m: N) -> N;
}

impl<M: Membrane> Rows for M {
    const KEPT: usize = 1;
    const STATES: usize = 1;
    const PARAMETERS: usize = 0;
    const BACK: usize = 1;

    #[inline(always)]
    fn fired<F: Real>(&self, u: F) -> bool {
        self.fires(u)
    }

    #[inline(always)]
    fn fire<F: Real, O: From<bool>>(&self, x: &[F], v: &mut [F], o: &mut [O]) {
        for ((o, v), &x) in o.iter_mut().zip(v).zip(x) {
            let u = x + *v;
            let fired = self.fires(u);
            *o = O::from(fired);
            *v = self.carry(u, fired);
        }
    }

    #[inline(always)]
    fn charge<F: Real>(&self, x: &[F], v: &mut [F], u: &mut [F]) {
        for ((u, v), &x) in u.iter_mut().zip(v).zip(x) {
            let now = x + *v;
            *u = now;
            *v = self.carry(now, self.fires(now));
        }
    }

    #[inline(always)]
    fn back<F: Real>(&self, u: &[F], g: &[F], m: &mut [F]) {
        for ((m, &u), &g) in m.iter_mut().zip(u).zip(g) {
            *m = self.backward(u, self.fires(u), g, *m);
        }
    }

    fn source(&self) -> Source {
        Source::of_membrane(self)
    }
}
