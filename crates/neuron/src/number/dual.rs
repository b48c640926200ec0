use std::array::from_fn;
use std::ops::{Add, Div, Mul, Neg, Sub};
use surrogate::{Fires, Number, Surrogate};

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

    /// `f` of each.
    #[inline(always)]
    pub fn map(self, f: impl Fn(N) -> N) -> Self {
        Gradient { x: f(self.x), state: self.state.map(&f), parameters: self.parameters.map(&f) }
    }

    /// `f` of each and of its partner in `other`.
    #[inline(always)]
    pub fn zip(self, other: Self, f: impl Fn(N, N) -> N) -> Self {
        Gradient {
            x: f(self.x, other.x),
            state: from_fn(|i| f(self.state[i], other.state[i])),
            parameters: from_fn(|i| f(self.parameters[i], other.parameters[i])),
        }
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
    #[inline(always)]
    pub fn inputs(x: N, state: [N; S], parameters: [N; P]) -> (Self, [Self; S], [Self; P]) {
        let one = N::of(1.0);
        let constant = |value| Dual { value, by: Gradient::zero() };
        let mut x = constant(x);
        x.by.x = one;
        let state = from_fn(|i| {
            let mut input = constant(state[i]);
            input.by.state[i] = one;
            input
        });
        let parameters = from_fn(|i| {
            let mut input = constant(parameters[i]);
            input.by.parameters[i] = one;
            input
        });
        (x, state, parameters)
    }

    /// `value`, whose derivative by the value of self is `slope`.
    #[inline(always)]
    fn chain(self, value: N, slope: N) -> Self {
        Dual { value, by: self.by.map(|d| d * slope) }
    }
}

impl<N: Number, const S: usize, const P: usize> Add for Dual<N, S, P> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Dual { value: self.value + other.value, by: self.by.zip(other.by, |a, b| a + b) }
    }
}

impl<N: Number, const S: usize, const P: usize> Sub for Dual<N, S, P> {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Dual { value: self.value - other.value, by: self.by.zip(other.by, |a, b| a - b) }
    }
}

impl<N: Number, const S: usize, const P: usize> Mul for Dual<N, S, P> {
    type Output = Self;

    #[expect(clippy::suspicious_arithmetic_impl, reason = "the product rule has a sum")]
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let by = self.by.zip(other.by, |a, b| a * other.value + self.value * b);
        Dual { value: self.value * other.value, by }
    }
}

impl<N: Number, const S: usize, const P: usize> Div for Dual<N, S, P> {
    type Output = Self;

    /// (a/b)′ = (a′ − (a/b)·b′)/b.
    #[expect(clippy::suspicious_arithmetic_impl, reason = "the quotient rule has a difference")]
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        Dual { value, by: self.by.zip(other.by, |a, b| (a - value * b) / other.value) }
    }
}

impl<N: Number, const S: usize, const P: usize> Neg for Dual<N, S, P> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        Dual { value: -self.value, by: self.by.map(|d| -d) }
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
        Dual {
            value: N::select(mask, yes.value, no.value),
            by: yes.by.zip(no.by, |yes, no| N::select(mask, yes, no)),
        }
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
