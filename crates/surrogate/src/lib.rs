//! A [`Surrogate`] says how steep a spike is: ∂o/∂u at membrane potential u, the one factor that
//! training a spiking network has to invent because the true derivative of a step is zero or
//! infinite.
//!
//! Each formula is one file; [`Kind`] lists those that configuration files and command lines
//! name. A formula of your own is a type of your own that implements [`Surrogate`] in your own
//! crate:
//!
//! ```
//! #[derive(Clone, Copy, Debug)]
//! struct Gaussian { sigma: f64 }
//!
//! impl surrogate::Surrogate for Gaussian {
//!     fn slope<N: surrogate::Number>(&self, u: N, threshold: N) -> N {
//!         let z = (u - threshold) / N::of(self.sigma);
//!         (-(z * z) / N::of(2.0)).exp()
//!     }
//! }
//! ```
//!
//! It is written once, over a [`Number`]: the kernels of the CPU, those of a CUDA device and the
//! checks in double precision are all made of this formula.

mod atan;
mod fires;
mod gaussian;
mod inverse_membrane;
mod number;
mod piecewise_exponential;
mod rectangular;
mod sigmoid;
mod triangular;
mod where_fired;

pub use atan::Atan;
pub use fires::Fires;
pub use gaussian::Gaussian;
pub use inverse_membrane::InverseMembrane;
pub use number::{Number, Real};
pub use piecewise_exponential::PiecewiseExponential;
pub use rectangular::Rectangular;
pub use sigmoid::Sigmoid;
pub use triangular::Triangular;
pub use where_fired::WhereFired;

use serde::{Deserialize, Serialize};

/// The slope ∂o/∂u of a spike o at membrane potential u (before reset).
pub trait Surrogate: Copy + std::fmt::Debug + Send + Sync + 'static {
    /// ∂o/∂u for a neuron with the given firing threshold. Both arguments are membrane potentials
    /// (no unit); the result is finite for every finite `u` as long as `threshold > 0`.
    fn slope<N: Number>(&self, u: N, threshold: N) -> N;

    /// g · ∂o/∂u: takes the gradient `g` of a spike to its membrane. A formula whose product rounds
    /// less in another form overrides it.
    #[inline(always)]
    fn times_slope<N: Number>(&self, g: N, u: N, threshold: N) -> N {
        g * self.slope(u, threshold)
    }

    /// Whether the slope is 0 at every u below the threshold. Training then needs no gradient where
    /// a neuron did not fire, and takes none.
    fn zero_below_threshold(&self) -> bool {
        false
    }
}

/// The surrogates that a run can name, with their parameters, as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// STBP's window, see [`Rectangular`].
    Rectangular(Rectangular),
    /// BPSA's 1/u where the neuron fired, see [`InverseMembrane`].
    InverseMembrane(InverseMembrane),
    /// See [`Atan`].
    Atan(Atan),
    /// See [`Sigmoid`].
    Sigmoid(Sigmoid),
    /// See [`Triangular`].
    Triangular(Triangular),
    /// See [`PiecewiseExponential`].
    PiecewiseExponential(PiecewiseExponential),
    /// See [`Gaussian`].
    Gaussian(Gaussian),
    /// See [`WhereFired`].
    WhereFired(WhereFired),
}

impl Kind {
    /// Every kind with its default parameters, in the order of the enum.
    pub fn all() -> [Kind; 8] {
        [
            Kind::Rectangular(Rectangular::default()),
            Kind::InverseMembrane(InverseMembrane {}),
            Kind::Atan(Atan::default()),
            Kind::Sigmoid(Sigmoid::default()),
            Kind::Triangular(Triangular::default()),
            Kind::PiecewiseExponential(PiecewiseExponential::default()),
            Kind::Gaussian(Gaussian::default()),
            Kind::WhereFired(WhereFired::default()),
        ]
    }

    /// Names and values of its parameters, which must be positive; none of a formula without one.
    pub fn parameters(&self) -> Vec<(&'static str, f64)> {
        match self {
            Kind::Rectangular(s) => vec![("surrogate half_width", s.half_width)],
            Kind::Triangular(s) => {
                vec![("surrogate half_width", s.half_width), ("surrogate height", s.height)]
            }
            Kind::Atan(s) => vec![("surrogate alpha", s.alpha)],
            Kind::Sigmoid(s) => vec![("surrogate alpha", s.alpha)],
            Kind::PiecewiseExponential(s) => vec![("surrogate alpha", s.alpha)],
            Kind::Gaussian(s) => vec![("surrogate sigma", s.sigma)],
            Kind::WhereFired(s) => vec![("surrogate height", s.height)],
            Kind::InverseMembrane(_) => Vec::new(),
        }
    }
}

/// The formula of a kind, whichever it is.
macro_rules! of_kind {
    ($kind:expr, $s:ident => $value:expr) => {
        match $kind {
            Kind::Rectangular($s) => $value,
            Kind::InverseMembrane($s) => $value,
            Kind::Atan($s) => $value,
            Kind::Sigmoid($s) => $value,
            Kind::Triangular($s) => $value,
            Kind::PiecewiseExponential($s) => $value,
            Kind::Gaussian($s) => $value,
            Kind::WhereFired($s) => $value,
        }
    };
}

/// A kind is the surrogate that it names, chosen while it runs: for neurons of which not every one
/// is compiled with every surrogate.
impl Surrogate for Kind {
    #[inline(always)]
    fn slope<N: Number>(&self, u: N, threshold: N) -> N {
        of_kind!(self, s => s.slope(u, threshold))
    }

    #[inline(always)]
    fn times_slope<N: Number>(&self, g: N, u: N, threshold: N) -> N {
        of_kind!(self, s => s.times_slope(g, u, threshold))
    }

    fn zero_below_threshold(&self) -> bool {
        of_kind!(self, s => s.zero_below_threshold())
    }
}

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;

    /// ∫ slope du over [-20, 20], by the midpoint rule.
    fn area(s: impl Surrogate) -> f64 {
        let n = 400_000;
        (0..n).map(|i| s.slope(-20.0 + 40.0 * (i as f64 + 0.5) / n as f64, 0.5)).sum::<f64>() * 40.0
            / n as f64
    }

    /// A surrogate stands for a step of height one, so its slope has area one (atan's long tails
    /// lie outside the interval). BPSA's does not: it is 1/u above the threshold and is left out.
    #[test]
    fn the_slope_of_a_unit_step_has_unit_area() {
        for (name, a) in [
            ("rectangular", area(Rectangular::default())),
            ("wide rectangular", area(Rectangular { half_width: 2.0 })),
            ("sigmoid", area(Sigmoid::default())),
            ("triangular", area(Triangular::default())),
            ("wide triangular", area(Triangular { half_width: 3.0, height: 1.0 })),
            ("piecewise exponential", area(PiecewiseExponential::default())),
            ("gaussian", area(Gaussian::default())),
        ] {
            assert!((a - 1.0).abs() < 1e-4, "{name}: area {a}");
        }
        let a = area(Atan::default());
        assert!(a > 0.97 && a < 1.0, "atan: area {a}");
    }

    #[test]
    fn rectangular_is_open_at_both_ends() {
        let s = Rectangular::default();
        assert_eq!([0.0f32, 1e-7, 0.5, 1.0].map(|u| s.slope(u, 0.5)), [0.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn inverse_membrane_is_one_over_u_where_it_fired_and_zero_elsewhere() {
        let s = InverseMembrane {};
        let below = f32::from_bits(0.5f32.to_bits() - 1);
        assert_eq!(
            [0.5f32, 2.0, 1e8, below, 0.0, -3.0].map(|u| s.slope(u, 0.5)),
            [2.0, 0.5, 1e-8, 0.0, 0.0, 0.0]
        );
    }

    #[test]
    fn single_and_double_precision_agree() {
        fn worst(s: impl Surrogate) -> f64 {
            (-300..300)
                .map(|i| i as f64 / 64.0)
                .map(|u| (s.slope(u as f32, 0.5f32) as f64 - s.slope(u, 0.5)).abs())
                .fold(0.0, f64::max)
        }
        for kind in Kind::all() {
            let w = match kind {
                Kind::Rectangular(s) => worst(s),
                Kind::InverseMembrane(s) => worst(s),
                Kind::Atan(s) => worst(s),
                Kind::Sigmoid(s) => worst(s),
                Kind::Triangular(s) => worst(s),
                Kind::PiecewiseExponential(s) => worst(s),
                Kind::Gaussian(s) => worst(s),
                Kind::WhereFired(s) => worst(s),
            };
            assert!(w < 1e-6, "{kind:?}: {w}");
        }
    }

    #[test]
    fn kinds_are_plain_data() -> Result<(), serde_json::Error> {
        for kind in Kind::all() {
            let text = serde_json::to_string(&kind)?;
            assert_eq!(serde_json::from_str::<Kind>(&text)?, kind, "{text}");
        }
        assert!(serde_json::from_str::<Kind>(r#"{"atan":{"alhpa":2}}"#).is_err());
        Ok(())
    }
}
