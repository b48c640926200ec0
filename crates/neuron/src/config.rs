use crate::{Fires, Lif, Neuron, Reset, ResetGradient};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use surrogate::{InverseMembrane, Kind as SurrogateKind, Rectangular, Surrogate};

/// The dynamics between two spikes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Kind {
    /// Leaky integrate-and-fire: the membrane keeps the part `decay` (λ) of itself each step.
    Lif {
        /// λ in (0, 1].
        decay: f64,
    },
    /// Integrate-and-fire: no leak, λ = 1.
    If,
}

/// A neuron as plain data; [`Config::build`] makes it a [`Neuron`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// LIF or IF.
    pub kind: Kind,
    /// 0 < θ ≤ 10⁶.
    pub threshold: f64,
    /// Whether a membrane exactly at the threshold fires.
    pub fires: Fires,
    /// What a spike does to the membrane.
    pub reset: Reset,
    /// How the gradient crosses that reset.
    pub reset_gradient: ResetGradient,
    /// ∂o/∂u.
    pub surrogate: SurrogateKind,
}

impl Config {
    /// The neuron this describes.
    ///
    /// # Errors
    /// If a parameter lies outside its range; the message names the parameter, its range and its
    /// value.
    pub fn build(&self) -> Result<Arc<dyn Neuron>, BadParameter> {
        if let Some((name, value)) = self.surrogate.parameter() {
            positive(name, value)?;
        }
        match self.surrogate {
            SurrogateKind::Rectangular(s) => self.with(s),
            SurrogateKind::InverseMembrane(s) => self.with(s),
            SurrogateKind::Atan(s) => self.with(s),
            SurrogateKind::Sigmoid(s) => self.with(s),
            SurrogateKind::Triangular(s) => self.with(s),
            SurrogateKind::PiecewiseExponential(s) => self.with(s),
        }
    }

    /// The same neuron with a surrogate of your own in place of the configured one.
    ///
    /// # Errors
    /// As [`Config::build`].
    pub fn with<S: Surrogate>(&self, surrogate: S) -> Result<Arc<dyn Neuron>, BadParameter> {
        let Config { threshold, fires, reset, reset_gradient, .. } = *self;
        let decay = self.decay();
        positive("threshold", threshold)?;
        range("decay", decay, decay > 0.0 && decay <= 1.0, "above 0 and at most 1")?;
        // scans run in f32
        range("decay", decay, decay as f32 > 0.0, "not so small that f32 takes it for 0")?;
        if let ResetGradient::Residual { alpha } = reset_gradient {
            range("alpha", alpha, (0.0..=1e6).contains(&alpha), "from 0 to 1000000")?;
            let zero_or_some = alpha == 0.0 || alpha as f32 > 0.0;
            range("alpha", alpha, zero_or_some, "0, or not so small that f32 takes it for 0")?;
        }
        Ok(Arc::new(Lif { threshold, decay, fires, reset, reset_gradient, surrogate }))
    }

    fn decay(&self) -> f64 {
        match self.kind {
            Kind::Lif { decay } => decay,
            Kind::If => 1.0,
        }
    }
}

/// A neuron's parameter lies outside its range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the neuron's {name} must be {expected}, found {}", sentence::number(*.found))]
pub struct BadParameter {
    name: &'static str,
    expected: &'static str,
    found: f64,
}

impl BadParameter {
    /// The parameter's name, its range and its value, in words.
    pub fn parts(&self) -> (String, String, String) {
        (self.name.to_owned(), self.expected.to_owned(), sentence::number(self.found))
    }
}

pub(crate) fn range(
    name: &'static str,
    found: f64,
    ok: bool,
    expected: &'static str,
) -> Result<(), BadParameter> {
    if ok { Ok(()) } else { Err(BadParameter { name, expected, found }) }
}

fn positive(name: &'static str, found: f64) -> Result<(), BadParameter> {
    range(name, found, found > 0.0 && found <= 1e6, "positive and at most 1000000")?;
    // scans run in f32, in which less than 1e-45 is 0; far above 1 nothing ever fires
    range(name, found, found as f32 > 0.0, "not so small that f32 takes it for 0")
}

/// The paper's three ways to train, by name. All are LIF with θ = 0.5, λ = 0.9 and a hard reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Method {
    /// STBP: rectangular surrogate, fires at u > θ, the reset is differentiated.
    #[serde(rename = "baseline")]
    Baseline,
    /// BPSA alone: ∂o/∂u = 1/u where it fired, α = 0.
    #[serde(rename = "bpsa")]
    Bpsa,
    /// BPSA + BPTA: the same with α = 0.2.
    #[serde(rename = "bpsa+bpta")]
    BpsaBpta,
}

impl Method {
    /// All three, in the order of the paper's Table 4.
    pub const ALL: [Method; 3] = [Method::Baseline, Method::Bpsa, Method::BpsaBpta];

    /// `baseline`, `bpsa` or `bpsa+bpta`.
    pub fn id(self) -> &'static str {
        match self {
            Method::Baseline => "baseline",
            Method::Bpsa => "bpsa",
            Method::BpsaBpta => "bpsa+bpta",
        }
    }

    /// The method's neuron with the paper's constants.
    pub fn config(self) -> Config {
        let (fires, reset_gradient, surrogate) = match self {
            Method::Baseline => (
                Fires::AboveThreshold,
                ResetGradient::Differentiated,
                SurrogateKind::Rectangular(Rectangular { half_width: 0.5 }),
            ),
            Method::Bpsa => (
                Fires::AtThreshold,
                ResetGradient::Residual { alpha: 0.0 },
                SurrogateKind::InverseMembrane(InverseMembrane {}),
            ),
            Method::BpsaBpta => (
                Fires::AtThreshold,
                ResetGradient::Residual { alpha: 0.2 },
                SurrogateKind::InverseMembrane(InverseMembrane {}),
            ),
        };
        Config {
            kind: Kind::Lif { decay: 0.9 },
            threshold: 0.5,
            fires,
            reset: Reset::ToZero,
            reset_gradient,
            surrogate,
        }
    }
}

impl std::str::FromStr for Method {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Method::ALL
            .into_iter()
            .find(|m| m.id() == s)
            .ok_or_else(|| format!("expected baseline, bpsa or bpsa+bpta, found \"{s}\""))
    }
}
