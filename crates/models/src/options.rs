//! What stands around the products of a network's stages, as plain data: the norm, the ReLU and
//! the biases, which the notation does not name.

use layers::{Masks, StatisticsOver};
use serde::de::{DeserializeSeed, Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What stands around the products of all stages. The default is the paper's: batch norm behind
/// convolutions with the statistics of each step, ReLU, and a bias in every product that is not
/// inside of a residual block or a stem.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageOptions {
    /// The norm.
    pub norm: Norm,
    /// Whether a ReLU stands between norm and neurons.
    pub rectify: bool,
    /// Which products have a bias; residual blocks and stems have none.
    pub bias: Biases,
    /// How long a mask of dropout stays; where it is drawn anew at each step, a CUDA device runs a
    /// network by tensor operations.
    pub dropout: Masks,
    /// Steps T of every sample: what a norm that differs from step to step is made for.
    pub steps: Option<usize>,
}

impl Default for StageOptions {
    fn default() -> Self {
        Self {
            norm: Norm::default(),
            rectify: true,
            bias: Biases::All,
            dropout: Masks::Pass,
            steps: None,
        }
    }
}

impl From<StatisticsOver> for StageOptions {
    fn from(over: StatisticsOver) -> Self {
        StageOptions { norm: Norm::from(over), ..Self::default() }
    }
}

/// Which products have a bias.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Biases {
    /// Convolutions and fully connected stages.
    #[default]
    All,
    /// Fully connected stages alone.
    Linear,
    /// None.
    None,
}

/// The norm between products and neurons.
///
/// As text it is `none`, `step` or `time` (batch norm with the usual options and those statistics),
/// or else an object of [`NormOptions`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Norm {
    /// None.
    None,
    /// Batch norm.
    Batch(NormOptions),
}

/// Options of batch norm, y = γ · scale · (x − μ)/√(σ² + ε) + β. The default is PyTorch's norm,
/// taken of each step by itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NormOptions {
    /// Over what a training pass takes its statistics.
    pub over: StatisticsOver,
    /// Whether each step has a γ of its own (BNTT).
    pub per_step_weight: bool,
    /// Whether each step has running statistics of its own.
    pub per_step_running: bool,
    /// Whether there is a β.
    pub shift: bool,
    /// A constant factor of γ (tdBN's αθ).
    pub scale: f64,
    /// A further one where two branches are added up: of a residual block's last norm with
    /// post-activation, and of its shortcut's (tdBN's 1/√2).
    pub branch_scale: f64,
    /// ε.
    pub eps: f64,
    /// Part of the running statistics that a training pass replaces.
    pub momentum: f64,
    /// Whether fully connected stages have it too; the voting stage never does.
    pub linear: bool,
}

impl Default for NormOptions {
    fn default() -> Self {
        NormOptions {
            over: StatisticsOver::Step,
            per_step_weight: false,
            per_step_running: false,
            shift: true,
            scale: 1.0,
            branch_scale: 1.0,
            eps: 1e-5,
            momentum: 0.1,
            linear: false,
        }
    }
}

/// An option outside its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("norm.{field}: expected {expected}, found {found}")]
pub struct BadNorm {
    /// Its name among [`NormOptions`].
    pub field: &'static str,
    /// What it takes.
    pub expected: &'static str,
    /// What it has.
    pub found: String,
}

impl Default for Norm {
    fn default() -> Self {
        Norm::Batch(NormOptions::default())
    }
}

impl From<StatisticsOver> for Norm {
    fn from(over: StatisticsOver) -> Self {
        Norm::Batch(NormOptions { over, ..NormOptions::default() })
    }
}

impl Norm {
    /// Batch norm's options, if it is one.
    pub fn options(&self) -> Option<&NormOptions> {
        match self {
            Norm::None => None,
            Norm::Batch(options) => Some(options),
        }
    }

    /// Whether it differs from step to step, so that a network is made for so many.
    pub fn by_step(&self) -> bool {
        self.options().is_some_and(|norm| norm.per_step_weight || norm.per_step_running)
    }

    /// Proves that every option is in its range.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), BadNorm> {
        let Some(norm) = self.options() else { return Ok(()) };
        let factor = "a positive number of at most 1000000";
        let ranges = [
            ("scale", norm.scale, 1e6, factor),
            ("branch_scale", norm.branch_scale, 1e6, factor),
            ("eps", norm.eps, 1.0, "a positive number of at most 1"),
            ("momentum", norm.momentum, 1.0, "a positive number of at most 1"),
        ];
        for (field, value, most, expected) in ranges {
            // single precision must hold it too
            if !(value <= most && value as f32 >= f32::MIN_POSITIVE) {
                return Err(BadNorm { field, expected, found: value.to_string() });
            }
        }
        if norm.per_step_running && norm.over == StatisticsOver::Time {
            let expected = "false where statistics are taken over time, which all steps share";
            return Err(BadNorm { field: "per_step_running", expected, found: "true".into() });
        }
        Ok(())
    }
}

impl Serialize for Norm {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Norm::None => to.serialize_str("none"),
            // as it was written before there were options
            Norm::Batch(options) if *self == Norm::from(options.over) => options.over.serialize(to),
            Norm::Batch(options) => options.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Norm {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Read)
    }
}

/// Reads a norm from a word or an object.
struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Norm;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("none, step, time or an object of a batch norm's options")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Norm, E> {
        match text {
            "none" => Ok(Norm::None),
            "step" => Ok(StatisticsOver::Step.into()),
            "time" => Ok(StatisticsOver::Time.into()),
            other => Err(E::unknown_variant(other, &["none", "step", "time"])),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Norm, A::Error> {
        let mut said = Said { map, any: false };
        let options = NormOptions::deserialize(MapAccessDeserializer::new(&mut said))?;
        match said.any {
            true => Ok(Norm::Batch(options)),
            false => Err(Error::invalid_length(0, &"an object of some options")),
        }
    }
}

/// An object, and whether it has any field: an empty one says nothing of a norm.
struct Said<A> {
    map: A,
    any: bool,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for &mut Said<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let key = self.map.next_key_seed(seed)?;
        self.any |= key.is_some();
        Ok(key)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_to_norm_to_text_is_the_identity() {
        for text in [r#""none""#, r#""step""#, r#""time""#] {
            let norm: Norm = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&norm).unwrap(), text);
        }
        let some: Norm = serde_json::from_str(r#"{"over":"time","scale":0.5}"#).unwrap();
        let options = NormOptions { over: StatisticsOver::Time, scale: 0.5, ..Default::default() };
        assert_eq!(some, Norm::Batch(options));
        let whole = serde_json::to_string(&some).unwrap();
        assert_eq!(serde_json::from_str::<Norm>(&whole).unwrap(), some);
        // an object of the usual options is the word
        let usual: Norm = serde_json::from_str(r#"{"shift":true}"#).unwrap();
        assert_eq!(serde_json::to_string(&usual).unwrap(), r#""step""#);
        for text in [r#""steps""#, "1", r#"{"gamma":1}"#, r#"{"scale":"x"}"#] {
            assert!(serde_json::from_str::<Norm>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn options_outside_their_range_are_named() {
        let refused = |change: fn(&mut NormOptions)| {
            let mut options = NormOptions::default();
            change(&mut options);
            Norm::Batch(options).check().unwrap_err().field
        };
        assert_eq!(refused(|norm| norm.scale = 0.0), "scale");
        assert_eq!(refused(|norm| norm.scale = -1.0), "scale");
        assert_eq!(refused(|norm| norm.scale = 1e-60), "scale");
        assert_eq!(refused(|norm| norm.branch_scale = f64::NAN), "branch_scale");
        assert_eq!(refused(|norm| norm.eps = 2.0), "eps");
        assert_eq!(refused(|norm| norm.momentum = 0.0), "momentum");
        let time = |norm: &mut NormOptions| {
            (norm.over, norm.per_step_running) = (StatisticsOver::Time, true);
        };
        assert_eq!(refused(time), "per_step_running");
        assert!(Norm::default().check().is_ok() && Norm::None.check().is_ok());
    }
}
