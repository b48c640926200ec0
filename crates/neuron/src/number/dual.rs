use std::ops::{Add, Div, Mul, Neg, Sub};
use surrogate::{Fires, Number, Surrogate};

/// A formula of each derivative. No function that is given a closure, which would be a call inside
/// a loop over neurons, and keep it from using vectors.
macro_rules! each {
    ($formula:expr; $first:ident in $of:expr $(, $other:ident in $more:expr)*) => {{
        let (mut all, of) = ($of, $of);
        all.x = {
            let $first = of.x;
            $(let $other = $more.x;)*
            $formula
        };
        for i in 0..all.state.len() {
            let $first = of.state[i];
            $(let $other = $more.state[i];)*
            all.state[i] = $formula;
        }
        for i in 0..all.parameters.len() {
            let $first = of.parameters[i];
            $(let $other = $more.parameters[i];)*
            all.parameters[i] = $formula;
        }
        all
    }};
}

/// One number for each input of a cell's step: the derivatives of a value by them, or the
/// gradients of a loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gradient<N, const S: usize, const P: usize> {
    /// By the input current.
    pub x: N,
    /// By the states carried into the step.
    pub state: [N; S],
    /// By the learnable parameters.
    pub parameters: [N; P],
}

impl<N: Number, const S: usize, const P: usize> Gradient<N, S, P> {
    /// All of them 0.
    #[inline(always)]
    pub fn zero() -> Self {
        let zero = N::of(0.0);
        Gradient { x: zero, state: [zero; S], parameters: [zero; P] }
    }

    /// Each times `factor`.
    #[inline(always)]
    pub fn times(self, factor: N) -> Self {
        each!(factor * d; d in self)
    }

    /// Each with `factor` times its partner in `other` added.
    #[inline(always)]
    pub fn plus(self, factor: N, other: Self) -> Self {
        each!(sum + factor * d; sum in self, d in other)
    }
}

/// A value with its derivatives by the inputs of a cell's step: forward differentiation, exact but
/// for rounding. Over floats it is a cell's backward pass, over [`Traced`](crate::Traced) the
/// source of that pass.
#[derive(Clone, Copy, Debug)]
pub struct Dual<N, const S: usize, const P: usize> {
    /// The value.
    pub value: N,
    /// Its derivatives.
    pub by: Gradient<N, S, P>,
}

impl<N: Number, const S: usize, const P: usize> Dual<N, S, P> {
    /// The inputs of a step, each with the derivative 1 by itself.
    #[allow(
        clippy::needless_range_loop,
        reason = "a closure would be a call in a loop over neurons"
    )]
    #[inline(always)]
    pub fn inputs(x: N, state: [N; S], parameters: [N; P]) -> (Self, [Self; S], [Self; P]) {
        let (one, zero) = (N::of(1.0), Gradient::zero());
        let mut by = zero;
        by.x = one;
        let x = Dual { value: x, by };
        let mut states = [x; S];
        for i in 0..S {
            let mut by = zero;
            by.state[i] = one;
            states[i] = Dual { value: state[i], by };
        }
        let mut learned = [x; P];
        for i in 0..P {
            let mut by = zero;
            by.parameters[i] = one;
            learned[i] = Dual { value: parameters[i], by };
        }
        (x, states, learned)
    }

    /// `value`, whose derivative by the value of self is `slope`.
    #[inline(always)]
    fn chain(self, value: N, slope: N) -> Self {
        Dual { value, by: each!(d * slope; d in self.by) }
    }
}

impl<N: Number, const S: usize, const P: usize> Add for Dual<N, S, P> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        let by = each!(a + b; a in self.by, b in other.by);
        Dual { value: self.value + other.value, by }
    }
}

impl<N: Number, const S: usize, const P: usize> Sub for Dual<N, S, P> {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        let by = each!(a - b; a in self.by, b in other.by);
        Dual { value: self.value - other.value, by }
    }
}

impl<N: Number, const S: usize, const P: usize> Mul for Dual<N, S, P> {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let by = each!(a * other.value + self.value * b; a in self.by, b in other.by);
        Dual { value: self.value * other.value, by }
    }
}

impl<N: Number, const S: usize, const P: usize> Div for Dual<N, S, P> {
    type Output = Self;

    /// (a/b)′ = (a′ − (a/b)·b′)/b.
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        let by = each!((a - value * b) / other.value; a in self.by, b in other.by);
        Dual { value, by }
    }
}

impl<N: Number, const S: usize, const P: usize> Neg for Dual<N, S, P> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        Dual { value: -self.value, by: each!(-d; d in self.by) }
    }
}

impl<N: Number, const S: usize, const P: usize> Number for Dual<N, S, P> {
    type Mask = N::Mask;

    #[inline(always)]
    fn of(x: f64) -> Self {
        Dual { value: N::of(x), by: Gradient::zero() }
    }

    #[inline(always)]
    fn exp(self) -> Self {
        let value = self.value.exp();
        self.chain(value, value)
    }

    #[inline(always)]
    fn ln(self) -> Self {
        self.chain(self.value.ln(), N::of(1.0) / self.value)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        let value = self.value.sqrt();
        self.chain(value, N::of(0.5) / value)
    }

    #[inline(always)]
    fn abs(self) -> Self {
        let zero = N::of(0.0);
        let below = N::select(zero.above(self.value), N::of(-1.0), zero);
        self.chain(self.value.abs(), N::select(self.value.above(zero), N::of(1.0), below))
    }

    #[inline(always)]
    fn above(self, other: Self) -> N::Mask {
        self.value.above(other.value)
    }

    #[inline(always)]
    fn at_least(self, other: Self) -> N::Mask {
        self.value.at_least(other.value)
    }

    #[inline(always)]
    fn select(mask: N::Mask, yes: Self, no: Self) -> Self {
        let by = each!(N::select(mask, yes, no); yes in yes.by, no in no.by);
        Dual { value: N::select(mask, yes.value, no.value), by }
    }

    #[inline(always)]
    fn constant(holds: bool) -> Option<N::Mask> {
        N::constant(holds)
    }

    #[inline(always)]
    fn detach(self) -> Self {
        Dual { value: self.value, by: Gradient::zero() }
    }

    #[inline(always)]
    fn with_gradient_of(self, other: Self) -> Self {
        Dual { value: self.value, by: other.by }
    }

    #[inline(always)]
    fn spike<S2: Surrogate>(u: Self, threshold: Self, fires: Fires, surrogate: &S2) -> Self {
        let value = N::spike(u.value, threshold.value, fires, surrogate);
        (u - threshold).chain(value, surrogate.slope(u.value, threshold.value))
    }
}
