use crate::{Fires, Surrogate};
use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// What an equation computes with. An equation that is written over a `Number` runs on `f32` and
/// `f64`; the crate `neuron` has further kinds, which differentiate it, print it as CUDA C++, or
/// lift it to candle's tensors.
///
/// There is no `if` on a `Number`, because a tensor and a line of source hold many outcomes at
/// once: compare with [`Number::above`] or [`Number::at_least`], then [`Number::select`].
pub trait Number:
    Copy
    + Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The outcome of a comparison: `bool` for a float.
    type Mask: Copy;

    /// A constant of the equation, rounded to nearest in `f32`.
    fn of(x: f64) -> Self;

    /// eˣ.
    fn exp(self) -> Self;

    /// The natural logarithm.
    fn ln(self) -> Self;

    /// The square root.
    fn sqrt(self) -> Self;

    /// |x|. Its derivative at 0 is 0.
    fn abs(self) -> Self;

    /// Whether self > other.
    fn above(self, other: Self) -> Self::Mask;

    /// Whether self ≥ other.
    fn at_least(self, other: Self) -> Self::Mask;

    /// `yes` where the mask holds, else `no`. Both are computed; what is not chosen reaches
    /// neither the value nor a derivative.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// What a comparison gives that always, or never, holds: by [`Number::select`] floats take a
    /// choice of the neuron, such as its reset, without a branch, which would keep a loop over
    /// neurons from using vectors. `None`, the default, where an equation is written down and not
    /// computed: what is not chosen is then left out of it.
    #[inline(always)]
    fn constant(holds: bool) -> Option<Self::Mask> {
        let _ = holds;
        None
    }

    /// The same value, which counts as a constant in every derivative.
    fn detach(self) -> Self;

    /// The value of self, with the derivatives of `other`: a straight-through estimate.
    fn with_gradient_of(self, other: Self) -> Self;

    /// A spike: 1 where a membrane `u` fires at `threshold`, else 0. Its derivative by `u` is the
    /// surrogate's slope, that by the threshold the same with the other sign, since a step depends
    /// on u − θ alone. `threshold.detach()` leaves the second out.
    fn spike<S: Surrogate>(u: Self, threshold: Self, fires: Fires, surrogate: &S) -> Self;

    /// max(0, x). Its derivative at 0 is 0.
    #[inline(always)]
    fn positive(self) -> Self {
        let zero = Self::of(0.0);
        Self::select(self.above(zero), self, zero)
    }

    /// σ(x) = 1 / (1 + e⁻ˣ).
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let one = Self::of(1.0);
        one / (one + (-self).exp())
    }
}

impl Fires {
    /// Whether a membrane `u` fires at `threshold`.
    #[inline(always)]
    pub fn at<N: Number>(self, u: N, threshold: N) -> N::Mask {
        match self {
            Fires::AtThreshold => u.at_least(threshold),
            Fires::AboveThreshold => u.above(threshold),
        }
    }
}

/// The two precisions that equations run in: `f32` to train, `f64` to check.
pub trait Real:
    Number<Mask = bool>
    + num_traits::Float
    + std::iter::Sum
    + From<bool>
    + Into<f64>
    + Send
    + Sync
    + 'static
{
}

macro_rules! real {
    ($float:ident) => {
        impl Number for $float {
            type Mask = bool;

            #[inline(always)]
            fn of(x: f64) -> $float {
                x as $float
            }

            #[inline(always)]
            fn exp(self) -> $float {
                $float::exp(self)
            }

            #[inline(always)]
            fn ln(self) -> $float {
                $float::ln(self)
            }

            #[inline(always)]
            fn sqrt(self) -> $float {
                $float::sqrt(self)
            }

            #[inline(always)]
            fn abs(self) -> $float {
                $float::abs(self)
            }

            #[inline(always)]
            fn above(self, other: $float) -> bool {
                self > other
            }

            #[inline(always)]
            fn at_least(self, other: $float) -> bool {
                self >= other
            }

            #[inline(always)]
            fn select(mask: bool, yes: $float, no: $float) -> $float {
                if mask { yes } else { no }
            }

            #[inline(always)]
            fn constant(holds: bool) -> Option<bool> {
                Some(holds)
            }

            #[inline(always)]
            fn detach(self) -> $float {
                self
            }

            #[inline(always)]
            fn with_gradient_of(self, _: $float) -> $float {
                self
            }

            #[inline(always)]
            fn spike<S: Surrogate>(u: $float, threshold: $float, fires: Fires, _: &S) -> $float {
                // both comparisons, without a branch on how the neuron fires
                let at = fires == Fires::AtThreshold;
                if (u > threshold) | ((u >= threshold) & at) { 1.0 } else { 0.0 }
            }
        }

        impl Real for $float {}
    };
}

real!(f32);
real!(f64);
