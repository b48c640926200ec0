use crate::bad_parameter::range;
use crate::{BadParameter, Fires, Firing, Kind, Neuron, Reset, ResetGradient};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use surrogate::{InverseMembrane, Kind as SurrogateKind, Rectangular, Surrogate};

/// A neuron as plain data; [`Config::build`] makes it a [`Neuron`].
///
/// As a file has it, a kind without a reset has no fields `reset` and `reset_gradient`; here they
/// are then [`Reset::ToZero`] and [`ResetGradient::Differentiated`], and mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Config {
    /// The dynamics between two spikes.
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
    /// The paper's baseline, STBP: rectangular surrogate, fires at u > θ, the reset is
    /// differentiated. Like the other two LIF with θ = 0.5, λ = 0.9 and a hard reset.
    pub fn baseline() -> Config {
        let surrogate = SurrogateKind::Rectangular(Rectangular { half_width: 0.5 });
        Config {
            kind: Kind::Lif { decay: 0.9 },
            threshold: 0.5,
            fires: Fires::AboveThreshold,
            reset: Reset::ToZero,
            reset_gradient: ResetGradient::Differentiated,
            surrogate,
        }
    }

    /// BPSA alone: ∂o/∂u = 1/u where it fired, α = 0.
    pub fn bpsa() -> Config {
        Config {
            fires: Fires::AtThreshold,
            reset_gradient: ResetGradient::Residual { alpha: 0.0 },
            surrogate: SurrogateKind::InverseMembrane(InverseMembrane {}),
            ..Config::baseline()
        }
    }

    /// BPSA + BPTA: the same with α = 0.2.
    pub fn bpsa_bpta() -> Config {
        Config { reset_gradient: ResetGradient::Residual { alpha: 0.2 }, ..Config::bpsa() }
    }

    /// The paper's three ways to train, in the order of its Table 4.
    pub fn paper() -> [Config; 3] {
        [Config::baseline(), Config::bpsa(), Config::bpsa_bpta()]
    }

    /// The neuron this describes.
    ///
    /// # Errors
    /// If a parameter lies outside its range; the message names the parameter, its range and its
    /// value.
    pub fn build(&self) -> Result<Arc<dyn Neuron>, BadParameter> {
        for (name, value) in self.surrogate.parameters() {
            positive(name, value)?;
        }
        // compiled with every surrogate is LIF alone: all pairs would be minutes of compilation
        if !matches!(self.kind, Kind::Lif { .. } | Kind::If) {
            return self.with(self.surrogate);
        }
        match self.surrogate {
            SurrogateKind::Rectangular(s) => self.lif(s),
            SurrogateKind::InverseMembrane(s) => self.lif(s),
            SurrogateKind::Atan(s) => self.lif(s),
            SurrogateKind::Sigmoid(s) => self.lif(s),
            SurrogateKind::Triangular(s) => self.lif(s),
            SurrogateKind::PiecewiseExponential(s) => self.lif(s),
            SurrogateKind::Gaussian(s) => self.lif(s),
            SurrogateKind::WhereFired(s) => self.lif(s),
        }
    }

    /// LIF, or without a leak IF, with this surrogate.
    fn lif<S: Surrogate>(&self, surrogate: S) -> Result<Arc<dyn Neuron>, BadParameter> {
        let decay = if let Kind::Lif { decay } = self.kind { decay } else { 1.0 };
        Ok(Arc::new(self.firing(surrogate)?.lif(decay)))
    }

    /// The same neuron with a surrogate of your own in place of the configured one.
    ///
    /// # Errors
    /// As [`Config::build`].
    pub fn with<S: Surrogate>(&self, surrogate: S) -> Result<Arc<dyn Neuron>, BadParameter> {
        self.kind.neuron(self.firing(surrogate)?).map_err(|error| BadParameter {
            name: "kind",
            expected: "one whose parameters can be made",
            found: error.to_string(),
        })
    }

    /// What all kinds share, and every constant proven to be in its range.
    fn firing<S: Surrogate>(&self, surrogate: S) -> Result<Firing<S>, BadParameter> {
        let Config { kind, threshold, fires, reset, reset_gradient, .. } = *self;
        positive("threshold", threshold)?;
        kind.check()?;
        if let ResetGradient::Residual { alpha } = reset_gradient {
            range("alpha", alpha, (0.0..=1e6).contains(&alpha), "from 0 to 1000000")?;
            let zero_or_some = alpha == 0.0 || alpha as f32 > 0.0;
            range("alpha", alpha, zero_or_some, "0, or not so small that f32 takes it for 0")?;
        }
        if !kind.resets() && (reset, reset_gradient) != WITHOUT_RESET {
            return Err(NO_RESET.found("one"));
        }
        Ok(Firing { threshold, fires, reset, reset_gradient, surrogate })
    }

    /// The same neuron with some fields changed.
    ///
    /// # Errors
    /// A reset for a kind without one, or none where the kind changes to one with a reset.
    pub fn changed(&self, part: &PartialConfig) -> Result<Config, BadParameter> {
        let kind = part.kind.unwrap_or(self.kind);
        let own = kind.resets() == self.kind.resets();
        let said = (part.reset.is_some(), part.reset_gradient.is_some());
        let (reset, reset_gradient) = match (kind.resets(), said) {
            (false, (false, false)) => WITHOUT_RESET,
            (false, _) => return Err(NO_RESET.found("one")),
            (true, _) if own || said == (true, true) => (
                part.reset.unwrap_or(self.reset),
                part.reset_gradient.unwrap_or(self.reset_gradient),
            ),
            (true, _) => return Err(RESET.found("not both")),
        };
        Ok(Config {
            kind,
            threshold: part.threshold.unwrap_or(self.threshold),
            fires: part.fires.unwrap_or(self.fires),
            reset,
            reset_gradient,
            surrogate: part.surrogate.unwrap_or(self.surrogate),
        })
    }
}

/// What [`Config`] holds in place of a reset where the kind has none.
const WITHOUT_RESET: (Reset, ResetGradient) = (Reset::ToZero, ResetGradient::Differentiated);

/// A sentence about a reset, but for what was found.
struct AboutReset(&'static str);

const NO_RESET: AboutReset =
    AboutReset("left out, and reset_gradient with it, since this kind has no reset");
const RESET: AboutReset =
    AboutReset("given, and reset_gradient with it, since the run's own neuron has neither");

impl AboutReset {
    fn found(&self, found: &str) -> BadParameter {
        BadParameter { name: "reset", expected: self.0, found: found.to_owned() }
    }
}

/// Some fields of a [`Config`]: what a layer has otherwise than the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartialConfig {
    /// See [`Config::kind`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// See [`Config::threshold`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// See [`Config::fires`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fires: Option<Fires>,
    /// See [`Config::reset`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<Reset>,
    /// See [`Config::reset_gradient`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_gradient: Option<ResetGradient>,
    /// See [`Config::surrogate`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surrogate: Option<SurrogateKind>,
}

/// A [`Config`] as a file has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kind: Kind,
    threshold: f64,
    fires: Fires,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reset: Option<Reset>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reset_gradient: Option<ResetGradient>,
    surrogate: SurrogateKind,
}

impl From<Config> for Written {
    fn from(config: Config) -> Self {
        let Config { kind, threshold, fires, reset, reset_gradient, surrogate } = config;
        let of = kind.resets().then_some((reset, reset_gradient)).unzip();
        Self { kind, threshold, fires, reset: of.0, reset_gradient: of.1, surrogate }
    }
}

impl TryFrom<Written> for Config {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { kind, threshold, fires, reset, reset_gradient, surrogate } = written;
        let (reset, reset_gradient) = match (kind.resets(), reset, reset_gradient) {
            (true, Some(reset), Some(gradient)) => (reset, gradient),
            (false, None, None) => WITHOUT_RESET,
            (true, ..) => return Err("reset and reset_gradient are missing".into()),
            (false, ..) => return Err("a kind without a reset has a reset".into()),
        };
        Ok(Config { kind, threshold, fires, reset, reset_gradient, surrogate })
    }
}

fn positive(name: &'static str, found: f64) -> Result<(), BadParameter> {
    range(name, found, found > 0.0 && found <= 1e6, "positive and at most 1000000")?;
    // scans run in f32, in which less than 1e-45 is 0; far above 1 nothing ever fires
    range(name, found, found as f32 > 0.0, "not so small that f32 takes it for 0")
}
