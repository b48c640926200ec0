//! From a recording to the input of each step, as a run has it.

use events::Framing;
use serde::{Deserialize, Serialize};

/// How a recording becomes the input of each step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Direct encoding: an image, or a spectrogram, is shown at every one of `steps` steps.
    Direct {
        /// Number of steps T.
        steps: usize,
    },
    /// Signed Bernoulli encoding, see [`training::Bernoulli`]: spikes that are drawn anew at every
    /// one of `steps` steps.
    Bernoulli {
        /// Number of steps T.
        steps: usize,
        /// The size of a value that always fires.
        scale: f64,
        /// Whether a value is a pixel from 0 to 1, in place of a standardised one.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        raw: bool,
    },
    /// Sixteen windows that move over a spectrogram, so that time is time.
    Chunks,
    /// Events become frames; written as the framing itself.
    #[serde(untagged)]
    Events(Framing),
}

impl<'de> Deserialize<'de> for Encoding {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        /// What is no framing of events.
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case", deny_unknown_fields)]
        enum Other {
            Direct {
                steps: usize,
            },
            Bernoulli {
                steps: usize,
                scale: f64,
                #[serde(default)]
                raw: bool,
            },
            Chunks,
        }
        let value = serde_json::Value::deserialize(from)?;
        let of_objects = ["direct", "bernoulli"].iter().any(|name| value.get(name).is_some());
        let other = value == "chunks" || of_objects;
        let read = match other {
            true => serde_json::from_value(value).map(|other| match other {
                Other::Direct { steps } => Self::Direct { steps },
                Other::Bernoulli { steps, scale, raw } => Self::Bernoulli { steps, scale, raw },
                Other::Chunks => Self::Chunks,
            }),
            false => serde_json::from_value(value).map(Self::Events),
        };
        read.map_err(serde::de::Error::custom)
    }
}
